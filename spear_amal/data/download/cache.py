"""The two folders in which corpora are looked for: the user's data directory and the cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from spear_amal.data.corpora.spec import CorpusSpec
from spear_amal.data.download.sources import DownloadSource
from spear_amal.errors import ChecksumError, DataUnavailableError, InputError, SpearAmalError
from spear_amal.io.atomic import write_aside
from spear_amal.progress import fetch_bar

DATA_VARIABLE = "SPEAR_AMAL_DATA"
CACHE_VARIABLE = "SPEAR_AMAL_CACHE"


def data_folder(data_dir: str | os.PathLike[str] | None = None) -> Path | None:
    """Return the data directory: the argument, else the environment variable, else None.

    Raises
    ------
    InputError
        If the folder that was named is not there.
    """
    named = data_dir if data_dir is not None else os.environ.get(DATA_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        origin = "data_dir" if data_dir is not None else f"environment variable {DATA_VARIABLE}"
        raise InputError(f"{origin} names {folder}, which is not a folder; correct it or leave it")
    return folder


def cache_folder(cache_dir: str | os.PathLike[str] | None = None) -> Path:
    """Return the cache: the argument, else the environment variable, else the platform's place."""
    named = cache_dir if cache_dir is not None else os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else _platform_cache() / "spear_amal"


def _platform_cache() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


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


class _CacheError(DataUnavailableError):
    """The cache cannot be written: another source would not help."""


def fetch(spec: CorpusSpec, cache: Path, progress: bool) -> tuple[Path, str]:
    """Fetch the files of a corpus into the cache; returns their folder and the source's name.

    The sources are tried in turn. Files are fetched into a temporary folder and checked there:
    they reach the cache whole, or not at all.

    Raises
    ------
    ChecksumError
        If no source gave the published files, and one gave others.
    DataUnavailableError
        If no source delivered, or the cache cannot be written.
    """
    failures: list[str] = []
    wrong = False
    for source in spec.sources:
        try:
            with tempfile.TemporaryDirectory(prefix="spear_amal-") as scratch:
                _deliver(spec, source, Path(scratch), progress)
                return _keep(spec, Path(scratch), cache / spec.name), source.describe()
        except _CacheError:
            raise
        except (SpearAmalError, OSError) as error:
            wrong = wrong or isinstance(error, ChecksumError)
            failures.append(f"{source.describe()}: {error}")
    raise unavailable(spec, failures, ChecksumError if wrong else DataUnavailableError)


def _deliver(spec: CorpusSpec, source: DownloadSource, folder: Path, progress: bool) -> None:
    with fetch_bar(f"fetching {spec.name}", show=progress) as bar:
        source.fetch(folder, bar)
    for name, expected in spec.files.items():
        found = sha256_of(folder / name)
        if found != expected:
            raise ChecksumError(
                f"what it gives as {name} is not the published file: sha256 {found}, "
                f"expected {expected}"
            )


def _keep(spec: CorpusSpec, folder: Path, target: Path) -> Path:
    """Move checked files into the cache, each whole or not at all."""
    try:
        for name in spec.files:
            with write_aside(target / name) as temporary:
                shutil.copyfile(folder / name, temporary)
    except OSError as error:
        raise _CacheError(
            f"corpus {spec.name!r} was fetched but cannot be kept in the cache {target}: {error}; "
            f"free space there, or name another folder by cache_dir or {CACHE_VARIABLE}"
        ) from error
    return target


def unavailable(
    spec: CorpusSpec,
    reasons: list[str],
    kind: type[SpearAmalError] = DataUnavailableError,
    files: Iterable[str] | None = None,
) -> SpearAmalError:
    """Make the error that says why a corpus, or some files of it, cannot be had, and what to do."""
    wanted = ", ".join(spec.files if files is None else files)
    listed = "".join(f"\n  - {reason}" for reason in reasons)
    return kind(
        f"corpus {spec.name!r} cannot be had:{listed}\n"
        f"If you have its files ({wanted}), put them into DIR/{spec.name} and pass "
        f"data_dir=DIR or set {DATA_VARIABLE}=DIR; {CACHE_VARIABLE} moves the cache. "
        f"The card datasets/{spec.name}.md says where they are published."
    )
