"""Runs over seeds as a table: means, gains paired by seed with bootstrap intervals, shares."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.studies.results_file import IN_FOLDS, LABEL_DRAWS, ON_TEST, read_content

GROUP = ("corpus", "features", "protocol", "labels", "study")
# What a row of a study file has, as far as it is needed here.
COLUMNS = (*GROUP[:-1], "method", "seed", "metric", "score", "config")
FLOOR, CEILING = "only-l", "supervised"
RESAMPLES, LEVEL, BOOTSTRAP_SEED = 10_000, 95, 0


def read_study(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Read the rows of a study file.

    Raises
    ------
    InputError
        If there is no such file, or it holds no rows.
    FileFormatError
        If it is no study file.
    """
    if not os.path.exists(path):
        raise InputError(f"there is no study file {os.fspath(path)}; check the path")
    rows = read_content(path)["rows"]
    if not rows:
        raise InputError(f"{os.fspath(path)} holds no runs yet")
    if any(row["protocol"] in (IN_FOLDS, LABEL_DRAWS, ON_TEST) for row in rows):
        raise InputError(
            f"{os.fspath(path)} holds runs of a comparison on one table and no study: the command "
            "spear-amal compare that wrote it prints its tables"
        )
    return pd.DataFrame(rows)


def summarise(runs: pd.DataFrame, baseline: str | None = None) -> pd.DataFrame:
    """Summarise runs by corpus and method, in points.

    Parameters
    ----------
    runs : DataFrame
        Rows of :func:`run_study` or :func:`read_study`; failed ones are left out.
    baseline : str, optional
        The method that gains are taken over, on the same seeds; default only-l, or where it was
        not run, the first method.

    Returns
    -------
    DataFrame
        Indexed by ``corpus, features, protocol, labels, study`` and ``method``, in the order of
        the runs. ``study`` tells runs with other settings, data or versions apart. Columns:

        * ``title``, ``metric``, ``seeds`` (number of runs)
        * ``score``, ``sd`` (sample), ``gain`` with the bounds ``low, high`` of its paired 95%
          interval (percentile bootstrap over seeds; not-a-number for fewer than two),
          ``wins``, ``losses`` (seeds above and below the ``baseline``)
        * ``share`` : part of the gap from only-l to supervised that is closed, where both are
          there
        * ``optimism`` (validation minus test score), ``dedup`` (score on test texts that do not
          occur in training), ``seconds``

    Raises
    ------
    InputError
        If no run went well, or one of the corpora has no run of the baseline.
    """
    groups = well_run(runs).groupby(list(GROUP), sort=False)
    tables = {key: _table(group, baseline) for key, group in groups}
    return pd.concat(tables, names=list(GROUP))


def well_run(runs: pd.DataFrame) -> pd.DataFrame:
    """Keep runs that did not fail; the column ``study`` says their settings, data and version.

    Where a method was run with differing defaults or tuned options, the latest ones count.
    """
    missing = [name for name in COLUMNS if name not in runs]
    if len(runs) and missing:
        raise InputError(
            f"runs lack the columns {missing}; take them as run_study or read_study returns them"
        )
    runs = runs[runs["score"].notna()] if len(runs) else runs
    if not len(runs):
        raise InputError("there is no finished run to summarise")
    runs = runs.assign(study=[study_words(config) for config in runs["config"]])
    several = runs.groupby(list(GROUP))["metric"].transform("nunique") > 1
    runs.loc[several, "study"] += "; scored by " + runs.loc[several, "metric"]
    options = pd.Series(
        [json.dumps(config.get("options"), sort_keys=True) for config in runs["config"]], runs.index
    )
    latest = options.groupby([runs[name] for name in (*GROUP, "method")]).transform("last")
    return runs[options == latest].drop_duplicates([*GROUP, "method", "seed"], keep="last")


def study_words(config: dict[str, Any]) -> str:
    """Return in words what sets a study apart from others on the same corpus.

    Examples
    --------
    >>> study_words({"settings": {"max_epochs": 5}, "lfs": "a.py", "data": "1f", "tune": 0})
    'votes: a.py; max_epochs=5; data 1f'
    """
    parts = [f"votes: {config.get('lfs')}"]
    parts += [f"{name}={value}" for name, value in config.get("settings", {}).items()]
    parts += [f"{config['n_validation']} validation rows"] if "n_validation" in config else []
    parts += [f"{config['tune']} trials of tuning"] if config.get("tune") else []
    parts += ["placebo: votes shuffled"] if config.get("placebo") else []
    parts += [f"data {config.get('data')}"]
    parts += [f"version {config['version']}"] if config.get("version") else []
    return "; ".join(parts)


def _table(runs: pd.DataFrame, baseline: str | None) -> pd.DataFrame:
    scores = 100 * runs.pivot(index="seed", columns="method", values="score")
    names = list(dict.fromkeys(runs["method"]))
    if baseline is None:
        baseline = FLOOR if FLOOR in names else names[0]
    if not isinstance(baseline, str) or baseline not in names:
        raise InputError(
            f"corpus {runs['corpus'].iloc[0]!r} has no runs of the baseline {baseline!r}; choose "
            f"one of {', '.join(names)}"
        )
    rows = [_row(runs[runs["method"] == name], scores, name, baseline) for name in names]
    return pd.DataFrame(rows, index=pd.Index(names, name="method"))


def _row(runs: pd.DataFrame, scores: pd.DataFrame, name: str, baseline: str) -> dict[str, Any]:
    metric = runs["metric"].iloc[0]
    gains = (scores[name] - scores[baseline]).dropna().to_numpy()
    low, high = (np.nan, np.nan) if name == baseline else interval(gains)
    optimism = pd.to_numeric(runs["val_score"]) - runs["score"]
    return {
        "title": runs["title"].iloc[0],
        "metric": metric,
        "baseline": baseline,
        "seeds": len(runs),
        "score": scores[name].mean(),
        "sd": scores[name].std(ddof=1),
        "gain": gains.mean() if len(gains) else np.nan,
        "low": low,
        "high": high,
        "wins": int((gains > 0).sum()),
        "losses": int((gains < 0).sum()),
        "share": share_closed(scores, name),
        "optimism": 100 * optimism.mean(),
        "dedup": 100 * np.mean([_dedup(scores, metric) for scores in runs["dedup"]]),
        "seconds": runs["seconds"].mean(),
    }


def _dedup(scores: Any, metric: str) -> float:
    return float(scores[metric]) if isinstance(scores, dict) else np.nan


def interval(gains: np.ndarray) -> tuple[float, float]:
    """Compute the 95% interval of the mean of paired gains (n,): percentile bootstrap over seeds.

    Ten thousand resamples with a fixed seed, so that the same gains give the same bounds. With few
    seeds it is somewhat too narrow.

    Examples
    --------
    >>> interval(np.array([2.0, 2.0, 2.0])), interval(np.array([1.0]))
    ((2.0, 2.0), (nan, nan))
    """
    n = len(gains)
    if n < 2:
        return np.nan, np.nan
    drawn = np.random.default_rng(BOOTSTRAP_SEED).integers(n, size=(RESAMPLES, n))
    tail = (100 - LEVEL) / 2
    low, high = np.percentile(gains[drawn].mean(1), [tail, 100 - tail])
    return float(low), float(high)


def share_closed(scores: pd.DataFrame, name: str) -> float:
    """Compute the share of the gap from only-l to supervised that is closed, on common seeds.

    Parameters
    ----------
    scores : DataFrame
        Seeds in rows, methods in columns.
    name : str

    Returns
    -------
    float
        0 for only-l, 1 for supervised; not-a-number where one of them is missing or the ceiling
        is no higher than the floor.
    """
    if FLOOR not in scores or CEILING not in scores:
        return np.nan
    means = pd.DataFrame({key: scores[key] for key in {FLOOR, CEILING, name}}).dropna().mean()
    gap = means[CEILING] - means[FLOOR]
    return float((means[name] - means[FLOOR]) / gap) if gap > 0 else np.nan
