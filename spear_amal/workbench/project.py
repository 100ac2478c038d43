"""What a workbench needs to know of a project on disk: its files, and how its table is read."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd

from spear_amal.declared_lfs import add_to_settings
from spear_amal.errors import InputError, SpearAmalError

GOLD = "gold.csv"  # labels given in the workbench
RULES = "rules.toml"  # declared LFs, and which LFs are muted
_IN_SETTINGS = {"gold": GOLD, "rules": RULES}  # what the settings call these files
STATE = ".spear_amal_workbench"  # history of rule sets, outputs of training


@dataclass(frozen=True)
class Project:
    """A folder with ``spear.toml``, and what its settings name.

    Attributes
    ----------
    folder : Path
    data : tuple of Path
        Files of the table.
    text_column, label_column : str
        The column of labels may be missing from the table.
    id_column : str or None
        None takes a column ``id`` where it tells the rows apart.
    lfs : Path or None
        Python file of LFs; it need not exist.
    cache : Path
        Folder of votes.
    read_table : callable
        Returns the table (n rows), with the labels of all gold files but that of the workbench
        filled in; raises the errors of :mod:`spear_amal.errors`.
    settings : dict of str to str
        Further settings to show: method, features, metric.
    gold_files : tuple of Path
        Further files of gold, which ``read_table`` reads.
    named : frozenset of str
        Which of the files "gold" and "rules" the settings name.
    rules_file : Path or None
        The file of declared LFs that the settings name.
    reopen : callable or None
        Returns the project as the settings are now; raises the errors of :mod:`spear_amal.errors`.
    """

    folder: Path
    data: tuple[Path, ...]
    text_column: str
    label_column: str
    id_column: str | None
    lfs: Path | None
    cache: Path
    read_table: Callable[[], pd.DataFrame]
    settings: dict[str, str]
    gold_files: tuple[Path, ...] = ()
    named: frozenset[str] = frozenset()
    rules_file: Path | None = None
    reopen: Callable[[], Project] | None = None

    @property
    def settings_file(self) -> Path:
        """The file ``spear.toml``."""
        return self.folder / "spear.toml"

    @property
    def rules(self) -> Path:
        """The file of declared LFs; it need not exist."""
        return self.rules_file or self.folder / RULES

    @property
    def gold(self) -> Path:
        """The file of labels given in the workbench; it need not exist."""
        return self.folder / GOLD

    @property
    def state(self) -> Path:
        """The folder of the workbench's own files."""
        return self.folder / STATE

    def usable_cache(self) -> Path | None:
        """Return the folder of votes, made if need be; None if it cannot be written."""
        try:
            if not self.cache.is_dir():
                ignore_in_git(self.cache)
            with tempfile.TemporaryFile(dir=self.cache):
                return self.cache
        except OSError:
            return None

    def reopened(self) -> Project:
        """Return the project as the settings are now.

        Raises
        ------
        SpearAmalError
            If they cannot be read, or name other columns.
        """
        if self.reopen is None:
            return self
        project = self.reopen()
        for name in ("text_column", "label_column", "id_column"):
            if getattr(self, name) != (now := getattr(project, name)):
                raise InputError(
                    f"{self.settings_file.name} says {name} = {now!r} now: end the workbench and "
                    f"start it anew for that; until then it is {getattr(self, name)!r} here"
                )
        return project

    def naming(self, key: str) -> Project:
        """Write the file "gold" or "rules" into the settings, so that all commands read it.

        Returns
        -------
        Project
            With that in ``named``; itself where the settings named the file before.

        Raises
        ------
        InputError
            If the settings cannot be written.
        """
        if key in self.named:
            return self
        file, path = _IN_SETTINGS[key], self.settings_file
        try:
            add_to_settings(path, key, file)
        except (SpearAmalError, OSError) as error:  # what was to be written is in its file
            raise InputError(
                f"the commands do not read {file} until {path.name} says {key} = {file!r}, which "
                f"could not be written there: {error}"
            ) from error
        return replace(self, named=self.named | {key})

    @property
    def name(self) -> str:
        """Name to show."""
        return self.folder.resolve().name


def ignore_in_git(folder: Path) -> None:
    """Make a folder, if it is not there, and have git leave out what lies in it.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    ignore = folder / ".gitignore"
    if not ignore.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        ignore.write_text("*\n", encoding="utf-8")
