"""Tables and verdicts of distillation studies, for the command line and the page."""

from __future__ import annotations

from numbers import Real

import numpy as np
import pandas as pd

from spear_amal.report.kd_rows import Condition
from spear_amal.report.study_tables import readable_summary
from spear_amal.studies.summary import GROUP, interval, summarise
from spear_amal.studies.verdict import FEWEST

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
