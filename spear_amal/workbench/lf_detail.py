"""One LF, looked at closely: where it is right and wrong, whom it contradicts, what it matched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.workbench.snapshot import LFState, Snapshot

_MOST_WORDS = 40
_LONGEST_WORD = 60


@dataclass(frozen=True)
class VotedRow:
    """A row on which an LF votes.

    Attributes
    ----------
    row : int
        Its position.
    text : str
    vote, gold : int
        Class codes; gold is -1 where unknown.
    spans : tuple of (int, int)
        What the LF matched, where that is known.
    """

    row: int
    text: str
    vote: int
    gold: int
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Quarrel:
    """Another LF that votes for other classes on the same rows.

    Attributes
    ----------
    name : str
    rows : int
        With different votes of the two.
    gold_rows, right, other_right : int
        Those with a label, and on how many of these the LF and the other one are right.
    example : int
        Position of such a row, with a label if there is one.
    """

    name: str
    rows: int
    gold_rows: int
    right: int
    other_right: int
    example: int


def rows_with_votes(lf: LFState, snapshot: Snapshot, most: int) -> dict[str, tuple[VotedRow, ...]]:
    """Return rows of an LF by kind: "wrong" and "right" ones with a label, and "other" ones.

    Parameters
    ----------
    lf : LFState
    snapshot : Snapshot
    most : int
        Rows of each kind.
    """
    fired = lf.votes >= 0
    known = fired & (snapshot.gold >= 0)
    is_right = known & (lf.votes == snapshot.gold)
    masks = {"wrong": known & ~is_right, "right": is_right, "other": fired & ~known}
    return {
        kind: tuple(_voted_row(row, lf, snapshot) for row in _some(mask, most))
        for kind, mask in masks.items()
    }


def _some(mask: np.ndarray, most: int) -> list[int]:
    """Return places from the whole table, in order."""
    places = np.flatnonzero(mask)
    if len(places) > most:
        places = places[np.linspace(0, len(places) - 1, most).astype(int)]
    return [int(place) for place in places]


def _voted_row(row: int, lf: LFState, snapshot: Snapshot) -> VotedRow:
    text = str(snapshot.texts[row])
    return VotedRow(row, text, int(lf.votes[row]), int(snapshot.gold[row]))


def quarrels(lf: LFState, snapshot: Snapshot) -> list[Quarrel]:
    """Return the other LFs that contradict one, those with the most such rows first."""
    listed = []
    for other in snapshot.active:
        if other.name == lf.name:
            continue
        differ = np.flatnonzero((lf.votes >= 0) & (other.votes >= 0) & (lf.votes != other.votes))
        if not len(differ):
            continue
        gold = snapshot.gold[differ]
        known = differ[gold >= 0]
        right, other_right = (
            int((side.votes[known] == snapshot.gold[known]).sum()) for side in (lf, other)
        )
        counts = (len(differ), len(known), right, other_right)
        example = int(known[0] if len(known) else differ[0])
        listed.append(Quarrel(other.name, *counts, example))
    return sorted(listed, key=lambda quarrel: -quarrel.rows)


@dataclass(frozen=True)
class MatchedWord:
    """What an LF matched.

    Attributes
    ----------
    word : str
        Cut where it is long.
    rows : int
        On which it was matched, among those on which the LF votes.
    gold_rows, right : int
        Those with a label, and those of them on which the vote is right.
    """

    word: str
    rows: int
    gold_rows: int
    right: int


def matched_words(
    lf: LFState, snapshot: Snapshot, words_of: Callable[[str], Iterable[str]], texts: Any
) -> list[MatchedWord]:
    """Return what an LF matched on the rows on which it votes, the most frequent first.

    Parameters
    ----------
    lf : LFState
    snapshot : Snapshot
    words_of : callable
        From a text to the words in it, each once.
    texts : sequence of n
        Of the column that the LF reads.
    """
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in ("rows", "gold", "right")}
    for row in np.flatnonzero(lf.votes >= 0).tolist():
        words = [word[:_LONGEST_WORD] for word in words_of(texts[row])]
        gold = snapshot.gold[row]
        counts["rows"].update(words)
        if gold >= 0:
            counts["gold"].update(words)
        if gold == lf.votes[row]:
            counts["right"].update(words)
    return [
        MatchedWord(word, n, counts["gold"][word], counts["right"][word])
        for word, n in counts["rows"].most_common(_MOST_WORDS)
    ]
