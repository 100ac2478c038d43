"""FGVC-Aircraft 2013b: 10,000 photographs of 100 variants, from the user's own archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spear_amal.data.images.decode import Listing, first_of, read_listed
from spear_amal.data.images.folders import read_folders
from spear_amal.data.images.spec import Decoded, ImageSpec
from spear_amal.errors import FileFormatError
from spear_amal.progress import Progress

_NAMES = "variants.txt"
# The publisher's own train and validation parts together, as the papers use them.
_LISTS = {"train": "images_variant_trainval.txt", "test": "images_variant_test.txt"}
_BANNER = 20  # rows with the photographer's name, which the publisher asks to leave out


def read_aircraft(path: Path, size: int | None, bar: Progress) -> Decoded:
    """Read the published archive, or what was in it, or folders by class.

    Raises
    ------
    FileFormatError
        If lists or pictures are missing or damaged.
    """
    lists = first_of(path, (_NAMES, *_LISTS.values()))
    if not lists:
        return read_folders(path, size, bar)
    if missing := sorted({_NAMES, *_LISTS.values()} - set(lists)):
        raise FileFormatError(f"{path} lacks the lists {', '.join(missing)}")
    return read_listed(path, _listing(lists, path), size or SPEC.sizes[0], bar, _BANNER)


def _listing(lists: dict[str, bytes], path: Path) -> Listing:
    classes = tuple(_lines(lists[_NAMES]))
    numbers = {name: c for c, name in enumerate(classes)}
    files: list[str] = []
    y: list[int] = []
    split: list[str] = []
    for part, name in _LISTS.items():
        for line in _lines(lists[name]):
            picture, _, variant = line.partition(" ")
            if variant not in numbers:
                raise FileFormatError(f"{path}: {name} has the line {line!r}, of no known variant")
            files.append(f"images/{picture}.jpg")
            y.append(numbers[variant])
            split.append(part)
    return Listing(files, np.asarray(y, dtype=np.int64), np.asarray(split), classes)


def _lines(content: bytes) -> list[str]:
    lines = (line.strip() for line in content.decode("utf-8", "replace").splitlines())
    return [line for line in lines if line]


SPEC = ImageSpec(
    name="aircraft",
    title="aircraft variants, 100 classes; 6,667 + 3,333 photographs; bring your own archive",
    licence="non-commercial research; photographers keep their rights; cite Maji et al. (2013)",
    read=read_aircraft,
    md5={"fgvc-aircraft-2013b.tar.gz": "d4acdd33327262359767eeaa97a4f732"},
    sizes=(96, 224),
)
