"""A training table whose rows stay on disk: a few shards are in memory at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training.parquet_rows import ParquetRows
from spear_amal.training.shard_votes import ShardVotes
from spear_amal.training.table import Table, shuffle

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
            held = torch.cat([rows[bounds[i] : bounds[i + 1]] for i in shards.tolist()])
            windows.append(shuffle(held, generator))
        return torch.cat(windows)


def _stacked(parts: Sequence[Tensor | SparseRows]) -> Tensor | SparseRows:
    """Features of several shards; dense if some are: a small shard is held dense."""
    if all(isinstance(part, SparseRows) for part in parts):
        return SparseRows.stack(parts)  # type: ignore[arg-type]
    return torch.cat([p.to_dense() if isinstance(p, SparseRows) else p for p in parts])
