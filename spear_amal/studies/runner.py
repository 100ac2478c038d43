"""Methods times seeds on one corpus: checked first, run in parallel, stored one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data import Corpus
from spear_amal.errors import InputError
from spear_amal.params import option_places
from spear_amal.studies.corpus_votes import CorpusVotes, load_corpus_votes, votes_digest
from spear_amal.studies.features import default_features, study_features
from spear_amal.studies.methods import MethodSpec, parse_method
from spear_amal.studies.results_file import StudyFile, identity, plain_json
from spear_amal.studies.run import PROTOCOLS, Setup, describe_run, run_unit, study_task
from spear_amal.studies.tuning import need_optuna, tune_methods
from spear_amal.studies.workers import in_parallel

# Printed in every table: without them nobody can tell what rules and V's labels are worth.
ALWAYS = ("only-l", "only-lv", "supervised")

# done, total, what was just finished
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class StudyRun:
    """One run that is to be done."""

    spec: MethodSpec
    seed: int
    tuned: dict[str, Any]


def run_study(
    source: str | os.PathLike[str] | Corpus | CorpusVotes,
    methods: Sequence[str | MethodSpec],
    seeds: int | Sequence[int],
    *,
    labels: int | None = None,
    features: str | None = None,
    protocol: str = "random",
    tune: int = 0,
    jobs: int = 1,
    output: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    lfs: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
    placebo: bool = False,
    only: bool = False,
    **settings: Any,
) -> pd.DataFrame:
    """Run methods over seeds on one corpus; every finished run is stored at once.

    Each seed is a new partition of the pool into L, U and V, stratified; test rows stay the same.

    Parameters
    ----------
    source : str, path, Corpus or Source
        See :func:`load_corpus_votes`.
    methods : sequence of str
        As :func:`parse_method` reads them, e.g. ``"amal:crossfit=5"``. ``only-l``, ``only-lv`` and
        ``supervised`` are added.
    seeds : int or sequence of int
        A number N stands for 0 to N-1.
    labels : int, optional
        Size of L and of V; default: those of the corpus.
    features : str, optional
        "tfidf", "published", "encoder:NAME" or "file:PATH"; default "tfidf", or "published" for a
        corpus without texts.
    protocol : {"random", "published"}
        "published" keeps the labelled rows that the corpus was published with; only U and V are
        drawn.
    tune : int
        Trials for each method that has something to tune, judged on gold rows that their training
        did not see.
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
        Leave out what `methods` does not name.
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
    seeds = _seeds(seeds)
    if jobs < 1 or tune < 0:
        raise InputError(f"jobs must be at least 1 and tune at least 0, found {jobs} and {tune}")
    if tune:
        need_optuna()
    _check_settings(specs, settings)
    store = StudyFile(output)
    held = load_corpus_votes(source, lfs=lfs, data_dir=data_dir, progress=progress is not None)
    if not held.votes.nnz and any(spec.method.uses_votes for spec in specs):
        raise InputError(f"no LF votes on any row of {held.name!r} (votes: {held.lfs})")
    show = progress is not None
    setup = make_setup(held, labels, features, protocol, placebo, tune, settings, show)
    study_task(setup, seeds[0])  # what cannot be partitioned is said before any training
    tuned = _tuned(setup, specs, jobs, store, progress)
    _run_all(setup, specs, seeds, tuned, jobs, store, progress)
    wanted = [
        identity(plain_json(describe_run(setup, spec, seed, tuned.get(spec.text))))
        for spec in specs
        for seed in seeds
    ]
    rows = {identity(row): row for row in store.rows}
    return pd.DataFrame([rows[key] for key in wanted])


def study_methods(methods: Sequence[str | MethodSpec], only: bool = False) -> list[MethodSpec]:
    """Read method names, each once; :data:`ALWAYS` come first unless `only`."""
    if isinstance(methods, str):
        raise InputError(f"methods must be a list of names, found the string {methods!r}")
    given = [one if isinstance(one, MethodSpec) else parse_method(one) for one in methods]
    first = [] if only else [parse_method(name) for name in ALWAYS]
    specs = {spec.text: spec for spec in [*first, *given]}
    if not specs:
        raise InputError("a study needs at least one method")
    return list(specs.values())


def make_setup(
    source: CorpusVotes,
    labels: int | None = None,
    features: str | None = None,
    protocol: str = "random",
    placebo: bool = False,
    tune: int = 0,
    settings: dict[str, Any] | None = None,
    show: bool = False,
) -> Setup:
    """Check sizes, make features, and put together what all runs share.

    With `show` a bar counts the texts that an encoder has still to encode.

    Raises
    ------
    InputError
        If the budget is larger than the pool, or the corpus lacks what was asked for.
    """
    corpus = source.corpus
    name = features or default_features(corpus)
    n_labelled, n_validation = _sizes(corpus, labels, protocol)
    x = study_features(corpus, name, show)
    fixed = name in ("tfidf", "published")  # then the digest of the source tells them apart
    return Setup(
        source=source,
        x=x,
        data=source.digest if fixed else votes_digest([source.digest, x]),
        n_labelled=n_labelled,
        n_validation=n_validation,
        features=name,
        protocol=protocol,
        placebo=placebo,
        tune=tune,
        settings=settings or {},
        exemplars=votes_digest([source.exemplars]),
    )


def _sizes(corpus: Corpus, labels: int | None, protocol: str) -> tuple[int, int]:
    if protocol not in PROTOCOLS:
        raise InputError(f"protocol must be one of {PROTOCOLS}, found {protocol!r}")
    if protocol == "published" and labels is not None:
        raise InputError(
            "the protocol 'published' keeps the published labelled rows, so their number cannot "
            "be set; leave out --n-labelled (labels=), or take the protocol 'random'"
        )
    pool = len(corpus) - len(corpus.rows("test"))
    if not len(corpus.rows("test")):
        raise InputError(f"corpus {corpus.name!r} has no test rows to score on")
    if labels is None:
        return corpus.n_labelled, corpus.n_validation
    if labels < 1 or 2 * labels > pool:
        raise InputError(
            f"a budget of {labels} labels takes {labels} rows for L and {labels} for V, but the "
            f"pool of {corpus.name!r} has {pool} rows; choose 1 to {pool // 2}"
        )
    return labels, labels


def _seeds(seeds: int | Sequence[int]) -> list[int]:
    given = (
        list(range(seeds)) if isinstance(seeds, int | np.integer) else [int(seed) for seed in seeds]
    )
    if any(seed < 0 for seed in given) or len(set(given)) < len(given):
        raise InputError(f"seeds must be different whole numbers from 0 on, found {given}")
    if len(given) < 2:
        raise InputError(
            f"a study needs at least two seeds, found {len(given)}: a gain on one partition has no "
            "interval and may be chance. Ask for more (--seeds 5, seeds=5)"
        )
    return given


def _check_settings(specs: Sequence[MethodSpec], settings: dict[str, Any]) -> None:
    """Refuse a setting that no estimator knows (a slip of the pen) or can be trained with."""
    own = sorted({"metric", "random_state"} & set(settings))
    if own:
        raise InputError(
            f"{own[0]} cannot be set for a study: the metric is the corpus' own, and each run "
            "gets its seed"
        )
    known = {name for spec in specs for name in option_places(spec.method.estimator)}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise InputError(f"no method of this study has the setting {unknown[0]!r}")
    for spec in specs:
        try:
            spec.make(**settings).check_parameters()
        except ValueError as error:
            raise InputError(f"{spec.text!r} cannot be run with {settings}: {error}") from error


def _tuned(
    setup: Setup,
    specs: Sequence[MethodSpec],
    jobs: int,
    store: StudyFile,
    progress: Progress | None,
) -> dict[str, dict[str, Any]]:
    return tune_methods(setup, specs, jobs, store, progress) if setup.tune else {}


def _run_all(
    setup: Setup,
    specs: Sequence[MethodSpec],
    seeds: Sequence[int],
    tuned: dict[str, dict[str, Any]],
    jobs: int,
    store: StudyFile,
    progress: Progress | None,
) -> None:
    """Run what is not in the store yet; units of one seed follow each other."""
    done = store.finished()
    units = [StudyRun(spec, seed, tuned.get(spec.text, {})) for seed in seeds for spec in specs]
    left = [u for u in units if identity(plain_json(describe_run(setup, *_of(u)))) not in done]
    total, count = len(units), len(units) - len(left)
    if progress is not None:
        progress(count, total, "")
    for row in in_parallel(jobs, [(run_unit, (setup, *_of(unit))) for unit in left]):
        store.add(row)
        count += 1
        if progress is not None:
            progress(count, total, f"{row['title']}, seed {row['seed']}")


def _of(unit: StudyRun) -> tuple[MethodSpec, int, dict[str, Any]]:
    return unit.spec, unit.seed, unit.tuned
