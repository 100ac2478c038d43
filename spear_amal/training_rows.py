"""What is trained on: texts, class codes and votes of a user's tables."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
import pandas as pd

from spear_amal._typing import NamedFunction, PathLike
from spear_amal.data import ids_of, read_rows
from spear_amal.data.id_column import ID_COLUMN
from spear_amal.data.read_table import require_columns
from spear_amal.errors import InputError
from spear_amal.labeling.join_votes import matrix_on_rows
from spear_amal.votes.class_set import ClassesLike, ClassNames, class_names
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.row_ids import align_votes, as_row_ids, counts_rows, index_ids

# Votes in memory, or the path of a file or folder of them.
VotesOfRows: TypeAlias = LabelMatrix | PathLike


@dataclass(frozen=True)
class LabelledTable:
    """Rows of one role.

    Attributes
    ----------
    frame : DataFrame of n rows
        Its index holds the ids of the rows, or counts them.
    texts : list of str, length n
        Empty where no features need texts.
    y : ndarray (n,)
        Class codes, -1 where unlabelled.
    votes : LabelMatrix (n, m) or None
    """

    frame: pd.DataFrame
    texts: list[str]
    y: np.ndarray
    votes: LabelMatrix | None

    def take(self, rows: np.ndarray) -> LabelledTable:
        """Return some of the rows, by their places (k,)."""
        return LabelledTable(
            self.frame.iloc[rows],
            [self.texts[row] for row in rows] if self.texts else [],
            self.y[rows],
            None if self.votes is None else self.votes[rows],
        )


@dataclass(frozen=True)
class DataOrigin:
    """Where training rows come from, as far as it is known.

    Attributes
    ----------
    files : tuple of (str, path)
        Files with what they are: "data", "gold", "validation", "test", "lfs" or "rules".
    lfs : tuple of LFs
        Those behind the votes.
    muted : tuple of str
        Names of LFs that were left out.
    drawn : mapping of str to int
        How labelled rows came up: "random", ..
    """

    files: tuple[tuple[str, PathLike], ...] = ()
    lfs: tuple[NamedFunction, ...] = ()
    muted: tuple[str, ...] = ()
    drawn: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class TrainingData:
    """What a classifier of texts is trained on.

    Attributes
    ----------
    train : LabelledTable
    validation : LabelledTable or None
        Rows that came in a table of their own.
    classes : ClassNames
        In the order of the codes.
    text_column, label_column, id_column : str or None
    name : str
        What messages call the training rows.
    origin : DataOrigin
    """

    train: LabelledTable
    validation: LabelledTable | None
    classes: ClassNames
    text_column: str = "text"
    label_column: str | None = "label"
    id_column: str | None = None
    name: str = "the table"
    origin: DataOrigin = DataOrigin()

    @property
    def tables(self) -> list[LabelledTable]:
        """Return the training rows and, if there are any, the validation rows."""
        return [self.train] if self.validation is None else [self.train, self.validation]

    def as_labels(self, codes: np.ndarray) -> np.ndarray:
        """Return class codes (n,) as an estimator gets them, with None or -1 for no label."""
        return named_labels(codes, self.classes)


def named_labels(codes: np.ndarray, classes: ClassNames) -> np.ndarray:
    """Return class codes (n,) as an estimator gets them: names with None, or codes with -1."""
    if classes.mere_codes:
        return codes
    names = np.array([*classes, None], dtype=object)
    return names[codes]  # -1 takes the last


def training_data(
    frames: Sequence[pd.DataFrame],
    votes: Sequence[VotesOfRows | None],
    text_column: str,
    label_column: str | None,
    id_column: str | None = None,
    classes: ClassesLike = None,
    names: Sequence[str] = ("the table", "the validation table"),
) -> TrainingData:
    """Return tables and votes as rows to train on, with labels read as class codes.

    Parameters
    ----------
    frames : sequence of DataFrame
        Training rows and, if there are two, validation rows.
    votes : sequence of LabelMatrix, path or None
        Of the same rows, as for :func:`votes_of_rows`.
    text_column : str
        May be missing: then there are no texts.
    label_column : str or None
        None: no row has a label.
    id_column : str or None
        Has an id of its own for each row; default: a column ``id`` where it does. The ids become
        the index of the frames.
    classes : as for the appliers, optional
        The classes where votes do not tell them; default: the labels that are there.
    names : sequence of str
        What messages call the tables.

    Raises
    ------
    InputError
        If a column is missing, a label is no class, a validation row has no label, or votes are of
        other rows.
    """
    values = [
        label_texts(frame, label_column, name) for frame, name in zip(frames, names, strict=False)
    ]
    for labels, name in zip(values[1:], names[1:], strict=False):
        if None in labels:
            raise InputError(
                f"{name}: row {labels.index(None)} (counted from 0) has no label in the column "
                f"{label_column!r}; validation rows need labels"
            )
    ids = [ids_of(frame, id_column, name) for frame, name in zip(frames, names, strict=False)]
    matrices = [
        None if matrix is None else votes_of_rows(matrix, frame, row_ids, name, text_column)
        for matrix, frame, row_ids, name in zip(votes, frames, ids, names, strict=False)
    ]
    frames = [with_ids(frame, row_ids) for frame, row_ids in zip(frames, ids, strict=True)]
    known = class_names(classes) if matrices[0] is None else matrices[0].classes
    found = read_rows.classes_of_table(known, [value for labels in values for value in labels])
    if known is None and label_column is not None and _are_numbers(frames, label_column):
        found = ClassNames([int(name) for name in found])
    tables = [
        LabelledTable(
            frame,
            texts_of(frame, text_column, name) if text_column in frame else [],
            read_rows.class_codes(labels, found, name, matrix),
            matrix,
        )
        for frame, labels, name, matrix in zip(frames, values, names, matrices, strict=False)
    ]
    validation = tables[1] if len(tables) > 1 else None
    if id_column is None and ids[0] is not None:
        id_column = ID_COLUMN
    columns = (text_column, label_column, id_column)
    return TrainingData(tables[0], validation, found, *columns, name=names[0])


def texts_of(frame: pd.DataFrame, column: str, where: str = "the table") -> list[str]:
    """Return the texts (n,) of a table; a missing one is empty, a number is written out.

    Raises
    ------
    InputError
        If there is no such column, or a cell is no text.
    """
    require_columns(frame, [column], where)
    texts = []
    for row, cell in enumerate(frame[column].tolist()):
        if isinstance(cell, bytes | list | dict | set | tuple | np.ndarray):
            raise InputError(
                f"{where}: row {row} (counted from 0) holds {type(cell).__name__} in the column "
                f"{column!r}, which should hold texts; convert it"
            )
        texts.append(cell if isinstance(cell, str) else "" if pd.isna(cell) else str(cell))
    return texts


def label_texts(
    frame: pd.DataFrame, column: str | None, name: str = "the table"
) -> list[str | None]:
    """Return the labels (n,) of a table as texts, None where there is none.

    Raises
    ------
    InputError
        If there is no such column.
    """
    if column is None:
        return [None] * len(frame)
    if column not in frame:
        raise InputError(
            f"{name} has no column {column!r} for labels; it has {list(frame)}: name the column "
            "of labels, or say that there is none"
        )
    return read_rows.label_values(frame, column, name)


def _are_numbers(frames: Sequence[pd.DataFrame], column: str) -> bool:
    """Return whether labels came as whole numbers, and not as texts or truth values."""
    cells = [cell for frame in frames for cell in frame[column].tolist() if not pd.isna(cell)]
    whole = int | np.integer | float | np.floating
    return all(isinstance(cell, whole) and not isinstance(cell, bool) for cell in cells)


def with_ids(frame: pd.DataFrame, ids: np.ndarray | None) -> pd.DataFrame:
    """Return a frame whose index are the ids (n,) of its rows, or the frame as it is."""
    return frame if ids is None else frame.set_axis(pd.Index(ids), axis=0)


def votes_of_rows(
    votes: VotesOfRows,
    frame: pd.DataFrame,
    ids: np.ndarray | None,
    name: str = "the table",
    text_column: str = "text",
) -> LabelMatrix:
    """Return votes in the order of the rows of a frame, joined by id where both have ids.

    Their row ids are the ids given, if there are any.

    Parameters
    ----------
    votes : LabelMatrix, or path of a file or folder of votes
        Its row ids are those of a column, or the index of the frame that was voted on. What a file
        tells of its rows is held against the frame, see
        :func:`spear_amal.labeling.join_votes.votes_on_rows`.
    frame : DataFrame of n rows
    ids : ndarray (n,) or None
        Ids of a column of the frame.
    name : str
        What messages call the frame.
    text_column : str

    Raises
    ------
    InputError
        If the votes are of other rows, or of more or fewer.
    """
    matrix = matrix_on_rows(votes, frame, ids, text_column)
    # An index that merely counts the rows says nothing of them where votes have ids.
    by_index = ids is None or counts_rows(matrix.row_ids) or not counts_rows(index_ids(frame))
    try:
        known = frame if by_index else with_ids(frame, ids)
        aligned: LabelMatrix = align_votes(matrix, [known], name, "the votes")
    except InputError:
        if ids is None or not by_index:
            raise
        aligned = align_votes(matrix, [with_ids(frame, ids)], name, "the votes")
    if len(aligned) != len(frame):
        raise InputError(
            f"{name} has {len(frame)} rows, but there are votes on {len(aligned)}; apply the "
            "labelling functions to this table"
        )
    if ids is not None:
        aligned = copy.copy(aligned)
        aligned.row_ids, aligned.has_row_ids = as_row_ids(ids), True
    return aligned
