"""Votes of a file, or read from one, on the rows of a table: joined exactly, or refused."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.errors import InputError
from spear_amal.labeling.row_digests import row_digests
from spear_amal.labeling.voted_folders import APPLY_AGAIN, check_folder, has_texts
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles, open_votes
from spear_amal.votes.row_ids import counts_rows, exact_places, index_ids, row_places


def votes_on_rows(
    votes: PathLike | LabelMatrix, frame: pd.DataFrame, ids: np.ndarray | None, text_column: str
) -> LabelMatrix | VoteFiles:
    """Return votes on the rows of a table, joined by id, else by digest, where rows were moved.

    What comes back is held against nothing any more: it has no ``voted_rows``.

    Parameters
    ----------
    votes : path of a file or folder of votes, or LabelMatrix
    frame : DataFrame of n rows
    ids : ndarray (n,) or None
    text_column : str
        A table without it, and without ids, is taken for a column of labels in the order of the
        votes.

    Raises
    ------
    InputError
        If the votes are of other rows, or it cannot be told which row is which; names the first.
    """
    source = "the label matrix" if isinstance(votes, LabelMatrix) else str(votes)
    return _on_rows(open_votes(votes), frame, ids, text_column, source)


def matrix_on_rows(
    votes: PathLike | LabelMatrix, frame: pd.DataFrame, ids: np.ndarray | None, text_column: str
) -> LabelMatrix:
    """Return votes in memory, in the order of a table if it is known of which rows they are.

    Parameters and errors are those of :func:`votes_on_rows`. What was joined has no row ids: it
    goes by position from here on. Votes of which nothing is known come as they are.
    """
    matrix = open_votes(votes)
    if isinstance(matrix, LabelMatrix):
        knows = matrix.voted_rows is not None
    else:
        knows = has_texts(matrix.folder) and text_column in frame
    if knows:
        source = "the label matrix" if isinstance(votes, LabelMatrix) else str(votes)
        matrix = _on_rows(matrix, frame, ids, text_column, source)
    in_memory = matrix.to_label_matrix() if isinstance(matrix, VoteFiles) else matrix
    if knows:
        in_memory = copy.copy(in_memory)
        in_memory.row_ids, in_memory.has_row_ids = np.arange(len(in_memory)), False
    return in_memory


def _on_rows(
    matrix: LabelMatrix | VoteFiles,
    frame: pd.DataFrame,
    ids: np.ndarray | None,
    text_column: str,
    source: str,
) -> LabelMatrix | VoteFiles:
    if isinstance(matrix, VoteFiles):
        _check_length(matrix, len(frame), source)
        if text_column in frame:
            check_folder(matrix.folder, frame[text_column].tolist())
        return matrix
    places = _places(matrix, frame, ids if matrix.has_row_ids else None, text_column, source)
    if places is None:
        _check_length(matrix, len(frame), source)
        places = np.arange(len(matrix))
    in_order = len(places) == len(matrix) and bool((places == np.arange(len(places))).all())
    joined = copy.copy(matrix) if in_order else matrix[places]
    joined.voted_rows = None
    return joined


def check_voted_rows(
    votes: LabelMatrix | VoteFiles, frame: pd.DataFrame, text_column: str, name: str
) -> None:
    """Raise InputError unless a table has the rows that were voted on, in their order.

    Nothing is known where the votes came from no file that says, or the table lacks a column on
    which they may depend. Whether there are as many rows is for others to check.
    """
    if isinstance(votes, VoteFiles):
        if text_column in frame and len(frame) == len(votes):
            check_folder(votes.folder, frame[text_column].tolist())
        return
    voted = votes.voted_rows
    if voted is None or len(frame) != len(votes) or not set(voted.columns) <= set(frame):
        return
    digests = row_digests(frame, voted.columns)
    other = digests != voted.digests
    if other.any():
        raise InputError(
            f"{name} are not the rows voted on in their order: row {int(other.argmax())} (counted "
            "from 0) is another one; give the path of the votes, which are joined then"
        )


def _places(
    matrix: LabelMatrix,
    frame: pd.DataFrame,
    ids: np.ndarray | None,
    text_column: str,
    source: str,
) -> np.ndarray | None:
    """Return the place (n,) of each row of a table among the votes; None: rows go by position."""
    voted = matrix.voted_rows
    if voted is None:
        return None if ids is None else row_places(ids, matrix.row_ids, "the data", source)
    lacking = [name for name in voted.columns if name not in frame]
    if lacking and text_column not in frame:
        return None if ids is None else _places_by_id(ids, matrix.row_ids, source)
    if lacking:
        raise InputError(
            f"the data has no column {lacking[0]!r}, on which votes in {source} may depend; give "
            f"the table that they were made on, or {APPLY_AGAIN}"
        )
    digests = row_digests(frame, voted.columns)
    if ids is None:
        by_index = _places_by_index(matrix, frame, digests)
        known = voted.digests
        return _places_by_digest(digests, known, source) if by_index is None else by_index
    places = _places_by_id(ids, matrix.row_ids, source)
    other = digests != voted.digests[places]
    if other.any():
        row = int(other.argmax())
        more = f", as are {int(other.sum()) - 1} others" if other.sum() > 1 else ""
        raise InputError(
            f"row {row} (counted from 0, id {ids[row].item()!r}) of the data is another one "
            f"than {source} holds votes on{more}: {_named(voted.columns)} changed; {APPLY_AGAIN}"
        )
    return places


def _places_by_index(
    matrix: LabelMatrix, frame: pd.DataFrame, digests: np.ndarray
) -> np.ndarray | None:
    """Return places (n,) by the index of a table, if it holds ids and the digests bear them out."""
    ids = index_ids(frame)
    if not matrix.has_row_ids or matrix.voted_rows is None or counts_rows(ids):
        return None
    index = pd.Index(matrix.row_ids.astype(np.str_))
    places = index.get_indexer(pd.Index(ids.astype(np.str_))) if index.is_unique else None
    if places is None or (places < 0).any():
        return None
    return places if np.array_equal(matrix.voted_rows.digests[places], digests) else None


def _named(columns: Sequence[str]) -> str:
    if len(columns) == 1:
        return f"the column {columns[0]!r}"
    return f"one of the columns {', '.join(map(repr, columns))}"


def _places_by_id(ids: np.ndarray, known: np.ndarray, source: str) -> np.ndarray:
    texts, voted = ids.astype(np.str_), known.astype(np.str_)
    other = ~np.isin(texts, voted)
    if other.any():
        row = int(other.argmax())
        raise InputError(
            f"{source} holds no votes on row {row} (counted from 0, id {ids[row].item()!r}) of the "
            f"data{_others(other)}; {APPLY_AGAIN}"
        )
    return exact_places(texts, voted)


def _places_by_digest(digests: np.ndarray, voted: np.ndarray, source: str) -> np.ndarray:
    if np.array_equal(digests, voted):
        return np.arange(len(voted))
    other = ~np.isin(digests, voted)
    if other.any():
        row = int(other.argmax())
        raise InputError(
            f"{source} holds no votes on row {row} (counted from 0) of the data{_others(other)}: "
            f"what the LFs see there is not what was voted on; {APPLY_AGAIN}"
        )
    if len(np.unique(voted)) < len(voted):
        differs = digests != voted[: len(digests)] if len(digests) <= len(voted) else digests != 0
        row = int(differs.argmax())
        raise InputError(
            f"{source} holds votes on these rows in another order or number (from row {row} on, "
            "counted from 0), and they repeat, so that rows cannot be told apart; give them a "
            f"column of ids, or {APPLY_AGAIN}"
        )
    return exact_places(digests.astype(np.str_), voted.astype(np.str_))


def _others(other: np.ndarray) -> str:
    n = int(other.sum()) - 1
    return f", nor on {n} others" if n else ""


def _check_length(matrix: LabelMatrix | VoteFiles, n: int, source: str) -> None:
    if n != len(matrix):
        raise InputError(
            f"{source} holds votes on {len(matrix)} rows, the data has {n} rows; {APPLY_AGAIN}"
        )
