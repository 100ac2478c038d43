"""The command ``label``: what the votes, or a model, say of each row of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spear_amal.cli.console import add_to_json, print_result, print_status
from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options.project import LabelOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.tables import layout_of
from spear_amal.cli.votes import has_lfs, votes_of_table
from spear_amal.data import read_rows
from spear_amal.data.add_columns import add_columns
from spear_amal.data.delimited import as_no_formula
from spear_amal.data.table_kinds import is_delimited, suffix_of
from spear_amal.errors import InputError
from spear_amal.label_models import LABEL_MODELS, UNKNOWN_WITHOUT_GOLD, LabelModel, label_rows
from spear_amal.label_models.label_rows import table_of_labels
from spear_amal.label_models.registry import make_label_model
from spear_amal.labeling.analysis import wilson_interval
from spear_amal.votes.class_set import ClassNames

LEVEL = 0.95
# What a spreadsheet might run, where it stands in a cell of CSV.
_NAMES = ("predicted", "lf_")


def label_table(options: LabelOptions) -> None:
    """Write the table with labels added; print what is known of them."""
    target = options.require("labelled")
    data = options.require("data")
    if options.model is not None and options.has_flag("label_model"):
        raise InputError("give --model or --label-model: labels come from the one or the other")
    check_outputs(options.force, target, inputs=data)
    suffix_of(target)
    frame, labels, classes, by = _by_votes(options) if options.model is None else _by_model(options)
    clash = [name for name in labels if name in frame]
    if clash:
        raise InputError(f"the data already has the column {clash[0]!r}; rename or drop it")
    added = {name: labels[name].tolist() for name in labels}
    if is_delimited(target):
        added |= {
            name: [None if cell is None else as_no_formula(str(cell)) for cell in cells]
            for name, cells in added.items()
            if name.startswith(_NAMES)
        }
    add_columns(data, added, target, options.force, layout_of(options))
    _print_what_is_known(labels, by)
    _print_accuracy(options, frame, labels, classes)
    print_result(f"{len(frame)} labelled rows written to {target}")


def _by_votes(options: LabelOptions) -> tuple[pd.DataFrame, pd.DataFrame, ClassNames, str]:
    """Rows, their labels by the label model, the classes and what labelled."""
    model = _label_model(options.label_model)
    frame = read_data(options)
    votes = votes_of_table(options, frame).matrix
    return frame, label_rows(votes, model, options.lf_votes), votes.classes, options.label_model


def _by_model(options: LabelOptions) -> tuple[pd.DataFrame, pd.DataFrame, ClassNames, str]:
    from spear_amal.text_classifier import TextClassifier  # imports torch

    model = TextClassifier.load(options.model)  # type: ignore[arg-type]
    frame = model.rows_of(read_data(options, model.needed_text_))
    votes = votes_of_table(options, frame).matrix if has_lfs(options) else None
    if votes is None and model.needs_votes:
        raise InputError("this model predicts with the rules as well: give the LFs with --lfs")
    if votes is None and options.lf_votes:
        raise InputError("--lf-votes needs the labelling functions: give them with --lfs")
    p = model.predict_proba(frame, votes if model.needs_votes else None)
    names = model.classes_.tolist()
    labels = table_of_labels(p, p.argmax(1), names, votes, options.lf_votes)
    return frame, labels, model.class_names_, str(options.model)


def _label_model(text: str) -> LabelModel:
    if text in LABEL_MODELS:
        return make_label_model(text, {})
    # With options it is read as a method of training is, whose classifier is of no use here.
    from spear_amal.estimators import LabelModelClassifier
    from spear_amal.studies import parse_method

    estimator = parse_method(text).make()
    if type(estimator) is not LabelModelClassifier:
        raise InputError(
            f"--label-model {text} is no label model; choose label-model, majority, dawid-skene, .."
        )
    return estimator.new_label_model()


def _print_what_is_known(labels: pd.DataFrame, by: str) -> None:
    n, n_labelled = len(labels), int(labels["predicted"].notna().sum())
    parts = [f"{n} rows, {n_labelled} of them labelled by {by}"]
    if "covered" in labels:
        parts.append(f"{int((~labels['covered']).sum())} without a vote")
        parts.append(f"{int(labels['conflict'].sum())} in conflict")
    print_result("; ".join(parts))
    counts = labels["predicted"].value_counts()
    shares = ", ".join(f"{name} {count / n_labelled:.1%}" for name, count in counts.items())
    print_result(f"Labels: {shares or 'none'}")
    add_to_json(n_rows=n, n_labelled=n_labelled, labels={str(k): int(v) for k, v in counts.items()})


def _print_accuracy(
    options: LabelOptions, frame: pd.DataFrame, labels: pd.DataFrame, classes: ClassNames
) -> None:
    """Print how often labels agree with gold, or that nobody can know."""
    gold = _gold(options, frame, classes)
    known = np.array([name is not None for name in gold])
    if not known.any():
        print_result(UNKNOWN_WITHOUT_GOLD)
        return
    predicted = labels["predicted"].to_numpy()
    scored = known & labels["predicted"].notna().to_numpy()
    n, right = int(scored.sum()), int((predicted[scored] == gold[scored]).sum())
    if not n:
        print_result(f"None of the {int(known.sum())} rows with gold has a label to score")
        return
    low, high = (float(bound) for bound in wilson_interval(np.array(right), np.array(n), LEVEL))
    seen = " (the model may have been trained on them)" if options.model is not None else ""
    print_result(
        f"On {n} of {int(known.sum())} rows with gold{seen} the labels are right with accuracy "
        f"{right / n:.3f} (95% interval {low:.3f} to {high:.3f}); it holds for all rows if these "
        "were drawn at random"
    )
    add_to_json(n_gold=int(known.sum()), n_scored=n, accuracy=right / n, interval=[low, high])


def _gold(options: LabelOptions, frame: pd.DataFrame, classes: ClassNames) -> np.ndarray:
    """Gold (n,) by class name, None where unknown; a column that nobody named may be missing."""
    names: Any = np.array([*classes, None], dtype=object)
    column, is_named = options.label_column, options.has_flag("label_column") or options.gold
    if column not in frame and not is_named:
        return names[np.full(len(frame), -1)]
    where = ", ".join(str(path) for path in options.data)
    values = read_rows.label_values(frame, column, where)
    try:
        return names[read_rows.class_codes(values, classes, where)]
    except InputError as error:
        if is_named:
            raise
        print_status(f"No accuracy: {error}")
        return names[np.full(len(frame), -1)]
