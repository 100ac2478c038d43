"""How a score moved from one rule set to the next, and whether that is more than noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from spear_amal.studies.crossval.intervals import Z, gain_interval
from spear_amal.workbench.history import RecordedRun, RuleHistory

_FEWEST = 5  # rows that both runs scored, from which they are held against each other row by row


@dataclass(frozen=True)
class ScoreMove:
    """A difference of two estimated scores, as shares.

    Attributes
    ----------
    before, after : RecordedRun
    value, low, high : float
        The difference and its 95% interval.
    rows : int
        Labelled rows that both were scored on; 0 where only the intervals are known.
    """

    before: RecordedRun
    after: RecordedRun
    value: float
    low: float
    high: float
    rows: int

    @property
    def is_noise(self) -> bool:
        """Whether nothing may have moved at all."""
        return self.low <= 0 <= self.high

    @property
    def text(self) -> str:
        """The move in a sentence."""
        points = f"{100 * self.value:+.1f} points"
        if not round(1000 * self.value):
            points = "0.0 points"
        interval = f"95% interval {100 * self.low:+.1f} to {100 * self.high:+.1f}"
        on = f" on the {self.rows} labelled rows that both were scored on" if self.rows else ""
        return f"{points} ({interval}){on}"

    @property
    def verdict(self) -> str:
        """What may be concluded."""
        if self.is_noise:
            return "This is within the noise: the rules may be no better and no worse than before."
        return f"This is more than noise: the score {'rose' if self.value > 0 else 'fell'}."


def move_since_change(
    history: RuleHistory, runs: Sequence[RecordedRun], run: RecordedRun
) -> ScoreMove | None:
    """Return how the score of a run differs from that of the last run with other rules.

    None where the run has no score, or there is no such run of its kind. `runs` are all, the oldest
    first.
    """
    if run.estimate is None:
        return None
    for other in reversed(runs):
        comparable = other.id < run.id and other.estimate is not None and other.kind == run.kind
        if comparable and other.rules != run.rules:
            return move_between(history, other, run)
    return None


def move_between(history: RuleHistory, before: RecordedRun, after: RecordedRun) -> ScoreMove:
    """Compute the difference of the scores of two runs, row by row where both are known."""
    first, second = before.estimate or {}, after.estimate or {}
    answers = [run.outcome.get("unseen") for run in (before, after)]
    if None not in answers:
        said = [history.read_json(str(digest)) for digest in answers]
        paired = _paired(str(second["metric"]), said[0], said[1])
        if paired is not None:
            return ScoreMove(before, after, *paired)
    value = second["score"] - first["score"]
    # As if the rows were others: wider than it would be row by row.
    error = np.hypot(*((part["high"] - part["low"]) / (2 * Z) for part in (first, second)))
    return ScoreMove(before, after, value, value - Z * error, value + Z * error, 0)


def _paired(
    metric: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> tuple[float, float, float, int] | None:
    """Return difference, bounds and number of rows; None where too few rows are the same."""
    own, other = np.array(after["digests"], np.uint64), np.array(before["digests"], np.uint64)
    _, places, former = np.intersect1d(own, other, return_indices=True)
    if len(places) < _FEWEST:
        return None
    change = gain_interval(
        metric,
        np.array(after["gold"])[places],
        np.array(after["predicted"])[None, places],
        np.array(before["predicted"])[None, former],
        np.arange(len(places)),
        max(after["overlap"], before["overlap"]),
        int(after["positive"]),
    )
    return change.value, change.low, change.high, len(places)
