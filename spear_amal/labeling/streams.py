"""Tables that come block by block: Parquet files, LazyFrames, readers of Arrow, DuckDB's relations.

What is in memory is a block and what its maker holds ready. Blocks are tables of Arrow, or of
Polars where the stream is, of a size that does not depend on how the stream happens to be cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, Protocol

import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.errors import InputError, MissingExtraError, SpearAmalError
from spear_amal.labeling.data_points import RowSource, TableSource, is_lazy, is_scanned
from spear_amal.labeling.overlap import read_ahead
from spear_amal.labeling.parquet_files import source_files
from spear_amal.labeling.parquet_reader import names_in_file, plan_blocks, read_tables


class TableStream(Protocol):
    """A table that is read block by block.

    Attributes
    ----------
    names : list of str
        Of its columns.
    """

    names: list[str]

    def blocks(self, size: int, columns: Sequence[str] | None) -> Generator[Any]:
        """Yield tables of `size` rows, the last one shorter; one without rows if there are none.

        Parameters
        ----------
        size : int
        columns : sequence of str, optional
            Names of those that are needed; there may be more in the tables.
        """

    def whole(self) -> Any:
        """Return all of it as one table."""


def as_stream(x: Any) -> TableStream:
    """Return what ``is_stream`` accepts as a :class:`TableStream`.

    Raises
    ------
    InputError
        If it is a stream of something else than a table.
    MissingExtraError
        If pyarrow, which reads it, is not installed.
    """
    if isinstance(x, str | os.PathLike):
        return _ParquetStream(x)
    if is_lazy(x):
        return _LazyStream(x)
    if is_scanned(x):
        return _ScannedStream(x)
    is_relation = type(x).__name__ == "DuckDBPyRelation"
    return _RelationStream(x) if is_relation else _ArrowStream(x)


class _ParquetStream:
    """Parquet files: one, or those of a folder. Blocks are those of :class:`ParquetLFApplier`."""

    def __init__(self, path: PathLike) -> None:
        self._files = source_files(path)
        self.names = names_in_file(self._files[0])

    def blocks(self, size: int, columns: Sequence[str] | None) -> Generator[Any]:
        tables = self._tables(size, columns)
        with closing(read_ahead(tables)) as ahead:  # while the block before is looked at
            yield from ahead

    def _tables(self, size: int, columns: Sequence[str] | None) -> Generator[Any]:
        import pyarrow as pa

        planned = plan_blocks(self._files, columns or (), size)
        for block in planned:
            yield from read_tables(block, columns, size)
        if not planned:
            yield pa.table({name: [] for name in self.names})

    def whole(self) -> Any:
        import pyarrow as pa

        return pa.concat_tables(self._tables(1 << 20, None), promote_options="permissive")


class _LazyStream:
    """A LazyFrame of Polars."""

    def __init__(self, frame: Any) -> None:
        self._frame = frame
        self.names: list[str] = frame.collect_schema().names()

    def blocks(self, size: int, columns: Sequence[str] | None) -> Generator[Any]:
        import polars as pl

        frame = self._frame if columns is None else self._frame.select(columns)
        if hasattr(frame, "collect_batches"):
            pieces: Iterable[Any] = frame.collect_batches(chunk_size=size, lazy=True)
        else:  # older versions read it as a whole
            pieces = [frame.collect()]
        empty = pl.DataFrame(schema=frame.collect_schema())
        yield from rechunked(pieces, size, lambda parts: pl.concat(parts, rechunk=False), empty)

    def whole(self) -> Any:
        return self._frame.collect()


class _ScannedStream:
    """A Dataset of Arrow, or a Scanner of one, whose columns are chosen."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset
        scanner = hasattr(dataset, "projected_schema")
        self._schema = dataset.projected_schema if scanner else dataset.schema
        self.names: list[str] = self._schema.names

    def blocks(self, size: int, columns: Sequence[str] | None) -> Generator[Any]:
        import pyarrow as pa

        schema, scanner = self._schema, self._dataset
        if hasattr(scanner, "scanner"):
            # Arrow's threads read on while a block is looked at, but not far.
            chosen = None if columns is None else list(columns)
            scanner = scanner.scanner(
                columns=chosen, batch_size=size, batch_readahead=2, fragment_readahead=1
            )
            schema = scanner.projected_schema
        yield from rechunked(
            scanner.to_batches(), size, pa.Table.from_batches, schema.empty_table()
        )

    def whole(self) -> Any:
        return self._dataset.to_table()


class _RelationStream:
    """A relation of DuckDB, which is asked for some columns alone."""

    def __init__(self, relation: Any) -> None:
        self._relation = relation
        self.names = list(relation.columns)

    def blocks(self, size: int, columns: Sequence[str] | None) -> Generator[Any]:
        relation = self._relation
        if columns is not None:
            quoted = ('"' + name.replace('"', '""') + '"' for name in columns)
            relation = relation.project(", ".join(quoted))
        yield from _ArrowStream(relation).blocks(size, None)

    def whole(self) -> Any:
        return _ArrowStream(self._relation).whole()


class _ArrowStream:
    """Whatever hands out a stream of Arrow's C interface; all its columns come."""

    def __init__(self, source: Any) -> None:
        self._reader = _reader(source)
        self.names: list[str] = self._reader.schema.names

    def blocks(self, size: int, columns: Sequence[str] | None) -> Generator[Any]:
        import pyarrow as pa

        empty = self._reader.schema.empty_table()
        yield from rechunked(self._reader, size, pa.Table.from_batches, empty)

    def whole(self) -> Any:
        return self._reader.read_all()


def _reader(source: Any) -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "labelling streams of Arrow") from error
    try:
        return pa.RecordBatchReader.from_stream(source)
    except pa.ArrowInvalid as error:
        raise InputError(
            f"needed a table, found {type(source).__name__}, a stream of something else: {error}"
        ) from error


def rechunked(
    pieces: Iterable[Any], size: int, join: Callable[[list[Any]], Any], empty: Any
) -> Generator[Any]:
    """Yield the rows of tables in tables of `size` rows, the last one shorter.

    Parameters
    ----------
    pieces : iterable of tables with a length and ``slice(start, length)``
    size : int
    join : callable
        Puts several together.
    empty : table
        What is yielded if there are no rows at all.

    Examples
    --------
    >>> import pyarrow as pa
    >>> pieces = [pa.record_batch({"n": rows}) for rows in ([1, 2, 3], [], [4, 5], [6, 7])]
    >>> [t["n"].to_pylist() for t in rechunked(pieces, 2, pa.Table.from_batches, None)]
    [[1, 2], [3, 4], [5, 6], [7]]
    """
    gathered: list[Any] = []
    rows, any_rows = 0, False
    for piece in pieces:
        start = 0
        while start < len(piece):
            part = piece.slice(start, size - rows)
            gathered.append(part)
            start, rows, any_rows = start + len(part), rows + len(part), True
            if rows == size:
                yield join(gathered)
                gathered, rows = [], 0
    if gathered:
        yield join(gathered)
    elif not any_rows:
        yield empty


def sources_of_stream(
    stream: TableStream, size: int, columns: Sequence[str] | None
) -> Generator[RowSource]:
    """Yield the blocks of a stream as sources; the ids of rows are their numbers in the stream.

    Raises
    ------
    InputError
        If reading it fails, whatever the reason; names the row from which on.
    """
    first = 0
    with closing(stream.blocks(size, columns)) as blocks:
        while (block := _next(blocks, first)) is not None:
            source = TableSource(block)
            source.ids = pd.RangeIndex(first, first + source.n)
            yield source
            first += source.n


def _next(blocks: Iterator[Any], first: int) -> Any:
    try:
        return next(blocks, None)
    except (SpearAmalError, FileNotFoundError):
        raise  # which say it all
    except Exception as error:
        raise InputError(
            f"rows from {first} on cannot be read: {type(error).__name__}: {error}"
        ) from error
