"""Stanford Dogs: 20,580 photographs of 120 breeds, from the user's own archives or folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spear_amal.data.images.decode import Listing, first_of, from_one, read_listed, read_mat
from spear_amal.data.images.folders import read_folders
from spear_amal.data.images.spec import Decoded, ImageSpec
from spear_amal.errors import FileFormatError
from spear_amal.progress import Progress

_LISTS = {"train": "train_list.mat", "test": "test_list.mat"}


def read_dogs(path: Path, size: int | None, bar: Progress) -> Decoded:
    """Read ``images.tar`` and ``lists.tar``, or what was in them, or folders by class.

    Raises
    ------
    FileFormatError
        If lists or pictures are missing or damaged.
    """
    lists = first_of(path, _LISTS.values())
    if not lists:
        return read_folders(path, size, bar)
    if missing := sorted(set(_LISTS.values()) - set(lists)):
        raise FileFormatError(f"{path} lacks the lists {', '.join(missing)}")
    return read_listed(path, _listing(lists, path), size or SPEC.sizes[0], bar)


def _listing(lists: dict[str, bytes], path: Path) -> Listing:
    files: list[str] = []
    y: list[int] = []
    split: list[str] = []
    for part, name in _LISTS.items():
        variables = read_mat(lists[name], f"{path}: {name}")
        if not {"file_list", "labels"} <= set(variables):
            raise FileFormatError(f"{path}: {name} has no file_list and labels")
        named = [str(file) for file in np.atleast_1d(variables["file_list"])]
        files += named
        y += from_one(variables["labels"], f"{path}: {name}").tolist()
        split += [part] * len(named)
    if len(y) != len(files):
        raise FileFormatError(f"{path}: the lists have {len(files)} files but {len(y)} labels")
    return Listing(files, np.asarray(y, dtype=np.int64), np.asarray(split), _breeds(files, y, path))


def _breeds(files: list[str], y: list[int], path: Path) -> tuple[str, ...]:
    """Names of the classes, from the folders (``n02085620-Chihuahua/...``) of their pictures."""
    named = {c: file.partition("/")[0].partition("-")[2] for file, c in zip(files, y, strict=True)}
    if set(named) != set(range(len(named))):
        raise FileFormatError(
            f"{path}: the lists have {len(named)} classes, but numbers from {min(named) + 1} to "
            f"{max(named) + 1}; expected are 1 to {len(named)}"
        )
    return tuple(named[c] for c in range(len(named)))


SPEC = ImageSpec(
    name="dogs",
    title="dog breeds, 120 classes; 12,000 + 8,580 photographs; bring your own archives",
    licence="from ImageNet, non-commercial research; cite Khosla et al. (2011)",
    read=read_dogs,
    md5={
        "images.tar": "1bb1f2a596ae7057f99d7d75860002ef",
        "lists.tar": "edbb9f16854ec66506b5f09b583e0656",
    },
    sizes=(96, 224),
)
