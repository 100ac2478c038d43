"""Rows behind a review of LFs: wrong and uncovered ones, doubtful labels, and their words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import NamedFunction
from spear_amal.errors import InputError
from spear_amal.labeling.analysis import VotesInParts
from spear_amal.labeling.blank_texts import has_text
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import parts_of

EXCERPT = 160  # characters of a text that tell what it is about
SAMPLE = 20_000  # rows of a kind whose words are counted
FEW_ROWS = 3  # a word of fewer rows is no hint
COMMON = 0.05  # nor is one of a larger share of the covered rows
N_WORDS = 15
# Odds from which good LFs are believed against a label.
SUSPECT_ODDS = 19.0
_WORD = re.compile(r"[^\W\d_][\w'\u2019-]+")


@dataclass(frozen=True)
class GoldVotes:
    """Votes on the rows with gold, in memory.

    Attributes
    ----------
    rows : ndarray (g,)
        Their numbers among all rows.
    votes : LabelMatrix (g, m)
        Numbers of classes are codes.
    gold : ndarray (g,)
        Class codes.
    names : tuple
        Class names in code order, those that only gold has among them.
    everywhere : ndarray (n,)
        Gold of all rows as numbers that the classes of the votes know, -1 for none.
    """

    rows: np.ndarray
    votes: LabelMatrix
    gold: np.ndarray
    names: tuple[Any, ...]
    everywhere: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """Gold as numbers that the classes know."""
        return self.everywhere[self.rows]

    @classmethod
    def of(cls, counts: VotesInParts, gold: np.ndarray) -> GoldVotes:
        """Read the votes on rows with gold; of a folder one part at a time."""
        parts, start = [], 0
        for rows, part in parts_of(counts.L):
            parts.append(part[np.flatnonzero(gold[rows] >= 0)])
            start = rows.stop
        known = gold[:start] >= 0
        classes = counts.L.classes
        top = int(gold.max(initial=-1)) + 1
        names = tuple(classes) if top <= len(classes) else tuple(range(top))
        votes = LabelMatrix.concatenate(parts)
        if top > len(classes):
            votes = votes.with_classes(names)
        everywhere = votes.classes.as_numbers(gold)
        return cls(np.flatnonzero(known), votes, gold[known], names, everywhere)


@dataclass(frozen=True)
class ReviewedRows:
    """Texts of rows, their ids, and the LFs behind the votes.

    Attributes
    ----------
    columns : dict of str to list (n,), or None
        The first is that of the texts.
    counts : VotesInParts
    lfs : sequence of LFs, length m, or None
    """

    columns: dict[str, list[Any]] | None
    counts: VotesInParts
    lfs: Sequence[NamedFunction] | None

    @classmethod
    def of(
        cls,
        columns: dict[str, list[Any]] | None,
        counts: VotesInParts,
        lfs: Sequence[NamedFunction] | None,
    ) -> ReviewedRows:
        """Bring the LFs into the order of the votes."""
        if lfs is None:
            return cls(columns, counts, None)
        by_name = {lf.name: lf for lf in lfs}
        voted = list(counts.L.lf_names)
        if set(voted) <= by_name.keys():
            return cls(columns, counts, [by_name[name] for name in voted])
        unnamed = voted == [f"lf{j}" for j in range(len(voted))]
        if unnamed and len(by_name) == len(voted):
            return cls(columns, counts, list(by_name.values()))
        lacking = [name for name in voted if name not in by_name]
        raise InputError(
            f"lfs must be those behind the votes: of {len(voted)}, {lacking[:3]} are not among "
            f"{list(by_name)[:9]}"
        )

    @property
    def texts(self) -> list[Any] | None:
        """The texts (n,), if they are known."""
        return None if self.columns is None else next(iter(self.columns.values()))

    def ids(self, rows: np.ndarray) -> list[Any]:
        """Ids of some rows, given by their numbers in rising order."""
        return list(self.counts.row_ids(rows).tolist())

    def excerpt(self, row: int, words: Sequence[str] = ()) -> str:
        """Beginning of a text, or what stands around the first of the words."""
        if self.texts is None or not isinstance(self.texts[row], str):
            return ""
        text = " ".join(self.texts[row].split())
        place = text.lower().find(words[0].lower()) if words else 0
        start = max(place - EXCERPT // 2, 0) if place > EXCERPT * 3 // 4 else 0
        cut = text[start : start + EXCERPT]
        return f"{'..' if start else ''}{cut}{'..' if start + EXCERPT < len(text) else ''}"

    def matched(self, j: int, row: int) -> list[str]:
        """Words of LF j that are in a row; none if it does not tell."""
        lf = None if self.lfs is None else self.lfs[j]
        words_of, column = getattr(lf, "matched_words", None), getattr(lf, "column", None)
        if words_of is None or self.columns is None:
            return []
        values = self.columns.get(str(column), self.texts if column == "text" else None)
        return [] if values is None else words_of(values[int(row)])


def wrong_rows(voted: GoldVotes, reviewed: ReviewedRows, max_rows: int) -> pd.DataFrame:
    """Return rows with gold on which each LF is wrong, `max_rows` of each at most."""
    found = []
    for j, name in enumerate(reviewed.counts.L.lf_names):
        votes = voted.votes[:, j]
        wrong = np.flatnonzero((votes >= 0) & (votes != voted.gold))[:max_rows]
        rows = voted.rows[wrong]
        for k, row, row_id in zip(wrong, rows.tolist(), reviewed.ids(rows), strict=True):
            words = reviewed.matched(j, row)
            vote, gold = voted.names[votes[k]], voted.names[voted.gold[k]]
            text = reviewed.excerpt(row, words)
            found.append((name, row, row_id, vote, gold, ", ".join(words), text))
    return pd.DataFrame(found, columns=["LF", "row", "id", "vote", "gold", "matched", "text"])


def wrong_words(voted: GoldVotes, reviewed: ReviewedRows) -> pd.DataFrame:
    """Return what each LF matched on rows with gold, and how often its vote was right there."""
    found = []
    lfs = reviewed.lfs or []
    tells = [j for j, lf in enumerate(lfs) if hasattr(lf, "matched_words")]
    for j in tells:
        name = reviewed.counts.L.lf_names[j]
        votes, right = voted.votes[:, j], Counter[str]()
        seen = Counter[str]()
        for k in np.flatnonzero(votes >= 0):
            words = reviewed.matched(j, int(voted.rows[k]))
            seen.update(words)
            right.update(words if votes[k] == voted.gold[k] else ())
        by_wrong = sorted(seen, key=lambda word: (right[word] - seen[word], -seen[word], word))
        found += [(name, word, seen[word], right[word]) for word in by_wrong]
    return pd.DataFrame(found, columns=["LF", "word", "gold votes", "right"])


def uncovered_rows(
    counts: VotesInParts, gold: np.ndarray, reviewed: ReviewedRows, max_rows: int
) -> pd.DataFrame:
    """Return some rows without a vote, labelled ones first, the others from all over the table."""
    uncovered = np.flatnonzero(~covered_rows(counts))
    if reviewed.texts is not None:  # a row without a text says nothing of what LFs lack
        uncovered = uncovered[has_text([reviewed.texts[row] for row in uncovered.tolist()])]
    labelled = uncovered[gold[uncovered] >= 0][:max_rows]
    others = uncovered[gold[uncovered] < 0]
    room = max_rows - len(labelled)
    spread = others[np.linspace(0, len(others) - 1, min(room, len(others))).astype(int)]
    listed = []
    names = counts.L.classes
    for rows in (labelled, spread):
        for row, row_id in zip(rows.tolist(), reviewed.ids(rows), strict=True):
            code = int(gold[row])
            label = None if code < 0 else names[code] if code < len(names) else code
            listed.append((row, row_id, label, reviewed.excerpt(row)))
    return pd.DataFrame(listed, columns=["row", "id", "gold", "text"])


def covered_rows(counts: VotesInParts) -> np.ndarray:
    """Return which rows (n,) have a vote, as bool."""
    covered = np.zeros(len(counts.L), dtype=bool)
    for rows, part in counts.parts():
        covered[rows] = part.per_row() > 0
    return covered


def uncovered_words(counts: VotesInParts, gold: np.ndarray, reviewed: ReviewedRows) -> pd.DataFrame:
    """Return words that are more frequent in rows without votes, the most telling first.

    Ranked by how far the share of uncovered rows with the word lies above that of covered ones, in
    standard errors of the difference.
    """
    columns = ["word", "uncovered rows", "covered rows", "gold rows", "class", "class share"]
    covered = covered_rows(counts)
    if reviewed.texts is None or covered.all():
        return pd.DataFrame(columns=columns)
    samples = [_sample(np.flatnonzero(~covered)), _sample(np.flatnonzero(covered))]
    texts = reviewed.texts
    inside, outside = (_rows_with_words(texts, rows) for rows in samples)
    n, n_other = (max(len(rows), 1) for rows in samples)

    def distance(word: str) -> float:
        a, b = inside[word] / n, outside[word] / n_other
        both = (inside[word] + outside[word]) / (n + n_other)
        return float((a - b) / np.sqrt(both * (1 - both) * (1 / n + 1 / n_other) + 1e-12))

    telling = [
        word
        for word, rows in inside.items()
        if rows >= FEW_ROWS and outside[word] <= COMMON * n_other and distance(word) > 2
    ]
    best = sorted(telling, key=lambda word: (-distance(word), word))[:N_WORDS]
    classes = _classes_of_words(best, texts, gold)
    names = counts.L.classes
    rows = []
    for word in best:
        by_class = classes[word]
        code, most = by_class.most_common(1)[0] if by_class else (None, 0)
        name = None if code is None else names[code] if code < len(names) else code
        n_gold = by_class.total()
        part = most / n_gold if n_gold else np.nan
        rows.append((word, inside[word], outside[word], n_gold, name, part))
    return pd.DataFrame(rows, columns=columns)


def _sample(rows: np.ndarray) -> np.ndarray:
    """Return at most SAMPLE rows, spread evenly."""
    if len(rows) <= SAMPLE:
        return rows
    return rows[np.linspace(0, len(rows) - 1, SAMPLE).astype(int)]


def _rows_with_words(texts: Sequence[Any], rows: Iterable[int]) -> Counter[str]:
    counts = Counter[str]()
    for row in rows:
        counts.update(_words(texts[row]))
    return counts


def _words(text: Any) -> set[str]:
    return set(_WORD.findall(text.lower())) if isinstance(text, str) else set()


def _classes_of_words(
    words: Sequence[str], texts: Sequence[Any], gold: np.ndarray
) -> dict[str, Counter[int]]:
    classes = {word: Counter[int]() for word in words}
    for row in np.flatnonzero(gold >= 0).tolist():
        for word in _words(texts[row]) & classes.keys():
            classes[word][int(gold[row])] += 1
    return classes


def suspect_gold(voted: GoldVotes, reviewed: ReviewedRows, lfs: pd.DataFrame) -> pd.DataFrame:
    """Return rows on which LFs that are graded good agree against the label.

    At least two such LFs vote, none of any grade votes for the label, and the votes speak for
    another class with odds of 19 to 1 or more: shares of the classes times, for each vote, the
    accuracy of the LF over that of a wrong vote. Accuracies are counted without the row itself.
    """
    columns = ["row", "id", "gold", "voted", "odds", "LFs", "text"]
    good = np.flatnonzero((lfs["grade"] == "good").to_numpy())
    C = len(voted.names)
    of_class = np.bincount(voted.gold, minlength=C) + 1
    dense = voted.votes.to_dense()
    for_gold = (dense == voted.gold[:, None]).any(axis=1)
    against = (dense[:, good] >= 0).sum(axis=1) >= 2
    right, n = (lfs[name].to_numpy()[good] for name in ("right", "gold votes"))
    accuracy = (right + 1) / (n + 1)  # of n - 1 other rows, with one right and one wrong added
    gains = np.log(accuracy) - np.log((1 - accuracy).clip(min=1e-9) / max(C - 1, 1))
    found = []
    for k in np.flatnonzero(against & ~for_gold):
        votes = dense[k, good]
        classes = np.unique(votes[votes >= 0])
        if len(classes) != 1:
            continue
        vote, label = int(classes[0]), int(voted.gold[k])
        prior = np.log(of_class[vote] / of_class[label])
        odds = float(np.exp(min(prior + gains[votes >= 0].sum(), 700)))
        if odds >= SUSPECT_ODDS:
            names = ", ".join(lfs["LF"].to_numpy()[good[votes >= 0]])
            found.append((int(voted.rows[k]), voted.names[label], voted.names[vote], odds, names))
    found.sort(key=lambda row: (-row[3], row[0]))
    rows = [row for row, *_ in found]
    ids = dict(zip(sorted(rows), reviewed.ids(np.array(sorted(rows), dtype=np.int64)), strict=True))
    listed = [(row, ids[row], *rest, reviewed.excerpt(row)) for row, *rest in found]
    return pd.DataFrame(listed, columns=columns)
