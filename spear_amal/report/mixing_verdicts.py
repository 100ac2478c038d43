"""What the tables of studies of mixers say: who is above the reference, who is first."""

from __future__ import annotations

import pandas as pd

from spear_amal.report.kd_rows import Condition
from spear_amal.report.kd_tables import kd_verdicts
from spear_amal.studies.catalogue import CATALOGUE
from spear_amal.studies.mixing import MIXING_STUDIES
from spear_amal.studies.summary import interval
from spear_amal.studies.verdict import FEWEST


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
    if condition.study not in MIXING_STUDIES:
        return []
    if condition.runs["seed"].nunique() < 2:
        return []
    runs = condition.runs.assign(value=100 * condition.runs["score"].astype(float))
    scores = runs.pivot(index="seed", columns="method", values="value")
    titles = condition.methods
    reference = next(iter(titles))
    found = [_against(scores, titles, reference), _first(scores, titles)]
    few = scores.notna().sum().min()
    warned = f" {few} seeds, too few to rely on the intervals." if few < FEWEST else ""
    return [f"{condition.name}: {text}{warned}" for text in found if text]


def _against(scores: pd.DataFrame, titles: dict[str, str], reference: str) -> str:
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
