"""Where decoded images come from: a named path, the data directory, the cache, or a source."""

from __future__ import annotations

import hashlib
import json
import warnings
from pathlib import Path

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.data.download.archives import held_files
from spear_amal.data.download.cache import (
    Wanted,
    data_folder,
    fetch_first,
)
from spear_amal.data.images.spec import Decoded, ImageSpec, check_decoded
from spear_amal.errors import ChecksumError, InputError
from spear_amal.io.arrays import read_arrays, write_arrays
from spear_amal.io.cache_folder import CACHE_VARIABLE, cache_folder
from spear_amal.io.guard import guarded_reading
from spear_amal.progress import Progress


def find_decoded(
    spec: ImageSpec,
    data_dir: PathLike | None,
    path: PathLike | None,
    size: int | None,
    cache_dir: PathLike | None,
    *,
    offline: bool,
    progress: bool,
    check: bool,
) -> tuple[Decoded, str]:
    """Decode a set, or read what was decoded before; returns it and where it came from.

    Raises
    ------
    FileFormatError, ChecksumError, DataUnavailableError, InputError, MissingExtraError
        As :func:`load_images`.
    """
    cache = cache_folder(cache_dir) / spec.name
    place = _named_place(spec, data_dir, path)
    if place is not None:
        decoded, source = _of_place(spec, place, size, cache, progress), str(place)
    elif (cached := cache / f"{spec.name}.npz").is_file():
        decoded, source = read_decoded(cached), f"cache ({cached})"
    else:
        decoded, source = _fetched(spec, size, offline, progress)
        _keep(cached, decoded)
    if check:
        _check(spec, decoded, source)
    return decoded, source + _unproven(spec, decoded)


def _named_place(spec: ImageSpec, data_dir: PathLike | None, path: PathLike | None) -> Path | None:
    """Return the path, or what the data directory has for this set, or None."""
    if path is not None:
        place = Path(path).expanduser()
        if not place.exists():
            raise InputError(f"path names {place}, which does not exist; correct it or leave it")
        return place
    folder = data_folder(data_dir)
    if folder is None:
        return None
    candidates = (
        folder / f"{spec.name}.npz",
        folder / spec.name / f"{spec.name}.npz",
        folder / spec.name,
    )
    return next((place for place in candidates if place.exists()), None)


def _of_place(
    spec: ImageSpec, place: Path, size: int | None, cache: Path, progress: bool
) -> Decoded:
    """Read a place, or what is kept of it since its files last changed."""
    if place.suffix == ".npz":
        return read_decoded(place)
    kept = cache / f"{spec.name}-{files_fingerprint(place, size)}.npz"
    if kept.is_file():
        return read_decoded(kept)
    decoded = _read(spec, place, size, progress)
    _keep(kept, decoded)
    return decoded


def _read(spec: ImageSpec, place: Path, size: int | None, progress: bool) -> Decoded:
    with Progress(f"decoding {spec.name}", show=progress) as bar:
        return check_decoded(spec.read(place, size, bar), str(place))


def _fetched(
    spec: ImageSpec, size: int | None, offline: bool, progress: bool
) -> tuple[Decoded, str]:
    def read(folder: Path) -> Decoded:
        decoded = _read(spec, folder, size, progress)
        _check(spec, decoded, "what it gives")
        return decoded

    files = f"{spec.name}.npz (x, y, split) or a folder {spec.name} with the published files"
    wanted = wanted_images(spec.name, files, spec.hint)
    return fetch_first(wanted, spec.sources, read, offline=offline, progress=progress)


def wanted_images(name: str, files: str, hint: str) -> Wanted:
    """Word a message about images; `files` says what to put into the data directory."""
    return Wanted(name, f"images {name!r}", f"If you have them, put them into DIR as {files}", hint)


def _keep(path: Path, decoded: Decoded) -> None:
    """Keep decoded images in the cache; without room they are decoded again next time."""
    try:
        write_decoded(path, decoded)
    except OSError as error:
        warnings.warn(
            f"decoded images cannot be kept as {path} ({error}); they will be decoded again next "
            f"time, unless there is room or {CACHE_VARIABLE} names another folder",
            RuntimeWarning,
            stacklevel=2,
        )


def _check(spec: ImageSpec, decoded: Decoded, source: str) -> None:
    if spec.digest is not None and decoded.digest() != spec.digest:
        raise ChecksumError(
            f"{source}: its content is not the published {spec.name!r} (sha256 over pixels and "
            f"classes {decoded.digest()}, expected {spec.digest}); pass check=False to use it"
        )
    if spec.strict_md5:
        for name, expected in spec.md5.items():
            if decoded.md5.get(name) != expected:
                raise ChecksumError(
                    f"{source}: its file {name} is not the published one (md5 "
                    f"{decoded.md5.get(name)}, expected {expected}); pass check=False to use it"
                )


def _unproven(spec: ImageSpec, decoded: Decoded) -> str:
    """Return a note on archives of another sum than published; mirrors pack anew, so no error."""
    if spec.strict_md5:
        return ""
    other = sorted(
        name for name, expected in spec.md5.items() if decoded.md5.get(name, expected) != expected
    )
    return f"; packed otherwise than published: {', '.join(other)}" if other else ""


#: What a file of images or labels should be, and what to do where it is not.
GUARD = ("a .npz file of plain arrays", "delete it or fetch it again")


def write_decoded(path: Path, decoded: Decoded) -> None:
    """Write arrays x, y, split, classes and md5, aside first."""
    arrays = {
        "x": decoded.x,
        "y": decoded.y,
        "split": decoded.split.astype("U10"),
        "classes": np.asarray(decoded.classes, dtype=np.str_),
        "md5": np.asarray(json.dumps(decoded.md5)),
    }
    write_arrays(path, arrays, compress=False)


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
    arrays = read_arrays(path, *GUARD)
    with guarded_reading(path, "a file of decoded images", "needed are arrays x, y and split"):
        x, y, split = arrays["x"], arrays["y"].astype(np.int64), arrays["split"].astype("U10")
        sums = json.loads(str(arrays["md5"])) if "md5" in arrays else {}
        if "classes" in arrays:
            classes = tuple(arrays["classes"].tolist())
        elif classes is None:
            classes = tuple(str(c) for c in range(int(y.max(initial=-1)) + 1))
    return check_decoded(Decoded(x, y, split, classes, sums), str(path))


def files_fingerprint(path: Path, size: int | None) -> str:
    """Sixteen hexadecimal digits for these files, as they stand, decoded to this size."""
    summed = hashlib.sha256(f"{path.resolve()} {size}".encode())
    for file in held_files(path):
        stat = file.stat()
        summed.update(f"{file.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return summed.hexdigest()[:16]
