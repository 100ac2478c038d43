"""One run of a comparison: a method is trained without a fold, and predicts the rows of the fold.

Whatever is learnt (features, votes' worth, weights, epochs, models) is learnt from the table
without the rows of the fold and without rows of their texts.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

import spear_amal
from spear_amal.data.token_features import TokenFeatures
from spear_amal.errors import InputError
from spear_amal.estimators.encoders import tokens_of
from spear_amal.estimators.together import Steps, Stopwatch, steps_of
from spear_amal.studies.crossval.folds import (
    classes_in_training,
    outer_folds,
    training_rows,
)
from spear_amal.studies.crossval.table import ComparedTable, TableRows
from spear_amal.studies.engine import StudyRun
from spear_amal.studies.methods import MethodSpec
from spear_amal.studies.results_file import IN_FOLDS, ON_TEST, RunRow
from spear_amal.training import reported_metric, score
from spear_amal.training_rows import named_labels
from spear_amal.votes.gold import read_gold
from spear_amal.votes.label_matrix import LabelMatrix


@dataclass(frozen=True, eq=False)
class OuterFolds:
    """How rows are held out: every gold row once a repeat, or the test table.

    Attributes
    ----------
    n_folds : int
        1 where there is a test table.
    seeds : tuple of int
        One a repeat: it deals the folds and starts the training.
    fold : ndarray (repeats, n)
        Fold of each row, -1 for those that are never held out.
    unseen : tuple of int
        Codes of classes that have no gold row in training while one of their rows is held out.
    """

    n_folds: int
    seeds: tuple[int, ...]
    fold: np.ndarray = field(repr=False)
    unseen: tuple[int, ...] = ()

    @classmethod
    def draw(cls, table: ComparedTable, n_folds: int, repeats: int, seed: int) -> OuterFolds:
        """Deal the gold rows of a table into folds, anew for each repeat.

        Raises
        ------
        InputError
            If fewer than two classes would be left to train on.
        """
        seeds = tuple(seed + number for number in range(repeats))
        y, groups = table.rows.y, table.rows.groups
        if table.test is not None:
            return cls(1, seeds, np.full((repeats, len(y)), -1))
        fold = np.stack([outer_folds(y, groups, n_folds, one) for one in seeds])
        kept = [codes for dealt in fold for codes in classes_in_training(y, groups, dealt)]
        if min(map(len, kept)) < 2:
            counts = {table.classes[code]: int((y == code).sum()) for code in np.unique(y[y >= 0])}
            raise InputError(
                "a comparison needs gold rows of two classes at least beside those held out, with "
                f"other texts; there are {counts}. Label more rows of every class"
            )
        always = functools.reduce(np.intersect1d, kept)
        unseen = np.setdiff1d(y[y >= 0], always)
        return cls(int(fold.max()) + 1, seeds, fold, tuple(unseen.tolist()))


def comparison_runs(
    table: ComparedTable,
    folds: OuterFolds,
    specs: list[MethodSpec],
    metric: str,
    settings: dict[str, Any],
) -> list[StudyRun]:
    """Return all runs; those of one fold follow each other, since they share features."""
    return [
        _run(held_out, folds, spec, metric, settings, repeat)
        for repeat, fold in enumerate(folds.fold)
        for held_out in (HeldOutFold(table, fold, number) for number in range(folds.n_folds))
        for spec in specs
    ]


def _run(
    held_out: HeldOutFold,
    folds: OuterFolds,
    spec: MethodSpec,
    metric: str,
    settings: dict[str, Any],
    repeat: int,
) -> StudyRun:
    table, number = held_out.table, held_out.number
    seed = folds.seeds[repeat]
    row = {
        "corpus": table.name,
        "method": spec.text,
        "title": spec.title,
        "seed": seed,
        "metric": reported_metric(metric),
        "features": table.features,
        "protocol": IN_FOLDS if table.test is None else ON_TEST,
        "labels": len(table.gold),
        "config": {
            "options": spec.settled,
            "settings": settings,
            "fold": number,
            "folds": folds.n_folds,
            "data": table.digest,
            "version": spear_amal.__version__,
            **({} if metric == reported_metric(metric) else {"chooses": metric}),
        },
    }
    where = f", fold {number + 1} of {folds.n_folds}" if folds.n_folds > 1 else ""
    return StudyRun(
        row,
        run_fold,
        (held_out, spec, seed, metric, settings),
        f"{spec.title}, repeat {repeat + 1}{where}",
        group="folds",
    )


@dataclass(frozen=True, eq=False)
class HeldOutFold:
    """One fold of a table, whose rows are held out, or the table's test rows.

    Attributes
    ----------
    table : ComparedTable
    fold : ndarray (n,)
        Fold of each row, -1 for those that are never held out.
    number : int
        Of the fold; no matter where there are test rows.
    """

    table: ComparedTable
    fold: np.ndarray = field(repr=False)
    number: int = 0

    @cached_property
    def kept(self) -> np.ndarray:
        """Which rows (n,) of the table may be learnt from."""
        if self.table.test is not None:
            return np.ones(len(self.fold), dtype=bool)
        return training_rows(self.fold, self.table.rows.groups, self.number)

    def parts(self) -> tuple[ComparedTable, TableRows]:
        """Return what may be learnt from, and the rows to predict."""
        if self.table.test is not None:
            return self.table, self.table.test
        held_out = self.table.rows.take(self.fold == self.number)
        return self.table.without_groups(held_out.groups), held_out


def run_fold(
    fold: HeldOutFold,
    spec: MethodSpec,
    seed: int,
    metric: str,
    settings: dict[str, Any],
    labelled: np.ndarray | None = None,
) -> Steps[RunRow]:
    """Train a method without a fold and predict the rows of the fold, in steps.

    Parameters
    ----------
    fold : HeldOutFold
    spec, seed, metric, settings
        What is trained.
    labelled : ndarray of bool (n,), optional
        Rows of the table whose gold is used; the others are trained on as if they had none.

    Returns
    -------
    dict
        "predicted" (class codes) and "confidence" (their probabilities) of the "rows" (their
        numbers), their "score", "val_score", "watched" (predicted codes of the table's watched
        rows), and the "seconds" and the "path" of the training.
    """
    table, watch = fold.table, Stopwatch()
    tokens = tokens_of(spec.make())
    training, held_out, (x_train, x_validation, x_held_out) = _with_features(fold, tokens)
    if labelled is not None:
        training = training.with_gold_of(labelled[fold.kept])
    fit = fit_rows(spec, training, x_train, x_validation, seed, metric, settings)
    estimator = yield from watch.time(fit)
    codes = read_gold(estimator.classes_, table.classes, "the model").codes
    probabilities = _probabilities(estimator, x_held_out, held_out.votes)
    predicted = codes[probabilities.argmax(1)]
    rows = np.arange(len(held_out))
    if table.test is None:
        rows = np.flatnonzero(fold.fold == fold.number)
    return {
        "score": score(metric, held_out.y, predicted, table.positive),
        "val_score": estimator.val_score_,
        "seconds": round(watch.seconds, 3),
        "path": getattr(estimator, "training_path_", None),
        "rows": rows.tolist(),
        "predicted": predicted.tolist(),
        "confidence": np.round(probabilities.max(1), 3).tolist(),
        "watched": codes[_watched_answers(fold, estimator, x_train, training)].tolist(),
    }


def _watched_answers(
    fold: HeldOutFold, estimator: Any, x: Any, training: ComparedTable
) -> np.ndarray:
    """Return the answers (w,) of a model to the table's watched rows, which it was trained on."""
    watched = fold.table.watched
    if not len(watched):
        return np.empty(0, dtype=np.int64)
    places = np.searchsorted(np.flatnonzero(fold.kept), watched)
    votes = None if training.rows.votes is None else training.rows.votes[places]
    answers: np.ndarray = _probabilities(estimator, x[places], votes).argmax(1)
    return answers


def _probabilities(estimator: Any, x: Any, votes: LabelMatrix | None) -> np.ndarray:
    """Return class probabilities (n, C) by features, and by votes where the model takes these."""
    given = (votes,) if getattr(estimator, "exponent_", 0.0) > 0 else ()
    probabilities: np.ndarray = estimator.predict_proba(x, *given)
    return probabilities


def fit_rows(
    spec: MethodSpec,
    training: ComparedTable,
    x: Any,
    x_validation: Any,
    seed: int,
    metric: str,
    settings: dict[str, Any],
) -> Steps[Any]:
    """Fit a method in steps on all rows of a table whose features were made."""
    estimator = spec.make(metric=metric, random_state=seed, **settings)
    given: dict[str, Any] = {}
    uses_votes = spec.method.uses_votes
    if uses_votes:
        given["L"] = training.rows.votes
    if training.validation is not None:
        y_validation = named_labels(training.validation.y, training.classes)
        given |= {"X_val": x_validation, "y_val": y_validation}
        given |= {"L_val": training.validation.votes} if uses_votes else {}
    y: Any = named_labels(training.rows.y, training.classes)
    if isinstance(training.rows.inputs, pd.DataFrame):
        y = pd.Series(y, index=training.rows.inputs.index)  # rows are drawn in the order of ids
    return (yield from steps_of(estimator, {"X": x, "y": y, **given}))


# All methods are trained on one fold before the next; those that fine-tune encoders have features
# of their own.
@functools.lru_cache(maxsize=2)
def _with_features(
    fold: HeldOutFold, tokens: tuple[str, int | None] | None
) -> tuple[ComparedTable, TableRows, tuple[Any, Any, Any]]:
    """Return both parts of a fold, and features of training, validation (or None) and held out."""
    training, held_out = fold.parts()
    return training, held_out, _features(fold.table, training, held_out, tokens)


def _features(
    table: ComparedTable,
    training: ComparedTable,
    held_out: TableRows,
    tokens: tuple[str, int | None] | None,
) -> tuple[Any, Any, Any]:
    validation = training.validation
    if table.new_features is None:
        return (
            training.rows.inputs,
            None if validation is None else validation.inputs,
            held_out.inputs,
        )
    made, n = table.new_features(), len(training.rows)
    if tokens is not None:
        made.set_params(features=TokenFeatures(*tokens))
    if validation is None:
        return made.fit_transform(training.rows.inputs), None, made.transform(held_out.inputs)
    x = made.fit_transform(training.rows.joined(validation))
    return x[:n], x[n:], made.transform(held_out.inputs)
