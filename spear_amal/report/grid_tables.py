"""Rows of studies of distillation and of mixers: which they are, and what may be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.report.study_report import readable_summary
from spear_amal.studies.catalogue import CATALOGUE, MIXER_STUDIES
from spear_amal.studies.summary import GROUP, interval, summarise
from spear_amal.studies.verdict import FEWEST

# The first that was run: no teacher, uniform draws, no rules, the main loss alone.
BASELINES = ("ce", "random", "only-lv", "single")
_UNSAID = ("data.corpus",)  # in the title already


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


def of_distillation(runs: pd.DataFrame) -> pd.Series:
    """Tell rows of these studies, by the name that their protocol starts with.

    Examples
    --------
    >>> of_distillation(pd.DataFrame({"protocol": ["kd-synthetic: noise 0.1", "random"]})).tolist()
    [True, False]
    """
    return pd.Series([str(one).split(":")[0] in CATALOGUE for one in runs["protocol"]], runs.index)


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
    held = runs[runs["score"].notna()]
    if not len(held):
        raise InputError("there is no finished run to show")
    groups = held.groupby(["protocol", "corpus"], sort=False)
    return [one for _, group in groups for one in _conditions(group)]


def _conditions(group: pd.DataFrame) -> Iterator[Condition]:
    settings = [dict(_leaves(config)) for config in group["config"]]
    shared = _shared(settings, list(group["method"]))
    keys = _dividing(settings, shared, group)
    marks = pd.Series([_words({k: one[k] for k in keys}) for one in settings], group.index)
    study, _, name = str(group["protocol"].iloc[0]).partition(": ")
    for mark, runs in group.groupby(marks, sort=False):
        latest = runs.drop_duplicates(["method", "seed"], keep="last")
        own = [one for one, at in zip(settings, group.index, strict=True) if at in latest.index]
        same = {k: own[0][k] for k in own[0] if all(k in o and o[k] == own[0][k] for o in own)}
        said = _words({k: v for k, v in same.items() if k not in _UNSAID and v != "null"})
        yield Condition(study, str(runs["corpus"].iloc[0]), name, said, latest, str(mark))


def _leaves(config: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Give settings by dotted name, their values as JSON."""
    for key, value in config.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield f"{before}{key}", json.dumps(value, sort_keys=True)


def _shared(settings: list[dict[str, str]], methods: list[str]) -> list[str]:
    """Names of settings that every method has, in the same values."""
    values: dict[str, dict[str, set[str]]] = {}
    for one, method in zip(settings, methods, strict=True):
        for key, value in one.items():
            values.setdefault(key, {}).setdefault(method, set()).add(value)
    names = set(methods)
    return [key for key, by in values.items() if set(by) == names and _alike(list(by.values()))]


def _alike(sets: list[set[str]]) -> bool:
    """Whether the same values occur for all methods; fewer where a later part is unfinished."""
    widest = max(sets, key=len)
    return all(one <= widest for one in sets)


def _dividing(settings: list[dict[str, str]], shared: list[str], group: pd.DataFrame) -> list[str]:
    """Shared settings of which one method and seed has several values."""
    frame = pd.DataFrame(settings, index=group.index)[shared]
    by = frame.groupby([group["method"], group["seed"]])
    return [key for key in shared if (by[key].nunique() > 1).any()]


def _words(settings: Mapping[str, str]) -> str:
    """Say settings, without the names of the groups they are in."""
    names = {"data.": "", "settings.training.": "", "settings.": ""}
    parts = []
    for key, value in settings.items():
        for long, short in names.items():
            key = short + key.removeprefix(long) if key.startswith(long) else key
        parts.append(f"{key}={json.loads(value)}")
    return ", ".join(parts)


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
_OURS = (("both-",), ("amal", "alm-kd"), ("squares", "difference", "ratio"))


def kd_table(condition: Condition, baseline: str | None = None) -> pd.DataFrame:
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
    chosen = baseline if baseline in names else names[0]
    runs = condition.runs
    dedup = runs["dedup"] if "dedup" in runs else None  # images have no texts that occur twice
    # What may be compared is sorted out already.
    plain = runs.assign(config=[{}] * len(runs), dedup=dedup, labels=0, features="")
    return summarise(plain, chosen).droplevel(list(GROUP)).loc[names]


def readable_kd(condition: Condition, table: pd.DataFrame) -> pd.DataFrame:
    """Turn a table of :func:`kd_table` into strings, with what else the rows hold."""
    shown = readable_summary(table)
    last = shown.columns.get_loc("seeds")
    for column, heading, factor, form in _FURTHER:
        values = numbers(condition.runs, column)
        if values.notna().any():
            means = values.groupby(condition.runs["method"]).mean() * factor
            cells = ["" if v != v else form.format(v) for v in means.reindex(table.index)]
            shown.insert(last, heading, cells)
            last += 1
    return shown


def numbers(runs: pd.DataFrame, column: str) -> pd.Series:
    """Give a column that may be missing or hold other things than numbers, as floats."""
    held = runs[column] if column in runs else pd.Series(None, runs.index, dtype=object)
    found = [float(v) if isinstance(v, Real) else np.nan for v in held]
    return pd.Series(found, runs.index)


def kd_verdicts(condition: Condition) -> list[str]:
    """Say how AMAL and ALM-KD, or what is made with them, stand to the other methods.

    Each in one sentence: points on the same seeds, 95% intervals in brackets. Where rows hold the
    score of the last epoch too, which no validation row chose, it is judged as well.
    """
    titles = condition.methods
    judged = ([name for name in titles if name.startswith(kind)] for kind in _OURS)
    ours = next((names for names in judged if names), [])
    found = []
    for column, where in (("score", ""), ("final_score", ", last epoch")):
        values = condition.runs.assign(value=100 * numbers(condition.runs, column))
        scores = values.pivot(index="seed", columns="method", values="value")
        told = (_verdict(name, titles, scores) for name in ours)
        found += [f"{condition.name}{where}: {one}" for one in told if one]
    return found


def _verdict(name: str, titles: dict[str, str], scores: pd.DataFrame) -> str:
    parts, seeds = [], []
    for other in (one for one in titles if one != name):
        gains = (scores[name] - scores[other]).dropna().to_numpy()
        if len(gains) > 1:
            parts.append(_against(gains, titles[other]))
            seeds.append(len(gains))
    if not parts:
        return ""
    few = ", too few to rely on the intervals" if min(seeds) < FEWEST else ""
    return f"{titles[name]} {'; '.join(parts)}. {min(seeds)} seeds{few}."


def _against(gains: np.ndarray, other: str) -> str:
    gain, (low, high) = gains.mean(), interval(gains)
    if low > 0:
        return f"above {other} by {gain:.1f} ({low:.1f} to {high:.1f})"
    if high < 0:
        return f"below {other} by {-gain:.1f} ({-high:.1f} to {-low:.1f})"
    return f"not told apart from {other}: {gain:+.1f} ({low:+.1f} to {high:+.1f})"


def verdicts_of(condition: Condition) -> list[str]:
    """Say how methods stand to each other, each in one sentence with 95% intervals in brackets."""
    return [*mixing_verdicts(condition), *kd_verdicts(condition)]


def note_of(condition: Condition) -> str:
    """Give the note of the study, or an empty text."""
    return CATALOGUE[condition.study].note if condition.study in CATALOGUE else ""


def mixing_verdicts(condition: Condition) -> list[str]:
    """Sort the mixers by how they stand to the reference, and say who has the highest mean.

    Gains are points on the same seeds. "Within noise": the interval holds zero. Empty for other
    studies, and for one seed.
    """
    if condition.study not in MIXER_STUDIES:
        return []
    if condition.runs["seed"].nunique() < 2:
        return []
    runs = condition.runs.assign(value=100 * condition.runs["score"].astype(float))
    scores = runs.pivot(index="seed", columns="method", values="value")
    titles = condition.methods
    reference = next(iter(titles))
    found = [_sides(scores, titles, reference), _first(scores, titles)]
    few = scores.notna().sum().min()
    warned = f" {few} seeds, too few to rely on the intervals." if few < FEWEST else ""
    return [f"{condition.name}: {text}{warned}" for text in found if text]


def _sides(scores: pd.DataFrame, titles: dict[str, str], reference: str) -> str:
    sides: dict[str, list[str]] = {"above": [], "below": [], "within noise of": []}
    for name in titles:
        told = None if name == reference else _compared(scores, name, reference)
        if told:
            sides[told[0]].append(f"{titles[name]} {told[1]}")
    parts = [f"{side} {titles[reference]}: {', '.join(m)}" for side, m in sides.items() if m]
    return "; ".join(parts) + "." if parts else ""


def _first(scores: pd.DataFrame, titles: dict[str, str]) -> str:
    """Name the method of the highest mean, and those that are not told apart from it."""
    whole = scores.dropna(axis=1)
    if len(whole.columns) < 2:
        return ""
    best = str(whole.mean().idxmax())
    near = []
    for name in titles:
        told = None if name == best else _compared(scores, name, best)
        if told and told[0] == "within noise of":
            near.append(f"{titles[name]} {told[1]}")
    said = f"not told apart from it: {', '.join(near)}" if near else "above all others"
    return f"the highest mean has {titles[best]}, {whole[best].mean():.1f}; {said}."


def _compared(scores: pd.DataFrame, name: str, other: str) -> tuple[str, str] | None:
    """On which side of another method one is, and its gain; None with less than two seeds."""
    gains = (scores[name] - scores[other]).dropna().to_numpy()
    if len(gains) < 2:
        return None
    low, high = interval(gains)
    side = "above" if low > 0 else "below" if high < 0 else "within noise of"
    return side, f"{gains.mean():+.1f} ({low:+.1f} to {high:+.1f})"
