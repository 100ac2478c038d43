"""Which rows a file of votes is of: ids and a digest of each row are held against later data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.cli.votes import TableVotes
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.arrays import read_arrays
from spear_amal.io.atomic import write_aside
from spear_amal.io.guard import guarded_reading
from spear_amal.labeling.blank_texts import has_text
from spear_amal.labeling.cell_values import as_list, plain_values
from spear_amal.labeling.parquet_files import source_files
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.npz import ADVICE, KIND, write_label_matrix
from spear_amal.votes.parquet import VoteFiles
from spear_amal.votes.row_ids import exact_places, row_places

ROWS = "rows.json"  # beside votes in parts: what they are of
_DIGESTS, _ABOUT = "row_digests", "written_by_apply"
_AGAIN = "apply the labelling functions to this data again"


@dataclass(frozen=True)
class VotedRows:
    """What ``apply`` notes of the rows that it votes on.

    Attributes
    ----------
    columns : tuple of str
        The columns on which votes may depend.
    digests : ndarray of uint64 (n,)
        Of the cells of these columns, row by row.
    """

    columns: tuple[str, ...]
    digests: np.ndarray


# -- one file ------------------------------------------------------------------------------------


def save_votes(cast: TableVotes, frame: pd.DataFrame, path: Path, overwrite: bool) -> None:
    """Write votes with the ids and digests of their rows, and with the mark of ``apply``."""
    about = json.dumps({"columns": cast.columns})
    further = {
        _DIGESTS: row_digests(frame, cast.columns),
        _ABOUT: np.frombuffer(about.encode(), dtype=np.uint8),
    }
    write_label_matrix(cast.with_ids, path, overwrite, further)


def is_own_output(path: Path) -> bool:
    """Return whether ``apply`` wrote a file; False for one that is missing, damaged or foreign."""
    if not path.is_file():
        return False
    try:
        return _ABOUT in read_arrays(path, KIND, ADVICE)
    except (FileFormatError, OSError):
        return False


def load_votes(path: Path) -> tuple[LabelMatrix | VoteFiles, VotedRows | None]:
    """Read votes, in a file or in parts, and what ``apply`` noted of their rows, if it did."""
    if path.is_dir():
        return VoteFiles(path), None
    matrix = LabelMatrix.load(path)
    arrays = read_arrays(path, KIND, ADVICE)
    if _ABOUT not in arrays:
        return matrix, None
    with guarded_reading(path, KIND, ADVICE):
        about = json.loads(arrays[_ABOUT].tobytes())
        return matrix, VotedRows(tuple(about["columns"]), arrays[_DIGESTS])


def votes_on_rows(
    source: Path, frame: pd.DataFrame, ids: np.ndarray | None, text_column: str
) -> LabelMatrix | VoteFiles:
    """Read votes for the rows of a table, joined by id, else by digest, where rows were moved.

    Parameters
    ----------
    source : path
        Of the votes.
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
    matrix, noted = load_votes(source)
    if isinstance(matrix, VoteFiles):
        _check_length(matrix, len(frame), source)
        if text_column in frame:
            _check_folder(source, frame[text_column].tolist())
        return matrix
    by_id = matrix.has_row_ids and ids is not None
    if noted is None:
        if by_id and ids is not None:
            places = row_places(ids, matrix.row_ids, "the data", str(source))
            matrix = matrix if places is None else matrix[places]
        _check_length(matrix, len(frame), source)
        return matrix
    lacking = [name for name in noted.columns if name not in frame]
    if not (lacking and text_column not in frame):
        return _joined(matrix, noted, frame, ids if by_id else None, lacking, source)
    if by_id and ids is not None:
        return matrix[_places_by_id(ids, matrix.row_ids, source)]
    _check_length(matrix, len(frame), source)
    return matrix


def _joined(
    matrix: LabelMatrix,
    noted: VotedRows,
    frame: pd.DataFrame,
    ids: np.ndarray | None,
    lacking: Sequence[str],
    source: Path,
) -> LabelMatrix:
    if lacking:
        raise InputError(
            f"the data has no column {lacking[0]!r}, on which votes in {source} may depend; give "
            f"the table that they were made on, or {_AGAIN}"
        )
    digests = row_digests(frame, noted.columns)
    if ids is None:
        places = _places_by_digest(digests, noted.digests, source)
    else:
        places = _places_by_id(ids, matrix.row_ids, source)
        other = digests != noted.digests[places]
        if other.any():
            row = int(other.argmax())
            more = f", as are {int(other.sum()) - 1} others" if other.sum() > 1 else ""
            raise InputError(
                f"row {row} (counted from 0, id {ids[row].item()!r}) of the data is another one "
                f"than {source} holds votes on{more}: {_named(noted.columns)} changed; {_AGAIN}"
            )
    same = len(places) == len(matrix) and bool((places == np.arange(len(places))).all())
    return matrix if same else matrix[places]


def _named(columns: Sequence[str]) -> str:
    if len(columns) == 1:
        return f"the column {columns[0]!r}"
    return f"one of the columns {', '.join(map(repr, columns))}"


def _places_by_id(ids: np.ndarray, known: np.ndarray, source: Path) -> np.ndarray:
    texts, voted = ids.astype(np.str_), known.astype(np.str_)
    other = ~np.isin(texts, voted)
    if other.any():
        row = int(other.argmax())
        raise InputError(
            f"{source} holds no votes on row {row} (counted from 0, id {ids[row].item()!r}) of the "
            f"data{_others(other)}; {_AGAIN}"
        )
    return exact_places(texts, voted)


def _places_by_digest(digests: np.ndarray, voted: np.ndarray, source: Path) -> np.ndarray:
    if np.array_equal(digests, voted):
        return np.arange(len(voted))
    other = ~np.isin(digests, voted)
    if other.any():
        row = int(other.argmax())
        raise InputError(
            f"{source} holds no votes on row {row} (counted from 0) of the data{_others(other)}: "
            f"what the LFs see there is not what was voted on; {_AGAIN}"
        )
    if len(np.unique(voted)) < len(voted):
        differs = digests != voted[: len(digests)] if len(digests) <= len(voted) else digests != 0
        row = int(differs.argmax())
        raise InputError(
            f"{source} holds votes on these rows in another order or number (from row {row} on, "
            "counted from 0), and they repeat, so that rows cannot be told apart; give them a "
            f"column of ids, or {_AGAIN}"
        )
    return exact_places(digests.astype(np.str_), voted.astype(np.str_))


def _others(other: np.ndarray) -> str:
    n = int(other.sum()) - 1
    return f", nor on {n} others" if n else ""


def _check_length(matrix: LabelMatrix | VoteFiles, n: int, source: Path) -> None:
    if n != len(matrix):
        raise InputError(
            f"{source} holds votes on {len(matrix)} rows, the data has {n} rows; {_AGAIN}"
        )


def row_digests(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return a digest (n,) uint64 of the cells of each row, the same for CSV, JSON and Parquet."""
    cells = [list(map(_as_text, as_list(frame[name]))) for name in columns]
    made = (_digest("\0".join(row)) for row in zip(*cells, strict=True))
    return np.fromiter(made, dtype=np.uint64, count=len(frame))


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""  # as an empty cell of CSV, of which nobody knows what it was
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def _digest(text: str) -> int:
    made = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(made.digest(), "little")


# -- votes in parts ------------------------------------------------------------------------------


def have_column(data: Sequence[Path], column: str, folder: Path) -> bool:
    """Return whether all Parquet files have a column; those of votes in a folder do not count."""
    import pyarrow.parquet as pq

    for source in source_files(list(data), output=folder):
        with guarded_reading(source.path, "a Parquet file", "write it again"):
            if column not in pq.read_schema(source.path).names:
                return False
    return True


def mark_folder(folder: Path, data: Sequence[Path], column: str) -> int:
    """Write digests of the texts, in their order, beside votes on Parquet files.

    Return how many rows have no text.
    """
    import pyarrow.parquet as pq

    texts, n_blank = _TextsInOrder(), 0
    for source in source_files(list(data), output=folder):
        with pq.ParquetFile(source.path) as file:
            for batch in file.iter_batches(columns=[column]):
                listed = batch.column(0).to_pylist()
                texts.add(listed)
                n_blank += int((~has_text(listed)).sum())
    with write_aside(folder / ROWS) as temporary:
        temporary.write_text(json.dumps(texts.noted()), encoding="utf-8")
    return n_blank


class _TextsInOrder:
    """A running digest of texts, noted every so many rows: the first other one tells where."""

    EVERY = 256

    def __init__(self) -> None:
        self._digest, self._n = hashlib.blake2b(digest_size=16), 0
        self._notes: list[str] = []

    def add(self, texts: Sequence[Any]) -> None:
        """Go on with further texts."""
        for text in plain_values(list(texts)):
            self._digest.update(_digest(_as_text(text)).to_bytes(8, "little"))
            self._n += 1
            if self._n % self.EVERY == 0:
                self._notes.append(self._digest.hexdigest()[:8])

    def noted(self) -> dict[str, Any]:
        """Return what is kept: the digest of all texts, and those on the way."""
        return {"texts": self._digest.hexdigest(), "every": self.EVERY, "notes": self._notes}


def _check_folder(folder: Path, texts: Sequence[Any]) -> None:
    """Raise InputError unless data of as many rows have the texts of the rows voted on, in order.

    Votes of another way than the command's have no digest, and are taken by position.
    """
    if not (folder / ROWS).is_file():
        return
    present = _TextsInOrder()
    present.add(texts)
    found = present.noted()
    with guarded_reading(folder / ROWS, "a digest of the rows voted on", _AGAIN):
        stored = json.loads((folder / ROWS).read_text(encoding="utf-8"))
        notes, every, same = stored["notes"], stored["every"], stored["texts"] == found["texts"]
    if not same:
        pairs = zip(notes, found["notes"], strict=False)
        block = next((i for i, (a, b) in enumerate(pairs) if a != b), len(notes))
        first, last = block * every, min((block + 1) * every, len(texts)) - 1
        raise InputError(
            f"{folder} holds votes on rows of other texts, or of these in another order, the first "
            f"of them among rows {first} to {last} (counted from 0): give the data as they were, "
            f"or {_AGAIN}"
        )
