"""One unit of a study: one method on one partition, from the task to a row."""

from __future__ import annotations

import functools
import warnings
from dataclasses import dataclass, field
from typing import Any

import spear_amal
from spear_amal.studies.comparison import fit_method, takes_exemplars
from spear_amal.studies.corpus_votes import CorpusVotes
from spear_amal.studies.methods import MethodSpec
from spear_amal.studies.placebo import shuffled_votes
from spear_amal.studies.results_file import Row
from spear_amal.studies.split import HeldOutScorer, Split, make_split
from spear_amal.studies.workers import one_thread

PROTOCOLS = ("random", "published")
_MESSAGE = 300  # characters of an error that a row keeps


@dataclass(frozen=True)
class Setup:
    """What all units of a study share; equal setups give equal tasks.

    Attributes
    ----------
    source : Source
    x : array (n, D)
        Features of all rows.
    data : str
        Digest of rows, votes and features.
    n_labelled, n_validation : int
        Sizes of L and V; of V only under the protocol "published".
    features, protocol : str
    placebo : bool
        Deal the rows of votes out anew.
    tune : int
        Trials of tuning; 0 for none.
    settings : dict
        Passed to every estimator.
    exemplars : str
        Digest of the rows that LFs were written from.
    """

    source: CorpusVotes = field(compare=False, repr=False)
    x: Any = field(compare=False, repr=False)
    data: str
    n_labelled: int
    n_validation: int
    features: str
    protocol: str = "random"
    placebo: bool = False
    tune: int = 0
    settings: dict[str, Any] = field(default_factory=dict, compare=False)
    exemplars: str = ""


# Units come ordered by seed, so two tasks a process (with and without all gold) are enough.
@functools.lru_cache(maxsize=2)
def study_task(setup: Setup, seed: int, supervised: bool = False) -> tuple[Split, HeldOutScorer]:
    """Cut the task of a seed, once per process while it is needed."""
    votes = setup.source.votes
    return make_split(
        setup.source.corpus,
        shuffled_votes(votes, seed) if setup.placebo else votes,
        seed,
        n_labelled=setup.n_labelled,
        n_validation=setup.n_validation,
        features=setup.x,
        supervised=supervised,
        exemplars=None if setup.placebo else setup.source.exemplars,
        labelled=setup.protocol,
    )


def has_all_gold(spec: MethodSpec) -> bool:
    """Tell the ceiling, which alone gets gold for every training row."""
    return bool(getattr(spec.method, "gold", "L") == "all")


def describe_run(
    setup: Setup, spec: MethodSpec, seed: int, tuned: dict[str, Any] | None = None
) -> Row:
    """Identify a run before it is run; the method is named as it was asked for.

    Parameters
    ----------
    setup : Setup
    spec : MethodSpec
    seed : int
    tuned : dict, optional
        Options that tuning chose.
    """
    source = setup.source
    published = len(source.corpus.rows("labelled")) if setup.protocol == "published" else None
    config = {
        "options": {**spec.settled, **(tuned or {})},
        "settings": setup.settings,
        "lfs": source.lfs,
        "data": setup.data,
        "tune": setup.tune,
        "placebo": setup.placebo,
        "version": spear_amal.__version__,
    }
    labels = setup.n_labelled if published is None else published
    if setup.n_validation != labels:
        config["n_validation"] = setup.n_validation
    if takes_exemplars(spec):
        config["exemplars"] = source.exemplars is not None and not setup.placebo
    return {
        "corpus": source.name,
        "method": spec.text,
        "title": spec.title,
        "seed": seed,
        "metric": source.corpus.metric,
        "labels": labels,
        "features": setup.features,
        "protocol": setup.protocol,
        "config": config,
    }


def run_unit(setup: Setup, spec: MethodSpec, seed: int, tuned: dict[str, Any] | None = None) -> Row:
    """Train and score one method on one partition; a failure becomes a row with an error.

    Returns
    -------
    dict
        The JSON row, see ``docs/studies.md``.
    """
    row = describe_run(setup, spec, seed, tuned)
    changed = spec.changed(**tuned) if tuned else spec
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            with one_thread():
                result = _result(setup, changed, seed)
        except Exception as error:  # one method's failure must not lose the others
            said = f"{type(error).__name__}: {error}"[:_MESSAGE]
            result = {"score": None, "val_score": None, "seconds": None, "error": said}
    kinds = (UserWarning, RuntimeWarning)
    told = [str(one.message)[:_MESSAGE] for one in caught if issubclass(one.category, kinds)]
    return row | result | {"warnings": list(dict.fromkeys(told))}


def _result(setup: Setup, spec: MethodSpec, seed: int) -> Row:
    task, scorer = study_task(setup, seed)
    sizes = {
        "n_validation": len(task.y_val),
        "n_unlabelled": task.n_unlabelled,
        "n_test": len(scorer),
    }
    if has_all_gold(spec):
        task, scorer = study_task(setup, seed, supervised=True)
    estimator, seconds = fit_method(spec, task, seed, **setup.settings)
    scores, distinct = scorer.score_both(estimator)
    return {
        "score": scores[task.metric],
        "val_score": getattr(estimator, "val_score_", None),
        "seconds": round(seconds, 3),
        **sizes,
        **scores,
        "dedup": distinct,
        "n_test_dedup": scorer.n_distinct,
        "error": None,
    }
