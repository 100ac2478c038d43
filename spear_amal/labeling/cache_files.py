"""One file of the cache of votes: the votes of one LF on some rows, with a checksum."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import spear_amal
from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import write_aside
from spear_amal.labeling.gathering import Column

FORMAT = 1


class Entry(NamedTuple):
    """Votes of one LF on n rows, and how many of its scores were clipped."""

    n: int
    column: Column
    clipped: int


def write_entry(path: Path, key: str, entry: Entry) -> None:
    """Write the file aside, then rename it: another process sees all of it, or nothing."""
    content = io.BytesIO()
    np.savez(content, **entry.column._asdict())
    payload = content.getvalue()
    head = _head(key) | {"n": entry.n, "clipped": entry.clipped, "sha256": _sha256(payload)}
    with write_aside(path) as temporary:
        temporary.write_bytes(json.dumps(head).encode() + b"\n" + payload)


def read_entry(path: Path, key: str, n: int) -> Entry:
    """Read the file back.

    Raises
    ------
    FileFormatError
        If it is damaged, or was written by another version or for other votes.
    """
    first, _, payload = path.read_bytes().partition(b"\n")
    try:
        head = json.loads(first)
        for name, needed in (_head(key) | {"n": n}).items():
            if head[name] != needed:
                raise ValueError(f"{name} is {head[name]!r}, needed {needed!r}")
        if head["sha256"] != _sha256(payload):
            raise ValueError("the checksum is another one")
        with np.load(io.BytesIO(payload), allow_pickle=False) as held:
            return Entry(n, Column(held["rows"], held["votes"], held["scores"]), head["clipped"])
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise FileFormatError(f"{path} cannot be used ({error})") from error


def _head(key: str) -> dict[str, Any]:
    return {"format": FORMAT, "version": spear_amal.__version__, "key": key}


def _sha256(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()
