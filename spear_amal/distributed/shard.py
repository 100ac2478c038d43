"""Rows of one table spread over processes: whose a row is, and sums over all of a batch's rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """The rows that this process holds: number g of the whole table if ``g % world == rank``.

    Here row g has number ``g // world``. One process (``world=1``) holds all rows, and then nothing
    is sent. What is called together must be called by all processes, in the same order.

    Attributes
    ----------
    rank, world : int
        Number of this process, and how many there are.

    Examples
    --------
    >>> second = Shard(1, 3)
    >>> second.rows(8).tolist(), second.local(torch.tensor([7, 0, 4])).tolist()
    ([1, 4, 7], [2, 1])
    """

    rank: int = 0
    world: int = 1

    def rows(self, n: int) -> Tensor:
        """Numbers, in the whole table of n rows, of those that are here."""
        return torch.arange(min(self.rank, n), n, self.world)

    def local(self, rows: Tensor) -> Tensor:
        """Numbers here of those of `rows` (numbers in the whole table) that are here, in order."""
        if self.world == 1:
            return rows
        return rows[rows % self.world == self.rank] // self.world

    def total(self, values: Sequence[Tensor]) -> list[Tensor]:
        """Sum of each tensor over the processes, in one message; called together."""
        return list(values) if self.world == 1 else sum_over_ranks(values)

    def total_by_name(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Sum as :meth:`total`, by name."""
        return dict(zip(values, self.total(list(values.values())), strict=True))

    def stacked(self, rows: Tensor) -> tuple[Tensor, slice]:
        """Stack rows (B_r, ...) of all processes, and tell where those of this one are.

        Called together; every process may have another number of rows.
        """
        if self.world == 1:
            return rows, slice(None)
        counts = self._counts(len(rows), rows.device)
        most = max(counts)
        padded = F.pad(rows.flatten(1), (0, 0, 0, most - len(rows)))
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        whole = torch.cat([part[:n] for part, n in zip(parts, counts, strict=True)])
        before = sum(counts[: self.rank])
        return whole.view(-1, *rows.shape[1:]), slice(before, before + len(rows))

    def _counts(self, n: int, device: torch.device) -> list[int]:
        counts = torch.zeros(self.world, dtype=torch.int64, device=device)
        counts[self.rank] = n
        return [int(count) for count in self.total([counts])[0].tolist()]

    def whole(self, table: Tensor) -> Tensor:
        """Gather the rows of all processes in the order of the whole table; called together.

        `table` (n_r, K) holds the rows that are here.
        """
        if self.world == 1:
            return table
        rows, _ = self.stacked(table)
        counts = self._counts(len(table), table.device)
        order = torch.cat([Shard(r, self.world).rows(len(rows))[:n] for r, n in enumerate(counts)])
        return torch.empty_like(rows).index_copy_(0, order.to(rows.device), rows)

    def agreed(self, value: Any) -> Any:
        """Return the value of process 0, such as a decision, in all processes; called together.

        Rounding may differ from machine to machine; a choice that did would part the processes.
        """
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def all(self, value: Any) -> list[Any]:
        """Return the values of all processes, in their order; called together. For a few bytes."""
        values = [value] * self.world
        if self.world > 1:
            dist.all_gather_object(values, value)
        return values

    def wait(self) -> None:
        """Wait until all processes have come here."""
        if self.world > 1:
            dist.barrier()


# What trains alone.
WHOLE = Shard()


def n_ranks() -> int:
    """Count the processes that train together; 1 without ``torch.distributed``."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_ranks(values: Sequence[Tensor]) -> list[Tensor]:
    """Sum of each tensor over all processes, which must call this together.

    One message for all of them, in the dtype of the first. Dtypes and shapes stay.
    """
    if n_ranks() == 1 or not values:
        return list(values)
    flat = torch.cat([value.detach().reshape(-1).to(values[0].dtype) for value in values])
    dist.all_reduce(flat)
    parts = flat.split([value.numel() for value in values])
    return [part.view_as(v).to(v.dtype) for part, v in zip(parts, values, strict=True)]


def mean_over_ranks(values: Sequence[Tensor]) -> list[Tensor]:
    """Mean of each tensor over all processes, which must call this together.

    One message for all of them. Dtypes and shapes stay.
    """
    if n_ranks() == 1 or not values:
        return list(values)
    return [(total / n_ranks()).to(total.dtype) for total in sum_over_ranks(values)]
