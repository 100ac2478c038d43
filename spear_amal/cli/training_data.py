"""Reading what ``train`` and ``distill`` train on: the user's tables, and votes on them."""

from __future__ import annotations

from spear_amal.checks import check_metric
from spear_amal.cli.apply import vote
from spear_amal.cli.options import DistillOptions, TrainOptions
from spear_amal.cli.tables import print_numbers, read_frame
from spear_amal.data import read_rows
from spear_amal.data.training_rows import TrainingData, training_data
from spear_amal.errors import InputError
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
    frames = [read_frame(settings, files, text, label) for files in paths]
    names = [", ".join(str(path) for path in files) for files in paths]
    is_there = label in frames[0]  # if not, it is told below
    values = read_rows.label_values(frames[0], label, names[0]) if is_there else []
    check_metric(settings.metric, len(set(values) - {None}))  # before the LFs run
    votes: list[LabelMatrix | None] = [None for _ in frames]
    if with_votes:
        lfs = settings.require("lfs")
        votes = [vote(frame, lfs, text, settings.fault_tolerant) for frame in frames]
    data = training_data(frames, votes, text, label, names=names)
    if not (data.train.y >= 0).any():
        raise InputError(
            f"{names[0]}: no row has a label in the column {label!r}; a few labelled rows of "
            "every class are needed"
        )
    print_numbers(values, data.classes)
    return data
