"""Studies of when AMAL helps: label budgets, a range of one setting, the weights of one run."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from spear_amal.data import Corpus
from spear_amal.errors import InputError
from spear_amal.studies.corpus_run import corpus_split, make_setup
from spear_amal.studies.corpus_study import run_study
from spear_amal.studies.corpus_votes import CorpusVotes
from spear_amal.studies.curves import LOOK_AHEAD, NEVER, REFRESH, setting_of, without_mixing
from spear_amal.studies.engine import one_thread
from spear_amal.studies.methods import MethodSpec, find_method, parse_method
from spear_amal.studies.split_comparison import fit_method
from spear_amal.studies.weight_quality import weights_with_gold

BUDGETS = (10, 20, 50, 100, 200, 500)
VALUES: dict[str, tuple[float, ...]] = {
    REFRESH: (1, 3, 10, 30, NEVER),
    LOOK_AHEAD: (0.05, 0.5, 5),
}
_PART = 3  # L, V and U each get at least one part in three of the pool


def budgets_within(corpus: Corpus, sizes: Iterable[int] = BUDGETS) -> list[int]:
    """Return the label budgets of at most a third of a corpus' pool, smallest first.

    Raises
    ------
    InputError
        If the pool is too small for any of them.
    """
    pool = len(corpus) - len(corpus.rows("test"))
    budgets = sorted(size for size in set(sizes) if _PART * size <= pool)
    if not budgets:
        raise InputError(
            f"the pool of {corpus.name!r} has {pool} rows; the smallest label budget asked for, "
            f"{min(sizes, default=0)}, needs {_PART} times as many"
        )
    return budgets


def run_budgets(
    source: CorpusVotes, methods: Sequence[str], seeds: int, sizes: Sequence[int], **options: Any
) -> pd.DataFrame:
    """Run one study for each label budget and put their rows together.

    Parameters
    ----------
    source : CorpusVotes
    methods, seeds, **options
        As for :func:`run_study`; with ``output=`` it can be stopped and continued.
    sizes : sequence of int
        Sizes of L and V.
    """
    runs = [run_study(source, methods, seeds, n_labelled=size, **options) for size in sizes]
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
    default = setting_of(spec.settled, setting)
    if default is None:
        raise InputError(f"the mixer of {base!r} has no setting {setting!r}")
    values = VALUES[setting] if values is None else values
    return [(spec if value == default else _with(spec, setting, value)).text for value in values]


def _with(spec: MethodSpec, setting: str, value: float) -> MethodSpec:
    if setting == REFRESH and math.isinf(value):
        return MethodSpec(find_method("spear"), without_mixing(spec.settled))
    return spec.changed(**{setting: value})


def study_weights(
    source: CorpusVotes,
    method: str = "amal:guard=false",
    seed: int = 0,
    *,
    features: str | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Train a method on the split that a study has for a seed, and judge its weights.

    Gold of the unlabelled rows is looked up when training is over.

    Parameters
    ----------
    source : CorpusVotes
    method : str
        One that learns weights. Without its guard it trains on the votes whatever they are worth.
    seed : int
    features : str, optional
        As for :func:`run_study`.
    **settings
        Passed to the estimator.

    Returns
    -------
    DataFrame
        See :func:`weights_with_gold`.
    """
    split, _ = corpus_split(make_setup(source, features=features), seed)
    with one_thread():
        estimator, _ = fit_method(parse_method(method), split, seed, **settings)
    return weights_with_gold(split, estimator, source.corpus.labels[split.train_rows])
