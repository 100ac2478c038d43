"""Two small convolutional networks: cheap ones for small images."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.models.conv_base import Conv, Network

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


class ConvNet4(Network):
    """Four convolutions of 32 channels, halved after the second and the fourth, then flattened.

    The network of MAOAL's and AuxiLearn's experiments on CIFAR. H = 32 (h // 4) (w // 4), 2048 for
    images of 32 x 32: it is made for one size of images.

    Parameters
    ----------
    n_classes : int
    input_shape : (int, int, int)
        (c, h, w), h and w of 4 or more.
    generator : torch.Generator, optional

    Raises
    ------
    InputError
        For another shape.
    """

    def __init__(
        self,
        n_classes: int,
        input_shape: Sequence[int],
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        if len(input_shape) != 3 or min(input_shape[1:]) < 4:
            raise InputError(
                "'convnet4' needs images (channels, height, width) of 4 x 4 pixels or more, found "
                f"{tuple(input_shape)}"
            )
        channels, height, width = input_shape
        body: list[nn.Module] = []
        for i, n_in in enumerate([channels] + [WIDTH] * (BLOCKS - 1)):
            body += [Conv(n_in, WIDTH), nn.BatchNorm2d(WIDTH), nn.ReLU()]
            body += [nn.MaxPool2d(2)] if i % 2 else []
        flat = WIDTH * (height // 4) * (width // 4)
        super().__init__(nn.Sequential(*body), flat, n_classes, generator)

    def pooled(self, maps: Tensor) -> Tensor:
        """Feature maps (B, 32, h', w') laid out as (B, H)."""
        return maps.flatten(1)


class Halving(nn.Module):
    """2x2 maximum, but for maps under 4 pixels.

    At one pixel, batch norm could not be trained on a batch of one row.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, n, h, w) to (B, n, h // 2, w // 2), or x itself."""
        return F.max_pool2d(x, 2) if min(x.shape[2:]) >= 4 else x
