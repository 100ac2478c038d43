"""What labelling functions do: coverage, overlaps, conflicts, accuracy and the rows behind them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.labeling.buckets import get_label_buckets, gold_column
from spear_amal.labeling.statistics import share, wilson_interval
from spear_amal.labeling.vote_totals import VotesInParts

# Below this many votes on gold rows a 95% interval is wider than about 0.4: no basis to judge.
FEW_VOTES = 20


class LFAnalysis:
    """Statistics of labelling functions, from their votes and optional gold labels.

    Rows with the gold label -1 are unlabelled and left out of everything that needs gold.

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

    def __init__(self, L: Any, lfs: Sequence[Any] | None = None) -> None:
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
        """Classes that each LF votes for."""
        return [np.flatnonzero(votes).tolist() for votes in self._counts.totals.votes]

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

    def lf_empirical_accuracies(self, Y: Any) -> np.ndarray:
        """Share of correct votes (m,) on rows with gold; 0 for an LF without votes there."""
        correct, incorrect = self._counts.correct(self._gold(Y))
        return share(correct, correct + incorrect)

    def lf_empirical_probs(self, Y: Any, k: int) -> np.ndarray:
        """P(vote | gold class) as (m, k+1, k): entry [j, l+1, y] for vote l (-1: abstain).

        0 for a class that has no gold row.
        """
        tables = self._counts.tables(self._gold(Y), k)
        return share(tables, tables.sum(axis=1, keepdims=True))

    def accuracy_intervals(
        self, Y: Any, level: float = 0.95, min_votes: int = FEW_VOTES
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
        if not 0 < level < 1:
            raise InputError(f"level must lie between 0 and 1, found {level}")
        correct, incorrect = self._counts.correct(self._gold(Y))
        n = correct + incorrect
        low, high = wilson_interval(correct, n, level)
        accuracy = np.where(n > 0, share(correct, n), np.nan)
        return pd.DataFrame(
            {"n": n, "accuracy": accuracy, "low": low, "high": high, "few_votes": n < min_votes},
            index=self._index,
        )

    def wrong_rows(self, lf: Any, Y: Any) -> pd.DataFrame:
        """Rows on which one LF votes against gold.

        Parameters
        ----------
        lf : str, int or LF
            Name, column number or the LF itself.
        Y : array (n,)

        Returns
        -------
        DataFrame
            ``row`` (position), ``row_id, vote, gold``.
        """
        j, gold = self._column(lf), self._gold(Y)
        votes = self._counts.column(j)
        rows = np.flatnonzero((votes >= 0) & (gold >= 0) & (gold != votes))
        ids = self._counts.row_ids(rows)
        return pd.DataFrame({"row": rows, "row_id": ids, "vote": votes[rows], "gold": gold[rows]})

    def error_buckets(self, lf: Any, Y: Any) -> dict[tuple[int, ...], np.ndarray]:
        """Row numbers by (gold, vote of one LF), for rows with gold; a vote of -1 is abstain."""
        j, gold = self._column(lf), self._gold(Y)
        known = np.flatnonzero(gold >= 0)
        buckets = get_label_buckets(gold[known], self._counts.column(j)[known])
        return {key: known[rows] for key, rows in buckets.items()}

    def lf_summary(self, Y: Any = None, est_weights: Any = None) -> pd.DataFrame:
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
            table["Correct"], table["Incorrect"] = self._counts.correct(self._gold(Y))
            table["Emp. Acc."] = self.lf_empirical_accuracies(Y)
        if est_weights is not None:
            table["Learned Weight"] = np.asarray(est_weights)
        return pd.DataFrame(table, index=self._index)

    def _gold(self, Y: Any) -> np.ndarray:
        return gold_column(Y, len(self.L))

    def _column(self, lf: Any) -> int:
        m = self.L.shape[1]
        if isinstance(lf, int | np.integer) and -m <= lf < m:
            return int(lf) % m
        name = getattr(lf, "name", lf)
        if name not in self._index:
            raise InputError(f"no LF {name!r}; the LFs are {self._index}")
        return self._index.index(name)
