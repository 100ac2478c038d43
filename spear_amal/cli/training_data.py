"""Reading what ``train`` and ``distill`` train on: the user's tables, and votes on them."""

from __future__ import annotations

from spear_amal.cli.console import warnings_as_notes
from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options import DistillOptions, TrainOptions
from spear_amal.cli.tables import print_numbers, read_frame
from spear_amal.cli.votes import votes_of_table
from spear_amal.data import read_rows
from spear_amal.errors import InputError
from spear_amal.training_rows import TrainingData, training_data
from spear_amal.votes.label_matrix import LabelMatrix


def read_training_data(settings: TrainOptions | DistillOptions, with_votes: bool) -> TrainingData:
    """Read the tables, apply the LFs and turn labels into class codes.

    Raises
    ------
    InputError
        If no row has a label, or a validation row has none.
    """
    paths = [settings.require("data")]
    if settings.validation is not None:
        paths.append((settings.validation,))
    text, label = settings.text_column, settings.label_column
    frames = [read_data(settings), *(read_frame(settings, f, text, label) for f in paths[1:])]
    votes: list[LabelMatrix | None] = [None for _ in frames]
    if with_votes:
        votes = [votes_of_table(settings, frame).matrix for frame in frames]
    names = [", ".join(str(path) for path in files) for files in paths]
    with warnings_as_notes():
        data = training_data(frames, votes, text, label, settings.id_column, names=names)
    if not (data.train.y >= 0).any():
        raise InputError(
            f"{names[0]}: no row has a label in the column {label!r}; a few labelled rows of "
            "every class are needed"
        )
    print_numbers(read_rows.label_values(frames[0], label, names[0]), data.classes)
    return data
