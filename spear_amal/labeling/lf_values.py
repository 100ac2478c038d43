"""What each labelling function is worth in points, and what dropping or changing it would gain."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import StoredVotesLike, VectorLike
from spear_amal.labeling.analysis import VotesInParts
from spear_amal.labeling.guessed_rows import GuessedRows
from spear_amal.labeling.review_rows import GoldVotes
from spear_amal.maths.holm import holm
from spear_amal.maths.prediction_powered import PoweredMean, powered_mean
from spear_amal.votes.gold import gold_codes

LEVEL = 0.05
COLUMNS = (
    *("LF", "gold votes", "value", "value low", "value high"),
    *("dropping", "dropping low", "dropping high", "change", "gain", "gain low", "gain high"),
    "sure",
)
_NORMAL = NormalDist()
_Z = _NORMAL.inv_cdf(0.975)


def lf_values(L: StoredVotesLike, y: VectorLike) -> pd.DataFrame:
    """Return what each LF is worth to a majority vote, and the change of it that gains most.

    A row's *credit* is 1 where the majority of votes is its gold class, shared between classes
    that tie, and 1 / C without votes. Dropping an LF, muting some of its votes or re-pointing them
    to another class changes the credit of rows; the gold rows tell by how much, and rows without
    gold narrow the interval (:mod:`spear_amal.maths.prediction_powered`). The *value* of an LF is
    its Shapley value for the mean share of a row's votes that are right (as WeShap has it, Guan et
    al. 2024): what it adds on the average, when the LFs come one after the other in any order.
    Values of all LFs add up to that share, less 1 / C.

    Parameters
    ----------
    L : LabelMatrix, integer array of shape (n, m), or VoteFiles or the path of such a folder
    y : array (n,)
        Gold classes: names, codes or numbers that classes are called by; -1, None or NaN where
        unknown. Rows with gold must be a random sample for the intervals to hold.

    Returns
    -------
    DataFrame
        One row for each LF, shares, not points: ``LF``, ``gold votes``, ``value`` and ``dropping``
        (what dropping it gains) with 95% intervals (``low``, ``high``); ``change`` ("drop", "mute
        where others differ", "mute its CLASS", "re-point CLASS to OTHER", or "keep" where nothing
        gains), its ``gain`` with an interval that allows for the choice among all changes of the
        LF, and ``sure``: True if the gain is above zero and not by luck among so many LFs (Holm).

    Raises
    ------
    InputError
        If rows differ, or a label is no class of L.

    Examples
    --------
    >>> y = np.array([0, 1] * 40)
    >>> votes = np.stack([y, y, np.where(np.arange(80) % 4 < 2, 1 - y, -1)], axis=1)
    >>> lf_values(votes, y)["value"].round(2).tolist()
    [0.28, 0.28, -0.22]
    """
    counts = VotesInParts(L)
    gold = gold_codes(y, counts.L, "y")
    voted = GoldVotes.of(counts, gold)
    with warnings.catch_warnings():  # whatever is odd about the labels was said above
        warnings.simplefilter("ignore", UserWarning)
        rows = GuessedRows.of(counts, voted, gold)
    return lf_value_table(rows, list(counts.L.lf_names), voted.names)


def lf_value_table(
    rows: GuessedRows, lf_names: Sequence[str], classes: Sequence[Any]
) -> pd.DataFrame:
    """Return the table of :func:`lf_values`; empty without gold or LFs."""
    if not len(rows.gold) or not lf_names:
        return pd.DataFrame(columns=list(COLUMNS))
    game = VoteGame.of(rows)
    records, tails = [], []
    for lf, name in enumerate(lf_names):
        value = game.shapley(lf)
        changes = {change: game.gain(lf, votes) for change, votes in _changes(game, lf, classes)}
        best = max(changes, key=lambda change: np.nan_to_num(changes[change].value, nan=-1.0))
        gain, tail = _among(changes[best], len(changes))
        better = gain.value > 0
        dropping = changes["drop"]
        records.append(
            {
                "LF": name,
                "gold votes": int((rows.votes[:, lf] >= 0).sum()),
                "value": value.value,
                "value low": value.low,
                "value high": value.high,
                "dropping": dropping.value,
                "dropping low": dropping.low,
                "dropping high": dropping.high,
                "change": best if better else "keep",
                "gain": gain.value if better else 0.0,
                "gain low": gain.low if better else np.nan,
                "gain high": gain.high if better else np.nan,
            }
        )
        tails.append(tail if better else 1.0)
    table = pd.DataFrame(records)
    return table.assign(sure=holm(tails) <= LEVEL)[list(COLUMNS)]


def _changes(
    game: VoteGame, lf: int, classes: Sequence[Any]
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Yield changes of an LF in words, and its votes then on gold and on other rows."""
    columns = game.columns(lf)
    yield "drop", _mapped(columns, lambda votes: np.full_like(votes, -1))
    lonely = game.where_others_differ(lf)
    if any(where.any() for where in lonely):
        muted = [np.where(where, -1, votes) for where, votes in zip(lonely, columns, strict=True)]
        yield "mute where others differ", (muted[0], muted[1])
    voted_for = np.unique(columns[0][columns[0] >= 0])
    for code in voted_for:
        if len(voted_for) > 1:
            yield f"mute its {classes[code]}", _mapped(columns, _replaced(code, -1))
        for other in range(len(classes)):
            if other != code:
                change = f"re-point {classes[code]} to {classes[other]}"
                yield change, _mapped(columns, _replaced(code, other))


def _mapped(columns: tuple[np.ndarray, np.ndarray], change: Any) -> tuple[np.ndarray, np.ndarray]:
    return change(columns[0]), change(columns[1])


def _replaced(code: int, new: int) -> Any:
    return lambda votes: np.where(votes == code, new, votes)


def _among(gain: PoweredMean, n_changes: int) -> tuple[PoweredMean, float]:
    """Widen the interval of the best of several changes; return it and its p-value."""
    half = gain.high - gain.value
    if not half > 0:
        return gain, 1.0
    tail = min(2 * n_changes * _NORMAL.cdf(-gain.value * _Z / half), 1.0)
    return gain.at_level(1 - LEVEL / n_changes), tail


@dataclass(frozen=True)
class VoteGame:
    """What votes are worth to the majority vote of their rows, as :func:`lf_values` has it.

    Attributes
    ----------
    rows : GuessedRows
    for_class : pair of ndarray of int (g, C), (N, C)
        The number of votes for each class, of gold rows and of others.
    """

    rows: GuessedRows
    for_class: tuple[np.ndarray, np.ndarray]

    @classmethod
    def of(cls, rows: GuessedRows) -> VoteGame:
        """Count the votes."""
        both = (rows.votes, rows.other_votes)
        for_class = [
            np.stack([(votes == c).sum(1) for c in range(rows.n_classes)], axis=1) for votes in both
        ]
        return cls(rows, (for_class[0], for_class[1]))

    def columns(self, lf: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the votes of an LF on gold rows (g,) and on others (N,)."""
        return self.rows.votes[:, lf], self.rows.other_votes[:, lf]

    def where_others_differ(self, lf: int) -> list[np.ndarray]:
        """Return on which rows the LF votes and another one votes for another class."""
        return [
            (votes >= 0) & (counts.sum(1) > counts[np.arange(len(votes)), votes])
            for votes, counts in zip(self.columns(lf), self.for_class, strict=True)
        ]

    def gain(self, lf: int, new: tuple[np.ndarray, np.ndarray]) -> PoweredMean:
        """Return by how much the mean credit of rows grows if the LF voted otherwise."""
        return self._gain(self.columns(lf), new)

    def gain_of_adding(self, new: tuple[np.ndarray, np.ndarray]) -> PoweredMean:
        """Return by how much it grows with the votes of one more LF: on gold rows, on others."""
        return self._gain(_mapped(new, lambda votes: np.full_like(votes, -1)), new)

    def _gain(
        self, old: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray]
    ) -> PoweredMean:
        changed, gains = [], []
        for votes, votes_then, counts in zip(old, new, self.for_class, strict=True):
            where = np.flatnonzero(votes != votes_then)
            before = counts[where]
            after = before - _one_hot(votes[where], before) + _one_hot(votes_then[where], before)
            changed.append(where)
            gains.append(_credit(after) - _credit(before))
        return self._mean(changed, gains)

    def shapley(self, lf: int) -> PoweredMean:
        """Return the mean Shapley value of an LF over rows."""
        changed, values = [], []
        for votes, counts in zip(self.columns(lf), self.for_class, strict=True):
            where = np.flatnonzero(votes >= 0)
            right = _one_hot(votes[where], counts[where]).astype(bool)
            changed.append(where)
            values.append(shapley_of_vote(counts[where], right, 1 / counts.shape[1]))
        return self._mean(changed, values)

    def _mean(self, where: Sequence[np.ndarray], values: Sequence[np.ndarray]) -> PoweredMean:
        """Return the mean over all rows of values (k, C) by class, 0 on rows that do not change.

        How many rows change is seen on all rows; what that is worth hangs on their classes.
        """
        gold, other = where
        n = len(self.rows.gold) + len(self.rows.other_votes)
        share = (len(gold) + len(other)) / n
        if not share:
            return PoweredMean(0.0, 0.0, 0.0, 0, 0.0, 0.0)
        if not len(gold):
            return PoweredMean(np.nan, -share, share, 0, 0.0, 0.0)
        mean = powered_mean(
            values[0][np.arange(len(gold)), self.rows.gold[gold]],
            (values[0] * self.rows.guesses[gold]).sum(1),
            (values[1] * self.rows.other_guesses[other]).sum(1),
            size=float(np.sqrt((np.concatenate(values) ** 2).mean())),
        )
        # How many rows change is another number on new rows.
        drawn = _Z * mean.value * np.sqrt(share * (1 - share) / n)
        value, half = share * mean.value, float(np.hypot(share * (mean.high - mean.value), drawn))
        return PoweredMean(
            value, value - half, value + half, mean.n_gold, mean.n_effective, mean.weight
        )


def _one_hot(votes: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return votes (k,) as (k, C) of 0 and 1; abstaining is all 0."""
    return votes[:, None] == np.arange(like.shape[1])


def _credit(counts: np.ndarray) -> np.ndarray:
    """Return the credit (k, C) of rows, were each class the right one, by their votes (k, C)."""
    top = counts == counts.max(1, keepdims=True)
    return top / top.sum(1, keepdims=True)


def shapley_of_vote(counts: np.ndarray, right: np.ndarray, chance: float) -> np.ndarray:
    """Return the Shapley value of one vote for the share of a row's votes that are right.

    With n votes, c of them right, and `chance` without any, the values of a right and of a wrong
    vote are

        (1 - chance + (1 - (c - 1) / (n - 1)) (H_n - 1)) / n
        (-chance - c / (n - 1) (H_n - 1)) / n

    H_n is the sum of 1 / i up to n: of votes in random order, the next one after s others makes up
    1 / (s + 1) of the share.

    Parameters
    ----------
    counts : ndarray (k, C)
        Votes for each class, the one that is judged among them.
    right : ndarray of bool (k, C)
        Whether the vote is right, were each class the gold one.
    chance : float

    Examples
    --------
    >>> shapley_of_vote(np.array([[1, 0]]), np.array([[True, False]]), 0.5).tolist()
    [[0.5, -0.5]]
    """
    n = counts.sum(1, keepdims=True)
    harmonic = np.cumsum(1 / np.arange(1, max(int(n.max(initial=1)), 1) + 1))[n - 1] - 1
    others = np.maximum(n - 1, 1)
    for_right = 1 - chance + (1 - (counts - 1) / others) * harmonic
    for_wrong = -chance - counts / others * harmonic
    return np.where(right, for_right, for_wrong) / n
