"""Studies over a range: label budgets, and settings of AMAL that decide how much it bends to V."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data import Corpus
from spear_amal.errors import InputError
from spear_amal.mixers import build_mixer, mixer_parameters
from spear_amal.studies.corpus_votes import CorpusVotes
from spear_amal.studies.methods import MethodSpec, find_method, parse_method
from spear_amal.studies.runner import run_study
from spear_amal.studies.summary import GROUP, well_run

BUDGETS = (10, 20, 50, 100, 200, 500)
REFRESH, LOOK_AHEAD = "refresh_every", "lookahead_lr"
NEVER = math.inf  # epochs between refreshes of weights that stay as they are: SPEAR
VALUES: dict[str, tuple[float, ...]] = {
    REFRESH: (1, 3, 10, 30, NEVER),
    LOOK_AHEAD: (0.05, 0.5, 5),
}
_STILL = ("fixed", "spear")  # mixers that learn no weights
_PART = 3  # L, V and U each get at least one part in three of the pool


def budgets_within(corpus: Corpus, sizes: Iterable[int] = BUDGETS) -> list[int]:
    """Keep the label budgets of at most a third of a corpus' pool, smallest first.

    Raises
    ------
    InputError
        If the pool is too small for any of them.
    """
    pool = len(corpus) - len(corpus.rows("test"))
    held = sorted(size for size in set(sizes) if _PART * size <= pool)
    if not held:
        raise InputError(
            f"the pool of {corpus.name!r} has {pool} rows; the smallest label budget asked for, "
            f"{min(sizes, default=0)}, needs {_PART} times as many"
        )
    return held


def run_budgets(
    source: CorpusVotes, methods: Sequence[str], seeds: int, sizes: Sequence[int], **options: Any
) -> pd.DataFrame:
    """Run one study for each label budget and put their rows together.

    Parameters
    ----------
    source : Source
    methods, seeds, **options
        As for :func:`run_study`; with ``output=`` it can be stopped and continued.
    sizes : sequence of int
        Sizes of L and V.
    """
    runs = [run_study(source, methods, seeds, labels=size, **options) for size in sizes]
    return pd.concat(runs, ignore_index=True)


def sweep(base: str, setting: str, values: Iterable[float] | None = None) -> list[str]:
    """Name the methods that differ from one in a setting of its mixer only.

    Parameters
    ----------
    base : str
        A method that learns weights, e.g. ``"amal"``.
    setting : str
        ``"refresh_every"``, ``"lookahead_lr"`` or another number that the mixer takes.
    values : iterable of float, optional
        Default :data:`VALUES`. The method's own value leaves its name as it is; never to refresh
        (infinity) is SPEAR with the same estimator.

    Examples
    --------
    >>> sweep("amal:weight_sharing=row", "refresh_every", (1, 3, NEVER))
    ['amal:refresh_every=1,weight_sharing=row', 'amal:weight_sharing=row', 'spear']
    """
    spec = parse_method(base)
    own = setting_of(spec.settled, setting)
    if own is None:
        raise InputError(f"the mixer of {base!r} has no setting {setting!r}")
    given = VALUES[setting] if values is None else tuple(values)
    return [spec.text if value == own else _with(spec, setting, value).text for value in given]


def setting_of(options: Mapping[str, Any], setting: str) -> float | None:
    """Value of a mixer's setting under a method's options; None if the mixer does not have it.

    Weights that stay as they are never get refreshed: infinity.

    Examples
    --------
    >>> setting_of({"mixer": "amal", "weight_lr": 30.0}, "refresh_every")
    3.0
    >>> setting_of({"mixer": "fixed"}, "refresh_every"), setting_of({"mixer": "fixed"},
    "lookahead_lr") (inf, None)
    """
    mixer = options.get("mixer")
    if setting in mixer_parameters(mixer):
        return float(options.get(setting, getattr(build_mixer(str(mixer)), setting)))
    return NEVER if setting == REFRESH and mixer in _STILL else None


def without_mixing(options: Mapping[str, Any]) -> dict[str, Any]:
    """Keep a method's options that are none of its mixer."""
    mixer = options.get("mixer")
    own = mixer_parameters(mixer)
    return {name: value for name, value in options.items() if name not in ("mixer", *own)}


def _with(spec: MethodSpec, setting: str, value: float) -> MethodSpec:
    if setting == REFRESH and math.isinf(value):
        return MethodSpec(find_method("spear"), without_mixing(spec.settled))
    return spec.changed(**{setting: value})


def over_budgets(runs: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Find the methods that were run with several label budgets.

    Parameters
    ----------
    runs : DataFrame
        As for :func:`summarise`.

    Yields
    ------
    DataFrame
        Rows of one corpus and setting; ``method`` holds names for people.
    """
    same = [name for name in GROUP if name != "labels"]
    for _, group in well_run(runs).groupby(same, sort=False):
        several = group.groupby("method")["labels"].transform("nunique") > 1
        if several.any():
            held = group[several]
            yield held.assign(method=_names(held["title"], held["method"]))


def over_setting(runs: pd.DataFrame, setting: str) -> Iterator[pd.DataFrame]:
    """Find the methods that differ in one setting of their mixer only.

    Parameters
    ----------
    runs : DataFrame
        As for :func:`summarise`; runs without a validation score are left out.
    setting : str
        ``"refresh_every"``, ``"lookahead_lr"`` or another number.

    Yields
    ------
    DataFrame
        Rows of one corpus and setting, with the column `setting`; ``method`` holds what the
        methods have in common, as a name for people. SPEAR stands in each of them as the one that
        never refreshes, where it was run with the same options.
    """
    for _, group in well_run(runs).groupby(list(GROUP), sort=False):
        frames = list(_families(group, setting))
        if frames:
            held = pd.concat(frames, ignore_index=True)
            yield held.assign(method=_names(held["title"], held["method"]))


def _families(runs: pd.DataFrame, setting: str) -> Iterator[pd.DataFrame]:
    """Give runs that share all options but one, for each such set with two values of it."""
    options = [config.get("options") or {} for config in runs["config"]]
    rows = runs.assign(
        value=[setting_of(one, setting) for one in options],
        family=[json.dumps({**one, setting: None}, sort_keys=True) for one in options],
        still=[json.dumps(without_mixing(one), sort_keys=True) for one in options],
        val_score=pd.to_numeric(runs["val_score"]),
    ).dropna(subset=["value", "val_score"])
    never = np.isinf(rows["value"].astype(float))
    for _, own in rows[~never].groupby("family", sort=False):
        if own["value"].nunique() > 1:
            base = rows[never & (rows["still"] == own["still"].iloc[0])]
            held = pd.concat([own, base]).drop_duplicates(["value", "seed"])
            first = own.iloc[0]
            yield (
                held.assign(
                    title=_without(first["title"], setting),
                    method=_without(first["method"], setting),
                )
                .astype({"value": float})
                .rename(columns={"value": setting})
            )


def _without(name: str, setting: str) -> str:
    """Take one option out of a method's title or text."""
    parts = re.split(r"(?=[,:])", name)
    return "".join(part for part in parts if not re.match(rf"[,:] ?{setting}=", part))


def _names(titles: pd.Series, texts: pd.Series) -> pd.Series:
    """Titles, or the methods' texts where two methods share a title."""
    shared = texts.groupby(titles).transform("nunique") > 1
    return titles.where(~shared, texts)
