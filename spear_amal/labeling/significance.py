"""Are the labelling functions better than chance? Each by its interval, all of them by one test."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spear_amal._typing import StoredVotesLike, VectorLike
from spear_amal.checks import check_share, check_whole
from spear_amal.labeling.analysis import LFAnalysis, VotesInParts, share, wilson_interval
from spear_amal.seeds import settle_seed
from spear_amal.votes.gold import gold_codes

LEVEL = 0.05  # a p-value above it leaves "the votes tell nothing" standing
STRICT_LEVEL = 0.01
MANY_ROWS = 100  # voted gold rows from which the stricter level holds
# With fewer voted gold rows the test misses good LFs too often to condemn any.
LEAST_ROWS = 20
_CHUNK = 2_000_000  # classes drawn at a time, 16 MB
# Numbers of its own, so that a partition or a shuffle with the same seed is not undone by chance.
_STREAM = 1_963
_ROUNDING = 1e-9  # two orders of the same sum differ by less, two statistics by more


@dataclass(frozen=True)
class VotesTest:
    """What :func:`votes_test` found.

    Attributes
    ----------
    p_value : float
        Chance of such an agreement if votes had nothing to do with gold; 1 without voted gold rows.
    agreement : float
        Share of a row's votes that hit its gold class, mean over voted gold rows; NaN for none.
    expected : float
        The same share if votes had nothing to do with gold.
    n_rows, n_votes : int
        Gold rows with votes, and the votes on them.
    """

    p_value: float
    agreement: float
    expected: float
    n_rows: int
    n_votes: int

    @property
    def beats_chance(self) -> bool:
        """True if votes that have nothing to do with gold would hardly agree so well.

        That is p <= 0.05, or p <= 0.01 where there are 100 voted gold rows or more: votes of any
        use pass the stricter level with so many rows, and useless ones pass it more rarely.
        """
        return self.p_value <= (STRICT_LEVEL if self.n_rows >= MANY_ROWS else LEVEL)

    @property
    def informative(self) -> bool:
        """False only if enough rows were seen and the votes still look like chance."""
        return self.beats_chance or self.n_rows < LEAST_ROWS


def votes_test(
    L: StoredVotesLike, y: VectorLike, n_permutations: int = 1999, seed: int = 0
) -> VotesTest:
    """Test whether votes have anything to do with gold, by permutation.

    With A (n, C) the shares of a row's votes for each class, 0 on rows without votes, the
    statistic is T = sum_i A[i, y_i]. Under the null hypothesis every order of the gold classes
    over the gold rows is as likely, so p = (1 + #{T_permuted >= T}) / (1 + n_permutations). Rows
    without votes are permuted along: LFs that all vote for one class tell something by where they
    abstain.

    Parameters
    ----------
    L : LabelMatrix, integer array of shape (n, m), or VoteFiles or the path of such a folder
    y : array (n,)
        Gold classes: names, codes or numbers that classes are called by; -1, None or NaN where
        unknown.
    n_permutations : int
    seed : int
        Same numbers, same p-value.

    Raises
    ------
    InputError
        If rows differ, a label is no class of L, or `n_permutations` is below 1.

    Examples
    --------
    >>> y = np.arange(30) % 2
    >>> votes_test(y[:, None], y)
    VotesTest(p_value=0.0005, agreement=1.0, expected=0.5, n_rows=30, n_votes=30)
    """
    return permutation_test(*_known(L, y), n_permutations, seed)


def permutation_test(
    counts: np.ndarray, gold: np.ndarray, n_permutations: int = 1999, seed: int = 0
) -> VotesTest:
    """Run :func:`votes_test` on the number of votes by row and class.

    Parameters
    ----------
    counts : ndarray (n, C)
        Votes for each class, of rows with gold.
    gold : ndarray of int (n,)
    n_permutations, seed
        As for :func:`votes_test`.
    """
    check_whole("n_permutations", n_permutations, 1)
    n_rows, n_votes = int(counts.any(axis=1).sum()), int(counts.sum())
    if n_rows == 0:
        return VotesTest(1.0, float("nan"), float("nan"), 0, 0)
    A = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)  # (n, C)
    T = A[np.arange(len(gold)), gold].sum()
    drawn = _permuted(
        A, gold, n_permutations, np.random.default_rng([_STREAM, settle_seed(seed, "seed")])
    )
    as_high = sum(int((some >= T - _ROUNDING).sum()) for some in drawn)
    of_class = np.bincount(gold, minlength=A.shape[1]) / len(gold)
    return VotesTest(
        p_value=(1 + as_high) / (1 + n_permutations),
        agreement=float(T / n_rows),
        expected=float((A @ of_class).sum() / n_rows),
        n_rows=n_rows,
        n_votes=n_votes,
    )


def _known(L: StoredVotesLike, y: VectorLike) -> tuple[np.ndarray, np.ndarray]:
    """Votes by class (n, C) and the class (n,) of the rows with gold."""
    votes = VotesInParts(L)
    gold = gold_codes(y, votes.L, "y")
    C = _n_classes(votes, gold)
    known: list[np.ndarray] = [np.zeros((0, C))]
    for rows, part in votes.parts():
        counts = np.bincount(part.rows.astype(np.int64) * C + part.votes, minlength=part.n * C)
        known.append(counts.reshape(part.n, C)[gold[rows] >= 0].astype(float))
    return np.concatenate(known), gold[gold >= 0]


def _n_classes(votes: VotesInParts, gold: np.ndarray) -> int:
    """Classes that votes or gold may name."""
    return max(votes.L.n_classes, int(gold.max(initial=-1)) + 1)


def _permuted(
    A: np.ndarray, gold: np.ndarray, times: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """Statistics of permuted gold classes, some at a time."""
    n = len(gold)
    step = max(1, _CHUNK // n)
    for first in range(0, times, step):
        many = np.broadcast_to(gold, (min(step, times - first), n))
        yield A[np.arange(n), generator.permuted(many, axis=1)].sum(axis=1)


def lf_check(L: StoredVotesLike, y: VectorLike, alpha: float = 0.05) -> pd.DataFrame:
    """Judge each LF on gold rows: its precision against that of votes drawn blindly.

    Parameters
    ----------
    L : LabelMatrix, integer array of shape (n, m), or VoteFiles or the path of such a folder
    y : array (n,)
        Gold classes: names, codes or numbers that classes are called by; -1, None or NaN where
        unknown.
    alpha : float
        Intervals hold at 1 - alpha, for each LF alone: among many LFs a few verdicts are luck.

    Returns
    -------
    DataFrame
        One row for each LF, indexed as :class:`LFAnalysis` does: ``votes`` on gold rows, ``right``
        ones, ``precision`` (NaN without votes) and the bounds ``low, high`` of its Wilson interval,
        ``chance`` (its precision if its votes had nothing to do with gold: gold shares weighted by
        its votes; NaN without votes) and ``verdict``: "good" (low > chance), "bad" (high <
        chance), "unclear", or "silent" (no vote on a gold row).

    Raises
    ------
    InputError
        If rows differ, a label is no class of L, or `alpha` lies outside (0, 1).

    Examples
    --------
    >>> votes = np.array([[0, 1, -1]] * 13 + [[1, 0, -1]] * 13)
    >>> lf_check(votes, [0] * 13 + [1] * 13)["verdict"].tolist()
    ['good', 'bad', 'silent']
    """
    check_share("alpha", alpha)
    analysis = LFAnalysis(L)
    gold = gold_codes(y, analysis.L, "y")
    counts = VotesInParts(analysis.L)
    right, wrong = counts.correct(gold)
    votes = right + wrong
    low, high = wilson_interval(right, votes, 1 - alpha)
    columns = {
        "votes": votes,
        "right": right,
        "precision": np.where(votes > 0, share(right, votes), np.nan),
        "low": low,
        "high": high,
        "chance": _chance(counts, gold, votes),
    }
    table = pd.DataFrame(columns, index=analysis.lf_summary().index)
    table["verdict"] = np.select(
        [votes == 0, table["low"] > table["chance"], table["high"] < table["chance"]],
        ["silent", "good", "bad"],
        "unclear",
    )
    return table


def _chance(counts: VotesInParts, gold: np.ndarray, votes: np.ndarray) -> np.ndarray:
    """Precision (m,) of votes that had nothing to do with gold, NaN for LFs without gold votes."""
    C = _n_classes(counts, gold)
    of_class = np.bincount(gold[gold >= 0], minlength=C) / max((gold >= 0).sum(), 1)
    hits = counts.tables(gold, C)[:, 1:].sum(axis=2) @ of_class
    return np.where(votes > 0, share(hits, votes), np.nan)
