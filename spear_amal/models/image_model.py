"""Raw pixels in, logits out: normalisation as a part of the model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.models.adapter import FeatureAdapter

CHUNK = 1 << 21  # numbers that are made floats at a time: 16 MiB
LARGEST = 255.0  # of a byte


class ImageModel(nn.Module):
    """A network on images that normalises them itself.

    Raw pixels ``x`` become ``(x - mean) / std`` per channel, with x / 255 for bytes. So each
    teacher and student may normalise its own way, and what is stored or cached is raw.

    Parameters
    ----------
    network : nn.Module
        With ``logits_and_hidden``; any other goes through a :class:`FeatureAdapter`.
    mean, std : array-like (c,) or float
        For each channel or for all, of x / 255 where x are bytes; see :func:`channel_statistics`.
        ``0, 1`` for a network that normalises itself.

    Raises
    ------
    InputError
        If `mean` and `std` do not fit; on a batch, if it is not (B, c, h, w).
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, network: nn.Module, mean: float | VectorLike = 0.0, std: float | VectorLike = 1.0
    ) -> None:
        super().__init__()
        known = hasattr(network, "logits_and_hidden")
        self.network = network if known else FeatureAdapter(network)
        means, stds = (np.asarray(values, dtype=np.float64) for values in (mean, std))
        for name, numbers in (("mean", means), ("std", stds)):
            self.register_buffer(name, torch.tensor(numbers, dtype=torch.get_default_dtype()))
        # Asked of the numbers, since tensors may have shapes only (on the device "meta").
        finite = np.isfinite(means).all() and np.isfinite(stds).all()
        fit = means.shape == stds.shape and means.ndim <= 1
        if not (fit and finite and (stds > 0).all()):
            raise InputError(
                "mean and std must be one number for each channel, or for all; std above 0; found "
                f"mean={mean}, std={std}"
            )

    @property
    def head(self) -> nn.Linear | None:
        """The network's last linear layer."""
        return self.network.head  # type: ignore[return-value]

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and hidden (B, H) of raw images (B, c, h, w) or (B, h, w)."""
        return self.network.logits_and_hidden(self.normalised(x))  # type: ignore[operator]

    def logits_and_hidden(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and hidden (B, H), as :meth:`forward`."""
        return self(x)

    def normalised(self, x: Tensor) -> Tensor:
        """Normalise images (B, c, h, w), or (B, h, w) of one channel, in the model's type."""
        images = x[:, None] if x.ndim == 3 else x
        channels = self.mean.shape[0] if self.mean.ndim else None
        if images.ndim != 4 or channels not in (None, images.shape[1]):
            raise InputError(
                f"images must be (rows, {channels or 'channels'}, height, width), with as many "
                f"channels as mean and std have numbers; found {tuple(x.shape)}"
            )
        values = images.to(self.mean.dtype)
        if x.dtype == torch.uint8:
            values = values / LARGEST
        return (values - self.mean.view(-1, 1, 1)) / self.std.view(-1, 1, 1)


def pixel_kind(x: Any) -> str:
    """Return the kind of pixels: bytes, which models divide by 255, or other numbers.

    Examples
    --------
    >>> pixel_kind(np.zeros(1, dtype=np.uint8)), pixel_kind(torch.zeros(1))
    ('bytes', 'numbers')
    """
    return "bytes" if x.dtype in (np.uint8, torch.uint8) else "numbers"


def check_pixels(x: Any, trained: str | None) -> None:
    """Raise for images (n, c, h, w) of another kind than those of training; None: it is unknown.

    Raises
    ------
    InputError
        Bytes and numbers differ by a factor of 255, without another sign of it than bad answers.
    """
    if trained in (None, pixel_kind(x)):
        return
    form = {"bytes": "bytes (uint8, 0 to 255)", "numbers": "numbers other than bytes"}
    raise InputError(
        f"the model was trained on images of {form[str(trained)]}, found {x.dtype}; only bytes are "
        "divided by 255, so give images in the type of training"
    )


def channel_statistics(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, a part of the images at a time.

    Parameters
    ----------
    x : ndarray (n, c, h, w) or (n, h, w)
        Bytes count as x / 255, everything else as it is.

    Returns
    -------
    mean, std : ndarray (c,), float64
        `std` is 1 for a channel that is constant.

    Raises
    ------
    InputError
        For other shapes, no image, or pixels that are no finite numbers.
    """
    x = np.asarray(x)
    images = x[:, None] if x.ndim == 3 else x
    if images.ndim != 4 or not images.size or images.dtype.kind not in "buif":
        raise InputError(
            "images must be numbers of shape (rows, channels, height, width), one row or more; "
            f"found {x.dtype} of shape {x.shape}"
        )
    n, mean, squares = 0, np.zeros(images.shape[1]), np.zeros(images.shape[1])
    step = max(1, CHUNK // math.prod(images.shape[1:]))
    for start in range(0, len(images), step):
        count, own_mean, own_squares = _moments(images[start : start + step], start)
        shift = own_mean - mean  # pairwise update: no cancellation where the mean is far from 0
        mean = mean + shift * count / (n + count)
        squares += own_squares + shift**2 * n * count / (n + count)
        n += count
    std = np.sqrt(squares / n)
    return mean, np.where(std > 1e-12 * np.abs(mean), std, 1.0)


def _moments(images: np.ndarray, start: int) -> tuple[int, np.ndarray, np.ndarray]:
    """Pixels in a channel, their mean (c,) and their sum of squares about it (c,)."""
    values = images.astype(np.float64)
    if images.dtype == np.uint8:
        values /= LARGEST
    finite = np.isfinite(values).all((1, 2, 3))
    if not finite.all():
        row = start + int(np.argmin(finite))
        raise InputError(f"image {row} holds NaN or infinite pixels; repair or drop it")
    mean = values.mean((0, 2, 3))
    values -= mean[:, None, None]
    return values.size // len(mean), mean, (values**2).sum((0, 2, 3))
