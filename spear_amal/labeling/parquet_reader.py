"""Parquet files as blocks of rows: what one task reads, planned from the files' footers alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from spear_amal.errors import FileFormatError, InputError, MissingExtraError
from spear_amal.labeling.parquet_files import SourceFile

_SPARK = b"org.apache.spark.version"


class Block(NamedTuple):
    """Row groups of one file that one task reads.

    Attributes
    ----------
    file : str
    groups : tuple of int
        Row groups, one after the other.
    rows, first_row : int
        Their rows, and the number of the first one among the rows of all files.
    first_part : int
        Number of the first part of votes that is made of them.
    stamp : str
        Tells this state of the file from others.
    partition : tuple of (str, int or str or None)
        Columns that the names of its folders tell.
    by_spark : bool
        Spark wrote the file.
    """

    file: str
    groups: tuple[int, ...]
    rows: int
    first_row: int
    first_part: int
    stamp: str
    partition: tuple[tuple[str, Any], ...] = ()
    by_spark: bool = False


def plan_blocks(files: Sequence[SourceFile], needed: Iterable[str], batch_rows: int) -> list[Block]:
    """Blocks of all files, in the order of the rows; every file is looked at before any is read.

    Raises
    ------
    FileFormatError
        If a file is truncated or no Parquet file; names it.
    InputError
        If a file lacks a column.
    """
    needed = list(needed)
    footers = [(*file, _footer(file.path)) for file in files]
    for path, partition, footer in footers:
        names = [*_names(footer), *dict(partition)]
        missing = [name for name in needed if name not in names]
        if missing:
            raise InputError(f"{path} has no column {missing}; its columns are {names}")
    blocks: list[Block] = []
    row = part = 0
    for path, partition, footer in footers:
        about = (_stamp(path, partition), partition, _SPARK in (footer.metadata or {}))
        for groups, rows in _grouped(footer, batch_rows):
            blocks.append(Block(str(path), groups, rows, row, part, *about))
            row, part = row + rows, part - -rows // batch_rows
    return blocks


def names_in_file(file: SourceFile) -> list[str]:
    """Return the names of the columns of a file, and of those that its folders are named for.

    Raises
    ------
    FileFormatError
        If the file is truncated or no Parquet file; names it.
    """
    return [*_names(_footer(file.path)), *dict(file.partition)]


def _names(footer: Any) -> list[str]:
    names: list[str] = footer.schema.to_arrow_schema().names
    return names


def _grouped(footer: Any, batch_rows: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """Row groups put together while they fit into one part; a large one stands alone."""
    groups: list[int] = []
    rows = 0
    for i in range(footer.num_row_groups):
        more = footer.row_group(i).num_rows
        if groups and rows + more > batch_rows:
            yield tuple(groups), rows
            groups, rows = [], 0
        groups, rows = [*groups, i], rows + more
    if rows:
        yield tuple(groups), rows


def _footer(path: Path) -> Any:
    pa, pq = _arrow()
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        if not path.exists():
            raise FileNotFoundError(f"no such Parquet file: {path}") from None
        raise FileFormatError(
            f"{path} is truncated or no Parquet file ({error}); replace the file and run again"
        ) from error


def _stamp(path: Path, partition: tuple[tuple[str, Any], ...]) -> str:
    """Hash of size, time and footer, where Parquet keeps places and statistics of all pages.

    What the folders' names tell is in no file, and goes in as well.
    """
    about = path.stat()
    with open(path, "rb") as file:
        file.seek(-8, os.SEEK_END)
        length = int.from_bytes(file.read(4), "little")
        file.seek(-8 - length, os.SEEK_END)
        footer = file.read(length)
    named = repr(partition) if partition else ""
    known = f"{about.st_size} {about.st_mtime_ns} {named}".encode() + footer
    return hashlib.blake2b(known, digest_size=16).hexdigest()


def read_tables(block: Block, columns: Sequence[str] | None, size: int) -> Iterator[Any]:
    """Rows of a block as Arrow tables of `size` rows, the last one shorter.

    Raises
    ------
    FileFormatError
        If the file is damaged; names it.
    """
    pa, pq = _arrow()
    try:
        # Read piece by piece: a row group may be larger than memory.
        with pq.ParquetFile(block.file, buffer_size=1 << 20, pre_buffer=False) as file:
            present = set(file.schema_arrow.names)
            batches = file.iter_batches(
                size,
                row_groups=list(block.groups),
                columns=None if columns is None else [name for name in columns if name in present],
                use_threads=False,
            )
            added = {
                name: value
                for name, value in block.partition
                if name not in present and (columns is None or name in columns)
            }
            for table in _of_size(batches, size):
                yield _with_columns(table, added)
    except (OSError, pa.ArrowException) as error:
        raise FileFormatError(
            f"{block.file} is damaged ({error}); replace the file and run again, what is finished "
            "is kept"
        ) from error


def count_nan_texts(table: Any) -> dict[str, list[int]]:
    """Count, in each column of texts, the cells that hold just the word nan, and the nulls.

    Columns without either are left out. Spark makes that word of a missing text of pandas where
    Arrow is switched off, and then a column that had missing values has no null.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    counts = {}
    for place, column in enumerate(table.schema):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            cells = table.column(place)
            words = pc.sum(pc.equal(cells, "nan")).as_py() or 0
            if words or cells.null_count:
                counts[column.name] = [words, cells.null_count]
    return counts


def _with_columns(table: Any, values: Mapping[str, Any]) -> Any:
    """Add columns of one value each."""
    pa, _ = _arrow()
    for name, value in values.items():
        kind = pa.int64() if isinstance(value, int) else pa.string()
        table = table.append_column(name, pa.repeat(pa.scalar(value, kind), len(table)))
    return table


def _of_size(batches: Iterable[Any], size: int) -> Iterator[Any]:
    pa, _ = _arrow()
    pieces: list[Any] = []
    rows = 0
    for batch in batches:
        while batch.num_rows:
            piece = batch.slice(0, size - rows)
            batch = batch.slice(piece.num_rows)
            pieces.append(piece)
            rows += piece.num_rows
            if rows == size:
                yield pa.Table.from_batches(pieces)
                pieces, rows = [], 0
    if pieces:
        yield pa.Table.from_batches(pieces)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "labelling Parquet files") from error
    return pyarrow, pyarrow.parquet
