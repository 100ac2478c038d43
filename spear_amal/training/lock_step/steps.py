"""The rows of an epoch of M members, laid out step by step and gathered some steps at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.training.lock_step.features import DenseFeatures, StepFeatures, sparse_steps
from spear_amal.training.table import Table

# Numbers of 4 bytes that are gathered at a time, about.
CHUNK = 1 << 22
# Sparser rows are multiplied entry by entry: an entry costs as much as 16 of a dense row.
DENSE_SHARE = 1 / 16


@dataclass(frozen=True)
class Schedule:
    """Which row of its table each member trains on at each step of an epoch.

    Attributes
    ----------
    rows : Tensor (S, M, B), int64
        A member's first row where there is none.
    present : Tensor (S, M, B), bool
    n_steps : list of int
        Steps of each member's epoch.
    """

    rows: Tensor
    present: Tensor
    n_steps: list[int]

    @classmethod
    def of(cls, orders: Sequence[Tensor], batch_size: int) -> Schedule:
        """Cut the order in which each member goes through its rows into batches."""
        size = min(batch_size, max(len(order) for order in orders))
        n_steps = [-(-len(order) // size) for order in orders]
        shape = (len(orders), max(n_steps) * size)
        rows, present = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.bool)
        for m, order in enumerate(orders):
            rows[m, : len(order)] = order
            rows[m, len(order) :] = order[0]
            present[m, : len(order)] = True
        rows, present = (
            part.view(len(orders), -1, size).transpose(0, 1).contiguous()
            for part in (rows, present)
        )
        return cls(rows, present, n_steps)

    def chunks(self, width: int) -> Iterator[slice]:
        """Cut the steps into chunks of about :data:`CHUNK` numbers, `width` a row."""
        n_steps, n_members, size = self.rows.shape
        each = max(CHUNK // (n_members * size * max(width, 1)), 1)
        for first in range(0, n_steps, each):
            yield slice(first, min(first + each, n_steps))


class StepRows:
    """Gathers the rows of several steps from the members' tables at once.

    What the tables share, such as the features of folds, is gathered in one call.
    """

    def __init__(self, tables: Sequence[Table]) -> None:
        self.tables = tuple(tables)
        self.device = tables[0].device
        self.sparse = all(is_sparse(table) for table in tables)
        #: Numbers that a row has, about.
        self.width = int(np.mean([self._width(table) for table in tables]))

    def _width(self, table: Table) -> int:
        if not self.sparse or table.csr is None:
            return table.n_features + table.fired.shape[1]
        return 8 * (table.csr.nnz // max(len(table), 1)) + table.fired.shape[1]

    def batch(self, rows: Tensor) -> Batch:
        """Rows (S, M, B) in this order as one batch, without features."""
        here = rows.to(self.device)
        fired = self._gather(lambda table: table.fired, rows, here)
        scored = any(table.scores is not None for table in self.tables)
        return Batch(
            index=here.flatten(),
            x=fired[:, :0],
            y=self._gather(lambda table: table.y, rows, here),
            fired=fired,
            scores=self._gather(_scores, rows, here) if scored else torch.zeros_like(fired),
            teachers=self._gather(lambda table: table.teachers, rows, here),
            tasks={name: self._task(name, rows, here) for name in self.tables[0].tasks},
            weights=None
            if self.tables[0].weights is None
            else self._gather(lambda table: table.weights, rows, here),
        )

    def features(self, rows: Tensor, weight: Tensor) -> Iterator[StepFeatures]:
        """Features of each of the steps (S, M, B); `weight` is that of the first layer."""
        width = weight.shape[2]
        if self.sparse:
            matrix = self._sparse(rows, width)
            yield from sparse_steps(matrix, rows.shape[1], rows.shape[2], weight)
            return
        x = self._gather(lambda table: table.x, rows, rows.to(self.device), width)
        for step in x.view(*rows.shape, -1):
            yield DenseFeatures(step)

    def _sparse(self, rows: Tensor, width: int) -> sp.csr_array:
        matrices: list[Any] = [table.csr for table in self.tables]
        if all(matrix is matrices[0] for matrix in matrices):
            return matrices[0][rows.flatten().numpy()]
        by_member = [
            _widened(matrix[rows[:, m].flatten().numpy()], width)
            for m, matrix in enumerate(matrices)
        ]
        n_steps, n_members, size = rows.shape
        order = np.arange(rows.numel()).reshape(n_members, n_steps, size).transpose(1, 0, 2)
        return sp.vstack(by_member, format="csr")[order.ravel()]

    def _task(self, name: str, rows: Tensor, here: Tensor) -> Tensor:
        return self._gather(lambda table: table.tasks[name], rows, here)

    def _gather(
        self, of: Callable[[Table], Any], rows: Tensor, here: Tensor, width: int | None = None
    ) -> Tensor:
        """Rows (S, M, B) of one part of the tables, flattened; zeros fill up to a `width`."""
        parts = [of(table) for table in self.tables]
        if all(part is parts[0] for part in parts):
            whole = self.tables[0].dense_rows(parts[0], rows.flatten(), here.flatten())
            return _filled_up(whole, width)
        by_member = [
            _filled_up(table.dense_rows(part, rows[:, m].flatten(), here[:, m].flatten()), width)
            for m, (table, part) in enumerate(zip(self.tables, parts, strict=True))
        ]
        shape = (len(parts), rows.shape[0], rows.shape[2])
        stacked = torch.stack(by_member).unflatten(1, shape[1:])
        return stacked.transpose(0, 1).flatten(0, 2)


def is_sparse(table: Table) -> bool:
    """Return whether the rows of a table are better trained on entry by entry."""
    if table.csr is None:
        return False
    is_wide = not isinstance(table.x, Tensor)
    return is_wide or table.csr.nnz < DENSE_SHARE * table.csr.shape[0] * table.csr.shape[1]


def _scores(table: Table) -> Any:
    return table.fired * 0 if table.scores is None else table.scores


def _filled_up(values: Tensor, width: int | None) -> Tensor:
    """Rows with columns of zeros added up to a width."""
    missing = 0 if width is None else width - values.shape[1]
    return F.pad(values, (0, missing)) if missing else values


def _widened(matrix: sp.csr_array, width: int) -> sp.csr_array:
    return sp.csr_array((matrix.data, matrix.indices, matrix.indptr), (matrix.shape[0], width))
