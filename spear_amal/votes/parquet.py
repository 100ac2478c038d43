"""Votes on disk, for more rows than memory holds: a folder of Parquet files with sparse votes.

Each part is a label matrix of its own, written whole or not at all; row ids are kept. A folder is
valid once ``votes.json`` is there, which is written last and names every part with its size.

A row of a part holds two short lists, the numbers of the LFs that fired and their votes: offsets
and values of Arrow's lists are those of a CSR matrix, so reading copies next to nothing.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import PathLike, StoredVotesLike
from spear_amal.errors import FileFormatError, InputError, MissingExtraError
from spear_amal.io.atomic import write_aside
from spear_amal.io.guard import check_json_digest, guarded_reading, with_digest
from spear_amal.votes.class_set import ClassesLike, ClassNames, class_names
from spear_amal.votes.label_matrix import LabelMatrix


@dataclass(frozen=True)
class VotePart:
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
# Whole numbers that differ by little: no dictionary is shorter, or found in less time.
_ENCODING = dict.fromkeys(["lf.list.element", "vote.list.element"], "DELTA_BINARY_PACKED")
_COLUMNS = ("row_id", "lf", "vote", "score")  # scores only with continuous LFs


def part_name(i: int) -> str:
    """File of part `i`."""
    return f"part-{i:05d}.parquet"


def write_part(
    folder: PathLike,
    i: int,
    matrix: LabelMatrix,
    note: str = "",
    about: dict[str, Any] | None = None,
) -> VotePart:
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
    codes, scores, ids = matrix.codes, matrix.scores, matrix.row_ids
    columns = {
        "row_id": pa.array(ids.tolist(), pa.string()) if ids.dtype.kind == "U" else pa.array(ids),
        "lf": _lists(codes.indptr, codes.indices.astype(np.int32)),
        "vote": _lists(codes.indptr, codes.data.astype(np.int16) - np.int16(1)),
    }
    if scores is not None:
        values = scores.data.astype(np.float32)
        columns["score"] = _lists(codes.indptr, values)
    table = pa.table(columns)
    numbers = {"row_id": "DELTA_BINARY_PACKED"} if ids.dtype.kind in "iu" else {}
    top, crc = int(codes.data.max(initial=0)) - 1, _checksum(table)
    record = {"note": note, "top": top, "votes": matrix.nnz, "crc": crc, "about": about or {}}
    path = Path(folder) / part_name(i)
    with write_aside(path) as temporary:
        record = with_digest(record)
        noted = table.replace_schema_metadata({METADATA: json.dumps(record)})
        pq.write_table(
            noted,
            temporary,
            compression="zstd",
            use_dictionary=False,
            column_encoding=_ENCODING | numbers,
            write_statistics=False,
            write_page_checksum=True,
        )
        size = temporary.stat().st_size
    return VotePart(path.name, len(matrix), matrix.nnz, size, top, crc)


def kept_part(folder: PathLike, i: int, note: str) -> tuple[VotePart, dict[str, Any]] | None:
    """Part `i` and what was noted about it, if a run with the same note left it whole."""
    path = Path(folder) / part_name(i)
    try:
        with guarded_reading(path, "a part of votes", "it is made again"):
            size = path.stat().st_size
            table = _read_table(path)
            record = json.loads(table.schema.metadata[METADATA])
            check_json_digest(record)
            if record["note"] != note or record["crc"] != _checksum(table):
                return None
            rows, votes, top = table.num_rows, record["votes"], record["top"]
            return VotePart(path.name, rows, votes, size, top, record["crc"]), record["about"]
    except (FileFormatError, OSError):
        return None


def read_part(folder: Path, part: VotePart, votes: VoteFiles) -> LabelMatrix:
    """Read one part, checked against what the manifest says of it."""
    path = folder / part.file
    try:
        with guarded_reading(path, f"the part that {MANIFEST} names", _AGAIN):
            size = path.stat().st_size
            if size != part.size:
                raise FileFormatError(
                    f"{path} has {size} bytes, {part.size} were written: it is truncated or was "
                    f"replaced; {_AGAIN}"
                )
            return _matrix(_read_table(path), part, votes)
    except FileFormatError:
        raise
    except (OSError, InputError) as error:
        raise FileFormatError(f"{path} is missing or damaged ({error}); {_AGAIN}") from error


def _read_table(path: Path) -> Any:
    _, pq = _arrow()
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        table = file.read().combine_chunks()
    if tuple(table.column_names) not in (_COLUMNS, _COLUMNS[:-1]):
        raise ValueError(f"it has the columns {table.column_names}, needed {_COLUMNS}")
    return table


def _matrix(table: Any, part: VotePart, votes: VoteFiles) -> LabelMatrix:
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


__all__ = ["MANIFEST", "VoteFiles", "VotePart", "finish_votes", "part_name", "write_part"]

FORMAT = 1
#: Name of the file that lists the parts of a folder of votes.
MANIFEST = "votes.json"
KIND = "votes"


class VoteFiles:
    """A folder of votes, read part by part; nothing but the manifest is held.

    Parameters
    ----------
    folder : path

    Attributes
    ----------
    lf_names : tuple of str, length m
    classes : ClassNames, a tuple of length C
    lf_classes : ndarray of int, shape (m,)
    continuous : ndarray of bool, shape (m,)
    files : tuple of Part
        In the order of the rows.
    about : dict
        What the writer noted beside: faults, the fingerprint of the LFs.

    Raises
    ------
    FileNotFoundError
        If there is no manifest: the folder is no folder of votes, or was never finished.
    FileFormatError
        If the manifest is damaged or of a newer format.

    Examples
    --------
    >>> import tempfile
    >>> L = LabelMatrix.from_dense([[0, -1], [1, 1], [-1, -1]], row_ids=["a", "b", "c"])
    >>> folder = tempfile.mkdtemp()
    >>> part = write_part(folder, 0, L)
    >>> votes = finish_votes(folder, [part], lf_names=L.lf_names)
    >>> votes.shape, votes.nnz, [part.row_ids.tolist() for part in votes.parts()]
    ((3, 2), 3, [['a', 'b', 'c']])
    """

    def __init__(self, folder: PathLike) -> None:
        self.folder = Path(folder)
        path = self.folder / MANIFEST
        with guarded_reading(path, "a list of vote files", _AGAIN):
            manifest = _read_manifest(path)
            self.files = tuple(_vote_part(fields) for fields in manifest["parts"])
            self.lf_names: tuple[str, ...] = tuple(manifest["lf_names"])
            self.classes = ClassNames(manifest["classes"], manifest.get("class_ids"))
            self.lf_classes = np.asarray(manifest["lf_classes"], dtype=np.int64)
            self.continuous = np.asarray(manifest["continuous"], dtype=bool)
            self.about: dict[str, Any] = dict(manifest["about"])
            _check_fields(self)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and LFs."""
        return (sum(part.rows for part in self.files), len(self.lf_names))

    @property
    def nnz(self) -> int:
        """Number of votes that are not abstain."""
        return sum(part.votes for part in self.files)

    @property
    def n_classes(self) -> int:
        """Number of classes C."""
        return len(self.classes)

    @property
    def starts(self) -> np.ndarray:
        """Number of the first row of each part, and the number of rows, (parts + 1,)."""
        return np.cumsum([0, *(part.rows for part in self.files)])

    @property
    def has_row_ids(self) -> bool:
        """Return True: ids, or the numbers of the rows, are in every part."""
        return True

    @property
    def row_ids(self) -> np.ndarray:
        """Read the ids (n,) of all rows.

        Raises
        ------
        FileFormatError
            Naming the file, if one is missing or damaged.
        """
        ids = [part.row_ids for part in self.parts()]
        return np.concatenate(ids) if ids else np.empty(0, dtype=np.int64)

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        n, m = self.shape
        return f"VoteFiles(n={n}, m={m}, parts={len(self.files)}, folder={str(self.folder)!r})"

    def part(self, i: int) -> LabelMatrix:
        """Read one part.

        Raises
        ------
        FileFormatError
            Naming the file, if it is missing, truncated or damaged.
        """
        return read_part(self.folder, self.files[i], self)

    def parts(self) -> Iterator[LabelMatrix]:
        """Read the parts one after the other, in the order of the rows."""
        for i in range(len(self.files)):
            yield self.part(i)

    def to_label_matrix(self) -> LabelMatrix:
        """All parts as one label matrix in memory."""
        parts = list(self.parts())
        if not parts:
            nothing = sp.csr_array((0, len(self.lf_names)), dtype=np.int8)
            return LabelMatrix(nothing, lf_names=self.lf_names, classes=self.classes)
        return LabelMatrix.concatenate(parts)


def finish_votes(
    folder: PathLike,
    parts: Iterable[VotePart],
    *,
    lf_names: Sequence[str],
    classes: ClassesLike = None,
    lf_classes: Iterable[Any] | None = None,
    continuous: Iterable[Any] | None = None,
    about: dict[str, Any] | None = None,
) -> VoteFiles:
    """Write the manifest over finished parts; from here on the folder can be read.

    Parameters
    ----------
    classes : ClassesLike, optional
        As for :class:`LabelMatrix`; by default as many numbers as votes need, at least two.
    """
    parts = list(parts)
    top = max((part.top for part in parts), default=-1)
    names = class_names(classes) or ClassNames(range(max(top + 1, 2)))
    m = len(lf_names)
    manifest = {
        "kind": KIND,
        "format": FORMAT,
        "lf_names": list(lf_names),
        "classes": _plain(names),
        "class_ids": names.given_ids,
        "lf_classes": _plain(np.full(m, -1) if lf_classes is None else lf_classes),
        "continuous": [bool(c) for c in (np.zeros(m) if continuous is None else continuous)],
        "parts": [asdict(part) for part in parts],
        "about": about or {},
    }
    with write_aside(Path(folder) / MANIFEST) as temporary:
        temporary.write_text(json.dumps(with_digest(manifest), indent=1), encoding="utf-8")
    return VoteFiles(folder)


_AGAIN = "apply the labelling functions again; parts that are whole are kept"


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FileNotFoundError(
            f"{path} does not exist: {path.parent} is no folder of votes, or applying the "
            "labelling functions to it did not end; run it again, finished parts are kept"
        ) from None
    manifest: dict[str, Any] = json.loads(text)
    if manifest["kind"] != KIND:
        raise ValueError("it describes something else")
    if manifest["format"] > FORMAT:
        raise FileFormatError(
            f"{path} has format {manifest['format']}, this version reads up to {FORMAT}; "
            "update spear_amal"
        )
    check_json_digest(manifest)
    return manifest


def _vote_part(fields: dict[str, Any]) -> VotePart:
    """Return what a manifest says of one part.

    Raises
    ------
    ValueError
        For a file outside the folder, or numbers that are none.
    """
    part = VotePart(**fields)
    numbers = (part.rows, part.votes, part.size, part.crc, part.top + 1)
    if Path(part.file).name != part.file or not all(type(n) is int and n >= 0 for n in numbers):
        raise ValueError(f"a part is described by {fields}")
    return part


def _check_fields(votes: VoteFiles) -> None:
    """Raise ValueError if names, classes and flags of LFs do not fit each other."""
    m = len(votes.lf_names)
    named = all(isinstance(name, str) for name in votes.lf_names)
    coded = all(type(name) in (str, int) for name in votes.classes)
    if not named or not coded or votes.lf_classes.shape != (m,) or votes.continuous.shape != (m,):
        raise ValueError("names, classes and flags of its LFs do not fit each other")


def _plain(values: Iterable[Any]) -> list[Any]:
    return [value if isinstance(value, str) else int(value) for value in values]


def open_votes(L: StoredVotesLike) -> LabelMatrix | VoteFiles:
    """Return votes as a label matrix; as VoteFiles where they are those or a folder's path.

    The path of a file is that of a label matrix.

    Raises
    ------
    FileNotFoundError
        If there is neither.
    FileFormatError
        If it holds something else, or is damaged.
    """
    if isinstance(L, str | os.PathLike):
        path = Path(L)
        is_matrix = path.is_file() or (path.suffix == ".npz" and not path.exists())
        return LabelMatrix.load(path) if is_matrix else VoteFiles(path)
    return L if isinstance(L, LabelMatrix | VoteFiles) else LabelMatrix.from_dense(L)


def parts_of(votes: LabelMatrix | VoteFiles) -> Iterator[tuple[slice, LabelMatrix]]:
    """Rows and votes of each part, in order; what is in memory is one part."""
    start = 0
    for part in [votes] if isinstance(votes, LabelMatrix) else votes.parts():
        yield slice(start, start + len(part)), part
        start += len(part)
