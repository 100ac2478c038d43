"""Functions g_phi that put the losses of a row together, rising in each of them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

KINDS = ("linear", "non-linear")
# Above it softplus is taken as x; torch's own 20 is too low to be exact in double precision.
SMOOTH = 40.0


class Combiner(Protocol):
    """A function of losses (B, K) and parameters phi, and its slopes."""

    def start(self, n_losses: int, generator: torch.Generator | None) -> list[Tensor]:
        """Make phi, in double precision: it is tiny, and so are its gradients."""

    def value(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``g_phi(x_i)`` (B,)."""

    def slopes(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``dg_phi / dx_ik`` (B, K), none below 0."""

    def weights(self, phi: Sequence[Tensor]) -> list[Tensor]:
        """Those of phi that must not be negative."""


class Linear:
    """``g(x) = sum_k w_k x_k`` with all w_k 1 at the start."""

    def start(self, n_losses: int, generator: torch.Generator | None) -> list[Tensor]:
        """Make w (K,)."""
        return [torch.ones(n_losses, dtype=torch.float64)]

    def value(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``g(x_i)`` (B,)."""
        return (x * phi[0]).sum(1)

    def slopes(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """Give w on every row."""
        return phi[0].expand_as(x)

    def weights(self, phi: Sequence[Tensor]) -> list[Tensor]:
        """All."""
        return list(phi)


class NonLinear:
    """Layers of non-negative weights with softplus between them.

    Weights are drawn uniformly so that a row sums to 1 on average, in the last layer to the number
    of losses: each loss' slope then starts between 1/2 and 1 for a layer that is passed. The last
    layer has no bias, which no gradient would see. Biases start at 0 and may have any sign.

    Parameters
    ----------
    hidden : sequence of int
        Widths of the layers between losses and g.
    """

    def __init__(self, hidden: Sequence[int]) -> None:
        self.hidden = tuple(hidden)

    def start(self, n_losses: int, generator: torch.Generator | None) -> list[Tensor]:
        """Make weights and biases of the hidden layers in turn, then the last weight."""
        phi: list[Tensor] = []
        for n_in, n_out in itertools.pairwise((n_losses, *self.hidden)):
            phi += [_drawn(n_out, n_in, 1.0, generator), torch.zeros(n_out, dtype=torch.float64)]
        return [*phi, _drawn(1, self.hidden[-1], float(n_losses), generator)]

    def value(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``g(x_i)`` (B,)."""
        for weight, bias in zip(phi[:-1:2], phi[1::2], strict=True):
            x = F.softplus(x @ weight.T + bias, threshold=SMOOTH)
        return (x @ phi[-1].T).squeeze(1)

    def slopes(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``dg / dx_ik`` (B, K)."""
        # Not by autograd: it is asked at every step, and a closed form is a few tiny products.
        steps = []
        for weight, bias in zip(phi[:-1:2], phi[1::2], strict=True):
            inner = x @ weight.T + bias
            steps.append((weight, torch.sigmoid(inner)))  # softplus' = sigmoid
            x = F.softplus(inner, threshold=SMOOTH)
        slope = phi[-1].expand(len(x), -1)  # (B, last width)
        for weight, rate in reversed(steps):
            slope = (slope * rate) @ weight
        return slope

    def weights(self, phi: Sequence[Tensor]) -> list[Tensor]:
        """All but the biases."""
        return list(phi[::2])


def _drawn(n_out: int, n_in: int, row_sum: float, generator: torch.Generator | None) -> Tensor:
    uniform = torch.rand(n_out, n_in, generator=generator, dtype=torch.float64)
    return uniform * (2 * row_sum / max(n_in, 1))
