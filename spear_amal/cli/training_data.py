"""What ``train`` trains on: texts, class codes and votes of the user's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.cli import read_rows
from spear_amal.cli.apply import vote
from spear_amal.cli.config import CliConfig, require
from spear_amal.errors import InputError
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
    classes: tuple[Any, ...]


def gather_material(settings: CliConfig, with_votes: bool, fault_tolerant: bool) -> TrainingData:
    """Read the tables, apply the LFs and turn labels into class codes.

    Raises
    ------
    InputError
        If no row has a label, or a validation row has none.
    """
    paths = [require(settings.data, "--data")]
    if settings.validation is not None:
        paths.append((settings.validation,))
    frames = [read_rows.read_rows(some, settings.text_column) for some in paths]
    names = [", ".join(str(path) for path in some) for some in paths]
    values = [
        read_rows.label_values(frame, settings.label_column, name)
        for frame, name in zip(frames, names, strict=True)
    ]
    _check_labels(values, names, settings.label_column)
    votes = [_vote(frame, settings, fault_tolerant) if with_votes else None for frame in frames]
    voted = None if votes[0] is None else votes[0].classes
    classes = read_rows.classes_of_table(voted, [one for some in values for one in some])
    held = [
        LabelledTable(frame, frame[settings.text_column].tolist(), _codes(v, classes, name), matrix)
        for frame, v, name, matrix in zip(frames, values, names, votes, strict=True)
    ]
    return TrainingData(held[0], held[1] if len(held) > 1 else None, classes)


def _vote(frame: pd.DataFrame, settings: CliConfig, fault_tolerant: bool) -> LabelMatrix:
    return vote(frame, settings.lfs, settings.text_column, fault_tolerant)


def _codes(values: Sequence[str | None], classes: tuple[Any, ...], where: str) -> np.ndarray:
    return read_rows.class_codes(values, classes, where)


def _check_labels(values: list[list[str | None]], names: list[str], column: str) -> None:
    if all(value is None for value in values[0]):
        raise InputError(
            f"{names[0]}: no row has a label in the column {column!r}; a few labelled rows of "
            "every class are needed"
        )
    for held, name in zip(values[1:], names[1:], strict=True):
        if None in held:
            raise InputError(
                f"{name}: row {held.index(None)} (counted from 0) has no label in the column "
                f"{column!r}; validation rows need labels"
            )
