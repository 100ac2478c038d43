"""What the rules add, in one sentence: a gain and its interval, nothing, or too early to say."""

from __future__ import annotations

from dataclasses import dataclass

from spear_amal.studies.crossval.intervals import Interval, rows_needed

#: Gain that is worth having, as a share: half of it parts "adds something" from "adds nothing".
SMALLEST_GAIN = 0.01


@dataclass(frozen=True)
class RulesVerdict:
    """What a method with rules gains over the classifier on the same gold rows alone.

    Attributes
    ----------
    gain : Interval
    n_gold, n_unlabelled : int
    method, baseline : str
        Their titles.
    smallest_gain : float
    in_folds : bool
        Whether it was measured on the gold rows themselves, so that more of them would tell more.
    """

    gain: Interval
    n_gold: int
    n_unlabelled: int
    method: str
    baseline: str
    smallest_gain: float = SMALLEST_GAIN
    in_folds: bool = True

    @property
    def answer(self) -> str:
        """Return "adds", "nothing" or "unclear"."""
        if self.gain.low > 0:
            return "adds"
        return "nothing" if self.gain.high < self.smallest_gain else "unclear"

    @property
    def more_rows(self) -> int:
        """Gold rows to label beside those there are, so that it can most likely be said.

        If the true gain is the one that was measured, the interval then leaves out 0, or for gains
        below half of the smallest one worth having that smallest gain, with a probability of 80%.
        """
        value = self.gain.value
        gap = max(value, self.smallest_gain - value)
        return max(rows_needed(self.n_gold, gap, self.gain.standard_error) - self.n_gold, 1)

    @property
    def text(self) -> str:
        """The verdict as one sentence."""
        value, low, high = (100 * share for share in _bounds(self.gain))
        interval = f"95% interval {low:+.1f} to {high:+.1f}"
        if self.answer == "adds":
            return f"The rules add {value:.1f} points ({interval})."
        if high < 0:
            return (
                f"The rules add nothing here: with them the score is {-value:.1f} points lower "
                f"({interval})."
            )
        if self.answer == "nothing":
            return f"The rules add nothing here worth having: {value:+.1f} points ({interval})."
        return (
            f"Too early to say whether the rules help: {value:+.1f} points ({interval}); "
            f"{self._advice()}."
        )

    def _advice(self) -> str:
        about = rounded_up(self.more_rows)
        if not self.in_folds:
            return f"a test table with about {about:,} more rows would most likely tell"
        if self.more_rows > self.n_unlabelled:
            return (
                f"it would take about {about:,} more labelled rows, and the table has "
                f"{self.n_unlabelled:,} without a label"
            )
        return f"label about {about:,} more rows"


def _bounds(interval: Interval) -> tuple[float, float, float]:
    return interval.value, interval.low, interval.high


def rounded_up(count: int) -> int:
    """Round up to two digits, as the number is a rough one.

    Examples
    --------
    >>> rounded_up(7), rounded_up(231), rounded_up(1999)
    (7, 240, 2000)
    """
    step = 10 ** max(len(str(count)) - 2, 0)
    return -(-count // step) * step
