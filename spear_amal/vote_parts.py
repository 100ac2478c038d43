"""One part of votes on disk: a label matrix as a Parquet file, whole or not at all.

Each row holds two short lists, the numbers of the LFs that fired and their votes: offsets and
values of Arrow's lists are those of a CSR matrix, so reading copies next to nothing.
"""

from __future__ import annotations

import json
import os
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp

from spear_amal.errors import FileFormatError, InputError, MissingExtraError
from spear_amal.files import write_aside
from spear_amal.label_matrix import LabelMatrix

if TYPE_CHECKING:
    from spear_amal.vote_files import VoteFiles


@dataclass(frozen=True)
class Part:
    """One file of a folder of votes.

    Attributes
    ----------
    file : str
        Name within the folder.
    rows, votes, size : int
        Rows, votes cast (not abstain), and bytes of the file.
    top : int
        Largest class voted for, -1 without votes.
    crc : int
        Checksum (CRC-32) of row ids, votes and scores.
    """

    file: str
    rows: int
    votes: int
    size: int
    top: int
    crc: int


METADATA = b"spear_amal"


def part_name(i: int) -> str:
    """File of part `i`."""
    return f"part-{i:05d}.parquet"


def write_part(
    folder: str | os.PathLike[str],
    i: int,
    matrix: LabelMatrix,
    note: str = "",
    about: dict[str, Any] | None = None,
) -> Part:
    """Write one part aside, then rename it; safe to repeat, also by another process.

    Parameters
    ----------
    folder : path
    i : int
        Number of the part: parts are read in this order.
    matrix : LabelMatrix
    note : str
        Kept in the file's metadata: whatever tells a later run that the part need not be made anew.
    about : dict, optional
        Kept beside the note, as JSON: what happened while these votes were made.
    """
    pa, pq = _arrow()
    codes, scores = matrix.codes.sorted_indices(), matrix.scores
    ids = matrix.row_ids
    columns = {
        "row_id": pa.array(ids.tolist(), pa.string()) if ids.dtype.kind == "U" else pa.array(ids),
        "lf": _lists(codes.indptr, codes.indices.astype(np.int32)),
        "vote": _lists(codes.indptr, codes.data.astype(np.int16) - np.int16(1)),
    }
    if scores is not None:
        values = scores.sorted_indices().data.astype(np.float32)
        columns["score"] = _lists(codes.indptr, values)
    table = pa.table(columns)
    top, crc = int(codes.data.max(initial=0)) - 1, _checksum(table)
    held = {"note": note, "top": top, "votes": matrix.nnz, "crc": crc, "about": about or {}}
    path = Path(folder) / part_name(i)
    with write_aside(path) as temporary:
        noted = table.replace_schema_metadata({METADATA: json.dumps(held)})
        pq.write_table(noted, temporary, compression="zstd", write_page_checksum=True)
        size = temporary.stat().st_size
    return Part(path.name, len(matrix), matrix.nnz, size, top, crc)


def kept_part(
    folder: str | os.PathLike[str], i: int, note: str
) -> tuple[Part, dict[str, Any]] | None:
    """Part `i` and what was noted about it, if a run with the same note left it whole."""
    pa, _ = _arrow()
    path = Path(folder) / part_name(i)
    try:
        size = path.stat().st_size
        table = _read_table(path)
        held = json.loads(table.schema.metadata[METADATA])
        if held["note"] != note or held["crc"] != _checksum(table):
            return None
    except (OSError, KeyError, ValueError, TypeError, pa.ArrowException):
        return None
    part = Part(path.name, table.num_rows, held["votes"], size, held["top"], held["crc"])
    return part, held["about"]


def read_part(folder: Path, part: Part, votes: VoteFiles) -> LabelMatrix:
    """Read one part, checked against what the manifest says of it."""
    path = folder / part.file
    pa, _ = _arrow()
    again = "apply the labelling functions again; parts that are whole are kept"
    try:
        size = path.stat().st_size
        if size != part.size:
            raise FileFormatError(
                f"{path} has {size} bytes, {part.size} were written: it is truncated or was "
                f"replaced; {again}"
            )
        return _matrix(_read_table(path), part, votes)
    except FileFormatError:
        raise
    except (OSError, KeyError, InputError, ValueError, TypeError, pa.ArrowException) as error:
        raise FileFormatError(f"{path} is missing or damaged ({error}); {again}") from error


def _read_table(path: Path) -> Any:
    _, pq = _arrow()
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read().combine_chunks()


def _matrix(table: Any, part: Part, votes: VoteFiles) -> LabelMatrix:
    shape = (part.rows, len(votes.lf_names))
    indptr, lfs = _csr_parts(table, "lf")
    same, cast = _csr_parts(table, "vote")
    if table.num_rows != part.rows or len(cast) != part.votes or not np.array_equal(indptr, same):
        raise ValueError("its rows or votes are not those of votes.json")
    if _checksum(table) != part.crc:
        raise ValueError("its content is not what was written: the checksum is another one")
    dtype = np.int8 if cast.max(initial=-1) < 127 else np.int16
    ids = table.column("row_id").to_numpy()
    scores = None
    if "score" in table.column_names:
        scores = sp.csr_array((_csr_parts(table, "score")[1], lfs, indptr), shape=shape)
    return LabelMatrix(
        sp.csr_array(((cast + 1).astype(dtype), lfs, indptr), shape=shape),
        lf_names=votes.lf_names,
        classes=votes.classes,
        row_ids=ids if ids.dtype.kind in "iu" else ids.astype(np.str_),
        lf_classes=votes.lf_classes,
        scores=scores,
        continuous=votes.continuous,
    )


def _checksum(table: Any) -> int:
    """CRC-32 of the values of a part, in an order and a form that a file's layout cannot change."""
    ids = table.column("row_id").to_numpy()
    plain = ids.dtype.kind in "iu"
    crc = zlib.crc32(ids.astype(np.int64).tobytes() if plain else "\0".join(ids).encode())
    for name in table.column_names[1:]:
        offsets, values = _csr_parts(table, name)
        crc = zlib.crc32(values.tobytes(), zlib.crc32(offsets.astype(np.int64).tobytes(), crc))
    return crc


def _csr_parts(table: Any, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Offsets and values of a column of lists."""
    pa, _ = _arrow()
    column = table.column(name)
    if not pa.types.is_list(column.type):
        raise ValueError(f"column {name!r} holds {column.type}, needed lists")
    if column.num_chunks == 0:
        return np.zeros(1, dtype=np.int32), np.zeros(0, dtype=np.int16)
    chunk = column.chunk(0)
    offsets = np.asarray(chunk.offsets)
    values = np.asarray(chunk.values)[offsets[0] : offsets[-1]]
    return offsets - offsets[0], values


def _lists(offsets: np.ndarray, values: np.ndarray) -> Any:
    pa, _ = _arrow()
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))


def _arrow() -> tuple[Any, Any]:
    """Import pyarrow and its Parquet module."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "votes on disk") from error
    return pyarrow, pyarrow.parquet
