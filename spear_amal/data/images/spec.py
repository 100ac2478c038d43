"""What a set of images consists of before and after it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.data.download.sources import DownloadSource
from spear_amal.errors import FileFormatError
from spear_amal.io.shipped import shipped_file
from spear_amal.progress import Progress


@dataclass(frozen=True)
class Decoded:
    """Pixels and classes as a reader gives them, in the published order.

    Attributes
    ----------
    x : ndarray (n, channels, height, width) uint8
    y : ndarray (n,) int64
    split : ndarray (n,) of str
        "train" and "test", and "validation" where the publisher has one.
    classes : tuple of str
    md5 : dict of str to str
        MD5 of the files that were read and whose published sum is known by that name.
    """

    x: np.ndarray
    y: np.ndarray
    split: np.ndarray
    classes: tuple[str, ...]
    md5: dict[str, str] = field(default_factory=dict)

    def digest(self) -> str:
        """SHA-256 over pixels, classes (as bytes) and the number of training rows."""
        summed = hashlib.sha256(np.ascontiguousarray(self.x).data)
        summed.update(self.y.astype("<i8").tobytes())
        summed.update(str(int((self.split == "train").sum())).encode())
        return summed.hexdigest()


@dataclass(frozen=True)
class ImageSpec:
    """A set of images that can be loaded by name.

    Attributes
    ----------
    name, title, licence : str
        For lists; the :attr:`card` says more.
    read : callable (path, size, bar) -> Decoded
        Reads a folder or archive; `size` is None where the images have one size.
    sources : tuple of Source
        Where the files can be fetched; empty where the user has to bring them.
    digest : str, optional
        :meth:`Decoded.digest` of the published set.
    md5 : dict of str to str
        Published MD5 of files, for sets whose digest could not be computed.
    strict_md5 : bool
        Other content of these files is refused, not just told.
    sizes : tuple of int
        Sizes to choose from, the default first; empty where the images have one size.
    """

    name: str
    title: str
    licence: str
    read: Callable[[Path, int | None, Progress], Decoded]
    sources: tuple[DownloadSource, ...] = ()
    digest: str | None = None
    md5: dict[str, str] = field(default_factory=dict)
    strict_md5: bool = False
    sizes: tuple[int, ...] = ()

    @property
    def card(self) -> Path:
        """File that tells where the set is published, its columns, split and licence."""
        return shipped_file("datasets", f"{self.name.replace('-', '_')}.md")

    @property
    def hint(self) -> str:
        """Return a sentence on where to find files that are missing."""
        if self.name == "folders":
            return "Or name your folder or archive of pictures: path=FOLDER."
        return f"The card {self.card} says where they are published."


def check_decoded(decoded: Decoded, where: str) -> Decoded:
    """Return what was decoded, if its arrays fit each other.

    Raises
    ------
    FileFormatError
        If shapes or types do not fit, or a class has no name; names `where`.
    """
    x, y, split = decoded.x, decoded.y, decoded.split
    if x.ndim != 4 or x.dtype != np.uint8 or y.shape != x.shape[:1] or split.shape != y.shape:
        raise FileFormatError(
            f"{where}: x {x.dtype} {x.shape}, y {y.shape} and split {split.shape} do not fit; "
            "needed are (n, channels, height, width) uint8, (n,) and (n,)"
        )
    if y.size and not 0 <= y.min() <= y.max() < len(decoded.classes):
        raise FileFormatError(
            f"{where}: classes must lie in 0 to {len(decoded.classes) - 1}, found {y.min()} to "
            f"{y.max()}"
        )
    return decoded


def train_then_test(train: Any, test: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Join (x, y) of the training and the test part; returns x, y and the split."""
    x = np.concatenate([train[0], test[0]])
    y = np.concatenate([train[1], test[1]]).astype(np.int64)
    split = np.where(np.arange(len(y)) < len(train[1]), "train", "test")
    return x, y, split
