"""Augmentation of raw image batches (B, c, h, w); randomness comes from torch's global state.

The trainer seeds that state for each run and keeps it in checkpoints, so runs repeat and resume.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Augmentation = Callable[[Tensor], Tensor]
PADDING = 8  # an eighth of the side: 4 pixels of 32, as is usual for CIFAR
LARGEST_TURN = 45.0  # degrees, as in the published AMAL code for Cars and Aircraft


def random_crop(x: Tensor) -> Tensor:
    """Pad by an eighth of the side with zeros and cut out the old size somewhere."""
    height, width = x.shape[-2:]
    pad = max(height // PADDING, 1)
    padded = F.pad(x, (pad, pad, pad, pad))
    top = torch.randint(2 * pad + 1, (len(x), 1), device="cpu").to(x.device)
    left = torch.randint(2 * pad + 1, (len(x), 1), device="cpu").to(x.device)
    rows = (top + torch.arange(height, device=x.device))[:, None, :, None]  # (B, 1, h, 1)
    columns = (left + torch.arange(width, device=x.device))[:, None, None, :]  # (B, 1, 1, w)
    channels = torch.arange(x.shape[1], device=x.device)[None, :, None, None]
    images = torch.arange(len(x), device=x.device)[:, None, None, None]
    return padded[images, channels, rows, columns]


def random_flip(x: Tensor) -> Tensor:
    """Mirror every other image, left to right."""
    mirrored = (torch.rand(len(x), device="cpu") < 0.5).to(x.device)
    return torch.where(mirrored[:, None, None, None], x.flip(-1), x)


def random_turn(x: Tensor) -> Tensor:
    """Turn each image by up to 45 degrees either way; what comes from outside is zero."""
    angles = torch.deg2rad(LARGEST_TURN * (2 * torch.rand(len(x), device="cpu") - 1)).to(x.device)
    zero = torch.zeros_like(angles)
    # The grid is in units of half the side, so that a turn of oblong images is skewed unless the
    # sides' ratio goes in.
    ratio = x.shape[-2] / x.shape[-1]
    cosine, sine = angles.cos(), angles.sin()
    first = torch.stack([cosine, -sine * ratio, zero], dim=1)
    second = torch.stack([sine / ratio, cosine, zero], dim=1)
    grid = F.affine_grid(torch.stack([first, second], dim=1), list(x.shape), align_corners=False)
    values = x if x.is_floating_point() else x.float()
    turned = F.grid_sample(values, grid.to(values), align_corners=False)
    return turned if x.is_floating_point() else turned.round().clamp(0, 255).to(x.dtype)


def _crop_flip(x: Tensor) -> Tensor:
    return random_flip(random_crop(x))


def _turn_crop_flip(x: Tensor) -> Tensor:
    return _crop_flip(random_turn(x))


AUGMENTATIONS: dict[str, Augmentation] = {
    "crop": random_crop,  # for digits and letters, which have a left and a right
    "crop-flip": _crop_flip,
    "turn-crop-flip": _turn_crop_flip,
}
