"""Give the training rows of CIFAR-10 the labels that people gave them."""

from __future__ import annotations

import dataclasses
import zipfile
from pathlib import Path

import numpy as np

from spear_amal.data.images import cifar_n
from spear_amal.data.images.decoded_file import read_arrays
from spear_amal.data.images.finding import PathLike, fetch_first
from spear_amal.data.images.image_data import ImageData
from spear_amal.data.places import cache_folder, data_folder
from spear_amal.errors import ChecksumError, FileFormatError, InputError
from spear_amal.io.atomic import write_aside

_FOLDER = "cifar10n"
# Over the six arrays of labels; the published .pt, the package and the .npz of others agree on it.
DIGEST = "f5cdb5befb4233f733de2e1d71585ee4133dd2d882d79402e9d694b88a11d7a8"
_HINT = "The card datasets/cifar10.md says where they are published."
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
    if labels not in cifar_n.KEYS:
        raise InputError(f"labels must be one of {list(cifar_n.KEYS)}, found {labels!r}")
    held = _find(data_dir, cache_dir, offline, progress)
    if check and cifar_n.digest(held) != DIGEST:
        raise ChecksumError("the human labels of CIFAR-10 are not the published ones; fetch anew")
    train = data.rows("train")
    ids = data.row_ids[data.split != "test"]
    clean = held[cifar_n.KEYS["clean"]]
    if len(ids) != len(clean) or not np.array_equal(clean[ids], data.y[data.split != "test"]):
        raise FileFormatError(
            "the human labels of CIFAR-10 do not belong to these images: their true classes "
            f"({len(clean)} rows) are not those of the training images ({len(ids)} rows)"
        )
    y = data.y.copy()
    y[train] = held[cifar_n.KEYS[labels]][data.row_ids[train]]
    return dataclasses.replace(
        data, y=y, clean_y=data.y, source=f"{data.source}; labels of CIFAR-10N: {labels}"
    )


def _find(
    data_dir: PathLike | None, cache_dir: PathLike | None, offline: bool, progress: bool
) -> _Labels:
    """Labels from the data directory, the cache or a source, the first that has them."""
    cached = cache_folder(cache_dir) / _FOLDER / cifar_n.FILE
    named = data_folder(data_dir)
    for file in ([] if named is None else [named / _FOLDER / cifar_n.FILE]) + [cached]:
        if file.is_file():
            return cifar_n.checked_labels(read_arrays(file), str(file))
    wanted = f"{_FOLDER}/{cifar_n.FILE}"
    found, _ = fetch_first(
        _FOLDER, cifar_n.SOURCES, _read_checked, wanted, _HINT, offline, progress
    )
    _keep(cached, found)
    return found


def _keep(file: Path, labels: _Labels) -> None:
    with write_aside(file) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, y in labels.items():
            with archive.open(f"{name}.npy", "w") as handle:
                np.save(handle, y, allow_pickle=False)


def _read_checked(folder: Path) -> _Labels:
    """Labels of a fetched file; other content than the published is the source's failure."""
    labels = cifar_n.read_published(folder)
    if cifar_n.digest(labels) != DIGEST:
        raise ChecksumError("its human labels are not the published ones")
    return labels
