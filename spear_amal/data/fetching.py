"""Fetch the files of a corpus into the cache: source by source, checked, whole or not at all."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from spear_amal.data.checksums import sha256_of
from spear_amal.data.places import CACHE_VARIABLE, DATA_VARIABLE
from spear_amal.data.sources import Source
from spear_amal.data.specs import CorpusSpec
from spear_amal.errors import ChecksumError, DataUnavailableError, SpearAmalError
from spear_amal.io.atomic import write_aside
from spear_amal.progress import fetch_bar


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


def _deliver(spec: CorpusSpec, source: Source, folder: Path, progress: bool) -> None:
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
