"""A training table whose rows stay on disk: a few shards are in memory at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from spear_amal._typing import Features, PathLike
from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.labeling.parquet_files import source_files
from spear_amal.labeling.parquet_reader import Block, plan_blocks, read_tables
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training.table import Table, shuffle
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles

WINDOW = 4


class ShardTable:
    """n rows addressed by number, read from Parquet when a batch asks for them.

    Orders are drawn so that an epoch reads each shard once: the shards in random order, cut into
    windows, and the rows shuffled within each window. With one window that is a plain shuffle.

    Parameters
    ----------
    source : ParquetRows
    gold_rows, gold : ndarray of int
        Numbers of the labelled rows, sorted, and their class codes.
    votes : ShardVotes, optional
    window : int
        Shards in memory at a time.
    n_classes : int
    """

    def __init__(
        self,
        source: ParquetRows,
        gold_rows: np.ndarray,
        gold: np.ndarray,
        votes: ShardVotes | None = None,
        *,
        window: int = WINDOW,
        n_classes: int = 2,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.source, self.votes, self.window = source, votes, window
        self.gold_rows, self.gold, self.n_classes = gold_rows, gold, n_classes
        self.dtype, self.device = dtype, torch.device(device)
        first = [block.first_row for block in source.blocks]
        self._starts = torch.tensor([*first, len(source)])
        self._held: OrderedDict[int, Table] = OrderedDict()
        self.x = self.shard(0).x[:0]

    def __len__(self) -> int:
        return len(self.source)

    def shard(self, i: int) -> Table:
        """Rows of one shard as a table; the one that was used longest ago makes room for it."""
        if i in self._held:
            self._held.move_to_end(i)
            return self._held[i]
        while len(self._held) >= self.window:
            self._held.popitem(last=False)
        self._held[i] = self._read(i)
        return self._held[i]

    def _read(self, i: int) -> Table:
        block = self.source.blocks[i]
        x, ids = self.source.read(i)
        if i and x.shape[1] != self.x.shape[1]:
            raise InputError(
                f"{block.file} has rows of {x.shape[1]} features, those of "
                f"{self.source.blocks[0].file} have {self.x.shape[1]}"
            )
        y = np.full(block.rows, -1)
        low, high = np.searchsorted(self.gold_rows, [block.first_row, block.first_row + block.rows])
        y[self.gold_rows[low:high] - block.first_row] = self.gold[low:high]
        votes = self.votes and self.votes.rows(block.first_row, block.rows, ids)
        kind = {"n_classes": self.n_classes, "dtype": self.dtype, "device": self.device}
        return Table(x, y, votes, **kind)  # type: ignore[arg-type]

    def batch(self, index: Tensor, augmented: bool = False) -> Batch:
        """Rows `index` (B,) in that order; images and their augmentation are not read here."""
        index = index.cpu()
        of_shard = torch.searchsorted(self._starts, index, right=True) - 1
        places = {i: (of_shard == i).nonzero().squeeze(1) for i in of_shard.unique().tolist()}
        # Those in memory first: reading another may push one out that is needed as well. Those
        # that come last in the batch are read last: the next batch goes on with them.
        turns = sorted(places, key=lambda i: (i not in self._held, int(places[i][-1])))
        parts = [self.shard(i).batch(index[places[i]] - self._starts[i]) for i in turns]
        if not parts:
            return self.shard(0).batch(index)
        back = torch.cat([places[i] for i in turns]).argsort().to(self.device)
        return Batch(
            index=index.to(self.device),
            x=_stacked([part.x for part in parts])[back],
            y=torch.cat([part.y for part in parts])[back],
            fired=torch.cat([part.fired for part in parts])[back],
            scores=torch.cat([part.scores for part in parts])[back],
            teachers=torch.cat([part.teachers for part in parts])[back],
        )

    def shuffled(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Rows, given sorted, in a random order that stays within a window of shards at a time."""
        n_shards = len(self.source.blocks)
        if n_shards <= self.window:
            return shuffle(rows, generator)
        bounds = torch.searchsorted(rows, self._starts).tolist()
        order = torch.randperm(n_shards, generator=generator)
        windows = []
        for shards in order.split(self.window):
            window = torch.cat([rows[bounds[i] : bounds[i + 1]] for i in shards.tolist()])
            windows.append(shuffle(window, generator))
        return torch.cat(windows)


def _stacked(parts: Sequence[Tensor | SparseRows]) -> Tensor | SparseRows:
    """Features of several shards; dense if some are: a small shard is held dense."""
    if all(isinstance(part, SparseRows) for part in parts):
        return SparseRows.stack(parts)  # type: ignore[arg-type]
    return torch.cat([p.to_dense() if isinstance(p, SparseRows) else p for p in parts])


SHARD = 65_536


@dataclass(frozen=True)
class ParquetRows:
    """The Parquet files of the training rows, and what their columns mean.

    Files are taken as by :class:`~spear_amal.labeling.ParquetLFApplier`. Only their footers are
    read until training starts; then one shard at a time.

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

    order : {"name", "number"}, optional
        How the files of a folder are sorted, where their names leave that open.

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

    source: PathLike | Sequence[PathLike]
    features: str | Sequence[str] = "features"
    y: str = "y"
    indices: str | None = None
    n_features: int | None = None
    row_id: str | None = None
    shard_rows: int = SHARD
    order: str | None = None
    blocks: Sequence[Block] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (self.indices is None) != (self.n_features is None):
            raise InputError("sparse features need both indices= and n_features=")
        if self.indices is not None and not isinstance(self.features, str):
            raise InputError("with indices=, features is the one column that holds the values")
        needed = [*self._feature_columns(), self.y, *([self.row_id] if self.row_id else [])]
        blocks = plan_blocks(
            source_files(self.source, self.order, by_id=self.row_id is not None),
            needed,
            self.shard_rows,
        )
        if not blocks:
            raise InputError(f"the Parquet files hold no row: {self.source}")
        object.__setattr__(self, "blocks", blocks)

    def __len__(self) -> int:
        return self.blocks[-1].first_row + self.blocks[-1].rows

    def _feature_columns(self) -> list[str]:
        listed = [self.features] if isinstance(self.features, str) else list(self.features)
        return listed if self.indices is None else [self.indices, *listed]

    def read(self, i: int) -> tuple[Features, np.ndarray | None]:
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
    array = column.combine_chunks()
    values = array.flatten()
    if values.null_count:
        raise ValueError("a value is missing (null)")
    lengths = np.full(len(array), kind.list_size) if fixed else array.value_lengths().to_numpy()
    numbers = values.to_numpy()
    if numbers.dtype == np.float16:
        numbers = numbers.astype(np.float32)
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]), numbers


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


class ShardVotes:
    """Votes by row number, with the last part that was read kept.

    Parameters
    ----------
    votes : VoteFiles
    plan : sequence of (LF, class)
        Columns of the unipolar form.
    """

    def __init__(self, votes: VoteFiles, plan: Sequence[tuple[int, int]]) -> None:
        self.votes, self.plan = votes, list(plan)
        self._starts = votes.starts
        self._last: tuple[int, LabelMatrix] | None = None

    def rows(self, first: int, count: int, ids: np.ndarray | None = None) -> LabelMatrix:
        """Votes of `count` rows from row `first` on, held against their ids if those are given.

        Raises
        ------
        InputError
            If votes and rows are of other ids.
        FileFormatError
            If a part is missing or damaged; names the file.
        """
        end = first + count
        low = int(np.searchsorted(self._starts, first, side="right")) - 1
        pieces = []
        for i in range(low, len(self.votes.files)):
            start, stop = self._starts[i : i + 2]
            if start >= end:
                break
            part = self._part(i)
            pieces.append(part[slice(max(first - start, 0), min(end, stop) - start)])
        votes = pieces[0] if len(pieces) == 1 else LabelMatrix.concatenate(pieces)
        check_ids(votes.row_ids, ids, first, self.votes)
        return votes.to_unipolar(self.plan)

    def _part(self, i: int) -> LabelMatrix:
        if self._last is None or self._last[0] != i:
            self._last = None  # two parts are never held at once
            self._last = (i, self.votes.part(i))
        return self._last[1]


def check_ids(row_ids: np.ndarray, ids: np.ndarray | None, first: int, votes: VoteFiles) -> None:
    """Raise unless votes have the ids of their rows; where rows have none, their numbers."""
    if ids is None:
        if row_ids.dtype.kind not in "iu":
            raise InputError(
                f"the votes in {votes.folder} have row ids such as '{row_ids[0]}', the rows have "
                "none to hold against them; name their column with row_id="
            )
        ids = np.arange(first, first + len(row_ids))
    same = row_ids.astype(str) == ids.astype(str)
    if not same.all():
        row = int(np.argmin(same))
        raise InputError(
            f"row {first + row} has the id '{ids[row]}', its votes in {votes.folder} are those of "
            f"'{row_ids[row]}'; votes and rows must be of the same rows in the same "
            "order, and row_id= must name the column of ids that the votes were written with"
        )
