"""Sums and means over the processes of a distributed run; without one, the values themselves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor


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
