"""Is AMAL worth it on this corpus? Its gain over the equally treated classifier without rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.studies.summary import GROUP, interval, well_run

AMAL = ("recommended", "amal", "amal-joint")  # the first of them that was run is judged
RIVAL = "only-lv"
FEWEST = 5  # seeds below which a bootstrap interval is little more than the range of the gains


@dataclass(frozen=True)
class Verdict:
    """AMAL against the classifier that sees the same gold labels in the same way, but no rules.

    Attributes
    ----------
    where : str
        The corpus, its number of labels, and whether votes were shuffled.
    method, title, rival : str
    gain, low, high : float
        Points, on the same seeds, with the bounds of a 95% interval.
    seeds : int
        0 where the rival, the classifier on L+V in the same folds, was not run.
    """

    where: str
    method: str
    title: str
    rival: str
    gain: float
    low: float
    high: float
    seeds: int

    @property
    def text(self) -> str:
        """The verdict in one line."""
        question = f"Is AMAL worth it on {self.where}?"
        if not self.seeds:
            unknown = f"Not known: run --method {self.rival} as well, its equal without rules."
            return f"{question} {unknown}"
        gain = f"{self.title} gains {self.gain:+.1f} points over {self.rival} ({self._bounds()})"
        return f"{question} {self._answer()}: {gain}."

    def _bounds(self) -> str:
        if self.seeds < 2:
            return "1 seed, interval n/a"
        return f"95% interval {self.low:+.1f} to {self.high:+.1f}, {self.seeds} seeds"

    def _answer(self) -> str:
        if self.seeds < FEWEST:
            return f"Too early to say with fewer than {FEWEST} seeds"
        if self.low > 0:
            return "Yes"
        return "No" if self.high < 0 else "Not to be told apart from no gain"


def verdicts(runs: pd.DataFrame) -> list[Verdict]:
    """Judge AMAL on every corpus of some runs; corpora where it was not run are left out.

    Parameters
    ----------
    runs : DataFrame
        As for :func:`summarise`; only what the rows say is used.
    """
    groups = well_run(runs).groupby(list(GROUP), sort=False)
    judged = [_judge(group) for _, group in groups]
    return [verdict for verdict in judged if verdict is not None]


def _judge(runs: pd.DataFrame) -> Verdict | None:
    methods = runs.drop_duplicates("method").to_dict("records")
    candidates = [row for row in methods if _name(row) in AMAL]
    if not candidates:
        return None
    # Cross-fitted ones first.
    row = min(candidates, key=lambda row: (not _folds(row), AMAL.index(_name(row))))
    rivals = _rivals(_folds(row))
    placebo = ", votes shuffled" if row["config"].get("placebo") else ""
    where = f"{row['corpus']} ({row['labels']} labels{placebo})"
    scores = 100 * runs.pivot(index="seed", columns="method", values="score")
    gains = np.empty(0)
    rival = next((name for name in rivals if name in scores), rivals[0])
    if rival in scores:
        gains = (scores[row["method"]] - scores[rival]).dropna().to_numpy()
    low, high = interval(gains)
    gain = float(gains.mean()) if len(gains) else 0.0
    return Verdict(where, row["method"], row["title"], rival, gain, low, high, len(gains))


def _rivals(folds: int | None) -> tuple[str, ...]:
    """Return the names of the classifier without rules that is trained as AMAL is.

    Under cross-fitting each gold row plays L and V, so that only-l and only-lv are one method; and
    only-l that is refitted on L+V is only-lv.

    Examples
    --------
    >>> _rivals(5), _rivals(None)
    (('only-lv:crossfit=5', 'only-l:crossfit=5'), ('only-lv', 'only-l:refit=true'))
    """
    if folds:
        return f"{RIVAL}:crossfit={folds}", f"only-l:crossfit={folds}"
    return RIVAL, "only-l:refit=true"


def _name(row: dict[str, Any]) -> str:
    """Return the name of a row's method, without its options."""
    return str(row["method"]).partition(":")[0]


def _folds(row: dict[str, Any]) -> int | None:
    """Return the number of folds of a row's method."""
    return (row["config"].get("options") or {}).get("crossfit")
