"""What to do next, in one sentence: write a rule, label some more rows, or stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spear_amal.studies.crossval.intervals import Interval
from spear_amal.studies.crossval.label_curve import LabelNumber
from spear_amal.studies.crossval.verdict import rounded_up


@dataclass(frozen=True)
class CrossoverAdvice:
    """What one more gain worth having would cost, in labels and in rules.

    A rule is taken to bring what those at hand bring on the average; it costs `labels_per_rule`
    labels. Where the gain of the rules is not surely above zero, nothing is expected of more.

    Attributes
    ----------
    gain : Interval
        Of the rules, with the labels at hand.
    worth : LabelNumber
        Labels that would make up for the rules.
    n_labels, n_rules, n_unlabelled : int
    labels_for_more : float
        Labels beside those at hand for a further `smallest_gain`; infinity beyond `farthest`.
    farthest : int
    smallest_gain : float
        A share.
    labels_per_rule : float
    """

    gain: Interval
    worth: LabelNumber
    n_labels: int
    n_rules: int
    labels_for_more: float
    farthest: int
    n_unlabelled: int
    smallest_gain: float
    labels_per_rule: float

    @property
    def rules_for_more(self) -> float:
        """Rules for a further `smallest_gain`; infinity where nothing is to be expected of them."""
        if self.gain.low <= 0 or self.n_rules == 0:
            return np.inf
        return self.smallest_gain / (self.gain.value / self.n_rules)

    @property
    def answer(self) -> str:
        """Return "rule", "label" or "stop"."""
        rules, labels = self.rules_for_more * self.labels_per_rule, self.labels_for_more
        if not np.isfinite(min(rules, labels)):
            return "stop"
        return "rule" if rules <= labels else "label"

    @property
    def text(self) -> str:
        """What to do, in one sentence."""
        points = f"{100 * self.smallest_gain:g} point{'' if self.smallest_gain == 0.01 else 's'}"
        more = rounded_up(int(min(self.labels_for_more, self.farthest)))
        amount = f"{'about' if np.isfinite(self.labels_for_more) else 'more than'} {more:,} more"
        if self.answer == "rule":
            rules = max(round(self.rules_for_more), 1)
            many = "a rule" if rules == 1 else f"about {rules} rules"
            return (
                f"Write a rule: {many} as good as your {self.n_rules} would add {points}, for "
                f"which it takes {amount} labels."
            )
        value, low, high = (100 * x for x in (self.gain.value, self.gain.low, self.gain.high))
        rules_add = f"the rules add {value:+.1f} points (95% interval {low:+.1f} to {high:+.1f})"
        if self.answer == "label":
            few = ""
            if more > self.n_unlabelled:
                few = f", of which the table has {self.n_unlabelled:,}"
            return f"Label {amount} rows{few}: that promises {points}; {rules_add}."
        return f"Stop: {points} would take {amount} labels, and {rules_add}."
