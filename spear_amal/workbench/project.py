"""What a workbench needs to know of a project on disk: its files, and how its table is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

GOLD = "gold.csv"  # labels given in the workbench
RULES = "rules.toml"  # declared LFs, and which LFs are muted
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

    @property
    def settings_file(self) -> Path:
        """The file ``spear.toml``."""
        return self.folder / "spear.toml"

    @property
    def rules(self) -> Path:
        """The file of declared LFs; it need not exist."""
        return self.folder / RULES

    @property
    def gold(self) -> Path:
        """The file of labels given in the workbench; it need not exist."""
        return self.folder / GOLD

    @property
    def state(self) -> Path:
        """The folder of the workbench's own files."""
        return self.folder / STATE

    @property
    def name(self) -> str:
        """Name to show."""
        return self.folder.resolve().name
