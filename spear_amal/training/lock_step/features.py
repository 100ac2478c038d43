"""Features of the rows of one step, dense or sparse, and the first layer's products with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

# More outputs than this, and a dense product is faster than looking up weights for each.
FEW_OUTPUTS = 16


class StepFeatures(Protocol):
    """Features of M x B rows."""

    def affine(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute ``x weight^T + bias`` (M, B, n_out): weight (M, n_out, D), bias (M, n_out)."""

    def outer_sum(self, slope: Tensor, out: Tensor) -> None:
        """Write ``slope^T x`` (M, n_out, D) of slope (M, B, n_out) to `out`."""


@dataclass(frozen=True)
class DenseFeatures:
    """Features x (M, B, D)."""

    x: Tensor

    def affine(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute ``x weight^T + bias``."""
        return torch.baddbmm(bias.unsqueeze(1), self.x, weight.mT)

    def outer_sum(self, slope: Tensor, out: Tensor) -> None:
        """Write ``slope^T x`` to `out`."""
        out.copy_(torch.bmm(slope.mT, self.x))


@dataclass(frozen=True)
class SparseFeatures:
    """Non-zero features by output: entries of output 0 first, each row by row.

    The weights lie in a table (M, P), where ``positions`` says which number an entry belongs to.
    Sums run in the order of a row's entries, whatever the other rows are.

    Attributes
    ----------
    positions : Tensor (n_out * N,), int64
    values : Tensor (n_out * N,)
    starts : Tensor (n_out * M * B,), int64
        First entry of each row.
    rows : Tensor (n_out * N,), int64
        Row of each entry; those of output c come after c * M * B.
    """

    positions: Tensor
    values: Tensor
    starts: Tensor
    rows: Tensor

    def affine(self, weight: Tensor, bias: Tensor) -> Tensor:
        """Compute ``x weight^T + bias``."""
        m, n_out, _ = weight.shape
        numbers = _storage(weight).unsqueeze(1)
        sums = F.embedding_bag(
            self.positions, numbers, self.starts, mode="sum", per_sample_weights=self.values
        )
        by_output = sums.view(n_out, m, -1)
        return torch.add(by_output.permute(1, 2, 0), bias.unsqueeze(1)).contiguous()

    def outer_sum(self, slope: Tensor, out: Tensor) -> None:
        """Write ``slope^T x`` to `out`."""
        by_output = slope.flatten(0, 1).t().reshape(-1)
        spread = by_output.index_select(0, self.rows).mul_(self.values)
        out.zero_()
        _storage(out).scatter_add_(0, self.positions, spread)


def _storage(weight: Tensor) -> Tensor:
    """Return all numbers (M * P,) of the table whose rows begin with the weights (M, n_out, D)."""
    m, width = weight.shape[0], weight.stride(0)
    return weight.as_strided((m * width,), (1,))


def sparse_steps(
    csr: sp.csr_array,
    n_members: int,
    n_rows: int,
    weight: Tensor,
) -> Iterator[StepFeatures]:
    """Cut rows of a matrix into steps of `n_members` x `n_rows` rows.

    Parameters
    ----------
    csr : csr_array (S * M * B, D)
        Rows step by step, within a step member by member.
    n_members, n_rows : int
        M and B.
    weight : Tensor (M, n_out, D)
        Of the first layer: what the features are multiplied with.
    """
    step, n_out = n_members * n_rows, weight.shape[1]
    values = csr.data.astype(np.float32 if weight.dtype == torch.float32 else np.float64)
    if n_out > FEW_OUTPUTS:
        for first in range(0, csr.shape[0], step):
            dense = torch.from_numpy(csr[first : first + step].toarray())
            x = dense.to(device=weight.device, dtype=weight.dtype)
            x = F.pad(x, (0, weight.shape[2] - x.shape[1]))
            yield DenseFeatures(x.view(n_members, n_rows, -1))
        return
    yield from _sparse_steps(csr, values, step, n_members, weight)


def _sparse_steps(
    csr: sp.csr_array, values: np.ndarray, step: int, n_members: int, weight: Tensor
) -> Iterator[StepFeatures]:
    n_out, (width, between) = weight.shape[1], weight.stride()[:2]
    lengths = np.diff(csr.indptr)
    row = np.arange(csr.shape[0]) % step  # within its step
    member = row // (step // n_members)
    places = csr.indices + np.repeat(member * width, lengths)
    rows = np.repeat(row, lengths)
    outputs = np.arange(n_out)[:, None]
    for first in range(0, csr.shape[0], step):
        low, high = csr.indptr[first], csr.indptr[first + step]
        n = high - low
        starts = csr.indptr[first : first + step].astype(np.int64) - low
        arrays = (
            places[low:high] + outputs * between,
            np.broadcast_to(values[low:high], (n_out, n)),
            starts + outputs * n,
            rows[low:high] + outputs * step,
        )
        tensors = (torch.from_numpy(np.ascontiguousarray(a).reshape(-1)) for a in arrays)
        yield SparseFeatures(*(tensor.to(weight.device) for tensor in tensors))
