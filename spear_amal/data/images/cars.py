"""Stanford Cars: 16,185 photographs of 196 models, from the user's own archives or folders."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from spear_amal.data.images.decode import Listing, fields, first_of, from_one, read_listed, read_mat
from spear_amal.data.images.folders import read_folders
from spear_amal.data.images.spec import Decoded, ImageSpec
from spear_amal.errors import FileFormatError
from spear_amal.progress import Progress

_META = "cars_meta.mat"
_LISTS = {"train": "cars_train_annos.mat", "test": "cars_test_annos_withlabels.mat"}
_OLD_LIST = "cars_annos.mat"  # one list for both parts, as first published


def read_cars(path: Path, size: int | None, bar: Progress) -> Decoded:
    """Read either published form (two parts with a devkit, or ``car_ims``), or folders by class.

    Raises
    ------
    FileFormatError
        If lists or pictures are missing or damaged.
    """
    lists = first_of(path, (_META, _OLD_LIST, *_LISTS.values()))
    if not lists:
        return read_folders(path, size, bar)
    if _OLD_LIST in lists and not {_META, *_LISTS.values()} <= set(lists):
        listing = _old_listing(lists[_OLD_LIST], f"{path}: {_OLD_LIST}")
    else:
        listing = _listing(lists, path)
    return read_listed(path, listing, size or SPEC.sizes[0], bar)


def _listing(lists: dict[str, bytes], path: Path) -> Listing:
    if missing := sorted({_META, *_LISTS.values()} - set(lists)):
        raise FileFormatError(f"{path} lacks the lists {', '.join(missing)}")
    files: list[str] = []
    y, split = [], []
    for part, name in _LISTS.items():
        where = f"{path}: {name}"
        variables = read_mat(lists[name], where)
        named, numbers = fields(variables, "annotations", ("fname", "class"), where)
        files += [f"cars_{part}/{file}" for file in named]
        y.append(from_one(numbers, where))
        split += [part] * len(named)
    names = read_mat(lists[_META], f"{path}: {_META}").get("class_names", ())
    classes = tuple(str(name) for name in np.atleast_1d(names))
    return Listing(files, np.concatenate(y), np.asarray(split), classes)


def _old_listing(content: bytes, name: str) -> Listing:
    variables = read_mat(content, name)
    files, y, test = fields(variables, "annotations", ("relative_im_path", "class", "test"), name)
    classes = tuple(str(word) for word in np.atleast_1d(variables.get("class_names", ())))
    split = np.where(test.astype(bool), "test", "train")
    return Listing([str(file) for file in files], from_one(y, name), split, classes)


SPEC = ImageSpec(
    name="cars",
    title="car models, 196 classes; 8,144 + 8,041 photographs; bring your own archives",
    licence="non-commercial research, as ImageNet; cite Krause et al. (2013)",
    read=read_cars,
    md5={
        "cars_train.tgz": "065e5b463ae28d29e77c1b4b166cfe61",
        "cars_test.tgz": "4ce7ebf6a94d07f1952d94dd34c4d501",
        "car_devkit.tgz": "c3b158d763b6e2245038c8ad08e45376",
        "car_ims.tgz": "d5c8f0aa497503f355e17dc7886c3f14",
    },
    sizes=(96, 224),
)
