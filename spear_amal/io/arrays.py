"""Files of arrays, ``.npz`` without pickled objects; the sizes that they declare are checked."""

from __future__ import annotations

import math
import os
import zipfile
from collections.abc import Mapping
from typing import IO

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.io.atomic import write_aside
from spear_amal.io.guard import guarded_reading

# What DEFLATE can make of one byte; who declares more has altered the file.
_MOST_PER_BYTE = 1032


def write_arrays(
    path: PathLike, arrays: Mapping[str, np.ndarray], compress: bool = True, durable: bool = True
) -> None:
    """Write arrays by name into one file, aside first; the zip format adds a CRC-32 of each.

    Parameters
    ----------
    path : path
    arrays : mapping of str to array
    compress : bool
    durable : bool
        As of :func:`spear_amal.io.atomic.write_aside`.

    Raises
    ------
    OSError
        If the disk is full or the folder cannot be written; what stood at `path` stays.
    """
    save = np.savez_compressed if compress else np.savez
    with write_aside(path, durable) as temporary, open(temporary, "wb") as handle:
        save(handle, allow_pickle=False, **arrays)


def read_arrays(path: PathLike, kind: str, advice: str) -> dict[str, np.ndarray]:
    """Read the arrays of an ``.npz`` file by name; arrays that would need pickle are refused.

    Parameters
    ----------
    path : path
    kind, advice : str
        As of :func:`spear_amal.io.guard.guarded_reading`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is damaged, or declares more data than it has: before room is made for it.
    """
    with guarded_reading(path, kind, advice), open(path, "rb") as handle:
        return arrays_of(handle)


def read_array(path: PathLike, kind: str, advice: str) -> np.ndarray:
    """Read an ``.npy`` file; parameters and errors as of :func:`read_arrays`."""
    with guarded_reading(path, kind, advice), open(path, "rb") as handle:
        size = handle.seek(0, os.SEEK_END)
        handle.seek(0)
        check_declared_size(handle, size)
        handle.seek(0)
        values: np.ndarray = np.load(handle, allow_pickle=False)
        return values


def arrays_of(handle: IO[bytes]) -> dict[str, np.ndarray]:
    """Read the arrays of an open ``.npz`` file; raises whatever libraries raise."""
    size = handle.seek(0, os.SEEK_END)
    with zipfile.ZipFile(handle) as archive:
        for member in archive.infolist():
            if member.file_size > _MOST_PER_BYTE * min(member.compress_size, size) + 1024:
                raise ValueError(f"{member.filename!r} cannot hold the {member.file_size} bytes")
            with archive.open(member) as stream:
                check_declared_size(stream, member.file_size)
    handle.seek(0)
    with np.load(handle, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def check_declared_size(stream: IO[bytes], size: int) -> None:
    """Check, before an array of ``.npy`` form is read, that its shape is that of its bytes.

    Raises
    ------
    ValueError
        If it is not, or the array holds Python objects.
    """
    version = np.lib.format.read_magic(stream)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }[version]
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    declared = math.prod(shape) * dtype.itemsize + stream.tell()
    if declared != size or min(shape, default=0) < 0:
        raise ValueError(f"an array of {dtype} {shape} takes {declared} bytes, found {size}")
