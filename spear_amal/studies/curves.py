"""Runs of a study that make a curve: over label budgets, or over a setting of the mixer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd

from spear_amal.studies.summary import GROUP, well_run
from spear_amal.studies.sweeps import setting_of, without_mixing


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
        ``"refresh_every"``, ``"eta_look"`` or another number.

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
