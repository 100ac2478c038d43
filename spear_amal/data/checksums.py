"""Is this content the published content? SHA-256 of files, compared with what the cards say."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from spear_amal.errors import ChecksumError

_BLOCK = 1 << 20


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as handle:
        while block := handle.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def check_sha256(path: str | os.PathLike[str], expected: str) -> None:
    """Raise unless the file holds the expected content.

    Raises
    ------
    ChecksumError
        If the SHA-256 differs; names the file and both sums.
    """
    found = sha256_of(path)
    if found != expected:
        raise ChecksumError(
            f"{Path(path)} is not the published file: its sha256 is {found}, expected {expected}; "
            "restore it, or delete it and fetch the corpus again"
        )
