"""Rows in Parquet files, read shard by shard: features and labels for more rows than memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

from spear_amal.errors import InputError
from spear_amal.labeling.parquet_reader import Block, plan_blocks, read_tables, source_files

SHARD = 65_536


@dataclass(frozen=True)
class ParquetRows:
    """Where the training rows lie, and in which columns.

    Files are taken in the order of their names. Only their footers are read until training starts;
    then one shard at a time.

    Parameters
    ----------
    source : path or list of paths
        Parquet files, or a folder of them.
    features : str or sequence of str
        Column with a list of numbers in every row, all of one length; or several columns with a
        number each.
    indices, n_features : str and int, optional
        For sparse features: column with a list of feature numbers, and how many features there
        are; `features` then has the values, lists of the same lengths.
    y : str
        Column with gold labels: class names or numbers; -1 or null where unlabelled.
    row_id : str, optional
        Column with the ids under which the votes were written; checked against them.
    shard_rows : int
        Row groups are read together up to so many rows. A larger row group is one shard.

    Attributes
    ----------
    blocks : list of Block
        The shards, in the order of the rows.

    Raises
    ------
    FileFormatError
        If a file is truncated or no Parquet file; names it.
    InputError
        If there is no file or no row, or a file lacks a column.

    Examples
    --------
    >>> import tempfile, pathlib, pandas as pd
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "rows.parquet"
    >>> pd.DataFrame({"x": [[0.5, 1.0], [2.0, 0.0]], "gold": [-1, 1]}).to_parquet(path)
    >>> rows = ParquetRows(path, features="x", y="gold")
    >>> len(rows), rows.read(0)[0].tolist()
    (2, [[0.5, 1.0], [2.0, 0.0]])
    """

    source: str | os.PathLike[str] | Sequence[str | os.PathLike[str]]
    features: str | Sequence[str] = "features"
    y: str = "y"
    indices: str | None = None
    n_features: int | None = None
    row_id: str | None = None
    shard_rows: int = SHARD
    blocks: Sequence[Block] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.indices is None) != (self.n_features is None):
            raise InputError("sparse features need both indices= and n_features=")
        if self.indices is not None and not isinstance(self.features, str):
            raise InputError("with indices=, features is the one column that holds the values")
        needed = [*self._feature_columns(), self.y, *([self.row_id] if self.row_id else [])]
        blocks = plan_blocks(source_files(self.source), needed, self.shard_rows)
        if not blocks:
            raise InputError(f"the Parquet files hold no row: {self.source}")
        object.__setattr__(self, "blocks", blocks)

    def __len__(self) -> int:
        return self.blocks[-1].first_row + self.blocks[-1].rows

    def _feature_columns(self) -> list[str]:
        listed = [self.features] if isinstance(self.features, str) else list(self.features)
        return listed if self.indices is None else [self.indices, *listed]

    def read(self, i: int) -> tuple[Any, np.ndarray | None]:
        """Features (B, D) of shard `i`, an array or a CSR matrix, and the ids of its rows.

        Raises
        ------
        FileFormatError, InputError
            If the file is damaged, or features are missing, not finite or of different lengths;
            names the file.
        """
        ids = [] if self.row_id is None else [self.row_id]
        table = self._table(i, [*self._feature_columns(), *ids])
        try:
            x = self._features(table)
            values = x.data if sp.issparse(x) else x
            if not np.isfinite(values).all():
                raise ValueError("they hold NaN or infinity")
        except (ValueError, IndexError) as error:
            columns, file = self._feature_columns(), self.blocks[i].file
            raise InputError(f"features {columns} of {file} cannot be used: {error}") from error
        return x, None if self.row_id is None else table.column(self.row_id).to_numpy()

    def _table(self, i: int, columns: list[str]) -> Any:
        block = self.blocks[i]
        return next(read_tables(block, columns, block.rows)).combine_chunks()

    def _features(self, table: Any) -> Any:
        if not isinstance(self.features, str):
            return np.stack([_numbers(table.column(name)) for name in self.features], axis=1)
        offsets, values = _lists(table.column(self.features))
        if self.indices is not None:
            same, columns = _lists(table.column(self.indices))
            if not np.array_equal(offsets, same):
                raise ValueError("a row has more values than indices, or fewer")
            if len(columns) and not 0 <= columns.min() <= columns.max() < (self.n_features or 0):
                raise ValueError(f"indices must lie in 0 to {(self.n_features or 0) - 1}")
            shape = (table.num_rows, self.n_features)
            matrix = sp.csr_array((values, columns, offsets), shape=shape)
            matrix.sum_duplicates()
            return matrix
        lengths = np.unique(np.diff(offsets))
        if len(lengths) > 1:
            raise ValueError(f"its rows have {lengths[0]} to {lengths[-1]} features")
        return values.reshape(table.num_rows, -1)

    def labels(self) -> Iterator[tuple[Block, np.ndarray]]:
        """Labels (B,) as they are in the files, None where null, shard by shard."""
        for i, block in enumerate(self.blocks):
            column = self._table(i, [self.y]).column(self.y)
            raw = column.to_numpy() if column.null_count == 0 else np.array(column.to_pylist(), "O")
            yield block, raw


def _numbers(column: Any) -> np.ndarray:
    """Values of a column of numbers as floats; single precision stays."""
    if column.null_count:
        raise ValueError("a value is missing (null)")
    if not _is_number(column.type):
        raise ValueError(f"a column holds {column.type}, needed numbers")
    values = column.to_numpy()
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def _lists(column: Any) -> tuple[np.ndarray, np.ndarray]:
    """Offsets (B + 1,) and values of a column of lists; indices stay whole numbers."""
    import pyarrow as pa

    kind = column.type
    fixed = pa.types.is_fixed_size_list(kind)
    lists = fixed or pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (lists and _is_number(kind.value_type)):
        raise ValueError(f"a column holds {kind}, needed lists of numbers")
    if column.null_count:
        raise ValueError("a row is missing (null)")
    held = column.combine_chunks()
    values = held.flatten()
    if values.null_count:
        raise ValueError("a value is missing (null)")
    lengths = np.full(len(held), kind.list_size) if fixed else held.value_lengths().to_numpy()
    numbers = values.to_numpy()
    if numbers.dtype == np.float16:
        numbers = numbers.astype(np.float32)
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), numbers


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))
