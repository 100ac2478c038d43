"""Which rows a file of votes is of: a digest of each text is held against data that come later."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.io.atomic import write_aside
from spear_amal.io.guard import guarded_reading
from spear_amal.labeling.blank_texts import has_text
from spear_amal.labeling.cell_values import is_missing, plain_values
from spear_amal.labeling.parquet_files import source_files
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles
from spear_amal.votes.row_ids import exact_places

_MARK = ":"
ROWS = "rows.json"  # beside votes in parts: what they are of


def mark_rows(matrix: LabelMatrix, texts: Sequence[str]) -> None:
    """Make row ids of the number and a digest of the text of each row (n,), as in 17:0f3a..."""
    digests = _digests(texts)
    marks = [f"{row}{_MARK}{digest}" for row, digest in enumerate(digests.tolist())]
    matrix.row_ids = np.asarray(marks, dtype=np.str_)


def have_column(data: Sequence[Path], column: str, folder: Path) -> bool:
    """Return whether all Parquet files have a column; those of votes in a folder do not count."""
    import pyarrow.parquet as pq

    for source in source_files(list(data), output=folder):
        with guarded_reading(source.path, "a Parquet file", "write it again"):
            if column not in pq.read_schema(source.path).names:
                return False
    return True


def mark_folder(folder: Path, data: Sequence[Path], column: str) -> int:
    """Write one digest of all texts, in their order, beside votes on Parquet files.

    Return how many rows have no text.
    """
    import pyarrow.parquet as pq

    texts, n_blank = hashlib.blake2b(digest_size=16), 0
    for source in source_files(list(data), output=folder):
        with pq.ParquetFile(source.path) as file:
            for batch in file.iter_batches(columns=[column]):
                listed = batch.column(0).to_pylist()
                _add(texts, listed)
                n_blank += int((~has_text(listed)).sum())
    with write_aside(folder / ROWS) as temporary:
        temporary.write_text(json.dumps({"texts": texts.hexdigest()}), encoding="utf-8")
    return n_blank


def _add(digest: Any, texts: Sequence[Any]) -> None:
    for mark in _digests(plain_values(list(texts))).tolist():
        digest.update(mark.encode())


def _check_folder(folder: Path, texts: Sequence[Any], again: str) -> None:
    """Raise InputError unless data of as many rows have the texts of the rows voted on, in order.

    Votes of another way than the command's have no digest, and are taken by position.
    """
    if not (folder / ROWS).is_file():
        return
    found = hashlib.blake2b(digest_size=16)
    _add(found, texts)
    with guarded_reading(folder / ROWS, "a digest of the rows voted on", again):
        stored = json.loads((folder / ROWS).read_text(encoding="utf-8"))["texts"]
    if stored != found.hexdigest():
        raise InputError(
            f"{folder} holds votes on rows of other texts, or of these in another order: give the "
            f"data as they were, or {again}"
        )


def votes_on_rows(
    matrix: LabelMatrix | VoteFiles, texts: Sequence[Any] | None, n: int, source: Path
) -> LabelMatrix | VoteFiles:
    """Return the votes on n rows in their order, joined by digest where the rows were moved.

    Parameters
    ----------
    matrix : LabelMatrix or VoteFiles
        Where its rows have no marks, their number alone is compared. Votes in parts are held
        against the digest of all texts, and never joined.
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
    if isinstance(matrix, VoteFiles) and texts is not None:
        _check_folder(source, texts, again)
    return matrix


def _are_marks(ids: np.ndarray) -> bool:
    return ids.dtype.kind == "U" and all(
        mark.startswith(f"{row}{_MARK}") for row, mark in enumerate(ids.tolist())
    )


def _digests(texts: Sequence[Any]) -> np.ndarray:
    given = ("" if is_missing(text) else str(text) for text in texts)
    made = (
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        for text in given
    )
    return np.array(list(made), dtype=np.str_)
