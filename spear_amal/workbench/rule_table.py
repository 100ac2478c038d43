"""What LFs do, as a table; the numbers are those of the commands ``apply`` and ``analyze``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Lock

import numpy as np
import pandas as pd

from spear_amal.labeling import lf_check, lf_grades, lf_values
from spear_amal.labeling.analysis import share, wilson_interval
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.workbench.snapshot import LFState, Snapshot

_CHECKED = {"votes": "gold_votes", "right": "right", "precision": "precision"}
_VALUES = {
    **{"value": "value", "value low": "value_low", "value high": "value_high"},
    **{"change": "advice", "gain": "gain", "sure": "is_sure"},
}


@dataclass(frozen=True)
class MajorityScore:
    """How a set of LFs, by its majority, agrees with gold.

    Attributes
    ----------
    coverage : float
        Share of rows with a vote.
    agreement, low, high : float
        Share of the gold rows with votes that the majority gives their class, and its 95% interval;
        a tie counts as a part. NaN, 0 and 1 without any.
    n_gold : int
        Gold rows with votes.
    """

    coverage: float
    agreement: float
    low: float
    high: float
    n_gold: int


@dataclass(frozen=True)
class MutingEffect:
    """What changes if an LF is muted, or taken in again.

    Attributes
    ----------
    is_muting : bool
    now, then : MajorityScore
    value, value_low, value_high : float
        By how much the share of right rows is expected to change, of all rows; with 95% interval.
        NaN without gold.
    """

    is_muting: bool
    now: MajorityScore
    then: MajorityScore
    value: float
    value_low: float
    value_high: float


class RuleTables:
    """The table of rules of the newest snapshot; values of LFs are computed in the background.

    Parameters
    ----------
    values_known : callable
        Called in the background when values are there that a table lacked.
    """

    def __init__(self, values_known: Callable[[], None]) -> None:
        self._values_known = values_known
        self._lock = Lock()
        self._background = ThreadPoolExecutor(1, "values")
        self._counted: tuple[Snapshot, pd.DataFrame] | None = None
        self._valued: tuple[Snapshot, pd.DataFrame] | None = None
        self._valuing: Future[None] | None = None
        self._is_lacked = False

    def close(self) -> None:
        """Begin no further computation."""
        self._background.shutdown(wait=False, cancel_futures=True)

    def table(self, snapshot: Snapshot, seconds: float = 0.1) -> pd.DataFrame:
        """Return the table of :func:`rule_table` with values and times of change.

        Parameters
        ----------
        snapshot : Snapshot
        seconds : float
            How long to wait for values.
        """
        with self._lock:
            if self._counted is None or not _is_same(self._counted[0], snapshot):
                self._counted = snapshot, rule_table(snapshot)
            counted = self._counted[1]
            is_known = self._valued is not None and _is_same(self._valued[0], snapshot)
            if not is_known and (self._valuing is None or self._valuing.done()):
                self._valuing = self._background.submit(self._compute, snapshot)
            valuing = self._valuing
        if not is_known and valuing is not None:
            wait([valuing], seconds)
        with self._lock:
            valued = self._valued
            is_known = valued is not None and _is_same(valued[0], snapshot)
            self._is_lacked = not is_known
        values = pd.DataFrame(columns=list(_VALUES.values())) if valued is None else valued[1]
        table = counted.join(values)
        return table.assign(
            is_value_pending=not is_known, changed=[lf.changed for lf in snapshot.lfs]
        )

    def _compute(self, snapshot: Snapshot) -> None:
        values = value_table(snapshot)
        with self._lock:
            self._valued, is_lacked = (snapshot, values), self._is_lacked
        if is_lacked:
            self._values_known()


def _is_same(one: Snapshot, other: Snapshot) -> bool:
    """Return whether two snapshots have the same votes, gold and classes."""
    return (
        one.gold is other.gold
        and one.classes == other.classes
        and len(one.lfs) == len(other.lfs)
        and all(
            (a.name, a.is_active) == (b.name, b.is_active) and a.votes is b.votes
            for a, b in zip(one.lfs, other.lfs, strict=True)
        )
    )


def rule_table(snapshot: Snapshot) -> pd.DataFrame:
    """Return the statistics of all LFs of a snapshot but their values.

    Overlaps and conflicts of an LF that does not vote are those that it would have.

    Returns
    -------
    DataFrame
        Index: names of LFs, in file order. ``coverage, overlaps, conflicts`` as shares of the rows;
        ``gold_votes, right, precision, low, high, chance, verdict`` as of
        :func:`~spear_amal.labeling.lf_check`; ``grade``.
    """
    active = [lf for lf in snapshot.lfs if lf.is_active]
    others = [lf for lf in snapshot.lfs if not lf.is_active]
    ordered = [*active, *others]  # an LF is no copy of one that does not vote
    matrix = matrix_of(ordered, snapshot)
    check = lf_check(matrix, snapshot.gold).rename(columns=_CHECKED)
    table = pd.DataFrame(index=[lf.name for lf in ordered])
    table[["coverage", "overlaps", "conflicts"]] = _shares(active, others, len(snapshot.texts))
    for column in (*_CHECKED.values(), "low", "high", "chance", "verdict"):
        table[column] = check[column].to_numpy()
    table["grade"] = lf_grades(matrix, snapshot.gold)
    return table.loc[[lf.name for lf in snapshot.lfs]]


def value_table(snapshot: Snapshot) -> pd.DataFrame:
    """Return what the LFs that vote are worth; see :func:`~spear_amal.labeling.lf_values`.

    Returns
    -------
    DataFrame
        Index: names of LFs; ``value, value_low, value_high`` and the change that gains most:
        ``advice, gain, is_sure``. Empty without gold.
    """
    values = lf_values(snapshot.matrix(), snapshot.gold)
    return values.set_index("LF")[list(_VALUES)].rename(columns=_VALUES)


def matrix_of(lfs: Sequence[LFState], snapshot: Snapshot) -> LabelMatrix:
    """Return the votes (n, m) of some LFs."""
    columns = [lf.votes for lf in lfs]
    votes = np.stack(columns, axis=1) if columns else np.empty((len(snapshot.texts), 0), np.int16)
    names = [lf.name for lf in lfs]
    return LabelMatrix.from_dense(votes, lf_names=names, classes=snapshot.classes)


def effect_of_muting(snapshot: Snapshot, name: str) -> MutingEffect:
    """Return what changes if an LF that votes is muted, or another one is taken in."""
    changed = next(lf for lf in snapshot.lfs if lf.name == name)
    without = [lf for lf in snapshot.active if lf.name != name]
    with_it = [lf for lf in snapshot.lfs if lf.is_active or lf.name == name]
    scores = [_score(lfs, snapshot) for lfs in (with_it, without)]
    values = lf_values(matrix_of(with_it, snapshot), snapshot.gold).set_index("LF")
    dropping = [np.nan] * 3
    if name in values.index:
        columns = ["dropping", "dropping low", "dropping high"]
        dropping = values.loc[name, columns].astype(float).tolist()
    if not changed.is_active:
        scores.reverse()
        dropping = [-dropping[0], -dropping[2], -dropping[1]]
    return MutingEffect(changed.is_active, scores[0], scores[1], *dropping)


def majority_score(snapshot: Snapshot) -> MajorityScore:
    """Return how the majority of the LFs that vote agrees with gold."""
    return _score(snapshot.active, snapshot)


def _score(lfs: Sequence[LFState], snapshot: Snapshot) -> MajorityScore:
    n, gold = len(snapshot.texts), snapshot.gold
    covered = np.zeros(n, dtype=bool)
    for lf in lfs:
        covered |= lf.votes >= 0
    rows = np.flatnonzero(covered & (gold >= 0))
    counts = np.zeros((len(rows), len(snapshot.classes)), dtype=np.int64)
    for lf in lfs:
        votes = lf.votes[rows]
        fired = votes >= 0
        counts[fired, votes[fired]] += 1
    top = counts == counts.max(axis=1, keepdims=True)
    credit = (top / top.sum(axis=1, keepdims=True))[np.arange(len(rows)), gold[rows]].sum()
    low, high = wilson_interval(np.array([credit]), np.array([len(rows)]), 0.95)
    agreement = credit / len(rows) if len(rows) else np.nan
    coverage = float(covered.mean()) if n else 0.0
    return MajorityScore(coverage, float(agreement), float(low[0]), float(high[0]), len(rows))


def _shares(active: Sequence[LFState], others: Sequence[LFState], n: int) -> np.ndarray:
    """Return coverage, overlaps and conflicts (m, 3), of LFs that vote and of others."""
    per_row = np.zeros(n, dtype=np.int32)
    lowest = np.full(n, np.iinfo(np.int16).max, dtype=np.int16)
    highest = np.full(n, -1, dtype=np.int16)
    for lf in active:
        fired = lf.votes >= 0
        per_row += fired
        np.maximum(highest, lf.votes, out=highest)
        np.minimum(lowest, lf.votes, out=lowest, where=fired)
    overlapping, conflicted = per_row > 1, (per_row > 0) & (lowest < highest)
    counts = []
    for lf in active:
        fired = lf.votes >= 0
        counts.append((fired.sum(), (fired & overlapping).sum(), (fired & conflicted).sum()))
    for lf in others:
        fired = (lf.votes >= 0) & (per_row > 0)
        differ = fired & ((lf.votes != lowest) | (lf.votes != highest))
        counts.append(((lf.votes >= 0).sum(), fired.sum(), differ.sum()))
    return share(np.array(counts, dtype=np.int64).reshape(-1, 3), n)
