"""Picture files to arrays of pixels, by Pillow."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from spear_amal.data.download.archives import MOST_BYTES, held_files, is_archive, members
from spear_amal.data.images.spec import Decoded
from spear_amal.errors import FileFormatError, MissingExtraError
from spear_amal.progress import Progress

MOST_PIXELS = 1 << 26  # of one picture: 200 MB when decoded


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
    if width * height > MOST_PIXELS:
        raise ValueError(f"it is {picture.size} pixels, too narrow to be made {size} pixels wide")
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
            if picture.width * picture.height > MOST_PIXELS:
                raise ValueError(f"it has more than {MOST_PIXELS} pixels")
            yield picture
    except (
        *(OSError, SyntaxError, ValueError, Image.DecompressionBombError),
        Image.DecompressionBombWarning,  # of half as many pixels; where warnings are errors
    ) as error:
        raise FileFormatError(f"{name} is damaged or no picture: {error}") from error


_BLOCK = 1 << 20
_PACKED = 15  # type of a MATLAB element that zlib packed


@dataclass(frozen=True)
class Listing:
    """What a publisher's lists say, in the order in which they say it.

    Attributes
    ----------
    files : list of str, length n
        Last parts of the path of each picture, as many as it takes to be unique.
    y : ndarray (n,) int64
        Classes from 0.
    split : ndarray (n,) of str
    classes : tuple of str
    """

    files: list[str]
    y: np.ndarray
    split: np.ndarray
    classes: tuple[str, ...]


def read_listed(
    path: Path, listing: Listing, size: int, bar: Progress, trim_bottom: int = 0
) -> Decoded:
    """Decode every listed picture of a folder or archive to ``size`` x ``size``.

    Raises
    ------
    FileFormatError
        If a class is none of the classes, a picture is missing, listed twice or damaged.
    """
    _check(listing, path)
    rows = {name: row for row, name in enumerate(listing.files)}
    x = np.empty((len(rows), 3, size, size), dtype=np.uint8)
    left = set(rows)
    depth = len(PurePosixPath(listing.files[0]).parts)
    bar.total = len(rows)
    for name, content in members(path, lambda name: tail(name, depth) in left):
        short = tail(name, depth)
        x[rows[short]] = fitted_picture(content, f"{path}: {name}", size, trim_bottom)
        left.remove(short)
        bar.update(1)
    if left:
        raise FileFormatError(
            f"{path} lacks {len(left)} of the {len(rows)} listed pictures, such as {min(left)}"
        )
    return Decoded(x, listing.y, listing.split, listing.classes, md5=archive_sums(path))


def _check(listing: Listing, path: Path) -> None:
    if not listing.files:
        raise FileFormatError(f"{path}: its lists name no picture")
    if len(set(listing.files)) != len(listing.files):
        raise FileFormatError(f"{path}: its lists name a picture twice")
    if listing.y.min() < 0 or listing.y.max() >= len(listing.classes):
        raise FileFormatError(
            f"{path}: its lists have classes {listing.y.min()} to {listing.y.max()}, but names "
            f"for {len(listing.classes)}"
        )


def tail(name: str, depth: int) -> str:
    """Last `depth` parts of a member's name."""
    return "/".join(PurePosixPath(name).parts[-depth:])


def archive_sums(path: Path) -> dict[str, str]:
    """MD5 of each archive that was read, by its file name."""
    return {file.name: _md5(file) for file in held_files(path) if is_archive(file)}


def _md5(path: Path) -> str:
    summed = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as handle:
        while block := handle.read(_BLOCK):
            summed.update(block)
    return summed.hexdigest()


def first_of(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """Read the first file of each of these last names; a name that is not there is left out."""
    names = set(names)
    contents: dict[str, bytes] = {}
    for name, content in members(path, lambda name: tail(name, 1) in names):
        contents.setdefault(tail(name, 1), content)
    return contents


def read_mat(content: bytes, name: str) -> dict[str, Any]:
    """Read a MATLAB file of lists; its structures become records.

    Raises
    ------
    FileFormatError
        If it is damaged or of a version that SciPy does not read.
    """
    from scipy.io import loadmat

    try:
        _check_packed(content)
        return dict(loadmat(io.BytesIO(content), squeeze_me=True))
    except Exception as error:  # SciPy raises whatever the damage leads to
        raise FileFormatError(f"{name} is damaged or no MATLAB file: {error}") from error


def _check_packed(content: bytes) -> None:
    """Raise ValueError if the packed variables of a MATLAB file are longer than a file may be."""
    place, left = 128, MOST_BYTES  # after the header
    while place + 8 <= len(content):
        kind, size = struct.unpack("<II", content[place : place + 8])
        place += 8
        if kind == _PACKED:
            left -= len(zlib.decompressobj().decompress(content[place : place + size], left + 1))
            if left < 0:
                raise ValueError(f"it unpacks to more than {MOST_BYTES} bytes")
        place += size


def from_one(numbers: Any, file: str) -> np.ndarray:
    """Turn class numbers as MATLAB counts them, from 1, into int64 from 0.

    Raises
    ------
    FileFormatError
        If they are no numbers.
    """
    try:
        with np.errstate(invalid="ignore"):  # what is no number ends outside the classes
            return np.atleast_1d(numbers).astype(np.int64) - 1
    except (ValueError, TypeError, OverflowError) as error:
        raise FileFormatError(f"{file} has classes that are no numbers: {error}") from error


def fields(variables: dict[str, Any], variable: str, names: Iterable[str], file: str) -> list[Any]:
    """Fields of a record array, each as an array (n,).

    Raises
    ------
    FileFormatError
        If the variable or a field is missing.
    """
    records = np.atleast_1d(variables.get(variable, np.empty(0)))
    missing = [name for name in names if name not in (records.dtype.names or ())]
    if missing:
        raise FileFormatError(f"{file} has no {', '.join(missing)} under {variable!r}")
    return [np.atleast_1d(records[name]) for name in names]
