"""Picture files to arrays of pixels, by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from spear_amal.errors import FileFormatError, MissingExtraError


def fitted_picture(content: bytes, name: str, size: int, trim_bottom: int = 0) -> np.ndarray:
    """Decode a picture, make its shorter side `size` and cut the middle out of the longer one.

    Parameters
    ----------
    content : bytes
        A JPEG, PNG or other file that Pillow reads; grey and transparent ones become RGB.
    name : str
        For messages.
    size : int
        Side of the square, in pixels.
    trim_bottom : int
        Rows of the original to leave out at the lower edge first.

    Returns
    -------
    ndarray (3, size, size) uint8

    Raises
    ------
    FileFormatError
        If the picture is damaged or of an unknown format.
    MissingExtraError
        If Pillow is not installed.
    """
    with _opened(content, name) as picture:
        height = picture.height
        # A JPEG decodes faster at an eighth, a quarter or half its size; twice what is needed
        # keeps the result close to that of the full size.
        picture.draft("RGB", (2 * size, 2 * size))
        trim = round(trim_bottom * picture.height / height)
        box = (0, 0, picture.width, max(1, picture.height - trim))
        square = _square(picture.convert("RGB").crop(box), size)
    return np.ascontiguousarray(np.asarray(square).transpose(2, 0, 1))


def picture_pixels(content: bytes, name: str) -> np.ndarray:
    """Decode a picture as it is: (height, width, 3) uint8; errors as :func:`fitted_picture`."""
    with _opened(content, name) as picture:
        return np.asarray(picture.convert("RGB"))


def _square(picture: Any, size: int) -> Any:
    from PIL import Image

    scale = size / min(picture.size)
    width, height = (max(size, round(side * scale)) for side in picture.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    return resized.crop((left, top, left + size, top + size))


@contextmanager
def _opened(content: bytes, name: str) -> Iterator[Any]:
    """Open a picture; whatever Pillow raises inside the block names the file."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "images", f"decoding {name}") from error
    try:
        with Image.open(io.BytesIO(content)) as picture:
            yield picture
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise FileFormatError(f"{name} is damaged or no picture: {error}") from error
