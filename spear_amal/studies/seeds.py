"""The same methods over several partitions of one corpus, paired by seed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import joblib
import numpy as np
import pandas as pd

from spear_amal.data import Corpus
from spear_amal.errors import InputError
from spear_amal.label_matrix import LabelMatrix
from spear_amal.studies.compare import compare
from spear_amal.studies.methods import find_method
from spear_amal.studies.task import make_task


def run_seed(
    corpus: Corpus,
    votes: LabelMatrix | None,
    methods: Sequence[str],
    seed: int,
    partition: dict[str, Any],
    settings: dict[str, Any],
) -> list[dict[str, Any]]:
    """One partition: every method on the same rows; returns one record per method."""
    task, scorer = make_task(corpus, votes, seed, **partition)
    rows = compare(task, scorer, methods, seed, **settings).rows
    return [
        {
            "corpus": corpus.name,
            "seed": seed,
            "method": row.method,
            "metric": row.metric,
            "score": row.scores[row.metric],
            "val_score": row.val_score,
            "seconds": row.seconds,
            **row.scores,
        }
        for row in rows
    ]


def compare_seeds(
    corpus: Corpus,
    votes: LabelMatrix | None = None,
    methods: Sequence[str] = ("only-l", "only-lv", "majority", "spear", "amal-single", "amal"),
    seeds: Sequence[int] = range(5),
    *,
    jobs: int = 1,
    partition: dict[str, Any] | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Compare methods over seeds, each a new partition with the test rows fixed.

    Parameters
    ----------
    corpus : Corpus
    votes : LabelMatrix, optional
        Votes for all rows; default the published ones.
    methods : sequence of str
    seeds : sequence of int
    jobs : int
        Processes; with more than one, each uses one thread.
    partition : dict, optional
        Options of :func:`spear_amal.data.partition`, e.g. ``{"labelled": "published"}``.
    **settings
        Passed to every estimator.

    Returns
    -------
    DataFrame
        One row per seed and method.
    """
    for name in methods:
        find_method(name)  # before hours of work, not after
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        work = joblib.Parallel(n_jobs=jobs)(
            joblib.delayed(run_seed)(corpus, votes, methods, seed, partition or {}, settings)
            for seed in seeds
        )
    return pd.DataFrame([record for records in work for record in records])


def summarise(runs: pd.DataFrame, baseline: str = "only-l") -> pd.DataFrame:
    """Mean, standard deviation and gain over a baseline on the same seeds, in points.

    Returns
    -------
    DataFrame
        Indexed by method: ``score``, ``sd`` (sample), ``gain`` and the half width ``ci`` of its
        paired 95% interval (Student's t), ``wins`` (seeds above the baseline), ``optimism``
        (validation minus test score), ``seconds``.
    """
    from scipy.stats import t

    if baseline not in set(runs["method"]):
        raise InputError(f"baseline {baseline!r} is not among {sorted(set(runs['method']))}")
    table = runs.pivot(index="seed", columns="method", values="score") * 100
    gains = table.sub(table[baseline], axis=0)
    n = len(table)
    error = gains.std(ddof=1) / np.sqrt(n)
    means = runs.groupby("method", sort=False)[["val_score", "score", "seconds"]].mean()
    return pd.DataFrame(
        {
            "score": table.mean(),
            "sd": table.std(ddof=1),
            "gain": gains.mean(),
            "ci": error * (t.ppf(0.975, n - 1) if n > 1 else np.nan),
            "wins": (gains > 0).sum(),
            "optimism": (means["val_score"] - means["score"]) * 100,
            "seconds": means["seconds"],
        }
    ).loc[means.index]
