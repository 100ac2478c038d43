"""Load a corpus by name: from the data directory, from the cache, or by fetching it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from spear_amal._typing import PathLike
from spear_amal.checks import check_name
from spear_amal.data.corpora import imdb, plots, sms, wrench, youtube
from spear_amal.data.corpora.spec import CorpusSpec
from spear_amal.data.corpora.synthetic import GENERATED_SPEC
from spear_amal.data.corpus import Corpus
from spear_amal.data.download.cache import (
    CacheError,
    Wanted,
    data_folder,
    fetch_first,
    sha256_of,
)
from spear_amal.errors import ChecksumError, InputError
from spear_amal.io.atomic import write_aside
from spear_amal.io.cache_folder import CACHE_VARIABLE, cache_folder

#: The corpora that :func:`spear_amal.data.load_corpus` knows, by name.
CORPORA: dict[str, CorpusSpec] = {
    spec.name: spec
    for spec in (
        *(plots.SPEC, sms.SPEC, youtube.SPEC, imdb.SPEC),
        *(wrench.CENSUS, wrench.MUSHROOM, GENERATED_SPEC),
    )
}


@dataclass(frozen=True)
class CorpusStatus:
    """State of a corpus on this machine, for lists.

    Attributes
    ----------
    name, title, licence : str
    state : {"data directory", "cache", "damaged", "not fetched", "generated"}
    folder : Path or None
        Where its files are; None if nowhere.
    """

    name: str
    title: str
    licence: str
    state: str
    folder: Path | None


def load_corpus(
    name: str,
    data_dir: PathLike | None = None,
    cache_dir: PathLike | None = None,
    offline: bool = False,
    progress: bool = True,
) -> Corpus:
    """Load a corpus, fetching it first if it is nowhere on this machine.

    Parameters
    ----------
    name : str
        A key of `CORPORA`.
    data_dir : path, optional
        A folder with one folder a corpus; default: environment variable SPEAR_AMAL_DATA.
    cache_dir : path, optional
        Where fetched files are kept; default: SPEAR_AMAL_CACHE, else the platform's cache.
    offline : bool
        Never fetch.
    progress : bool
        Show a bar while fetching.

    Raises
    ------
    InputError
        If there is no corpus of that name, or `data_dir` is no folder.
    ChecksumError
        If files are there, or were fetched, whose content is not the published one.
    DataUnavailableError
        If the corpus is nowhere and no source delivered it; names every source and its failure.
    """
    spec = _spec(name)
    if not spec.files:
        return spec.build(Path(), "generated")
    placed = _place(spec, data_dir, cache_dir)
    if placed is not None:
        folder, source = placed
        _check_all(folder, spec)
        return spec.build(folder, source)
    return spec.build(*_fetch(spec, cache_folder(cache_dir), progress, offline))


def fetch_corpus(name: str, cache_dir: PathLike | None = None, progress: bool = True) -> Path:
    """Fetch the files of a corpus into the cache, unless they are there; return their folder.

    Raises
    ------
    InputError, ChecksumError, DataUnavailableError
        As :func:`load_corpus`. Damaged files in the cache are replaced.
    """
    spec = _spec(name)
    cache = cache_folder(cache_dir)
    if not spec.files:
        raise InputError(f"corpus {name!r} is generated, there is nothing to fetch")
    try:
        _check(cache / spec.place, spec.files)
        return cache / spec.place
    except (FileNotFoundError, ChecksumError):
        return _fetch(spec, cache, progress)[0]


def corpus_status(
    name: str, data_dir: PathLike | None = None, cache_dir: PathLike | None = None
) -> CorpusStatus:
    """Return the state of a corpus without fetching; its files are read and checked."""
    spec = _spec(name)
    placed = _place(spec, data_dir, cache_dir)
    if not spec.files:
        return CorpusStatus(name, spec.title, spec.licence, "generated", None)
    if placed is None:
        return CorpusStatus(name, spec.title, spec.licence, "not fetched", None)
    folder, state = placed
    try:
        _check_all(folder, spec)
    except ChecksumError:
        state = "damaged"
    return CorpusStatus(name, spec.title, spec.licence, state.partition(" (")[0], folder)


def corpus_file(
    name: str,
    file: str,
    data_dir: PathLike | None = None,
    cache_dir: PathLike | None = None,
) -> Path:
    """Path of one checked file of a corpus, such as the published rules ("sms", "rules.tsv").

    Raises
    ------
    InputError
        If the corpus has no such file; names those it has.
    DataUnavailableError
        If the file is not on this machine.
    ChecksumError
        If its content is not the published one.
    """
    spec = _spec(name)
    known = {**spec.files, **spec.published}
    if file not in known:
        raise InputError(f"corpus {name!r} has no file {file!r}; it has {sorted(known)}")
    folders = (data_folder(data_dir), cache_folder(cache_dir))
    for path in (folder / spec.place / file for folder in folders if folder is not None):
        if path.is_file():
            _check(path.parent, {file: known[file]})
            return path
    raise _wanted(spec, [file]).unavailable([f"{file} is not on this machine"])


def _spec(name: str) -> CorpusSpec:
    check_name("corpus", name, CORPORA)
    return CORPORA[name]


def _place(
    spec: CorpusSpec, data_dir: PathLike | None, cache_dir: PathLike | None
) -> tuple[Path, str] | None:
    """First folder that has all needed files, and its name for people."""
    named = data_folder(data_dir)
    candidates = [] if named is None else [(named / spec.place, f"data directory ({named})")]
    cached = cache_folder(cache_dir) / spec.place
    for folder, label in [*candidates, (cached, f"cache ({cached})")]:
        if len(_present(folder, spec.files)) == len(spec.files):
            return folder, label
    return None


def _present(folder: Path, files: dict[str, str]) -> dict[str, str]:
    return {name: digest for name, digest in files.items() if (folder / name).is_file()}


def _check_all(folder: Path, spec: CorpusSpec) -> None:
    """Check the needed files, and the optional ones that are there."""
    _check(folder, {**spec.files, **_present(folder, spec.published)})


def _check(folder: Path, files: dict[str, str], fetched: bool = False) -> None:
    """Raise ChecksumError unless the files of a folder hold the published content."""
    for name, expected in files.items():
        if (actual := sha256_of(folder / name)) != expected:
            subject = f"what it gives as {name}" if fetched else f"{folder / name}"
            advice = "" if fetched else "; restore it, or delete it and fetch the corpus again"
            raise ChecksumError(
                f"{subject} is not the published file: its sha256 is {actual}, expected "
                f"{expected}{advice}"
            )


def _fetch(
    spec: CorpusSpec, cache: Path, progress: bool, offline: bool = False
) -> tuple[Path, str]:
    """Fetch the files of a corpus into the cache; returns their folder and the source's name."""
    keep = partial(_keep, spec, cache / spec.place)
    return fetch_first(_wanted(spec), spec.sources, keep, offline=offline, progress=progress)


def _wanted(spec: CorpusSpec, files: Iterable[str] | None = None) -> Wanted:
    """Word messages about a corpus, or about some files of it."""
    names = ", ".join(spec.files if files is None else files)
    return Wanted(
        spec.name,
        f"corpus {spec.name!r}",
        f"If you have its files ({names}), put them into {Path('DIR', spec.place)}",
        f"The card {spec.card} says where they are published.",
    )


def _keep(spec: CorpusSpec, target: Path, folder: Path) -> Path:
    """Check fetched files and copy them into the cache, each whole or not at all."""
    _check(folder, spec.files, fetched=True)
    try:
        for name in spec.files:
            with write_aside(target / name) as temporary:
                shutil.copyfile(folder / name, temporary)
    except OSError as error:
        raise CacheError(
            f"corpus {spec.name!r} was fetched but cannot be kept in the cache {target}: {error}; "
            f"free space there, or name another folder by cache_dir or {CACHE_VARIABLE}"
        ) from error
    return target
