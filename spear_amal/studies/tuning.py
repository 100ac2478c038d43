"""Tuning of methods on labelled rows that the trial's training never saw; the same for each."""

from __future__ import annotations

import functools
import importlib.util
import json
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spear_amal.data import partition
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.studies.comparison import fit_method
from spear_amal.studies.methods import FINAL, MethodSpec
from spear_amal.studies.placebo import shuffled_votes
from spear_amal.studies.results_file import Row, StudyFile, plain_json
from spear_amal.studies.run import Setup, describe_run, has_all_gold
from spear_amal.studies.split import HeldOutScorer, Split, cut_task, score_table
from spear_amal.studies.workers import in_parallel, one_thread

SEEDS = (10_000, 10_001)  # partitions that no study of usual size scores on
FOLDS = 3
SAMPLER_SEED = 0


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
    setup: Setup,
    specs: Sequence[MethodSpec],
    jobs: int,
    store: StudyFile,
    progress: Callable[[int, int, str], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Tune every method that has something to tune, each with ``setup.tune`` trials.

    A method in folds (``crossfit=K``) or refit takes what its single model was tuned to. What the
    store holds already is not tuned again.

    Returns
    -------
    dict
        Chosen options by the text of the method.
    """
    alone = {spec.text: without_folds(spec) for spec in specs if spec.space()}
    bases = {base.text: base for base in alone.values()}
    keys = {text: tuning_key(setup, base) for text, base in bases.items()}
    found = {record["key"]: record for record in store.tuning}
    left = [base for text, base in bases.items() if keys[text] not in found]
    count, total = len(bases) - len(left), len(bases)
    for record in in_parallel(jobs, [(tune_method, (setup, base)) for base in left]):
        store.add_tuning(record)
        found[record["key"]] = plain_json(record)
        count += 1
        if progress is not None:
            progress(count, total, f"tuned: {record['title']}")
    return {text: found[keys[base.text]]["chosen"] for text, base in alone.items()}


def without_folds(spec: MethodSpec) -> MethodSpec:
    """Make the single model of a method that is cross-fitted or refit by its options."""
    options = {name: value for name, value in spec.options.items() if name not in FINAL}
    single = MethodSpec(spec.method, options)
    return single.changed(crossfit=None) if single.settled.get("crossfit") else single


def tuning_key(setup: Setup, spec: MethodSpec) -> str:
    """Tell tunings apart: corpus, method, features, labels, settings, number of trials."""
    return json.dumps(plain_json({**describe_run(setup, spec, 0), "seed": None}), sort_keys=True)


def tune_method(setup: Setup, spec: MethodSpec) -> Row:
    """Tune one method; the first trial is its defaults, the others are Optuna's (TPE).

    Returns
    -------
    dict
        The record that a study file keeps: ``chosen`` options, their ``score``, the ``space`` and
        all ``trials`` with parameters, score and log-loss.

    Raises
    ------
    InputError
        If no trial could be trained.
    """
    began = time.perf_counter()
    with one_thread():
        trials = [_trial(setup, spec, {})]
        trials += _search(setup, spec, setup.tune - 1)
    well = [trial for trial in trials if trial["value"] is not None]
    if not well:
        raise InputError(f"tuning of {spec.text!r}: every trial failed; {trials[0]['error']}")
    best = max(well, key=lambda trial: (trial["value"], -trial["nll"]))  # the earliest of equals
    return {
        "key": tuning_key(setup, spec),
        **describe_run(setup, spec, 0),
        "seed": None,
        "chosen": best["params"],
        "score": best["value"],
        "space": spec.space(),
        "trials": trials,
        "seeds": SEEDS,
        "folds": FOLDS,
        "seconds": round(time.perf_counter() - began, 1),
    }


def _search(setup: Setup, spec: MethodSpec, n: int) -> list[Row]:
    """Let Optuna propose n trials, one after the other, so that each learns from the others."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        sampler = optuna.samplers.TPESampler(seed=SAMPLER_SEED)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        return [_proposed(setup, spec, study) for _ in range(n)]
    finally:
        optuna.logging.set_verbosity(before)


def _proposed(setup: Setup, spec: MethodSpec, study: Any) -> Row:
    from optuna.trial import TrialState

    asked = study.ask()
    params = {name: suggest(asked, name, *form) for name, form in spec.space().items()}
    trial = _trial(setup, spec, params)
    failed = trial["value"] is None
    study.tell(asked, trial["value"], state=TrialState.FAIL if failed else None)
    return trial


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


def _trial(setup: Setup, spec: MethodSpec, params: dict[str, Any]) -> Row:
    """Score options on held-out gold, mean over the partitions; a failure has no value."""
    try:
        scores = [_held_out_score(setup, spec.changed(**params), seed) for seed in SEEDS]
    except Exception as error:  # options that cannot be trained are one lost trial
        return {"params": params, "value": None, "nll": None, "error": str(error)[:300]}
    value, nll = np.mean(scores, axis=0).tolist()
    return {"params": params, "value": value, "nll": nll}


def _held_out_score(setup: Setup, spec: MethodSpec, seed: int) -> tuple[float, float]:
    """Score and log-loss of the pooled predictions of all folds of one partition."""
    made = []
    for fold in range(FOLDS):
        task, scorer, y = fold_task(setup, seed, fold, has_all_gold(spec))
        estimator, _ = fit_method(spec, task, seed, **setup.settings)
        made.append((scorer.probabilities(estimator), y))
    p, y = (np.concatenate(column) for column in zip(*made, strict=True))
    scores = score_table(p, y)
    return scores[setup.source.corpus.metric], scores["nll"]


@functools.lru_cache(maxsize=2 * len(SEEDS) * FOLDS)
def fold_task(
    setup: Setup, seed: int, fold: int, supervised: bool = False
) -> tuple[Split, HeldOutScorer, np.ndarray]:
    """Cut the task of a fold: a third of L+V is held out, the rest is halved into L and V.

    Returns
    -------
    Task
        In which the held-out rows do not occur, not even as unlabelled ones.
    Scorer
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
    labelled, validation, held = fold_rows(gold, corpus.labels, seed, fold)
    rows = (labelled, parts.unlabelled, validation)
    exemplars = None if setup.placebo else setup.source.exemplars
    task = cut_task(corpus, votes, x, rows, seed, supervised, exemplars)
    y = corpus.labels[held]
    return task, HeldOutScorer(x[held], y, votes[held], corpus.metric), y


def fold_rows(
    gold: np.ndarray, y: np.ndarray, seed: int, fold: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Deal gold rows by class: a third held out, the rest in turn to L and V, L first.

    Examples
    --------
    >>> labelled, validation, held = fold_rows(np.arange(12), np.arange(12) % 2, seed=0, fold=1)
    >>> len(labelled), len(validation), len(held)
    (4, 4, 4)
    """
    shuffled = np.random.default_rng(seed).permutation(gold)
    dealt = shuffled[np.argsort(y[shuffled], kind="stable")]
    out = np.arange(len(dealt)) % FOLDS == fold
    kept = dealt[~out]
    classes = y[kept]
    turn = np.arange(len(kept)) - np.searchsorted(classes, classes)  # place within the class
    return np.sort(kept[turn % 2 == 0]), np.sort(kept[turn % 2 == 1]), np.sort(dealt[out])
