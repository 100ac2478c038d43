"""Decoded images in one ``.npz`` file, so that archives are read once; nothing in it is run."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from spear_amal.data.images.members import held_files
from spear_amal.data.images.specs import Decoded, checked
from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import write_aside

# What NumPy raises for a file that is damaged, or is no archive at all.
_DAMAGE = (
    OSError,
    ValueError,
    EOFError,
    TypeError,
    KeyError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


def write_decoded(path: Path, decoded: Decoded) -> None:
    """Write arrays x, y, split, classes and md5, aside first."""
    with write_aside(path) as temporary:
        np.savez(
            temporary,
            x=decoded.x,
            y=decoded.y,
            split=decoded.split.astype("U10"),
            classes=np.asarray(decoded.classes, dtype=np.str_),
            md5=np.asarray(json.dumps(decoded.md5)),
        )


def read_decoded(path: Path, classes: tuple[str, ...] | None = None) -> Decoded:
    """Read such a file; only x, y and split are needed.

    Parameters
    ----------
    path : Path
    classes : tuple of str, optional
        Names to use where the file has none; default: the numbers.

    Raises
    ------
    FileFormatError
        If the file is damaged or truncated, or its arrays do not fit each other.
    """
    arrays = read_arrays(path)
    try:
        x, y, split = arrays["x"], arrays["y"].astype(np.int64), arrays["split"].astype("U10")
        sums = json.loads(str(arrays["md5"])) if "md5" in arrays else {}
    except (KeyError, ValueError, TypeError) as error:
        raise FileFormatError(
            f"{path} is damaged or no file of decoded images: {error!r}; needed are arrays x, y "
            "and split"
        ) from error
    if "classes" in arrays:
        classes = tuple(arrays["classes"].tolist())
    elif classes is None:
        classes = tuple(str(c) for c in range(int(y.max(initial=-1)) + 1))
    return checked(Decoded(x, y, split, classes, sums), str(path))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read every array of a ``.npz`` file; arrays that would need pickle are refused.

    Raises
    ------
    FileFormatError
        If the file is damaged, truncated or no such file.
    """
    try:
        # NumPy leaves a file open that it cannot read: open it here.
        with path.open("rb") as handle, np.load(handle, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except _DAMAGE as error:
        raise FileFormatError(
            f"{path} is damaged, truncated or no .npz file of plain arrays ({error}); delete it "
            "or fetch it again"
        ) from error


def fingerprint(path: Path, size: int | None) -> str:
    """Sixteen hexadecimal digits for these files, as they stand, decoded to this size."""
    summed = hashlib.sha256(f"{path.resolve()} {size}".encode())
    for file in held_files(path):
        stat = file.stat()
        summed.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return summed.hexdigest()[:16]
