"""Which rows a file of votes is of: a digest of each text is held against data that come later."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles
from spear_amal.votes.row_ids import exact_places

_MARK = ":"


def mark_rows(matrix: LabelMatrix, texts: Sequence[str]) -> None:
    """Make row ids of the number and a digest of the text of each row (n,), as in 17:0f3a..."""
    digests = _digests(texts)
    marks = [f"{row}{_MARK}{digest}" for row, digest in enumerate(digests.tolist())]
    matrix.row_ids = np.asarray(marks, dtype=np.str_)


def votes_on_rows(
    matrix: LabelMatrix | VoteFiles, texts: Sequence[Any] | None, n: int, source: Path
) -> LabelMatrix | VoteFiles:
    """Return the votes on n rows in their order, joined by digest where the rows were moved.

    Parameters
    ----------
    matrix : LabelMatrix or VoteFiles
        Where its rows have no marks, their number alone is compared.
    texts : sequence of length n, or None
        None if the data have no text column: they may be a table of labels.
    n : int
    source : path
        Of the votes, for messages.

    Raises
    ------
    InputError
        If the votes are of other rows, or it cannot be told which row is which.
    """
    again = "apply the labelling functions to this data again"
    marks = matrix.row_ids if isinstance(matrix, LabelMatrix) else np.empty(0, dtype=int)
    if isinstance(matrix, LabelMatrix) and texts is not None and _are_marks(marks):
        digests = _digests(texts)
        voted = np.array([mark.partition(_MARK)[2] for mark in marks.tolist()], dtype=np.str_)
        if np.array_equal(digests, voted):
            return matrix
        other = ~np.isin(digests, voted)
        if other.any():
            row = int(other.argmax())
            raise InputError(
                f"{source} holds no votes on row {row} (counted from 0) of the data, nor on "
                f"{int(other.sum()) - 1} others: their texts are not those that were voted on; "
                + again
            )
        if len(np.unique(voted)) < len(voted):
            raise InputError(
                f"{source} holds votes on these rows in another order or number, and texts repeat "
                f"among them, so that rows cannot be told apart; {again}"
            )
        return matrix[exact_places(digests, voted)]
    if n != len(matrix):
        raise InputError(
            f"{source} holds votes on {len(matrix)} rows, the data has {n} rows; {again}"
        )
    return matrix


def _are_marks(ids: np.ndarray) -> bool:
    return ids.dtype.kind == "U" and all(
        mark.startswith(f"{row}{_MARK}") for row, mark in enumerate(ids.tolist())
    )


def _digests(texts: Sequence[Any]) -> np.ndarray:
    made = (
        hashlib.blake2b(str(text).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        for text in texts
    )
    return np.array(list(made), dtype=np.str_)
