"""Reading what ``train`` and ``distill`` train on: the user's tables, and votes on them."""

from __future__ import annotations

from spear_amal.cli.apply import vote
from spear_amal.cli.console import print_status
from spear_amal.cli.options import DistillOptions, TrainOptions
from spear_amal.cli.tables import read_frame
from spear_amal.data.training_rows import TrainingData, training_data
from spear_amal.votes.label_matrix import LabelMatrix


def read_training_data(settings: TrainOptions | DistillOptions, with_votes: bool) -> TrainingData:
    """Read the tables, apply the LFs and turn labels into class codes.

    Raises
    ------
    InputError
        If a validation row has no label, or the column of labels that was named is not there.
    """
    paths = [settings.require("data")]
    if settings.validation is not None:
        paths.append((settings.validation,))
    text, label = settings.text_column, settings.label_column
    frames = [read_frame(settings, files, text, label) for files in paths]
    votes: list[LabelMatrix | None] = [None for _ in frames]
    if with_votes:
        lfs = settings.require("lfs")
        votes = [vote(frame, lfs, text, settings.fault_tolerant) for frame in frames]
    names = [", ".join(str(path) for path in files) for files in paths]
    if label not in frames[0] and len(frames) == 1 and not settings.has_flag("label_column"):
        print_status(f"{names[0]} has no column {label!r}: no row has a label")
        return training_data(frames, votes, text, None, names=names)
    return training_data(frames, votes, text, label, names=names)
