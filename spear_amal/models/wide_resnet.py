"""Wide residual networks (Zagoruyko and Komodakis, 2016)."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.models.conv_base import Conv, Network

STEM = 16
WIDTHS = (16, 32, 64)  # channels of the three groups at k = 1


class WideResNet(Network):
    """WRN-depth-k: pre-activation blocks in three groups of 16k, 32k, 64k channels; H = 64k.

    Dropout, which the published runs leave at 0, is left out.

    Parameters
    ----------
    depth : int
        16, 22, 28, ..: 4 more than a multiple of 6.
    k : int
        Widening factor, at least 1.
    n_classes, in_channels : int
    generator : torch.Generator, optional
    """

    def __init__(
        self,
        depth: int,
        k: int,
        n_classes: int,
        in_channels: int = 3,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        if depth < 10 or depth % 6 != 4:
            raise InputError(
                f"depth must be 10, 16, 22, .. (4 more than a multiple of 6), found {depth}"
            )
        if k < 1:
            raise InputError(f"the widening factor k must be at least 1, found {k}")
        widths = [STEM, *(k * width for width in WIDTHS)]
        body: list[nn.Module] = [Conv(in_channels, STEM)]
        for group, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
            for i in range((depth - 4) // 6):
                stride = 2 if i == 0 and group > 0 else 1
                body.append(PreActivationBlock(n_in if i == 0 else n_out, n_out, stride))
        body += [nn.BatchNorm2d(widths[-1]), nn.ReLU()]
        super().__init__(nn.Sequential(*body), widths[-1], n_classes, generator, zero_bias=True)


class PreActivationBlock(nn.Module):
    """BN-ReLU-conv-BN-ReLU-conv plus a shortcut.

    The shortcut is x itself, or where the number of channels changes a 1x1 convolution of the
    activated x.
    """

    def __init__(self, n_in: int, n_out: int, stride: int) -> None:
        super().__init__()
        self.activate = nn.Sequential(nn.BatchNorm2d(n_in), nn.ReLU())
        self.residual = nn.Sequential(
            Conv(n_in, n_out, stride=stride),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            Conv(n_out, n_out),
        )
        self.shortcut = Conv(n_in, n_out, 1, stride) if n_in != n_out else None

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, h, w) to (B, n_out, h / stride, w / stride), rounded up."""
        activated = self.activate(x)
        kept = x if self.shortcut is None else self.shortcut(activated)
        return kept + self.residual(activated)
