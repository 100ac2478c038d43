"""The list of LFs as a page shows it: filtered, sorted, each with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.labeling.grades import GRADES
from spear_amal.workbench.snapshot import DECLARED, PYTHON, LFState, Snapshot

#: What the list can be sorted by, and whether the largest come first.
SORTS = {
    "name": False,
    "label": False,
    "coverage": True,
    "precision": True,
    "gold_votes": True,
    "overlaps": True,
    "conflicts": True,
    "grade": False,
    "value": True,
    "changed": True,
}
#: What may be asked of an LF's kind: where it stands, or what is up with it.
SHOWS = {
    PYTHON: "in the Python file",
    DECLARED: "made here",
    "muted": "muted",
    "errors": "with errors",
    "since": "changed since training",
}
_WORST = len(GRADES)
_ASKED = ("q", "class", "grade", "show")


@dataclass(frozen=True)
class LFView:
    """Which LFs are listed, and in which order.

    Attributes
    ----------
    q : str
        Part of the name, or of what the LF looks for.
    label, grade, show : str
        A class, a grade, a key of :data:`SHOWS`; "" for all.
    sort : str
        A key of :data:`SORTS`, with a minus for the largest first; "" is the order of the files.
    """

    q: str = ""
    label: str = ""
    grade: str = ""
    show: str = ""
    sort: str = ""

    @classmethod
    def of(cls, query: Mapping[str, Any]) -> LFView:
        """Return the view that an address asks for; what it says of other things is left out."""
        q, label, grade, show = (str(query.get(name, "")) for name in _ASKED)
        sort = str(query.get("by") or query.get("sort", ""))  # a click on a header says "by"
        known = sort if sort.removeprefix("-") in SORTS else ""
        return cls(q, label, grade, show, known)

    def query(self) -> dict[str, str]:
        """Return the values of an address that restores the view."""
        texts = (self.q, self.label, self.grade, self.show, self.sort)
        pairs = zip((*_ASKED, "sort"), texts, strict=True)
        return {name: text for name, text in pairs if text}

    @property
    def is_filtered(self) -> bool:
        """Whether LFs may be left out."""
        return bool(self.q or self.label or self.grade or self.show)

    @property
    def column(self) -> str:
        """What the list is sorted by, "" for the order of the files."""
        return self.sort.removeprefix("-")

    def then_by(self, column: str) -> str:
        """Return the order that a click on the header of a column asks for."""
        first, second = (f"-{column}", column) if SORTS[column] else (column, f"-{column}")
        return second if self.sort == first else first

    def aria_sort(self, column: str) -> str:
        """Return what the header of a column says of the order."""
        if self.column != column:
            return "none"
        return "descending" if self.sort.startswith("-") else "ascending"


@dataclass(frozen=True)
class LFLine:
    """One LF of the list.

    Attributes
    ----------
    lf : LFState
    code : int
        Of its class; -1 if it votes for several.
    facts : dict
        Its row of :meth:`Workspace.rule_table`; empty if that says nothing of it.
    """

    lf: LFState
    code: int
    facts: dict[str, Any]

    def fact(self, name: str) -> Any:
        """Return one of the facts, None where it is not known."""
        value = self.facts.get(name)
        return None if value is None or value is pd.NaT or value != value else value


def lf_lines(
    snapshot: Snapshot,
    table: pd.DataFrame,
    view: LFView,
    since: Mapping[str, str] | None = None,
) -> list[LFLine]:
    """Return the LFs that a view lists, in its order.

    Parameters
    ----------
    snapshot : Snapshot
    table : DataFrame
        Facts of the LFs by their name, as the index.
    view : LFView
    since : dict of str to str, optional
        What happened to LFs since the last training; a fact of its own.
    """
    facts = dict(zip(table.index, table.to_dict("records"), strict=True))
    for name, what in (since or {}).items():
        if name in facts:
            facts[name]["since"] = what
    codes = {name: code for code, name in enumerate(snapshot.classes)}
    lines = [
        LFLine(lf, codes.get(lf.label or "", -1), facts.get(lf.name, {}))
        for lf in snapshot.lfs
        if _is_listed(lf, view, codes, facts.get(lf.name, {}))
    ]
    if not view.column:
        return lines
    known = [line for line in lines if _key(line, view.column) is not None]
    known.sort(key=lambda line: _key(line, view.column), reverse=view.sort.startswith("-"))
    return known + [line for line in lines if _key(line, view.column) is None]


def _is_listed(
    lf: LFState, view: LFView, codes: Mapping[str, int], facts: Mapping[str, Any]
) -> bool:
    if view.q and view.q.casefold() not in f"{lf.name}\n{lf.about}".casefold():
        return False
    if view.label and not _votes_for(lf, view.label, codes):
        return False
    if view.grade and facts.get("grade") != view.grade:
        return False
    if view.show in (PYTHON, DECLARED):
        return lf.kind == view.show
    shown = {"muted": lf.is_muted, "errors": lf.error is not None, "since": "since" in facts}
    return shown.get(view.show, True)


def _votes_for(lf: LFState, label: str, codes: Mapping[str, int]) -> bool:
    if lf.label is not None:
        return lf.label == label
    return label in codes and bool(np.any(lf.votes == codes[label]))


def _key(line: LFLine, column: str) -> Any:
    """Return what a line is sorted by, None where that is not known."""
    if column == "name":
        return line.lf.name.casefold()
    if column == "label":
        return (line.code < 0, line.code)
    if column == "changed":
        return line.lf.changed
    value = line.fact(column)
    if column == "grade" and value is not None:
        return list(GRADES).index(value) if value in GRADES else _WORST
    return value
