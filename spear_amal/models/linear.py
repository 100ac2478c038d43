"""Feature models P_theta(y | x) on rows of features: a linear one and an MLP.

Each maps features to ``(logits, hidden)`` and has ``head``, the last linear layer, with
``logits = affine(hidden, head.weight, head.bias)``: what last-layer meta-gradients build on.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spear_amal.tensors.sparse_rows import SparseRows, affine


class Affine(nn.Linear):
    """``nn.Linear`` that also takes sparse rows and draws its start from a given generator."""

    def __init__(
        self, n_in: int, n_out: int, generator: torch.Generator | None = None, zero: bool = False
    ) -> None:
        # skip_init leaves the global random state alone; the start is drawn below.
        super().__init__(n_in, n_out, device="meta")
        self.to_empty(device="cpu")
        bound = 0.0 if zero else 1 / math.sqrt(max(n_in, 1))
        with torch.no_grad():
            self.weight.uniform_(-bound, bound, generator=generator)
            self.bias.uniform_(-bound, bound, generator=generator)

    def reset_parameters(self) -> None:
        """Do nothing: the constructor sets the parameters."""

    def forward(self, input: Tensor | SparseRows) -> Tensor:
        """Affine map (B, D) to (B, C)."""
        return affine(input, self.weight, self.bias)


class LinearModel(nn.Module):
    """Multinomial logistic regression; starts at zero, since its loss is convex. Hidden = x."""

    def __init__(
        self, n_features: int, n_classes: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.head = Affine(n_features, n_classes, generator, zero=True)

    def forward(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor | SparseRows]:
        """Logits (B, C) and the features themselves."""
        return self.head(x), x


class MLP(nn.Module):
    """Fully connected layers with ReLU, 512-512 by default as in SPEAR (``nn``)."""

    def __init__(
        self,
        n_features: int,
        n_classes: int,
        hidden: Sequence[int] = (512, 512),
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        widths = [n_features, *hidden]
        self.layers = nn.ModuleList(Affine(a, b, generator) for a, b in itertools.pairwise(widths))
        self.head = Affine(widths[-1], n_classes, generator)

    def forward(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor | SparseRows]:
        """Logits (B, C) and the last hidden activation (B, H)."""
        for layer in self.layers:
            x = layer(x).relu_()
        return self.head(x), x
