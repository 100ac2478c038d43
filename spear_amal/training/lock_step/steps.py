"""The rows of an epoch of M members, laid out step by step and gathered some steps at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.training.lock_step.features import DenseFeatures, StepFeatures, sparse_steps
from spear_amal.training.table import Table

# Numbers of 4 bytes that are gathered at a time, about.
CHUNK = 1 << 22
# Numbers of 4 bytes that tables which are trained together may hold a second time.
JOINED = 1 << 26
TASK = "tasks."  # before the name of one
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


@dataclass(frozen=True)
class Joined:
    """One part of several tables, such as their votes: each one once, one below the other.

    Attributes
    ----------
    values : Tensor (N, ..) or csr_array (N, D)
    parts : dict
        By the part's identity: it, so that nothing else gets the identity, and its first row.
    """

    values: Any
    parts: dict[int, tuple[Any, int]]

    @classmethod
    def of(cls, parts: Sequence[Any]) -> Joined | None:
        """Join parts; None where they are of several kinds, or too many numbers to have twice."""
        distinct = list({id(part): part for part in parts}.values())
        numbers = sum(p.nnz if sp.issparse(p) else p.numel() for p in distinct)
        if len(distinct) > 1 and (numbers > JOINED or len(set(map(type, distinct))) > 1):
            return None
        firsts = np.cumsum([0, *(part.shape[0] for part in distinct)]).tolist()
        if len(distinct) == 1:
            values = distinct[0]
        elif sp.issparse(distinct[0]):
            width = max(part.shape[1] for part in distinct)
            values = sp.vstack([_widened(part, width) for part in distinct], format="csr")
        else:
            values = torch.cat(distinct)
        places = zip(distinct, firsts, strict=False)
        return cls(values, {id(part): (part, first) for part, first in places})

    def has(self, parts: Sequence[Any]) -> bool:
        """Return whether all of some parts are here."""
        return all(id(part) in self.parts for part in parts)

    def rows(self, parts: Sequence[Any], rows: Tensor) -> Tensor:
        """Return the numbers here of rows (S, M, B) of the members' parts, flattened."""
        firsts = [self.parts[id(part)][1] for part in parts]
        if not any(firsts):
            return rows.flatten()
        return (rows + torch.tensor(firsts, device=rows.device).view(-1, 1)).flatten()


class StepRows:
    """Gathers the rows of several steps from the members' tables at once.

    Parameters
    ----------
    tables : sequence of Table
        One for each member.
    joined : dict, optional
        What was joined of these tables, or of more of them, before.
    """

    def __init__(
        self, tables: Sequence[Table], joined: dict[str, Joined | None] | None = None
    ) -> None:
        self.tables = tuple(tables)
        self.device = tables[0].device
        self.sparse = all(is_sparse(table) for table in tables)
        self._joined = {} if joined is None else joined
        #: Numbers that a row has, about.
        self.width = int(np.mean([self._width(table) for table in tables]))

    def _width(self, table: Table) -> int:
        if not self.sparse or table.csr is None:
            return table.n_features + table.fired.shape[1]
        return 8 * (table.csr.nnz // max(len(table), 1)) + table.fired.shape[1]

    def batch(self, rows: Tensor) -> Batch:
        """Rows (S, M, B) in this order as one batch, without features."""
        here = rows.to(self.device)
        fired = self._gather("fired", rows, here)
        scored = any(table.scores is not None for table in self.tables)
        return Batch(
            index=here.flatten(),
            x=fired[:, :0],
            y=self._gather("y", rows, here),
            fired=fired,
            scores=self._gather("scores", rows, here) if scored else torch.zeros_like(fired),
            teachers=self._gather("teachers", rows, here),
            tasks={
                name: self._gather(f"{TASK}{name}", rows, here) for name in self.tables[0].tasks
            },
            weights=None if self.tables[0].weights is None else self._gather("weights", rows, here),
        )

    def features(self, rows: Tensor, weight: Tensor) -> Iterator[StepFeatures]:
        """Features of each of the steps (S, M, B); `weight` is that of the first layer."""
        if self.sparse:
            matrix = self._sparse(rows, weight.shape[2])
            yield from sparse_steps(matrix, rows.shape[1], rows.shape[2], weight)
            return
        x = self._gather("x", rows, rows.to(self.device))
        for step in x.view(*rows.shape, -1):
            yield DenseFeatures(step)

    def _sparse(self, rows: Tensor, width: int) -> sp.csr_array:
        parts, joined = self._parts("csr")
        if joined is not None:
            return _widened(joined.values[joined.rows(parts, rows).numpy()], width)
        by_member = [
            _widened(part[rows[:, m].flatten().numpy()], width) for m, part in enumerate(parts)
        ]
        n_steps, n_members, size = rows.shape
        order = np.arange(rows.numel()).reshape(n_members, n_steps, size).transpose(1, 0, 2)
        return sp.vstack(by_member, format="csr")[order.ravel()]

    def _gather(self, name: str, rows: Tensor, here: Tensor) -> Tensor:
        """Rows (S, M, B) of one part of the tables, flattened."""
        parts, joined = self._parts(name)
        if joined is not None:
            numbers = [joined.rows(parts, index) for index in (rows, here)]
            return self.tables[0].dense_rows(joined.values, *numbers)
        by_member = [
            table.dense_rows(part, rows[:, m].flatten(), here[:, m].flatten())
            for m, (table, part) in enumerate(zip(self.tables, parts, strict=True))
        ]
        shape = (len(parts), rows.shape[0], rows.shape[2])
        stacked = torch.stack(by_member).unflatten(1, shape[1:])
        return stacked.transpose(0, 1).flatten(0, 2)

    def _parts(self, name: str) -> tuple[list[Any], Joined | None]:
        """Return a part of every member's table, by its name or that of a task, and all joined."""
        parts = [_part(table, name) for table in self.tables]
        joined = self._joined.get(name)
        if name not in self._joined or (joined is not None and not joined.has(parts)):
            joined = self._joined[name] = Joined.of(parts)
        return parts, joined


def _part(table: Table, name: str) -> Any:
    if name.startswith(TASK):
        return table.tasks[name.removeprefix(TASK)]
    if name == "scores" and table.scores is None:
        return table.fired * 0
    return getattr(table, name)


def is_sparse(table: Table) -> bool:
    """Return whether the rows of a table are better trained on entry by entry."""
    if table.csr is None:
        return False
    is_wide = not isinstance(table.x, Tensor)
    return is_wide or table.csr.nnz < DENSE_SHARE * table.csr.shape[0] * table.csr.shape[1]


def _widened(matrix: sp.csr_array, width: int) -> sp.csr_array:
    return sp.csr_array((matrix.data, matrix.indices, matrix.indptr), (matrix.shape[0], width))
