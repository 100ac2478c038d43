"""Vectors of texts on disk: one file per encoder, each text under the hash of its content."""

from __future__ import annotations

import hashlib
import os
import warnings
import zipfile
import zlib

import numpy as np

from spear_amal.data.places import cache_folder
from spear_amal.io.atomic import write_aside

Vectors = dict[bytes, np.ndarray]

_FORMAT = "spear_amal vectors 1"
_DAMAGE = (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile, zlib.error)


def text_key(text: str) -> bytes:
    """Return the 32 bytes under which the vector of a text is kept."""
    # A lone surrogate cannot be written as UTF-8, but it is a text like any other.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class VectorCache:
    """The vectors that one encoder has made, without pickle.

    Parameters
    ----------
    identity : str
        What the encoder is, down to the content of its weights; it names the file.
    cache_dir : path, optional
        The cache; default as for corpora. The file lies in its folder ``encoders``.
    """

    def __init__(self, identity: str, cache_dir: str | os.PathLike[str] | None = None) -> None:
        name = hashlib.sha256(f"{_FORMAT}\n{identity}".encode()).hexdigest()
        self.path = cache_folder(cache_dir) / "encoders" / f"{name}.npz"

    def read(self) -> Vectors:
        """Return key (32 bytes) -> vector (D,) float32; nothing if there is no file yet.

        A damaged file counts as none, with a warning: its vectors are made again.
        """
        if not self.path.exists():
            return {}
        try:
            # Given a path, NumPy leaves the file open where it is no archive.
            with open(self.path, "rb") as handle, np.load(handle, allow_pickle=False) as held:
                return _unpack(held["keys"], held["vectors"])
        except _DAMAGE as error:
            warnings.warn(
                f"the cache file {self.path} is damaged ({error!r}); its vectors are computed "
                "again and the file is replaced",
                stacklevel=2,
            )
            return {}

    def write(self, vectors: Vectors) -> None:
        """Keep all of `vectors`, whole or not at all; a cache that cannot be written warns.

        Two processes that write at once keep the vectors of one of them: the others are computed
        again when wanted.
        """
        keys = np.frombuffer(b"".join(vectors), dtype=np.uint8).reshape(-1, 32)
        try:
            with write_aside(self.path) as temporary:
                np.savez(temporary, keys=keys, vectors=np.stack(list(vectors.values())))
        except OSError as error:
            warnings.warn(
                f"vectors cannot be kept in {self.path} ({error}); they are computed again next "
                "time; free space there, or name another folder by cache_dir",
                stacklevel=2,
            )


def _unpack(keys: np.ndarray, vectors: np.ndarray) -> Vectors:
    fits = keys.dtype == np.uint8 and keys.shape == (len(vectors), 32)
    if not fits or vectors.dtype != np.float32 or vectors.ndim != 2:
        raise ValueError(f"keys {keys.dtype} {keys.shape}, vectors {vectors.dtype} {vectors.shape}")
    return {key.tobytes(): vector for key, vector in zip(keys, vectors, strict=True)}
