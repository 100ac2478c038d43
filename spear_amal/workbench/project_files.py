"""The files of a project while it is open: each is read again when somebody else has changed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from spear_amal.workbench.file_watch import FileWatch
from spear_amal.workbench.problems import Problems
from spear_amal.workbench.project import Project


class ProjectFiles:
    """Files that are watched, beside the settings that name them.

    Parameters
    ----------
    project : Project
    problems : Problems
    readers : mapping of str to callable
        Called when the files "table", "rules" or "gold" have changed; what goes wrong then is a
        problem of that name.
    reload : callable
        Called when the user's Python file has changed, or what belongs to it.

    Attributes
    ----------
    project : Project
        As the settings are now.
    """

    def __init__(
        self,
        project: Project,
        problems: Problems,
        readers: Mapping[str, Callable[[], None]],
        reload: Callable[[], None],
    ) -> None:
        self.project, self._problems = project, problems
        self._readers = {"settings": self._reopen, **readers}
        self._reload = reload
        self._imported: tuple[Path, ...] = ()
        self._watch = FileWatch(
            {
                "settings": lambda: [self.project.settings_file],
                "table": lambda: [*self.project.data, *self.project.gold_files],
                "lfs": self._python_files,
                "rules": lambda: [self.project.rules],
                "gold": lambda: [self.project.gold],
            },
            self._changed,
        )

    def watch(self) -> None:
        """Begin to read files again that have changed since this object was made."""
        self._watch.start()

    def close(self) -> None:
        """Watch no longer."""
        self._watch.close()

    def read(self, group: str) -> None:
        """Read a group of files; what is wrong with it is a problem to show."""
        self._problems.attempt(group, self._readers[group])

    def watch_imported(self, files: Iterable[str]) -> None:
        """Watch the modules that the user's file imports by now: they have not changed by that."""
        self._imported = tuple(map(Path, files))
        self._watch.adopt("lfs")

    def name_in_settings(self, key: str) -> None:
        """Write into the settings that there is "gold" or "rules", so that all commands read it."""

        def write() -> None:
            self.project = self.project.naming(key)

        self._problems.attempt(f"name of {key}", write)

    def _changed(self, group: str) -> None:
        if group == "lfs":
            self._reload()
        else:
            self.read(group)

    def _reopen(self) -> None:
        before = self.project
        self.project = before.reopened()
        for group in ("table", "lfs", "rules", "gold"):
            self._watch.adopt(group)
        self.read("table")
        self.read("rules")
        if before.lfs != self.project.lfs:
            self._reload()
        for key in ("gold", "rules"):
            if f"name of {key}" in self._problems:
                self.name_in_settings(key)

    def _python_files(self) -> list[Path]:
        """Return the user's file, what lies beside it, and modules that it imported."""
        path = self.project.lfs
        if path is None:
            return []
        return [path, *sorted(path.parent.glob("*.py")), *self._imported]
