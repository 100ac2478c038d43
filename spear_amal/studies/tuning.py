"""Tuning of methods on labelled rows that the trial's training never saw; the same for each."""

from __future__ import annotations

import functools
import importlib.util
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from spear_amal.data import partition
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.estimators.together import Ending, Steps, finish_together
from spear_amal.studies.corpus_run import (
    StudySetup,
    has_all_gold,
    installed_version,
    run_identity,
)
from spear_amal.studies.corpus_votes import shuffled_votes
from spear_amal.studies.engine import ReportProgress, StudyRun, execute
from spear_amal.studies.methods import FIT_OPTIONS, MethodSpec
from spear_amal.studies.results_file import RunRow, StudyFile
from spear_amal.studies.split import HeldOutScorer, Split, cut_split, score_table
from spear_amal.studies.split_comparison import fit_method_steps

SEEDS = (10_000, 10_001)  # partitions that no study of usual size scores on
FOLDS = 3
SAMPLER_SEED = 0
RANDOM_TRIALS = 10  # of TPE, before it learns from those that it was told of


def need_optuna() -> None:
    """Raise unless methods can be tuned.

    Raises
    ------
    MissingExtraError
        If Optuna is not installed.
    """
    if importlib.util.find_spec("optuna") is None:
        raise MissingExtraError("optuna", "tune", "tuning (--tune, tune=)")


def tune_methods(
    setup: StudySetup,
    specs: Sequence[MethodSpec],
    jobs: int,
    store: StudyFile,
    progress: ReportProgress | None = None,
) -> dict[str, dict[str, Any]]:
    """Tune every method that has something to tune, each with ``setup.tune`` trials.

    A method in folds (``crossfit=K``) or refit takes what its single model was tuned to. What the
    store holds already is not tuned again.

    Returns
    -------
    dict
        Chosen options by the text of the method.
    """
    single = {spec.text: without_folds(spec) for spec in specs if spec.space()}
    tuned = {base.text: base for base in single.values()}
    runs = [
        StudyRun(_identity(setup, base), tune_method, (setup, base), f"tuned: {base.title}")
        for base in tuned.values()
    ]
    records = execute(runs, store, jobs=jobs, progress=progress, table="tuning", fatal=(Exception,))
    chosen = {text: record["chosen"] for text, record in zip(tuned, records, strict=True)}
    return {text: chosen[base.text] for text, base in single.items()}


def _identity(setup: StudySetup, spec: MethodSpec) -> RunRow:
    """Return what identifies a tuning: for one seed versions of Optuna propose other trials.

    So does another number of trials at once, but for the first ones, which are drawn at random.
    """
    identity = run_identity(setup, spec, None)
    config = {**identity["config"], "optuna": installed_version("optuna")}
    if setup.tune - 1 > RANDOM_TRIALS:
        config["trials_at_once"] = setup.trials_at_once
    return {**identity, "config": config}


def without_folds(spec: MethodSpec) -> MethodSpec:
    """Make the single model of a method that is cross-fitted or refit by its options."""
    options = {name: value for name, value in spec.options.items() if name not in FIT_OPTIONS}
    single = MethodSpec(spec.method, options)
    return single.changed(crossfit=None) if single.settled.get("crossfit") else single


def tune_method(setup: StudySetup, spec: MethodSpec) -> RunRow:
    """Tune one method; the first trial is its defaults, the others are Optuna's (TPE).

    Optuna proposes ``setup.trials_at_once`` trials at a time, and hears how they went before the
    next ones. They are trained together, the defaults with the first ones.

    Returns
    -------
    dict
        What a study file keeps beside the identity: ``chosen`` options, their ``score``, the
        ``space`` and all ``trials`` with parameters, score and log-loss.

    Raises
    ------
    InputError
        If no trial could be trained.
    """
    trials = _trials(setup, spec)
    successful = [trial for trial in trials if trial["value"] is not None]
    if not successful:
        raise InputError(f"tuning of {spec.text!r}: every trial failed; {trials[0]['error']}")
    # The earliest of equals.
    best = max(successful, key=lambda trial: (trial["value"], -trial["nll"]))
    return {
        "chosen": best["params"],
        "score": best["value"],
        "space": spec.space(),
        "trials": trials,
        "seeds": SEEDS,
        "folds": FOLDS,
    }


def _trials(setup: StudySetup, spec: MethodSpec) -> list[RunRow]:
    """Score the defaults and what Optuna proposes."""
    import optuna
    from optuna.trial import TrialState

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.TPESampler(seed=SAMPLER_SEED)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        trials: list[RunRow] = []
        while len(trials) < setup.tune:
            # The defaults, of which Optuna knows nothing.
            first: list[RunRow] = [] if trials else [{}]
            n = min(setup.trials_at_once, setup.tune - len(first) - len(trials))
            asked = [study.ask() for _ in range(n)]
            proposed = [_params(proposal, spec) for proposal in asked]
            scored = _scored(setup, spec, [*first, *proposed])
            for proposal, trial in zip(asked, scored[len(first) :], strict=True):
                failed = trial["value"] is None
                study.tell(proposal, trial["value"], state=TrialState.FAIL if failed else None)
            trials += scored
        return trials
    finally:
        optuna.logging.set_verbosity(before)


def _params(proposal: Any, spec: MethodSpec) -> dict[str, Any]:
    return {name: suggest(proposal, name, *form) for name, form in spec.space().items()}


def suggest(trial: Any, name: str, kind: str, *form: Any) -> Any:
    """Draw one value of a tuning space from an Optuna trial.

    Parameters
    ----------
    trial : optuna.Trial
    name : str
    kind : {"float", "int", "choice"}
    *form
        ``low, high, "log" | "linear"`` for "float", ``low, high`` for "int", the values for
        "choice".
    """
    if kind == "choice":
        return trial.suggest_categorical(name, list(form[0]))
    if kind == "int":
        return trial.suggest_int(name, form[0], form[1])
    return trial.suggest_float(name, form[0], form[1], log=form[2] == "log")


def _scored(
    setup: StudySetup, spec: MethodSpec, proposals: Sequence[dict[str, Any]]
) -> list[RunRow]:
    """Score options on held-out gold, means over the partitions; what fails has no value."""
    cells = list(itertools.product(range(len(proposals)), SEEDS, range(FOLDS)))
    fits = (_held_out(setup, spec, proposals[trial], seed, fold) for trial, seed, fold in cells)
    endings = sorted(finish_together(fits), key=lambda ending: ending.number)
    size = len(SEEDS) * FOLDS
    return [
        _trial(setup, params, endings[trial * size : (trial + 1) * size])
        for trial, params in enumerate(proposals)
    ]


def _trial(setup: StudySetup, params: dict[str, Any], endings: Sequence[Ending[Any]]) -> RunRow:
    """Return what is kept of a trial, from its folds of all partitions."""
    errors = [str(ending.error)[:300] for ending in endings if ending.error is not None]
    if errors:  # options that cannot be trained are one lost trial
        return {"params": params, "value": None, "nll": None, "error": errors[0]}
    folds = [ending.value for ending in endings if ending.value is not None]
    parts = [folds[start : start + FOLDS] for start in range(0, len(folds), FOLDS)]
    scores = [_held_out_score(setup, part) for part in parts]
    value, nll = np.mean(scores, axis=0).tolist()
    path = ", ".join(dict.fromkeys(path for _, _, path in folds))
    return {"params": params, "value": value, "nll": nll, "path": path}


def _held_out(
    setup: StudySetup, spec: MethodSpec, params: dict[str, Any], seed: int, fold: int
) -> Steps[tuple[np.ndarray, np.ndarray, str]]:
    """Train without a fold; return probabilities and gold of the fold, and how it was trained."""
    changed = spec.changed(**params)
    split, scorer, y = fold_split(setup, seed, fold, has_all_gold(changed))
    estimator = yield from fit_method_steps(changed, split, seed, **setup.settings)
    return scorer.probabilities(estimator), y, getattr(estimator, "training_path_", "alone")


def _held_out_score(
    setup: StudySetup, folds: Sequence[tuple[np.ndarray, np.ndarray, str]]
) -> tuple[float, float]:
    """Return score and log-loss of the pooled predictions of all folds of one partition."""
    p, y = (np.concatenate(column) for column in list(zip(*folds, strict=True))[:2])
    scores = score_table(p, y)
    return scores[setup.source.corpus.metric], scores["nll"]


@functools.lru_cache(maxsize=2 * len(SEEDS) * FOLDS)
def fold_split(
    setup: StudySetup, seed: int, fold: int, supervised: bool = False
) -> tuple[Split, HeldOutScorer, np.ndarray]:
    """Make the split of a fold: a third of L+V is held out, the rest is halved into L and V.

    Returns
    -------
    Split
        In which the held-out rows do not occur, not even as unlabelled ones.
    HeldOutScorer
        On the held-out rows.
    ndarray
        Their gold.
    """
    corpus, x = setup.source.corpus, setup.x
    votes = setup.source.votes
    votes = shuffled_votes(votes, seed) if setup.placebo else votes
    sizes = (setup.n_labelled, setup.n_validation)
    parts = partition(corpus, seed, *sizes, labelled=setup.protocol)
    gold = np.concatenate([parts.labelled, parts.validation])
    labelled, validation, held_out = fold_rows(gold, corpus.labels, seed, fold)
    rows = (labelled, parts.unlabelled, validation)
    exemplars = None if setup.placebo else setup.source.exemplars
    split = cut_split(corpus, votes, x, rows, seed, supervised, exemplars)
    y = corpus.labels[held_out]
    return split, HeldOutScorer(x[held_out], y, votes[held_out], corpus.metric), y


def fold_rows(
    gold: np.ndarray, y: np.ndarray, seed: int, fold: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deal gold rows by class: a third held out, the rest in turn to L and V, L first.

    Examples
    --------
    >>> labelled, validation, held_out = fold_rows(np.arange(12), np.arange(12) % 2, 0, fold=1)
    >>> len(labelled), len(validation), len(held_out)
    (4, 4, 4)
    """
    shuffled = np.random.default_rng(seed).permutation(gold)
    dealt = shuffled[np.argsort(y[shuffled], kind="stable")]
    out = np.arange(len(dealt)) % FOLDS == fold
    kept = dealt[~out]
    classes = y[kept]
    turn = np.arange(len(kept)) - np.searchsorted(classes, classes)  # place within the class
    return np.sort(kept[turn % 2 == 0]), np.sort(kept[turn % 2 == 1]), np.sort(dealt[out])
