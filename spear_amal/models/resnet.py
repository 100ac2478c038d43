"""Residual networks for small images (He et al., 2016, section 4.2)."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.models.conv_base import Conv, Network

WIDTHS = (16, 32, 64)  # channels of the three stages
SHORTCUTS = ("projection", "padding")


class ResNet(Network):
    """ResNet-(6n+2): a 3x3 stem and three stages of n basic blocks; H = 64.

    Parameters
    ----------
    depth : int
        8, 14, 20, ..: 2 more than a multiple of 6.
    n_classes, in_channels : int
    shortcut : {"projection", "padding"}
        Where the shape changes: a 1x1 convolution with batch norm (option B), or every second
        pixel and channels of zeros, without parameters (option A).
    generator : torch.Generator, optional
    """

    def __init__(
        self,
        depth: int,
        n_classes: int,
        in_channels: int = 3,
        *,
        shortcut: str = "projection",
        generator: torch.Generator | None = None,
    ) -> None:
        if depth < 8 or depth % 6 != 2:
            raise InputError(
                f"depth must be 8, 14, 20, .. (2 more than a multiple of 6), found {depth}"
            )
        if shortcut not in SHORTCUTS:
            raise InputError(f"shortcut must be one of {SHORTCUTS}, found {shortcut!r}")
        blocks: list[nn.Module] = []
        for stage, (n_in, n_out) in enumerate(itertools.pairwise((WIDTHS[0], *WIDTHS))):
            for i in range((depth - 2) // 6):
                stride = 2 if i == 0 and stage > 0 else 1
                blocks.append(BasicBlock(n_in if i == 0 else n_out, n_out, stride, shortcut))
        stem = (Conv(in_channels, WIDTHS[0]), nn.BatchNorm2d(WIDTHS[0]), nn.ReLU())
        super().__init__(nn.Sequential(*stem, *blocks), WIDTHS[-1], n_classes, generator)


class BasicBlock(nn.Module):
    """relu(shortcut(x) + conv-BN-ReLU-conv-BN(x))."""

    def __init__(self, n_in: int, n_out: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            Conv(n_in, n_out, stride=stride),
            nn.BatchNorm2d(n_out),
            nn.ReLU(),
            Conv(n_out, n_out),
            nn.BatchNorm2d(n_out),
        )
        self.shortcut: nn.Module = nn.Identity()
        if (n_in != n_out or stride != 1) and shortcut == "projection":
            self.shortcut = nn.Sequential(Conv(n_in, n_out, 1, stride), nn.BatchNorm2d(n_out))
        elif n_in != n_out or stride != 1:
            self.shortcut = PaddingShortcut(n_out - n_in, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, h, w) to (B, n_out, h / stride, w / stride), rounded up."""
        return torch.relu(self.shortcut(x) + self.residual(x))


class PaddingShortcut(nn.Module):
    """Every stride-th pixel, with `extra` channels of zeros, half of them on either side."""

    def __init__(self, extra: int, stride: int) -> None:
        super().__init__()
        self.before, self.after, self.stride = extra // 2, extra - extra // 2, stride

    def forward(self, x: Tensor) -> Tensor:
        """(B, n_in, h, w) to (B, n_in + extra, h / stride, w / stride), rounded up."""
        thinned = x[:, :, :: self.stride, :: self.stride]
        return F.pad(thinned, (0, 0, 0, 0, self.before, self.after))
