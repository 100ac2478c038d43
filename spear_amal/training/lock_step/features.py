"""Features of the rows of one step, dense or sparse, and the first layer's products with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
import scipy.sparse as sp
import torch
import torch.nn.functional as F
from torch import Tensor

# More outputs than this, and a dense product is faster than looking up weights for each, unless
# fewer than one number in so many is an entry.
FEW_OUTPUTS, THIN = 16, 256


@dataclass(frozen=True)
class Layer:
    """One linear layer of M models: weights (M, n_out, n_in), biases (M, n_out), gradients.

    A first layer's weights lie at the beginning of the rows of a table (M, P).
    """

    weight: Tensor
    bias: Tensor
    weight_gradient: Tensor
    bias_gradient: Tensor

    @cached_property
    def weights_by_output(self) -> list[Tensor]:
        """Numbers (.., 1) of the table for each output, from its first weight on."""
        return [numbers.unsqueeze(1) for numbers in _by_output(self.weight)]

    @cached_property
    def gradients_by_output(self) -> list[Tensor]:
        """Numbers (..) of the table of gradients for each output, from its first weight's on."""
        return _by_output(self.weight_gradient)


def _by_output(weight: Tensor) -> list[Tensor]:
    n_members, n_out, _ = weight.shape
    width, between = weight.stride()[:2]
    numbers = weight.as_strided((n_members * width,), (1,))
    return [numbers[c * between :] for c in range(n_out)]


class StepFeatures(Protocol):
    """Features x of M x B rows, and the first layer's products with them."""

    def affine(self, layer: Layer) -> Tensor:
        """Compute ``x weight^T + bias`` (M, B, n_out)."""

    def set_weight_gradient(self, slope: Tensor, layer: Layer) -> None:
        """Write ``slope^T x`` (M, n_out, D) of slope (M, B, n_out)."""


@dataclass(frozen=True)
class DenseFeatures:
    """Features x (M, B, D)."""

    x: Tensor

    def affine(self, layer: Layer) -> Tensor:
        """Compute ``x weight^T + bias``."""
        return torch.baddbmm(layer.bias.unsqueeze(1), self.x, layer.weight.mT)

    def set_weight_gradient(self, slope: Tensor, layer: Layer) -> None:
        """Write ``slope^T x``."""
        layer.weight_gradient.copy_(torch.bmm(slope.mT, self.x))


@dataclass(frozen=True)
class SparseFeatures:
    """Non-zero features, row by row.

    The weights lie in a table (M, P) whose rows begin with them. Sums run in the order of a row's
    entries, whatever the other rows are.

    Attributes
    ----------
    places : Tensor (N,), int64
        Which number of the table an entry is multiplied with for output 0.
    values : Tensor (N,)
    starts : Tensor (M * B,), int64
        First entry of each row.
    rows : Tensor (N,), int64
        Row of each entry.
    """

    places: Tensor
    values: Tensor
    starts: Tensor
    rows: Tensor

    def affine(self, layer: Layer) -> Tensor:
        """Compute ``x weight^T + bias``."""
        places, starts, values = self.places, self.starts, self.values
        sums = [
            F.embedding_bag(places, numbers, starts, mode="sum", per_sample_weights=values)
            for numbers in layer.weights_by_output
        ]
        n_members, n_out, _ = layer.weight.shape
        return torch.cat(sums, dim=1).view(n_members, -1, n_out).add_(layer.bias.unsqueeze(1))

    def set_weight_gradient(self, slope: Tensor, layer: Layer) -> None:
        """Write ``slope^T x``."""
        layer.weight_gradient.zero_()
        by_output = slope.flatten(0, 1).t().contiguous()
        for numbers, of_rows in zip(layer.gradients_by_output, by_output, strict=True):
            spread = of_rows.index_select(0, self.rows).mul_(self.values)
            numbers.scatter_add_(0, self.places, spread)


def sparse_steps(
    csr: sp.csr_array, n_members: int, n_rows: int, weight: Tensor
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
    step, device = n_members * n_rows, weight.device
    is_thin = csr.nnz * THIN < csr.shape[0] * weight.shape[2]
    if weight.shape[1] > FEW_OUTPUTS and not is_thin:
        for first in range(0, csr.shape[0], step):
            dense = torch.from_numpy(csr[first : first + step].toarray())
            x = dense.to(device=device, dtype=weight.dtype)
            x = F.pad(x, (0, weight.shape[2] - x.shape[1]))
            yield DenseFeatures(x.view(n_members, n_rows, -1))
        return
    lengths = np.diff(csr.indptr)
    row = np.arange(csr.shape[0]) % step  # within its step
    of_member = (row // n_rows) * weight.stride(0)
    places = torch.from_numpy(np.repeat(of_member, lengths) + csr.indices).to(device)
    rows = torch.from_numpy(np.repeat(row, lengths)).to(device)
    values = torch.from_numpy(csr.data).to(device=device, dtype=weight.dtype)
    ends = csr.indptr.astype(np.int64)
    first_entries = torch.from_numpy(ends[:-1] - np.repeat(ends[:-1:step], step)).to(device)
    for first in range(0, csr.shape[0], step):
        entries = slice(int(ends[first]), int(ends[first + step]))
        yield SparseFeatures(
            places[entries], values[entries], first_entries[first : first + step], rows[entries]
        )
