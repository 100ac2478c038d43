"""Images at the door: one shape and type inside, whatever they came as."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.errors import InputError


def is_image_like(X: Any) -> bool:
    """Tell arrays of more than two dimensions."""
    return len(getattr(X, "shape", ())) > 2


def check_images(X: Any, shape: tuple[int, ...] | None = None) -> np.ndarray:
    """Take images as (n, channels, height, width), uint8 or float32.

    Parameters
    ----------
    X : array (n, c, h, w) or (n, h, w)
    shape : tuple, optional
        (c, h, w) that the model was trained on.

    Raises
    ------
    InputError
        For other shapes, or pixels that are not finite.
    """
    images = np.asarray(X)
    if images.ndim == 3:
        images = images[:, None]
    if images.ndim != 4 or not images.size:
        raise InputError(
            f"images must be (rows, channels, height, width) with one row or more, found "
            f"{np.shape(X)}"
        )
    if images.dtype != np.uint8:
        images = _finite(images)
    if shape is not None and images.shape[1:] != tuple(shape):
        raise InputError(
            f"the model was trained on images of shape {tuple(shape)} (channels, height, width), "
            f"found {images.shape[1:]}"
        )
    if images.shape[3] <= 4 and images.shape[3] < min(images.shape[1:3]):
        raise InputError(
            f"images of shape {images.shape[1:]} look like (height, width, channels); move the "
            "channels to the front: X.transpose(0, 3, 1, 2)"
        )
    return images


def _finite(images: np.ndarray) -> np.ndarray:
    if images.dtype.kind not in "fiub":
        raise InputError(f"images must be numbers, found {images.dtype}")
    images = images.astype(np.float32, copy=False)
    bad = ~np.isfinite(images).all(axis=(1, 2, 3))
    if bad.any():
        raise InputError(
            f"{int(bad.sum())} images hold NaN or infinite pixels, first in row "
            f"{int(bad.argmax())}; repair or drop them"
        )
    return images
