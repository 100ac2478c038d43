"""What differs between two rule sets: LFs by name, and the texts of their files."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spear_amal.workbench.history import RuleFiles


@dataclass(frozen=True)
class DiffLine:
    """A line of a unified difference: its text, and "added", "removed", "place" or ""."""

    text: str
    kind: str


@dataclass(frozen=True)
class RuleDiff:
    """What differs from one rule set to another one.

    Attributes
    ----------
    added, removed, changed, muted, unmuted : list of str
        Names of LFs.
    files : dict of str to list of DiffLine
        By name of the file; a file without a difference is left out.
    """

    added: list[str]
    removed: list[str]
    changed: list[str]
    muted: list[str]
    unmuted: list[str]
    files: dict[str, list[DiffLine]]

    @property
    def named(self) -> list[tuple[str, list[str]]]:
        """What happened to LFs, and to which."""
        parts = {
            "Added": self.added,
            "Changed": self.changed,
            "Removed": self.removed,
            "Muted": self.muted,
            "No longer muted": self.unmuted,
        }
        return [(what, names) for what, names in parts.items() if names]


def rule_diff(
    before: RuleFiles,
    after: RuleFiles,
    lfs_before: Sequence[dict[str, Any]],
    lfs_after: Sequence[dict[str, Any]],
) -> RuleDiff:
    """Return what differs between two rule sets.

    An LF was changed if its label, its description or its votes on the same table are others.

    Parameters
    ----------
    before, after : RuleFiles
    lfs_before, lfs_after : sequence of dict
        As :func:`.project_state.lf_records` gives them.
    """
    old = {record["name"]: record for record in lfs_before}
    new = {record["name"]: record for record in lfs_after}
    common = [name for name in new if name in old]
    files = {}
    texts, others = before.texts(), after.texts()
    for name, text in texts.items():
        lines = list(_lines(text, others[name], name))
        if lines:
            files[name] = lines
    return RuleDiff(
        added=[name for name in new if name not in old],
        removed=[name for name in old if name not in new],
        changed=[name for name in common if _is_changed(old[name], new[name])],
        muted=[name for name in common if new[name]["muted"] and not old[name]["muted"]],
        unmuted=[name for name in common if old[name]["muted"] and not new[name]["muted"]],
        files=files,
    )


def _is_changed(old: dict[str, Any], new: dict[str, Any]) -> bool:
    votes = old["table"] == new["table"] and old["votes"] != new["votes"]
    return votes or any(old[name] != new[name] for name in ("label", "about", "kind"))


def _lines(before: str, after: str, name: str) -> list[DiffLine]:
    kinds = {"+": "added", "-": "removed", "@": "place"}
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=3)
    return [DiffLine(line, kinds.get(line[:1], "")) for line in list(lines)[2:]]
