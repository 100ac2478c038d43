"""What :func:`suggest_lfs` returns: candidates with what gold, votes and a model say of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from spear_amal.declared_lfs import Rule, describe


@dataclass(frozen=True)
class Candidate:
    """A declared rule that may become an LF.

    Attributes
    ----------
    rule : Rule
    words : str
        What it asks, in short words.
    signature : str
        What it asks and votes for, whatever its name and bound: a rejection is remembered by it.
    rows : ndarray of int
        Positions of the rows on which it votes.
    right, wrong : ndarray of int
        Those of them whose gold class is its own, and another one.
    coverage, new_coverage : float
        Share of all rows on which it votes; and on which no LF votes so far.
    precision, low, high : float
        Share of right votes on gold rows (NaN without any), with an interval that allows for the
        choice among all that were tried.
    chance : float
        Share of its class among the gold rows: the precision of a blind vote.
    gain, gain_low, gain_high : float
        By how much the credit of a row grows on the average, as :func:`lf_values` counts it.
    p_value : float
        Chance that anything in a list like this looks so good by luck alone.
    n_confident : int
        Rows without gold, of a sample, on which it votes and the model (or the label model) is sure
        of a class; 0 where it is sure of hardly any row of another class.
    confident : float
        Share of them that are of its class; NaN for none.
    more_gold : int or None
        Further gold rows, drawn at random, that would decide if it is as good as it looks; 0 for
        what is decided, None where even thousands would not.
    alike : tuple of str
        Other candidates that vote on nearly the same rows, in words.
    """

    rule: Rule
    words: str
    signature: str
    rows: np.ndarray
    right: np.ndarray
    wrong: np.ndarray
    coverage: float
    new_coverage: float
    precision: float
    low: float
    high: float
    chance: float
    gain: float
    gain_low: float
    gain_high: float
    p_value: float
    n_confident: int
    confident: float
    more_gold: int | None
    alike: tuple[str, ...] = ()


@dataclass(frozen=True)
class Suggestions:
    """Candidates for LFs: what gold supports, and apart from that what it is too early to call.

    Attributes
    ----------
    admitted : tuple of Candidate
        No luck, at 5% for the whole list; those that gain most come first.
    early : tuple of Candidate
        What looks best otherwise. Any of it may be luck.
    n_gold : int
        Gold rows that were looked at.
    n_conditions : int
        Conditions that were mined.
    n_tried : int
        Pairs of condition and class that could pass at all, those of the same gold rows once.
    threshold : float
        The p-value that one candidate alone has to reach; 0 where none could be low enough.
    """

    admitted: tuple[Candidate, ...]
    early: tuple[Candidate, ...]
    n_gold: int
    n_conditions: int
    n_tried: int
    threshold: float

    @property
    def table(self) -> pd.DataFrame:
        """All candidates, a row each, admitted ones first."""
        records = [
            {
                "rule": describe(one.rule),
                "class": one.rule.label,
                "admitted": number < len(self.admitted),
                "coverage": one.coverage,
                "new coverage": one.new_coverage,
                "gold votes": len(one.right) + len(one.wrong),
                "right": len(one.right),
                "precision": one.precision,
                "low": one.low,
                "high": one.high,
                "chance": one.chance,
                "gain": one.gain,
                "gain low": one.gain_low,
                "gain high": one.gain_high,
                "p": one.p_value,
                "confident rows": one.n_confident,
                "confident": one.confident,
                "more gold": one.more_gold,
            }
            for number, one in enumerate((*self.admitted, *self.early))
        ]
        return pd.DataFrame(records, columns=list(_COLUMNS))


_COLUMNS = (
    *("rule", "class", "admitted", "coverage", "new coverage", "gold votes", "right"),
    *("precision", "low", "high", "chance", "gain", "gain low", "gain high", "p"),
    *("confident rows", "confident", "more gold"),
)
