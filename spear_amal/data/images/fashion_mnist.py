"""Fashion-MNIST: 70,000 grey pictures of clothes, 28 x 28, in the IDX format."""

from __future__ import annotations

import math
import zlib
from pathlib import Path

import numpy as np

from spear_amal.data.download.archives import base_name, gunzipped, members
from spear_amal.data.download.sources import AptPackage, UrlFiles
from spear_amal.data.images.spec import Decoded, ImageSpec, train_then_test
from spear_amal.errors import FileFormatError
from spear_amal.progress import Progress

_CLASSES = (
    *("t-shirt/top", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
_FILES = tuple(
    f"{part}-{what}-ubyte.gz"
    for part in ("train", "t10k")
    for what in ("images-idx3", "labels-idx1")
)
_UNSIGNED_BYTES = b"\x00\x00\x08"  # how an IDX file of bytes begins; the number of axes follows


def read_fashion_mnist(path: Path, size: int | None, bar: Progress) -> Decoded:
    """Read the four IDX files, packed by gzip or not, of a folder or archive.

    Raises
    ------
    FileFormatError
        If a file is missing, damaged, or does not fit the others.
    """
    plain = {name.removesuffix(".gz") for name in _FILES}
    arrays: dict[str, np.ndarray] = {}
    for name, content in members(path, lambda n: base_name(n).removesuffix(".gz") in plain):
        arrays.setdefault(base_name(name).removesuffix(".gz"), read_idx(content, f"{path}: {name}"))
    if missing := sorted(plain - set(arrays)):
        raise FileFormatError(f"{path} holds no {', '.join(missing)} (nor a .gz of that name)")
    parts = []
    for part in ("train", "t10k"):
        x, y = arrays[f"{part}-images-idx3-ubyte"], arrays[f"{part}-labels-idx1-ubyte"]
        if x.ndim != 3 or y.shape != x.shape[:1]:
            raise FileFormatError(
                f"{path}: {part} images {x.shape} and labels {y.shape} do not fit each other"
            )
        parts.append((x[:, None], y))
    return Decoded(*train_then_test(*parts), classes=_CLASSES)


def read_idx(content: bytes, name: str) -> np.ndarray:
    """Turn an IDX file of unsigned bytes, packed by gzip or not, into an array.

    Raises
    ------
    FileFormatError
        If it is damaged, truncated, or holds other numbers than bytes.
    """
    try:
        if content[:2] == b"\x1f\x8b":
            content = gunzipped(content)
    except (EOFError, OSError, zlib.error, FileFormatError) as error:
        raise FileFormatError(f"{name} is damaged or truncated: {error}") from error
    start = 4 + 4 * content[3] if content[:3] == _UNSIGNED_BYTES and len(content) > 3 else 0
    if not start:
        raise FileFormatError(f"{name} is no IDX file of bytes")
    shape = np.frombuffer(content[4:start], dtype=">u4").astype(int)
    if len(content) != start + math.prod(shape.tolist()):
        raise FileFormatError(
            f"{name} is damaged: {len(content) - start} bytes for shape {tuple(shape.tolist())}"
        )
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


SPEC = ImageSpec(
    name="fashion-mnist",
    title="clothes, 10 classes, 28 x 28 grey; 60,000 + 10,000",
    licence="MIT",
    read=read_fashion_mnist,
    sources=(
        UrlFiles(
            "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            _FILES,
        ),
        AptPackage("dataset-fashion-mnist"),
    ),
    digest="129c6d72e11022625ab7a33cc6d3f2feca7e0d1479a8d9446c3537e2a23c2dba",
)
