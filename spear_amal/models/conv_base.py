"""What every convolutional network here is: a body, pooling and a linear head."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from spear_amal.models.feature_model import Affine


class Conv(nn.Conv2d):
    """Convolution without bias, padded so that stride 1 keeps the size (1x1 and 3x3).

    Its weights are drawn by the :class:`Network` that it becomes part of.
    """

    def __init__(self, n_in: int, n_out: int, size: int = 3, stride: int = 1) -> None:
        super().__init__(n_in, n_out, size, stride, padding=size // 2, bias=False)

    def reset_parameters(self) -> None:
        """Draw nothing: the usual start would use the global random state."""


class Network(nn.Module):
    """Images (B, c, h, w) of any size to logits (B, C).

    Parameters
    ----------
    body : nn.Module
        Images to feature maps (B, width, h', w').
    width : int
        H, channels of the feature maps.
    n_classes : int
    generator : torch.Generator, optional
        Source of the start: convolutions are normal with variance 2 / (k k n_out), the head is
        uniform within 1 / sqrt(H). The global random state is used without one.
    zero_bias : bool
        Start the head's bias at 0.

    Attributes
    ----------
    head : nn.Linear
        Last layer, (B, H) to (B, C).
    """

    def __init__(
        self,
        body: nn.Module,
        width: int,
        n_classes: int,
        generator: torch.Generator | None = None,
        *,
        zero_bias: bool = False,
    ) -> None:
        super().__init__()
        self.body = body
        self.head = Affine(width, n_classes, generator)
        if zero_bias:
            nn.init.zeros_(self.head.bias)
        for part in self.body.modules():
            if isinstance(part, Conv):
                deviation = math.sqrt(2 / (part.kernel_size[0] ** 2 * part.out_channels))
                nn.init.normal_(part.weight, 0.0, deviation, generator)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, C)."""
        return self.logits_and_hidden(x)[0]

    def logits_and_hidden(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and the input of the head (B, H)."""
        hidden = self.pooled(self.body(x))
        return self.head(hidden), hidden

    def pooled(self, maps: Tensor) -> Tensor:
        """Feature maps (B, width, h', w') as one vector a row (B, H)."""
        return maps.mean((2, 3))  # global average: the size of the images is free
