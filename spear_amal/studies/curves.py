"""Curves in stored runs: scores over label budgets, and over one setting of a mixer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.studies.summary import GROUP, well_run

REFRESH, LOOK_AHEAD = "refresh_every", "lookahead_lr"
NEVER = math.inf  # epochs between refreshes of weights that stay as they are: SPEAR
_PLAIN_SUM = ("fixed", "spear")  # mixers that learn no weights


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
            yield _with_names(group[several])


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
        options = [config.get("options") or {} for config in group["config"]]
        if any(setting in settled for settled in options):  # else all have their mixer's own value
            families = list(_families(group, options, setting))
            if families:
                yield _with_names(pd.concat(families, ignore_index=True))


def setting_of(options: Mapping[str, Any], setting: str) -> float | None:
    """Return the value of a mixer's setting under a method's options; None if it has none.

    Weights that stay as they are never get refreshed: infinity.

    Examples
    --------
    >>> setting_of({"mixer": "amal", "weight_lr": 30.0}, "refresh_every")
    3.0
    >>> plain = {"mixer": "fixed"}
    >>> setting_of(plain, "refresh_every"), setting_of(plain, "lookahead_lr")
    (inf, None)
    """
    # Imported here, since it imports torch: rows without a sweep are shown without it.
    from spear_amal.mixers import build_mixer, mixer_parameters

    mixer = options.get("mixer")
    if setting in mixer_parameters(mixer):
        return float(options.get(setting, getattr(build_mixer(str(mixer)), setting)))
    return NEVER if setting == REFRESH and mixer in _PLAIN_SUM else None


def without_mixing(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return a method's options that are none of its mixer."""
    from spear_amal.mixers import mixer_parameters

    of_mixer = ("mixer", *mixer_parameters(options.get("mixer")))
    return {name: value for name, value in options.items() if name not in of_mixer}


def _families(
    runs: pd.DataFrame, options: list[dict[str, Any]], setting: str
) -> Iterator[pd.DataFrame]:
    """Yield runs that share all options but one, for each such set with two values of it."""
    rows = runs.assign(
        value=[setting_of(settled, setting) for settled in options],
        family=[json.dumps({**settled, setting: None}, sort_keys=True) for settled in options],
        unmixed=[json.dumps(without_mixing(settled), sort_keys=True) for settled in options],
        val_score=pd.to_numeric(runs["val_score"]),
    ).dropna(subset=["value", "val_score"])
    never = np.isinf(rows["value"].astype(float))
    for _, family in rows[~never].groupby("family", sort=False):
        if family["value"].nunique() > 1:
            first = family.iloc[0]
            plain = rows[never & (rows["unmixed"] == first["unmixed"])]
            yield (
                pd.concat([family, plain])
                .drop_duplicates(["value", "seed"])
                .assign(
                    title=_without(first["title"], setting),
                    method=_without(first["method"], setting),
                )
                .astype({"value": float})
                .rename(columns={"value": setting})
            )


def _without(name: str, setting: str) -> str:
    """Remove one option from a method's title or text."""
    parts = re.split(r"(?=[,:])", name)
    return "".join(part for part in parts if not re.match(rf"[,:] ?{setting}=", part))


def _with_names(runs: pd.DataFrame) -> pd.DataFrame:
    """Name the methods by their titles, or by their texts where two methods share a title."""
    shared = runs["method"].groupby(runs["title"]).transform("nunique") > 1
    return runs.assign(method=runs["title"].where(~shared, runs["method"]))
