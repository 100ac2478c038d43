"""Decoded images in one ``.npz`` file, so that archives are read once; nothing in it is run."""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from pathlib import Path

import numpy as np

from spear_amal.data.images.members import held_files
from spear_amal.data.images.specs import Decoded
from spear_amal.errors import FileFormatError
from spear_amal.files import write_aside


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
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
        x, y, split = arrays["x"], arrays["y"].astype(np.int64), arrays["split"].astype("U10")
        sums = json.loads(str(arrays["md5"])) if "md5" in arrays else {}
    except (OSError, ValueError, KeyError, EOFError, TypeError) as error:
        raise _damaged(path, error) from error
    except (zipfile.BadZipFile, zlib.error, AttributeError, RuntimeError) as error:
        raise _damaged(path, error) from error
    if x.ndim != 4 or x.dtype != np.uint8 or y.shape != x.shape[:1] or split.shape != y.shape:
        raise FileFormatError(
            f"{path}: x {x.dtype} {x.shape}, y {y.shape} and split {split.shape} do not fit; "
            "needed are (n, channels, height, width) uint8, (n,) and (n,)"
        )
    names = arrays.get("classes")
    if names is not None:
        classes = tuple(names.tolist())
    elif classes is None:
        classes = tuple(str(c) for c in range(int(y.max(initial=-1)) + 1))
    return Decoded(x, y, split, classes, sums)


def _damaged(path: Path, error: Exception) -> FileFormatError:
    return FileFormatError(
        f"{path} is damaged, truncated or no file of decoded images ({error}); delete it or "
        "fetch it again"
    )


def fingerprint(path: Path, size: int | None) -> str:
    """Sixteen hexadecimal digits for these files, as they stand, decoded to this size."""
    summed = hashlib.sha256(f"{path.resolve()} {size}".encode())
    for file in held_files(path):
        stat = file.stat()
        summed.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return summed.hexdigest()[:16]
