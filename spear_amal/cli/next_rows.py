"""The command ``next``: the rows whose labels would help most, in a table to fill in."""

from __future__ import annotations

import numpy as np
import pandas as pd

from spear_amal.cli.apply import gold_of
from spear_amal.cli.console import print_result, print_status, show_table
from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options.project import NextOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.tables import write_as_data
from spear_amal.cli.votes import votes_of_table
from spear_amal.data import TextFeatures
from spear_amal.data.id_column import ID_COLUMN
from spear_amal.errors import InputError
from spear_amal.label_models import AccuracyModel
from spear_amal.labeling import next_rows
from spear_amal.labeling.blank_texts import has_text
from spear_amal.votes.label_matrix import LabelMatrix

_SHOWN = 10


def choose_next(options: NextOptions) -> None:
    """Write the rows to label next, with an empty column of labels and the reason for each."""
    check_outputs(options.force, options.chosen)
    frame = read_data(options)
    cast = votes_of_table(options, frame)
    gold = gold_of(frame, options, cast.matrix)
    texts = frame[options.text_column].tolist()
    features = TextFeatures(min_df=1).fit_transform(texts)
    proba = _of_model(options, cast.matrix, frame)
    if proba is None:
        proba = _of_label_model(cast.matrix, gold)
    # Without a text there is nothing to read a label from.
    rows = np.flatnonzero(has_text(texts))
    known = None if gold is None else gold[rows]
    chosen = next_rows(cast.matrix[rows], known, options.count, proba[rows], features[rows])
    chosen["row"] = rows[chosen["row"]]
    table = frame.iloc[chosen["row"]][[options.text_column]]
    if cast.ids is not None:
        name = options.id_column or ID_COLUMN
        table.insert(0, name, cast.ids[chosen["row"]])
    table[options.label_column] = pd.Series([None] * len(table), index=table.index, dtype=object)
    table["reason"] = chosen["reason"].tolist()
    write_as_data(options, table, options.chosen, options.force)
    show_table(table.head(_SHOWN).drop(columns=options.label_column).astype(str), "To label next")
    print_result(f"{len(table)} rows to label written to {options.chosen}")
    print_result(
        f"Fill in its column {options.label_column!r}, then name it: --gold {options.chosen}, or "
        f'in spear.toml: gold = "{options.chosen}"'
    )


def _of_model(options: NextOptions, votes: LabelMatrix, frame: pd.DataFrame) -> np.ndarray | None:
    """Return probabilities (n, C) by the model file, if there is one that fits the votes."""
    if not options.output.is_file():
        if options.has_flag("output"):
            raise InputError(f"there is no model file {options.output}")
        return None
    from spear_amal.text_classifier import TextClassifier  # imports torch

    model = TextClassifier.load(options.output)
    names, voted = list(map(str, model.class_names_)), list(map(str, votes.classes))
    other = ""
    if names != voted:
        other = f"it knows the classes {names}, the LFs vote for {voted}"
    elif model.needs_votes and model.lf_names_ != votes.lf_names:
        other = "it predicts with other LFs"
    if other and options.has_flag("output"):
        raise InputError(f"{options.output} does not fit: {other}; train it again")
    if other:
        print_status(f"{options.output} is not used: {other}")
        return None
    print_status(f"Uncertainty is that of {options.output}")
    return model.predict_proba(frame, votes if model.needs_votes else None)[:, model.places_]


def _of_label_model(votes: LabelMatrix, gold: np.ndarray | None) -> np.ndarray:
    """Return probabilities (n, C) by the accuracies of the LFs."""
    print_status("Uncertainty is that of the votes: no model has been trained yet")
    return np.asarray(AccuracyModel().fit(votes, gold).predict_proba(votes))
