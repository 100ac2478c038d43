"""A small convolutional network: a cheap student for small images."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spear_amal.models.network import Conv, Network

WIDTH = 32
BLOCKS = 4


class ConvNet(Network):
    """Four blocks conv-BN-ReLU-maxpool of 32 channels; H = 32.

    Parameters
    ----------
    n_classes, in_channels : int
    generator : torch.Generator, optional
    """

    def __init__(
        self, n_classes: int, in_channels: int = 3, *, generator: torch.Generator | None = None
    ) -> None:
        widths = [in_channels] + [WIDTH] * (BLOCKS - 1)
        body: list[nn.Module] = []
        for n_in in widths:
            body += [Conv(n_in, WIDTH), nn.BatchNorm2d(WIDTH), nn.ReLU(), Halving()]
        super().__init__(nn.Sequential(*body), WIDTH, n_classes, generator)


class Halving(nn.Module):
    """2x2 maximum, but for maps under 4 pixels.

    At one pixel, batch norm could not be trained on a batch of one row.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, h, w) to (B, n, h // 2, w // 2), or x itself."""
        return F.max_pool2d(x, 2) if min(x.shape[2:]) >= 4 else x
