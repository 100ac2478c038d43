"""Methods times seeds on one corpus: checked first, run by the engine, stored one by one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from spear_amal.data import Corpus
from spear_amal.errors import InputError
from spear_amal.estimators.encoders import tokens_of
from spear_amal.params import check_whole
from spear_amal.studies.corpus_run import (
    TRIALS_AT_ONCE,
    corpus_split,
    make_setup,
    run_identity,
    run_method,
)
from spear_amal.studies.corpus_votes import CorpusVotes, load_corpus_votes
from spear_amal.studies.engine import ReportProgress, StudyRun, check_seeds, execute
from spear_amal.studies.methods import MethodSpec, estimator_options, parse_method
from spear_amal.studies.results_file import StudyFile
from spear_amal.studies.tuning import need_optuna, tune_methods

# Printed in every table: without them nobody can tell what rules and V's labels are worth.
ALWAYS = ("only-l", "only-lv", "supervised")


def run_study(
    source: str | os.PathLike[str] | Corpus | CorpusVotes,
    methods: Sequence[str | MethodSpec],
    seeds: int | Sequence[int],
    *,
    n_labelled: int | None = None,
    features: str | None = None,
    protocol: str = "random",
    tune: int = 0,
    trials_at_once: int = TRIALS_AT_ONCE,
    jobs: int = 1,
    output: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    lfs: str | os.PathLike[str] | None = None,
    progress: ReportProgress | None = None,
    placebo: bool = False,
    only: bool = False,
    **settings: Any,
) -> pd.DataFrame:
    """Run methods over seeds on one corpus; every finished run is stored at once.

    Each seed is a new partition of the pool into L, U and V, stratified; test rows stay the same.

    Parameters
    ----------
    source : str, path, Corpus or CorpusVotes
        See :func:`load_corpus_votes`.
    methods : sequence of str
        As :func:`parse_method` reads them, e.g. ``"amal:crossfit=5"``. :data:`ALWAYS` are added.
    seeds : int or sequence of int
        A number N stands for 0 to N-1.
    n_labelled : int, optional
        Rows in L and in V; default: those of the corpus.
    features : str, optional
        See :func:`study_features`; default "tfidf", or "published" for a corpus without texts.
    protocol : {"random", "published", "wrench"}
        "published" keeps the labelled rows that the corpus was published with; only U and V are
        drawn. "wrench" draws nothing: training rows have votes and no gold, and V is the corpus'
        own validation part, whole; seeds start the training.
    tune : int
        Trials for each method that has something to tune; see :func:`tune_methods`.
    trials_at_once : int
        How many of them are proposed and trained at a time. Optuna's TPE learns from those it has
        been told of, so with more than 11 trials another number gives other proposals.
    jobs : int
        Processes, of one thread each.
    output : path, optional
        JSON file with one row per run. One that is there is continued: runs in it are not
        repeated, failed ones are.
    data_dir, lfs : path, optional
        See :func:`load_corpus_votes`.
    progress : callable, optional
        Called as ``progress(done, total, what)`` after every run, and once at the start.
    placebo : bool
        Deal the rows of votes out anew, so that they tell nothing.
    only : bool
        Leave out :data:`ALWAYS`.
    **settings
        Passed to every estimator that knows them: ``max_epochs=``, ``feature_model=``, ... Rows
        hold mixers and label models with their settings, other objects (a network) by name only.

    Returns
    -------
    DataFrame
        The JSON rows of this study, one for each method and seed, in that order; ``error`` is not
        None where a run failed.

    Raises
    ------
    InputError
        For anything that cannot be run, before anything is run or written.
    """
    specs = study_methods(methods, only)
    seeds = check_seeds(seeds)
    check_whole("tune", tune, 0)
    check_whole("trials_at_once", trials_at_once, 1)
    if tune:
        need_optuna()
        _check_tuning(protocol)
    _check_settings(specs, settings)
    _check_encoders(specs, features, settings)
    store = StudyFile(output)
    show = progress is not None
    source = load_corpus_votes(source, lfs=lfs, data_dir=data_dir, progress=show)
    if not source.votes.nnz and any(spec.method.uses_votes for spec in specs):
        raise InputError(f"no LF votes on any row of {source.name!r} (votes: {source.lfs})")
    setup = make_setup(
        *(source, n_labelled, features, protocol, placebo, tune, settings, show, trials_at_once)
    )
    corpus_split(setup, seeds[0])  # what cannot be partitioned is said before any training
    tuned = tune_methods(setup, specs, jobs, store, progress) if tune else {}
    runs = [
        StudyRun(
            run_identity(setup, spec, seed, tuned.get(spec.text)),
            run_method,
            (setup, spec, seed, tuned.get(spec.text, {})),
            f"{spec.title}, seed {seed}",
            group=spec.text,
        )
        for spec in specs
        for seed in seeds  # the seeds of a method are trained together
    ]
    rows = execute(runs, store, jobs=jobs, progress=progress)
    order = [spec.text for spec in specs]
    return pd.DataFrame(sorted(rows, key=lambda row: order.index(row["method"])))


def _check_tuning(protocol: str) -> None:
    """Raise for the protocol whose sizes of L and V tuning cannot draw."""
    if protocol == "wrench":
        raise InputError(
            "methods are tuned on partitions of the study's own sizes, and under the protocol "
            "'wrench' no row is labelled; leave out --tune (tune=), or take the protocol 'random'"
        )


def study_methods(methods: Sequence[str | MethodSpec], only: bool = False) -> list[MethodSpec]:
    """Read method names, each once; :data:`ALWAYS` come first unless `only`."""
    if isinstance(methods, str) or not isinstance(methods, Iterable):
        raise InputError(f"methods must be a list of names, found {methods!r}")
    given = [name if isinstance(name, MethodSpec) else parse_method(name) for name in methods]
    first = [] if only else [parse_method(name) for name in ALWAYS]
    specs = {spec.text: spec for spec in [*first, *given]}
    if not specs:
        raise InputError("a study needs at least one method")
    return list(specs.values())


def _check_encoders(
    specs: Sequence[MethodSpec], features: str | None, settings: dict[str, Any]
) -> None:
    """Raise unless numbers of tokens go to encoders that are trained themselves, and to no other.

    All methods of a study have the same rows.
    """
    tokens = str(features).startswith("tokens:")
    for spec in specs:
        if tokens != (tokens_of(spec.make(**settings)) is not None):
            raise InputError(
                f"method {spec.text}: features 'tokens:NAME' are for feature_model=encoder:NAME "
                f"alone, and this needs them; found features={features!r}. Compare them with "
                "others by `spear-amal compare`, or in a study of their own"
            )


def _check_settings(specs: Sequence[MethodSpec], settings: dict[str, Any]) -> None:
    """Raise for a setting that no estimator knows (a slip of the pen) or can be trained with."""
    fixed = sorted({"metric", "random_state"} & set(settings))
    if fixed:
        raise InputError(
            f"{fixed[0]} cannot be set for a study: the metric is the corpus' own, and each run "
            "gets its seed"
        )
    known = {name for spec in specs for name in estimator_options(spec.method.estimator)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise InputError(f"no method of this study has the setting {unknown[0]!r}")
    for spec in specs:
        try:
            spec.make(**settings).check_parameters()
        except ValueError as error:
            raise InputError(f"{spec.text!r} cannot be run with {settings}: {error}") from error
