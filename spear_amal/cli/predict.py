"""The commands ``predict`` and ``evaluate``: a model file on a table."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, f1_score

from spear_amal.cli.asking import Consent, asking_models
from spear_amal.cli.console import add_to_json, print_result, print_warning, show_rows
from spear_amal.cli.options.project import EvaluateOptions, PredictOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.tables import ReadingOptions, layout_of, print_numbers, read_frame
from spear_amal.cli.votes import LFOptions, has_lfs, lfs_of, rows_to_ask, vote
from spear_amal.data import read_rows
from spear_amal.data.add_columns import add_columns
from spear_amal.data.delimited import as_no_formula
from spear_amal.data.table_kinds import is_delimited, suffix_of
from spear_amal.errors import InputError
from spear_amal.labeling import LoadedLFs
from spear_amal.maths.prediction_powered import powered_share
from spear_amal.progress import hidden_progress
from spear_amal.streamed_predictions import (
    PREDICTED,
    check_clash,
    prediction_columns,
    stream_predictions,
)
from spear_amal.studies import score_table
from spear_amal.text_classifier import TextClassifier
from spear_amal.votes.label_matrix import LabelMatrix

_TITLES = {
    "accuracy": "accuracy",
    "macro-f1": "macro F1",
    "nll": "log-loss (nats per row)",
    "ece": "calibration error (10 bins)",
}


def predict(options: PredictOptions) -> None:
    """Write the table with a predicted label and class probabilities added."""
    target = options.require("predictions")
    check_outputs(options.force, target, inputs=options.data)
    suffix_of(target)
    model = TextClassifier.load(options.output)
    data = options.require("data")
    if options.stream:
        _predict_stream(options, model, data, target)
        return
    frame = read_model_rows(options, data, model)
    check_clash(model, list(frame))
    p = _probabilities(model, frame, options, model.label_column_)
    added = prediction_columns(model, p)
    if is_delimited(target):
        added[PREDICTED] = [as_no_formula(str(name)) for name in added[PREDICTED]]
    add_columns(data, added, target, options.force, layout_of(options))
    print_result(f"{len(frame)} predictions written to {target}")


def _predict_stream(
    options: PredictOptions, model: TextClassifier, data: Sequence[Path], target: Path
) -> None:
    """Predict Parquet files batch by batch; LFs are loaded once."""
    votes_of, asking = None, ExitStack()
    if model.needs_votes:
        loaded = lfs_for(model, options)
        rows = partial(rows_to_ask, data, model.text_column_)
        asking.enter_context(asking_models(loaded.lfs, rows, Consent.of(options)))

        def votes_of(frame: pd.DataFrame) -> LabelMatrix:
            with hidden_progress():
                return vote(frame, loaded, model.text_column_, label_column=model.label_column_)

    with asking:
        n_rows = stream_predictions(
            model, list(data), target, votes_of, overwrite=options.force, show_progress=True
        )
    print_result(f"{n_rows} predictions written to {target}")


def read_model_rows(
    options: ReadingOptions, files: Sequence[Path], model: TextClassifier, label: str | None = None
) -> pd.DataFrame:
    """Return rows that a model is to predict, read as the options say."""
    return model.rows_of(read_frame(options, files, model.needed_text_, label))


def evaluate(options: EvaluateOptions) -> None:
    """Print scores and the confusion matrix on the labelled rows of a table."""
    model = TextClassifier.load(options.output)
    frame = read_model_rows(options, options.require("test"), model, options.label_column)
    where = ", ".join(str(path) for path in options.test)
    values = read_rows.label_values(frame, options.label_column, where)
    codes = read_rows.class_codes(values, model.class_names_, where)
    print_numbers(values, model.class_names_)
    known = np.flatnonzero(codes >= 0)
    if not len(known):
        raise InputError(f"{where}: no row has a label in the column {options.label_column!r}")
    everywhere = _probabilities(model, frame, options, options.label_column)
    p, y = everywhere[known], model.places_[codes[known]]
    print_result(f"{len(frame)} rows, {len(known)} of them labelled and scored")
    new = not _warn_of_known_rows(model, frame.iloc[known])
    _show_scores(p, y, model)
    _show_confusion(p, y, model)
    if new:
        _print_accuracy(p, y, everywhere[codes < 0])


def _print_accuracy(p: np.ndarray, y: np.ndarray, others: np.ndarray) -> None:
    """Print the accuracy to expect on rows like these, from labelled rows and from confidence."""
    accuracy = powered_share(p.argmax(1) == y, p.max(1), others.max(1, initial=0.0))
    source = f"{len(y)} labelled rows"
    if accuracy.weight:
        source += f" and the confidence on {len(others)} others"
    print_result(
        f"Accuracy on rows like these {accuracy.value:.3f} (95% interval {accuracy.low:.3f} to "
        f"{accuracy.high:.3f}), from {source}"
    )
    add_to_json(accuracy={"value": accuracy.value, "low": accuracy.low, "high": accuracy.high})


def _warn_of_known_rows(model: TextClassifier, scored: pd.DataFrame) -> bool:
    """Print a warning if the model was trained on labels of these texts; return whether it was."""
    if model.text_column_ not in scored:
        return False
    n_known = int(model.are_gold_rows(scored[model.text_column_].tolist()).sum())
    if n_known:
        print_warning(
            f"Warning: {n_known} of these rows have the texts of labelled rows that the model was "
            "trained on, so this score is too good; score it on other rows, or go by the estimate "
            "that train printed"
        )
    return n_known > 0


def _probabilities(
    model: TextClassifier, frame: pd.DataFrame, options: LFOptions, label: str | None
) -> np.ndarray:
    """Return probabilities (n, C); LFs do not see the column of labels, as in training."""
    votes = None
    if model.needs_votes:
        loaded = lfs_for(model, options)
        consent = Consent.of(options)
        votes = vote(frame, loaded, model.text_column_, label_column=label, consent=consent)
    return model.predict_proba(frame, votes)


def lfs_for(model: TextClassifier, options: LFOptions) -> LoadedLFs:
    """Return the LFs that options name, if they are those that a model predicts with."""
    if not has_lfs(options):
        raise InputError("this model predicts with the rules as well: give the LFs with --lfs")
    loaded = lfs_of(options)
    model.check_lf_names([lf.name for lf in loaded.lfs])
    return loaded


def _show_scores(p: np.ndarray, y: np.ndarray, model: TextClassifier) -> None:
    scores = score_table(p, y)
    rows = [(title, f"{scores[name]:.4f}") for name, title in _TITLES.items()]
    places = np.arange(len(model.classes_))
    each = f1_score(y, p.argmax(1), labels=places, average=None, zero_division=0.0)
    rows += [
        (f"F1 of {name}", f"{value:.4f}") for name, value in zip(model.classes_, each, strict=True)
    ]
    show_rows("Scores", ("metric", "value"), rows)


def _show_confusion(p: np.ndarray, y: np.ndarray, model: TextClassifier) -> None:
    names = model.classes_.tolist()
    counts = confusion_matrix(y, p.argmax(1), labels=np.arange(len(names)))
    head = ["gold", *(f"predicted {name}" for name in names), "rows"]
    rows = [(name, *row, row.sum()) for name, row in zip(names, counts, strict=True)]
    show_rows("Confusion matrix", head, rows)
