"""What a page showed when somebody acted on it, held against what is so by now.

Several people and programs may work on a project at once: who acts on something that has changed
meanwhile is told so, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from spear_amal.declared_lfs.rules import Rule, checked_rule
from spear_amal.errors import InputError, StaleError
from spear_amal.workbench.snapshot import LFState, Snapshot

#: What a page showed of a declared rule: the rule itself, or its fields.
SeenRule: TypeAlias = "Rule | Mapping[str, Any]"


def check_positions(snapshot: Snapshot, rows: Sequence[int], table: str | None) -> None:
    """Raise an error unless there are these rows; StaleError if a page saw another table."""
    if table is not None and table != snapshot.table:
        raise StaleError("the table has changed on the disk; look at the row anew")
    if wrong := [row for row in rows if not 0 <= row < len(snapshot.texts)]:
        raise InputError(f"there is no row {wrong[0]}")


def check_labels(snapshot: Snapshot, seen: Mapping[int, str | None]) -> None:
    """Raise StaleError if a row has another label than a page showed."""
    for row, label in seen.items():
        if snapshot.label_of(row) != label:
            raise StaleError(
                f"row {row} is labelled {snapshot.label_of(row)!r} by now, the page showed "
                f"{label!r}; look at it anew"
            )


def check_questions(lf: LFState, n_open: int) -> None:
    """Raise an error unless an LF asks a language model; StaleError if more than a page said."""
    if lf.asking is None:
        raise InputError(f"the LF {lf.name!r} asks no language model")
    if lf.asking.n_open > n_open:
        raise StaleError(
            f"{lf.name} would send {lf.asking.n_open:,} questions by now, the page said "
            f"{n_open:,}; look at it anew"
        )


def seen_rules(name: str | None, seen: SeenRule | None) -> dict[str, Rule | None]:
    """Return what a page showed of a rule, by its name; StaleError if no rule can be so."""
    if name is None or seen is None:
        return {}
    if not isinstance(seen, Mapping):
        return {name: seen}
    try:
        return {name: checked_rule(seen)}
    except InputError as error:
        raise StaleError(f"the page knows the rule {name!r} wrongly: {error}") from error
