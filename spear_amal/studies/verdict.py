"""Is AMAL worth it on this corpus? Its gain over the equally treated classifier without rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spear_amal.errors import InputError
from spear_amal.studies.methods import MethodSpec, parse_method
from spear_amal.studies.summary import GROUP, interval, well_run

AMAL = ("recommended", "amal", "amal-joint")  # the first of them that was run is asked about
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
        0 where the rival was not run.
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
        asked = f"Is AMAL worth it on {self.where}?"
        if not self.seeds:
            return f"{asked} Not known: run --method {self.rival} as well, its equal without rules."
        found = f"{self.title} gains {self.gain:+.1f} points over {self.rival} ({self._bounds()})"
        return f"{asked} {self._answer()}: {found}."

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
        As for :func:`summarise`.
    """
    groups = well_run(runs).groupby(list(GROUP), sort=False)
    held = [_judge(group) for _, group in groups]
    return [one for one in held if one is not None]


def rival_of(spec: MethodSpec) -> str:
    """Name the classifier on L+V that is treated as a method is: same folds, or refitted.

    Examples
    --------
    >>> rival_of(parse_method("amal:crossfit=5")), rival_of(parse_method("amal"))
    ('only-lv:crossfit=5', 'only-lv')
    """
    folds = spec.settled.get("crossfit")
    return parse_method(RIVAL).changed(**({"crossfit": folds} if folds else {})).text


def _where(first: pd.Series) -> str:
    placebo = ", votes shuffled" if first["config"].get("placebo") else ""
    return f"{first['corpus']} ({first['labels']} labels{placebo})"


def _judge(runs: pd.DataFrame) -> Verdict | None:
    spec = _asked_about(list(dict.fromkeys(runs["method"])))
    if spec is None:
        return None
    rival = rival_of(spec)
    scores = 100 * runs.pivot(index="seed", columns="method", values="score")
    common: dict[str, Any] = {
        "where": _where(runs.iloc[0]),
        "method": spec.text,
        "title": spec.title,
    }
    if rival not in scores:
        return Verdict(**common, rival=rival, gain=0.0, low=0.0, high=0.0, seeds=0)
    gains = (scores[spec.text] - scores[rival]).dropna().to_numpy()
    low, high = interval(gains)
    gain = float(gains.mean()) if len(gains) else 0.0
    return Verdict(**common, rival=rival, gain=gain, low=low, high=high, seeds=len(gains))


def _asked_about(methods: Sequence[str]) -> MethodSpec | None:
    """Pick the AMAL row to judge: by the order of :data:`AMAL`, cross-fitted ones first."""
    specs = []
    for text in methods:
        if text.partition(":")[0] in AMAL:
            try:
                specs.append(parse_method(text))
            except InputError:  # a file of another version, whose options are gone
                continue
    specs.sort(key=lambda s: (not s.settled.get("crossfit"), AMAL.index(s.method.name)))
    return specs[0] if specs else None
