"""What ``train --row-outputs`` writes: what the model says of every row of the table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spear_amal.errors import InputError
from spear_amal.labeling.row_digests import digests_of_texts
from spear_amal.row_outputs import ModelOutputs, UnseenAnswers, write_row_outputs
from spear_amal.studies.crossval.estimate import ScoreEstimate
from spear_amal.text_classifier import TextClassifier
from spear_amal.training_rows import LabelledTable, TrainingData


def check_texts(data: TrainingData) -> None:
    """Raise InputError where the table has no texts, by which rows are told apart."""
    if data.text_column not in data.train.frame:
        raise InputError(
            f"--row-outputs tells rows apart by their texts, and {data.name} has no column "
            f"{data.text_column!r}: name it with --text-column"
        )


def write_outputs(
    path: Path,
    model: TextClassifier,
    data: TrainingData,
    test: LabelledTable | None,
    estimate: ScoreEstimate | None,
) -> None:
    """Write what a model says of the rows that it was trained on, and how unseen rows fared.

    Parameters
    ----------
    path : Path
    model : TextClassifier
        Fitted on `data`.
    data : TrainingData
    test : LabelledTable or None
        The rows on which the score was estimated, where it was not in folds.
    estimate : ScoreEstimate or None
    """
    train = data.train
    votes = train.votes if model.needs_votes else None
    weights = model.estimator_.row_weights_.iloc[: len(train.y)]
    outputs = ModelOutputs(
        classes=tuple(map(str, data.classes)),
        proba=model.predict_proba(train.frame, votes)[:, model.places_],
        digests=_digests(train, data.text_column),
        rule_proba=_rule_proba(model, train),
        weights=weights if len(weights) else None,
        unseen=_unseen(estimate, train if test is None else test, data.text_column),
    )
    write_row_outputs(path, outputs)


def _digests(table: LabelledTable, text_column: str) -> np.ndarray:
    return digests_of_texts(table.frame[text_column].tolist())


def _rule_proba(model: TextClassifier, train: LabelledTable) -> np.ndarray | None:
    """Return probabilities (n, C) of the rule model in code order; None where there is none."""
    if train.votes is None:
        return None
    try:
        p = model.estimator_.rule_predict_proba(train.votes)
    except InputError:  # a method that has no model of the rules, or left the votes out
        return None
    whole = np.zeros((len(p), len(model.class_names_)))
    listed = list(model.class_names_)
    whole[:, [listed.index(name) for name in model.names_of(model.estimator_.classes_)]] = p
    return whole


def _unseen(
    estimate: ScoreEstimate | None, table: LabelledTable, text_column: str
) -> UnseenAnswers | None:
    """Return what models answered on rows that they had not seen, in the first repeat."""
    if estimate is None:
        return None
    predictions = estimate.result.predictions
    return UnseenAnswers(
        digests=_digests(table, text_column)[predictions.rows],
        gold=predictions.y,
        predicted=predictions.by_method[estimate.method][0],
        overlap=predictions.overlap(estimate.method),
        positive=estimate.positive,
    )
