"""Rows of studies of distillation and of mixers: which they are, and what may be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.report.formatting import format_interval, format_numbers
from spear_amal.report.study_report import readable_summary
from spear_amal.studies.catalogue import CATALOGUE, MIXER_STUDIES
from spear_amal.studies.summary import GROUP, interval, summarise
from spear_amal.studies.verdict import FEWEST

# The first that was run: no teacher, uniform draws, no rules, the main loss alone.
BASELINES = ("ce", "random", "only-lv", "single")
_IN_TITLE = ("data.corpus",)
_GROUPS = ("data.", "settings.training.", "settings.")  # of settings; their names are left out
# Further numbers of the rows: column, heading, factor, form.
_FURTHER = (
    ("final_score", "last epoch", 100, "{:.1f}"),
    ("teacher_score", "teacher", 100, "{:.1f}"),
    ("auc", "AUC of weights", 1, "{:.3f}"),
    ("compression", "compression", 1, "{:.3g}"),
    ("relative", "% of teacher", 100, "{:.1f}"),
    ("relative_ce", "% of CE", 100, "{:.1f}"),
    ("seconds_per_epoch", "s an epoch", 1, "{:.3f}"),
)
# Beginnings of the names of methods that are judged, of the first kind that was run: rules and
# teacher together, learnt mixing, draws by its weights.
_JUDGED = (("both-",), ("amal", "alm-kd"), ("squares", "difference", "ratio"))
_TOO_FEW, _WITHIN = "too few to rely on the intervals", "within noise of"


@dataclass(frozen=True)
class Condition:
    """Finished runs that differ in method and seed only.

    Attributes
    ----------
    study, corpus, name : str
        ``name`` is the condition itself, such as "noise 0.4".
    settings : str
        What all the runs have in common.
    runs : DataFrame
        One row a method and seed.
    variant : str
        What sets these runs apart from others of the same name, if there are any.
    """

    study: str
    corpus: str
    name: str
    settings: str
    runs: pd.DataFrame
    variant: str = ""

    @property
    def title(self) -> str:
        """Study, corpus and condition in one line."""
        variant = f" ({self.variant})" if self.variant else ""
        return f"{self.study}, {self.corpus}: {self.name}{variant}"

    @property
    def methods(self) -> dict[str, str]:
        """Titles by method, in the order of the runs, the baseline first."""
        titles = dict(zip(self.runs["method"], self.runs["title"], strict=True))
        first = {name: titles[name] for name in BASELINES if name in titles}
        return first | titles

    def scores(self, column: str = "score") -> pd.DataFrame:
        """Return a score of all runs in points, seeds in rows and methods in columns."""
        values = self.runs.assign(value=100 * numbers(self.runs, column))
        return values.pivot(index="seed", columns="method", values="value")


def of_grid_study(runs: pd.DataFrame) -> pd.Series:
    """Return for each row whether it is of these studies: their name starts the protocol.

    Examples
    --------
    >>> of_grid_study(pd.DataFrame({"protocol": ["kd-synthetic: noise 0.1", "random"]})).tolist()
    [True, False]
    """
    studies = [str(protocol).partition(":")[0] for protocol in runs["protocol"]]
    return pd.Series([study in CATALOGUE for study in studies], runs.index)


def conditions(runs: pd.DataFrame) -> list[Condition]:
    """Sort runs into what may be compared.

    Runs of one study, corpus and condition stay together unless settings differ that all methods
    share (other epochs, another version, ..). Where settings of one method alone differ, the
    latest runs count.

    Raises
    ------
    InputError
        If no run went well.
    """
    finished = runs[runs["score"].notna()]
    if finished.empty:
        raise InputError("there is no finished run to show")
    groups = finished.groupby(["protocol", "corpus"], sort=False)
    return [condition for _, group in groups for condition in _conditions(group)]


def _conditions(group: pd.DataFrame) -> Iterator[Condition]:
    settings = pd.Series([dict(_leaves(config)) for config in group["config"]], group.index)
    shared = _shared(settings, group["method"])
    dividing = _dividing(settings, shared, group)
    variants = settings.map(lambda leaves: _words({key: leaves[key] for key in dividing}))
    study, _, name = str(group["protocol"].iloc[0]).partition(": ")
    for variant, runs in group.groupby(variants, sort=False):
        latest = runs.drop_duplicates(["method", "seed"], keep="last")
        first, *others = settings[latest.index]
        common = {
            key: value
            for key, value in first.items()
            if key not in _IN_TITLE
            and value != "null"
            and all(leaves.get(key) == value for leaves in others)
        }
        corpus, words = str(runs["corpus"].iloc[0]), _words(common)
        yield Condition(study, corpus, name, words, latest, str(variant))


def _leaves(config: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Yield settings by dotted name, their values as JSON."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", json.dumps(value, sort_keys=True)


def _shared(settings: pd.Series, methods: pd.Series) -> list[str]:
    """Return names of settings that every method has, in the same values.

    A method may have fewer of the values where a later part is unfinished.
    """
    values: dict[str, dict[str, set[str]]] = {}
    for leaves, method in zip(settings, methods, strict=True):
        for key, value in leaves.items():
            values.setdefault(key, {}).setdefault(method, set()).add(value)
    return [
        key
        for key, by_method in values.items()
        if len(by_method) == methods.nunique()
        and set().union(*by_method.values()) in by_method.values()
    ]


def _dividing(settings: pd.Series, shared: list[str], group: pd.DataFrame) -> list[str]:
    """Return shared settings of which one method and seed has several values."""
    frame = pd.DataFrame(settings.tolist(), index=group.index)[shared]
    by_run = frame.groupby([group["method"], group["seed"]])
    return [key for key in shared if (by_run[key].nunique() > 1).any()]


def _words(settings: Mapping[str, str]) -> str:
    """Return settings in words, without the names of the groups they are in."""
    parts = []
    for key, value in settings.items():
        for group in _GROUPS:
            key = key.removeprefix(group)
        parts.append(f"{key}={json.loads(value)}")
    return ", ".join(parts)


def grid_table(condition: Condition, baseline: str | None = None) -> pd.DataFrame:
    """Summarise one condition by method, in points.

    Parameters
    ----------
    condition : Condition
    baseline : str, optional
        Gains are taken over it; default "ce", for coresets "random", with rules "only-lv",
        or where it was not run, the first method.

    Returns
    -------
    DataFrame
        Indexed by method, with the columns of :func:`spear_amal.studies.summarise`.
    """
    names = list(condition.methods)
    baseline = baseline if baseline in names else names[0]
    runs = condition.runs
    dedup = runs["dedup"] if "dedup" in runs else None  # images have no texts that occur twice
    # What may be compared is sorted out already.
    plain = runs.assign(config=[{}] * len(runs), dedup=dedup, labels=0, features="")
    return summarise(plain, baseline).droplevel(list(GROUP)).loc[names]


def readable_grid(condition: Condition, table: pd.DataFrame) -> pd.DataFrame:
    """Return a table of :func:`grid_table` as strings, with what else the rows hold."""
    summary = readable_summary(table)
    for column, heading, factor, form in _FURTHER:
        values = numbers(condition.runs, column)
        if values.notna().any():
            means = factor * values.groupby(condition.runs["method"]).mean()
            cells = format_numbers(means.reindex(table.index), form, missing="")
            summary.insert(summary.columns.get_loc("seeds"), heading, cells)
    return summary


def numbers(runs: pd.DataFrame, column: str) -> pd.Series:
    """Return a column as floats; it may be missing, or hold other things than numbers."""
    values = runs[column] if column in runs else [None] * len(runs)
    floats = [float(value) if isinstance(value, Real) else np.nan for value in values]
    return pd.Series(floats, runs.index)


class Gain(NamedTuple):
    """Mean gain of a method over another on the same seeds, in points, with its 95% interval."""

    mean: float
    low: float
    high: float
    n_seeds: int

    @property
    def side(self) -> str:
        """On which side of the other method it lies: within noise if the interval holds zero."""
        return "above" if self.low > 0 else "below" if self.high < 0 else _WITHIN

    def __str__(self) -> str:
        """Return mean and interval with their signs."""
        return f"{self.mean:+.1f} ({format_interval(self.low, self.high)})"


def gain_over(scores: pd.DataFrame, method: str, other: str) -> Gain | None:
    """Compute the gain of a method over another; None with fewer than two seeds of both.

    Parameters
    ----------
    scores : DataFrame
        As :meth:`Condition.scores` makes it.
    method, other : str
    """
    gains = (scores[method] - scores[other]).dropna().to_numpy()
    return Gain(float(gains.mean()), *interval(gains), len(gains)) if len(gains) > 1 else None


def note_of(condition: Condition) -> str:
    """Return the note of the study, or an empty text."""
    return CATALOGUE[condition.study].note if condition.study in CATALOGUE else ""


def verdicts_of(condition: Condition) -> list[str]:
    """Return how methods compare, each in one sentence with 95% intervals in brackets."""
    return [*mixing_verdicts(condition), *method_verdicts(condition)]


def mixing_verdicts(condition: Condition) -> list[str]:
    """Sort the mixers by how they stand to the reference, and say who has the highest mean.

    Gains are points on the same seeds. "Within noise": the interval holds zero. Empty for other
    studies, and for one seed.
    """
    if condition.study not in MIXER_STUDIES or condition.runs["seed"].nunique() < 2:
        return []
    scores, titles = condition.scores(), condition.methods
    texts = [_against_reference(scores, titles), _highest_mean(scores, titles)]
    n_seeds = scores.notna().sum().min()
    warning = f" {n_seeds} seeds, {_TOO_FEW}." if n_seeds < FEWEST else ""
    return [f"{condition.name}: {text}{warning}" for text in texts if text]


def _against_reference(scores: pd.DataFrame, titles: dict[str, str]) -> str:
    reference, *others = titles
    sides: dict[str, list[str]] = {"above": [], "below": [], _WITHIN: []}
    for name in others:
        gain = gain_over(scores, name, reference)
        if gain:
            sides[gain.side].append(f"{titles[name]} {gain}")
    parts = [
        f"{side} {titles[reference]}: {', '.join(texts)}" for side, texts in sides.items() if texts
    ]
    return "; ".join(parts) + "." if parts else ""


def _highest_mean(scores: pd.DataFrame, titles: dict[str, str]) -> str:
    """Name the method of the highest mean, and those that are not told apart from it."""
    complete = scores.dropna(axis=1)
    if len(complete.columns) < 2:
        return ""
    best = str(complete.mean().idxmax())
    gains = [(titles[name], gain_over(scores, name, best)) for name in titles if name != best]
    near = [f"{title} {gain}" for title, gain in gains if gain and gain.side == _WITHIN]
    rest = f"not told apart from it: {', '.join(near)}" if near else "above all others"
    return f"the highest mean has {titles[best]}, {complete[best].mean():.1f}; {rest}."


def method_verdicts(condition: Condition) -> list[str]:
    """Return how AMAL and ALM-KD, or what is made with them, compare with other methods.

    Each in one sentence: points on the same seeds, 95% intervals in brackets. Where rows hold the
    score of the last epoch too, which no validation row chose, it is judged as well.
    """
    titles = condition.methods
    kinds = ([name for name in titles if name.startswith(kind)] for kind in _JUDGED)
    judged = next((names for names in kinds if names), [])
    verdicts = []
    for column, where in (("score", ""), ("final_score", ", last epoch")):
        scores = condition.scores(column)
        texts = [_verdict(name, titles, scores) for name in judged]
        verdicts += [f"{condition.name}{where}: {text}" for text in texts if text]
    return verdicts


def _verdict(method: str, titles: dict[str, str], scores: pd.DataFrame) -> str:
    gains = [(titles[name], gain_over(scores, method, name)) for name in titles if name != method]
    known = [(title, gain) for title, gain in gains if gain]
    if not known:
        return ""
    n_seeds = min(gain.n_seeds for _, gain in known)
    warning = f", {_TOO_FEW}" if n_seeds < FEWEST else ""
    parts = "; ".join(_against(gain, title) for title, gain in known)
    return f"{titles[method]} {parts}. {n_seeds} seeds{warning}."


def _against(gain: Gain, title: str) -> str:
    mean, low, high, _ = gain
    if gain.side == _WITHIN:
        return f"not told apart from {title}: {gain}"
    if gain.side == "below":
        mean, low, high = -mean, -high, -low
    return f"{gain.side} {title} by {mean:.1f} ({format_interval(low, high, '.1f')})"
