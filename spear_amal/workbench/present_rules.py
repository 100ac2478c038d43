"""The rules as they are now, held against those that the history keeps; and going back to such."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any

from spear_amal.declared_lfs import change_rules, read_rules_file
from spear_amal.errors import InputError, StaleError
from spear_amal.io.locks import exclusive
from spear_amal.workbench.history import RuleFiles, RuleHistory
from spear_amal.workbench.identity_cache import IdentityCache
from spear_amal.workbench.project_state import lf_records, project_state
from spear_amal.workbench.since_training import changed_lfs
from spear_amal.workbench.snapshot import Snapshot
from spear_amal.workbench.workspace import Workspace


class PresentRules:
    """The present rules of a project, beside its history.

    Parameters
    ----------
    workspace : Workspace
    history : RuleHistory
    """

    def __init__(self, workspace: Workspace, history: RuleHistory) -> None:
        self._workspace, self._history = workspace, history
        self._lock = RLock()
        self._state: tuple[tuple[int, str], dict[str, Any]] | None = None
        self._records = IdentityCache(1)

    def files(self) -> RuleFiles:
        """Return the rule files as they are on the disk."""
        project = self._workspace.project
        return RuleFiles.read(project.lfs, project.rules)

    def state(self) -> tuple[dict[str, Any], str]:
        """Compute what a report shows of the project as it is, and the digest of its rules."""
        workspace, files = self._workspace, self.files()
        snapshot, key = workspace.snapshot, (workspace.snapshot.revision, files.digest)
        with self._lock:
            if self._state is not None and self._state[0] == key:
                return self._state[1], files.digest
        state = project_state(snapshot, workspace.project, files)
        with self._lock:
            self._state = (key, state)
        return state, files.digest

    def changed_lfs(self, snapshot: Snapshot) -> dict[str, str] | None:
        """Return what happened to LFs since the last training, see :mod:`.since_training`."""
        said = hash(tuple((x.name, x.label, x.about, x.is_muted) for x in snapshot.lfs))
        about = (snapshot.texts, said, *(lf.votes for lf in snapshot.lfs))
        records = self._records.get("lfs", about, lambda: lf_records(snapshot))
        return changed_lfs(self._history, self._history.runs(), records)

    def go_back(self, rules: str, seen: str) -> None:
        """Write the files of a rule set over the present ones, which are kept before.

        Suggestions that were rejected stay so.

        Parameters
        ----------
        rules : str
            Digest of the rule set.
        seen : str
            Digest of the present files, as the page showed them.

        Raises
        ------
        StaleError
            If the files have changed since.
        InputError
            If the history has no such rule set.
        """
        project = self._workspace.project
        wanted = self._history.files(rules)
        with exclusive(project.rules):
            present = self.files()
            if present.digest != seen:
                raise StaleError(
                    "the rules have changed on the disk since this page was shown; nothing was "
                    "written: look at the difference anew"
                )
            lfs = self._history.keep_json(lf_records(self._workspace.snapshot))
            self._history.keep_files(present)
            self._history.add_kept(present.digest, lfs, f"before going back to {rules}")
            rejected = _rejected(project.rules)
            wanted.write(project.lfs, project.rules)
        if rejected - _rejected(project.rules):
            change_rules(
                project.rules, lambda file: replace(file, rejected=file.rejected | rejected)
            )
        self._workspace.hub.publish("history")


def _rejected(rules: Path) -> frozenset[str]:
    """Return the rejected suggestions of a file of rules; none where it cannot be read."""
    try:
        return read_rules_file(rules).rejected
    except InputError:
        return frozenset()
