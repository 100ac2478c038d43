"""Densely connected networks (Huang et al., 2017), the plain form for small images."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.models.conv_base import Conv, Network

BLOCKS = 3


class DenseNet(Network):
    """DenseNet-depth-growth without bottleneck and compression.

    Parameters
    ----------
    n_classes, in_channels : int
    depth : int
        4 more than a multiple of 3: 12 layers a block at depth 40.
    growth : int
        Channels that every layer adds.
    stem : int
        Channels of the first convolution: 24 (twice the growth, AMAL's code; H = 456) or 16
        (original paper; H = 448).
    generator : torch.Generator, optional
    """

    def __init__(
        self,
        n_classes: int,
        in_channels: int = 3,
        *,
        depth: int = 40,
        growth: int = 12,
        stem: int = 24,
        generator: torch.Generator | None = None,
    ) -> None:
        if depth < 7 or depth % 3 != 1 or min(growth, stem) < 1:
            raise InputError(
                "depth must be 7, 10, 13, .. (4 more than a multiple of 3), growth and stem at "
                f"least 1; found depth={depth}, growth={growth}, stem={stem}"
            )
        body: list[nn.Module] = [Conv(in_channels, stem)]
        width = stem
        for block in range(BLOCKS):
            if block > 0:
                body += [*_activation(width), Conv(width, width, 1), _halving()]
            for _ in range((depth - 4) // 3):
                body.append(DenseLayer(width, growth))
                width += growth
        body += _activation(width)
        super().__init__(nn.Sequential(*body), width, n_classes, generator, zero_bias=True)


class DenseLayer(nn.Module):
    """x and beside it BN-ReLU-conv of x: `growth` more channels."""

    def __init__(self, n_in: int, growth: int) -> None:
        super().__init__()
        self.added = nn.Sequential(*_activation(n_in), Conv(n_in, growth))

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, h, w) to (B, n_in + growth, h, w)."""
        return torch.cat([x, self.added(x)], dim=1)


def _activation(width: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(width), nn.ReLU()]


def _halving() -> nn.Module:
    # Rounded up, so that tiny images do not vanish; the same for even sizes.
    return nn.AvgPool2d(2, ceil_mode=True)
