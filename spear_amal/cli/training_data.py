"""What ``train`` and ``distill`` train on: texts, class codes and votes of the user's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options import DistillOptions, TrainOptions
from spear_amal.cli.votes import votes_of_table
from spear_amal.data import read_rows, read_table
from spear_amal.errors import InputError
from spear_amal.votes.class_set import ClassNames
from spear_amal.votes.label_matrix import LabelMatrix


@dataclass(frozen=True)
class LabelledTable:
    """Rows of one role.

    Attributes
    ----------
    frame : DataFrame of n rows
    texts : list of str, length n
    y : ndarray (n,)
        Class codes, -1 where unlabelled.
    votes : LabelMatrix (n, m) or None
    """

    frame: pd.DataFrame
    texts: list[str]
    y: np.ndarray
    votes: LabelMatrix | None


@dataclass(frozen=True)
class TrainingData:
    """Training rows, validation rows if they came in a file of their own, and the classes."""

    train: LabelledTable
    validation: LabelledTable | None
    classes: ClassNames

    @property
    def tables(self) -> list[LabelledTable]:
        """Return the training rows and, if there are any, the validation rows."""
        return [self.train] if self.validation is None else [self.train, self.validation]


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
    frames = [read_data(settings), *(read_table(files, text, label) for files in paths[1:])]
    names = [", ".join(str(path) for path in files) for files in paths]
    column = settings.label_column
    values = [
        read_rows.label_values(frame, column, name)
        for frame, name in zip(frames, names, strict=True)
    ]
    _check_labels(values, names, column)
    votes: list[LabelMatrix | None] = [None for _ in frames]
    if with_votes:
        votes = [votes_of_table(settings, frame).matrix for frame in frames]
    voted = None if votes[0] is None else votes[0].classes
    classes = read_rows.classes_of_table(voted, [value for labels in values for value in labels])
    tables = [
        LabelledTable(
            frame,
            frame[settings.text_column].tolist(),
            read_rows.class_codes(labels, classes, name),
            matrix,
        )
        for frame, labels, name, matrix in zip(frames, values, names, votes, strict=True)
    ]
    return TrainingData(tables[0], tables[1] if len(tables) > 1 else None, classes)


def _check_labels(values: Sequence[Sequence[str | None]], names: list[str], column: str) -> None:
    training, *validation = values
    if all(value is None for value in training):
        raise InputError(
            f"{names[0]}: no row has a label in the column {column!r}; a few labelled rows of "
            "every class are needed"
        )
    for labels, name in zip(validation, names[1:], strict=True):
        if None in labels:
            raise InputError(
                f"{name}: row {labels.index(None)} (counted from 0) has no label in the column "
                f"{column!r}; validation rows need labels"
            )
