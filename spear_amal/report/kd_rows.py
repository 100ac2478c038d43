"""Rows of studies of distillation and of mixers: which they are, and what may be compared."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from spear_amal.errors import InputError
from spear_amal.studies.catalogue import CATALOGUE

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
