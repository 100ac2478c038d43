"""Pictures in folders by part and class: ``train/CLASS/*.jpg``, ``test/CLASS/*.jpg``."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import numpy as np

from spear_amal.data.download.archives import members
from spear_amal.data.images.decode import Listing, read_listed
from spear_amal.data.images.spec import Decoded, ImageSpec
from spear_amal.errors import FileFormatError
from spear_amal.progress import Progress

_PARTS = {"train": "train", "test": "test"}
_PARTS.update(dict.fromkeys(("validation", "valid", "val"), "validation"))
_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
_ORDER = ("train", "validation", "test")


def read_folders(path: Path, size: int | None, bar: Progress) -> Decoded:
    """Read pictures whose last three names are part, class and file; classes are sorted by name.

    Parts are "train", "test" and, if wanted, "validation" ("valid", "val").

    Raises
    ------
    FileFormatError
        If there is no such picture under train or test, or a class of another part is not in train.
    """
    pictures = sorted(set(_placed(path)), key=lambda item: (_ORDER.index(item[0]), item[2]))
    classes = tuple(sorted({name for part, name, _ in pictures if part == "train"}))
    if not classes or not any(part == "test" for part, _, _ in pictures):
        raise FileFormatError(
            f"{path} has neither the publisher's lists nor pictures in train/CLASS/ and "
            "test/CLASS/; put them there or name another folder"
        )
    if unknown := sorted({name for _, name, _ in pictures} - set(classes)):
        raise FileFormatError(f"{path}: classes {unknown[:7]} have no picture under train")
    y = [classes.index(name) for _, name, _ in pictures]
    listing = Listing(
        [file for _, _, file in pictures],
        np.asarray(y, dtype=np.int64),
        np.asarray([part for part, _, _ in pictures]),
        classes,
    )
    return read_listed(path, listing, size or SPEC.sizes[0], bar)


def _placed(path: Path) -> list[tuple[str, str, str]]:
    """Part, class and last three names of every picture."""
    names: list[PurePosixPath] = []

    def note(name: str) -> bool:
        names.append(PurePosixPath(name))
        return False  # only the names are wanted here

    for _ in members(path, note):
        pass
    return [
        (_PARTS[name.parts[-3].lower()], name.parts[-2], "/".join(name.parts[-3:]))
        for name in names
        if len(name.parts) >= 3
        and name.parts[-3].lower() in _PARTS
        and name.suffix.lower() in _PICTURES
        and not name.name.startswith(".")
    ]


SPEC = ImageSpec(
    name="folders",
    title="your own pictures in train/CLASS/ and test/CLASS/",
    licence="yours",
    read=read_folders,
    sizes=(96, 224, 32, 64),
)
