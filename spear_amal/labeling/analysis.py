"""What labelling functions do: coverage, overlaps, conflicts, accuracy and the rows behind them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from statistics import NormalDist  # as scipy.special has it, without 0.2 s of imports
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from spear_amal._typing import NamedFunction, StoredVotesLike, VectorLike
from spear_amal.checks import check_share, check_whole
from spear_amal.errors import InputError
from spear_amal.labeling.error_analysis import get_label_buckets
from spear_amal.notebook_html import html_block, html_table, more
from spear_amal.votes.gold import gold_codes
from spear_amal.votes.html_view import MOST_LFS
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import open_votes, parts_of

# Below this many votes on gold rows a 95% interval is wider than about 0.4: no basis to judge.
FEW_VOTES = 20


class LFAnalysis:
    """Statistics of labelling functions, from their votes and optional gold labels.

    Gold is read against the classes of L: names, codes, members of an Enum, or the numbers that
    classes are called by. Rows without a label (-1, None, NaN) are left out of everything that
    needs gold. Numbers that come back are those that stand for classes: codes, unless classes are
    called by numbers themselves (1, 2, 3).

    Votes on disk are read part by part: counts add up, and one part at a time is in memory.

    Parameters
    ----------
    L : LabelMatrix, integer array of shape (n, m), or VoteFiles or the path of such a folder
    lfs : sequence of LFs, optional
        For their names; a LabelMatrix has names of its own.

    Raises
    ------
    InputError
        If `lfs` has another length than L has columns.

    Examples
    --------
    >>> analysis = LFAnalysis(np.array([[0, 1], [0, -1], [-1, -1]]))
    >>> analysis.label_coverage(), analysis.lf_coverages()
    (0.6666666666666666, array([0.66666667, 0.33333333]))
    >>> analysis.lf_summary(Y=np.array([0, 0, 1]))["Emp. Acc."].tolist()
    [1.0, 0.0]
    """

    def __init__(self, L: StoredVotesLike, lfs: Sequence[NamedFunction] | None = None) -> None:
        self._counts = VotesInParts(L)
        self.L = self._counts.L
        named = hasattr(L, "lf_names") or isinstance(L, str | os.PathLike)
        self._names: list[str] | None = list(self.L.lf_names) if named else None
        if lfs is not None:
            if len(lfs) != self.L.shape[1]:
                raise InputError(f"{len(lfs)} LFs were given for {self.L.shape[1]} columns of L")
            self._names = [lf.name for lf in lfs]

    @property
    def _index(self) -> list[Any]:
        return list(range(self.L.shape[1])) if self._names is None else self._names

    def _repr_html_(self) -> str:
        """Return the summary of the LFs, without gold, for a notebook."""
        n, m = self.L.shape
        summary = self.lf_summary().head(MOST_LFS)
        shares = {
            name: [f"{value:.1%}" for value in summary[name]]
            for name in ("Coverage", "Overlaps", "Conflicts")
        }
        columns = {"LF": list(summary.index), "Polarity": list(summary["Polarity"]), **shares}
        facts = {
            "rows with a vote": f"{self.label_coverage():.1%}",
            "with two or more": f"{self.label_overlap():.1%}",
            "with different ones": f"{self.label_conflict():.1%}",
        }
        title = f"{type(self).__name__}: {n:,} rows, {m:,} labelling functions"
        note = more(m, MOST_LFS, "labelling functions")
        return html_block(title, facts, [html_table(columns, note)])

    # -- rows ------------------------------------------------------------------------------------

    def label_coverage(self) -> float:
        """Share of rows with at least one vote."""
        return self._share_of_rows(self._counts.totals.covered)

    def label_overlap(self) -> float:
        """Share of rows with at least two votes."""
        return self._share_of_rows(self._counts.totals.overlapping)

    def label_conflict(self) -> float:
        """Share of rows with two different votes."""
        return self._share_of_rows(self._counts.totals.conflicted)

    def _share_of_rows(self, rows: int) -> float:
        return rows / len(self.L) if len(self.L) else 0.0

    # -- LFs without gold ------------------------------------------------------------------------

    def lf_polarities(self) -> list[list[int]]:
        """Classes that each LF votes for, by the numbers that stand for them."""
        classes = self.L.classes
        votes = self._counts.totals.votes
        return [classes.as_numbers(np.flatnonzero(of_lf)).tolist() for of_lf in votes]

    def lf_coverages(self) -> np.ndarray:
        """Share of rows (m,) on which each LF votes."""
        return share(self._counts.totals.fired, len(self.L))

    def lf_overlaps(self, normalize_by_coverage: bool = False) -> np.ndarray:
        """Share of rows (m,) on which an LF and another one vote; or of the rows it votes on."""
        totals = self._counts.totals
        return share(totals.overlaps, totals.fired if normalize_by_coverage else len(self.L))

    def lf_conflicts(self, normalize_by_overlaps: bool = False) -> np.ndarray:
        """Share of rows (m,) on which an LF votes and votes differ; or of the rows it overlaps."""
        totals = self._counts.totals
        return share(totals.conflicts, totals.overlaps if normalize_by_overlaps else len(self.L))

    def overlap_matrix(self, normalize: bool = True) -> pd.DataFrame:
        """Rows on which both of two LFs vote, (m, m): share of all rows, or counts."""
        return self._pairs(self._counts.overlaps(), normalize)

    def conflict_matrix(self, normalize: bool = True) -> pd.DataFrame:
        """Rows on which two LFs vote differently, (m, m): share of all rows, or counts."""
        return self._pairs(self._counts.overlaps() - self._counts.agreements(), normalize)

    def _pairs(self, counts: np.ndarray, normalize: bool) -> pd.DataFrame:
        values = share(counts, len(self.L)) if normalize else counts.astype(np.int64)
        return pd.DataFrame(values, index=self._index, columns=self._index)

    # -- LFs against gold ------------------------------------------------------------------------

    def lf_empirical_accuracies(self, Y: VectorLike) -> np.ndarray:
        """Share of correct votes (m,) on rows with gold; 0 for an LF without votes there."""
        correct, incorrect = self._counts.correct(self._gold(Y))
        return share(correct, correct + incorrect)

    def lf_empirical_probs(self, Y: VectorLike, k: int) -> np.ndarray:
        """P(vote | gold class) as (m, k+1, k): entry [j, l+1, y] for vote l (-1: abstain).

        0 for a class that has no gold row.
        """
        tables = self._counts.tables(self._gold(Y), k)
        return share(tables, tables.sum(axis=1, keepdims=True))

    def accuracy_intervals(
        self, Y: VectorLike, level: float = 0.95, min_votes: int = FEW_VOTES
    ) -> pd.DataFrame:
        """Empirical accuracy of each LF with its Wilson interval.

        Parameters
        ----------
        Y : array (n,)
            Gold classes, -1 for none.
        level : float, default=0.95
        min_votes : int, default=20
            With fewer votes on gold rows ``few_votes`` is True: do not judge the LF by them.

        Returns
        -------
        DataFrame
            One row for each LF: ``n, accuracy`` (NaN for n = 0), ``low, high, few_votes``.
        """
        check_share("level", level)
        check_whole("min_votes", min_votes, 0)
        correct, incorrect = self._counts.correct(self._gold(Y))
        n = correct + incorrect
        low, high = wilson_interval(correct, n, level)
        accuracy = np.where(n > 0, share(correct, n), np.nan)
        return pd.DataFrame(
            {"n": n, "accuracy": accuracy, "low": low, "high": high, "few_votes": n < min_votes},
            index=self._index,
        )

    def wrong_rows(self, lf: int | str | NamedFunction, Y: VectorLike) -> pd.DataFrame:
        """Rows on which one LF votes against gold.

        Parameters
        ----------
        lf : str, int or LF
            Name, column number or the LF itself.
        Y : array (n,)

        Returns
        -------
        DataFrame
            ``row`` (position), ``row_id, vote, gold``; classes by number.
        """
        j, gold = self._column(lf), self._gold(Y)
        votes = self._counts.column(j)
        rows = np.flatnonzero((votes >= 0) & (gold >= 0) & (gold != votes))
        ids = self._counts.row_ids(rows)
        vote, label = (self.L.classes.as_numbers(codes[rows]) for codes in (votes, gold))
        return pd.DataFrame({"row": rows, "row_id": ids, "vote": vote, "gold": label})

    def error_buckets(
        self, lf: int | str | NamedFunction, Y: VectorLike
    ) -> dict[tuple[int, ...], np.ndarray]:
        """Row numbers by (gold, vote of one LF), for rows with gold; a vote of -1 is abstain."""
        j, gold = self._column(lf), self._gold(Y)
        known = np.flatnonzero(gold >= 0)
        pair = (gold[known], self._counts.column(j)[known])
        buckets = get_label_buckets(*map(self.L.classes.as_numbers, pair))
        return {key: known[rows] for key, rows in buckets.items()}

    def lf_summary(
        self, Y: VectorLike | None = None, est_weights: VectorLike | None = None
    ) -> pd.DataFrame:
        """Table of all LFs, with the columns of Snorkel's.

        Parameters
        ----------
        Y : array (n,), optional
            Gold classes, -1 for none; adds ``Correct, Incorrect, Emp. Acc.``
        est_weights : array (m,), optional
            Learnt weights; adds ``Learned Weight``.

        Returns
        -------
        DataFrame
            Index: LF names if they are known, else column numbers.
        """
        table: dict[str, Any] = {} if self._names is None else {"j": range(len(self._names))}
        table["Polarity"] = pd.Series(self.lf_polarities(), index=self._index, dtype=object)
        table["Coverage"] = self.lf_coverages()
        table["Overlaps"] = self.lf_overlaps()
        table["Conflicts"] = self.lf_conflicts()
        if Y is not None:
            correct, incorrect = self._counts.correct(self._gold(Y))
            table["Correct"], table["Incorrect"] = correct, incorrect
            table["Emp. Acc."] = share(correct, correct + incorrect)
        if est_weights is not None:
            table["Learned Weight"] = np.asarray(est_weights)
        return pd.DataFrame(table, index=self._index)

    def _gold(self, Y: VectorLike) -> np.ndarray:
        return gold_codes(Y, self.L)

    def _column(self, lf: int | str | NamedFunction) -> int:
        m = self.L.shape[1]
        if isinstance(lf, int | np.integer) and -m <= lf < m:
            return int(lf) % m
        name = getattr(lf, "name", lf)
        if name not in self._index:
            raise InputError(f"no LF {name!r}; the LFs are {self._index}")
        return self._index.index(name)


class VoteCounts:
    """Counts that the analysis of LFs is made of.

    Parameters
    ----------
    L : LabelMatrix of shape (n, m)

    Attributes
    ----------
    rows, columns, votes : ndarray (nnz,)
        The votes as triplets.
    """

    def __init__(self, L: LabelMatrix) -> None:
        self.n, self.m = L.shape
        codes = L.codes.tocoo()
        self.rows, self.columns = codes.coords
        self.votes = codes.data.astype(np.int64) - 1
        self.starts = L.codes.indptr

    def per_row(self) -> np.ndarray:
        """Count the votes of each row (n,)."""
        return np.diff(self.starts)

    def conflicted(self) -> np.ndarray:
        """Rows (n,) with two different votes, as bool."""
        other = self.votes != self.votes[self.starts[self.rows]]  # than the first vote of the row
        return np.bincount(self.rows[other], minlength=self.n) > 0

    def per_lf(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Count the votes of each LF (m,), on the rows marked True."""
        kept = self.columns if rows is None else self.columns[rows[self.rows]]
        return np.bincount(kept, minlength=self.m)

    def per_class(self, n_classes: int) -> np.ndarray:
        """Count the votes of each LF for each class (m, C)."""
        cells = self.columns.astype(np.int64) * n_classes + self.votes
        return np.bincount(cells, minlength=self.m * n_classes).reshape(self.m, n_classes)

    def correct(self, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Correct and incorrect votes (m,) of each LF, on rows with a gold class."""
        known = gold[self.rows] >= 0
        right = gold[self.rows] == self.votes
        return (
            np.bincount(self.columns[known & right], minlength=self.m),
            np.bincount(self.columns[known & ~right], minlength=self.m),
        )

    def overlaps(self) -> np.ndarray:
        """Rows on which both of two LFs fired, (m, m)."""
        return self._together(slice(None))

    def agreements(self) -> np.ndarray:
        """Rows on which two LFs cast the same vote, (m, m)."""
        total = np.zeros((self.m, self.m))
        for vote in np.unique(self.votes):
            total += self._together(self.votes == vote)
        return total

    def _together(self, chosen: np.ndarray | slice) -> np.ndarray:
        """Rows (m, m) on which two LFs both cast one of the chosen votes."""
        places = self.rows[chosen], self.columns[chosen]
        votes = sp.csr_array((np.ones(len(places[0])), places), shape=(self.n, self.m))
        return (votes.T @ votes).toarray()

    def tables(self, gold: np.ndarray, k: int) -> np.ndarray:
        """Count votes -1..k-1 by gold class (m, k+1, k)."""
        counts = np.zeros((self.m, k + 1, k))
        known = (gold[self.rows] >= 0) & (gold[self.rows] < k) & (self.votes < k)
        where = (self.columns[known], self.votes[known] + 1, gold[self.rows][known])
        np.add.at(counts, where, 1)
        of_class = np.bincount(gold[(gold >= 0) & (gold < k)], minlength=k)
        counts[:, 0] = of_class - counts.sum(axis=1)
        return counts


def share(counts: np.ndarray, total: int | np.ndarray) -> np.ndarray:
    """Return `counts / total`, 0 where the total is 0."""
    total = np.broadcast_to(np.asarray(total, dtype=float), counts.shape)
    return np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)


def wilson_interval(
    correct: np.ndarray, total: np.ndarray, level: float
) -> tuple[np.ndarray, np.ndarray]:
    """Wilson score interval of a share; (0, 1) where nothing was counted.

    With p = correct / total and the normal quantile z:
    (p + z^2/2n -+ z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)   [Wilson 1927]
    """
    z = NormalDist().inv_cdf((1 + level) / 2)
    n = np.maximum(total, 1).astype(float)
    p = correct / n
    centre = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
    # At p = 0 and p = 1 the bounds are 0 and 1 exactly; rounding must not carry them past.
    low = np.where((total == 0) | (correct == 0), 0.0, centre - half)
    high = np.where((total == 0) | (correct == total), 1.0, centre + half)
    return low, high


@dataclass(frozen=True)
class VoteTotals:
    """Counts that need no gold.

    Attributes
    ----------
    covered, overlapping, conflicted : int
        Rows with a vote, with two votes, with two different votes.
    fired, overlaps, conflicts : ndarray of int, shape (m,)
        Votes of each LF: all, on overlapping rows, on conflicted rows.
    votes : ndarray of int, shape (m, C)
        Votes of each LF for each class.
    """

    covered: int
    overlapping: int
    conflicted: int
    fired: np.ndarray
    overlaps: np.ndarray
    conflicts: np.ndarray
    votes: np.ndarray

    @classmethod
    def of(cls, counts: VoteCounts, n_classes: int) -> VoteTotals:
        """Count the votes of one matrix."""
        per_row, conflicted = counts.per_row(), counts.conflicted()
        overlapping = per_row > 1
        return cls(
            covered=int((per_row > 0).sum()),
            overlapping=int(overlapping.sum()),
            conflicted=int(conflicted.sum()),
            fired=counts.per_lf(),
            overlaps=counts.per_lf(overlapping),
            conflicts=counts.per_lf(conflicted),
            votes=counts.per_class(n_classes),
        )

    def __add__(self, other: VoteTotals) -> VoteTotals:
        return VoteTotals(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


class VotesInParts:
    """Votes in memory (one part) or in a folder, and counts over all of them.

    Gold classes are given for all rows (n,), in the order of the rows. Of a folder one part at a
    time is held, and each method reads it once; the totals are kept.

    Parameters
    ----------
    L : LabelMatrix, VoteFiles, path of such a folder, or integer array of shape (n, m)
    """

    def __init__(self, L: StoredVotesLike) -> None:
        self.L = open_votes(L)
        self._whole = VoteCounts(self.L) if isinstance(self.L, LabelMatrix) else None

    def parts(self) -> Iterator[tuple[slice, VoteCounts]]:
        """Rows and counts of each part."""
        if self._whole is not None:
            yield slice(0, len(self.L)), self._whole
            return
        for rows, part in parts_of(self.L):
            yield rows, VoteCounts(part)

    @cached_property
    def totals(self) -> VoteTotals:
        """Counts that need no gold."""
        m, n_classes = self.L.shape[1], self.L.n_classes
        none = np.zeros(m, dtype=np.int64)
        total = VoteTotals(0, 0, 0, none, none, none, np.zeros((m, n_classes), dtype=np.int64))
        for _, part in self.parts():
            total = total + VoteTotals.of(part, n_classes)
        return total

    def correct(self, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Correct and incorrect votes (m,) of each LF, on rows with a gold class."""
        counts = np.zeros((2, self.L.shape[1]), dtype=np.int64)
        for rows, part in self.parts():
            counts += part.correct(gold[rows])
        return counts[0], counts[1]

    def tables(self, gold: np.ndarray, k: int) -> np.ndarray:
        """Count votes -1..k-1 by gold class (m, k+1, k)."""
        total = np.zeros((self.L.shape[1], k + 1, k))
        for rows, part in self.parts():
            total += part.tables(gold[rows], k)
        return total

    def overlaps(self) -> np.ndarray:
        """Rows on which both of two LFs fired, (m, m)."""
        return self._pairs(VoteCounts.overlaps)

    def agreements(self) -> np.ndarray:
        """Rows on which two LFs cast the same vote, (m, m)."""
        return self._pairs(VoteCounts.agreements)

    def _pairs(self, count: Any) -> np.ndarray:
        total = np.zeros((self.L.shape[1], self.L.shape[1]))
        for _, part in self.parts():
            total += count(part)
        return total

    def column(self, j: int) -> np.ndarray:
        """Votes (n,) of LF j, -1 for abstain."""
        votes = np.full(len(self.L), -1)
        for rows, part in self.parts():
            here = part.columns == j
            votes[rows.start + part.rows[here]] = part.votes[here]
        return votes

    def row_ids(self, rows: np.ndarray) -> np.ndarray:
        """Ids of some rows, given by their numbers in rising order."""
        if isinstance(self.L, LabelMatrix):
            return self.L.row_ids[rows]
        if not self.L.files:
            return np.empty(0, dtype=np.int64)
        which = np.searchsorted(self.L.starts[1:], rows, side="right")
        wanted = np.unique(which) if len(rows) else [0]  # a part is read for the type of its ids
        ids = [self.L.part(i).row_ids[rows[which == i] - self.L.starts[i]] for i in wanted]
        return np.concatenate(ids)
