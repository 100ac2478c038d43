"""Votes kept on disk, so that only what was edited runs again."""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from weakref import WeakKeyDictionary

import numpy as np

import spear_amal
from spear_amal._typing import PathLike
from spear_amal.checks import check_not_negative
from spear_amal.errors import FileFormatError
from spear_amal.io.arrays import arrays_of
from spear_amal.io.atomic import write_aside
from spear_amal.io.guard import DIGEST, guarded_reading, json_digest
from spear_amal.io.leftovers import remove_leftovers
from spear_amal.labeling.builders import ColumnLF
from spear_amal.labeling.data_points import RowSource
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.hashing import Unhashable, column_of, function_hash, lf_hash
from spear_amal.labeling.lf_outputs import ApplierMetadata
from spear_amal.labeling.parallel import (
    Labelled,
    LabelMatrixBuilder,
    VoteColumn,
    columns_of,
    merged,
)
from spear_amal.votes.class_set import ClassSet

# Computes votes of some LFs; the cache does not know how.
Compute = Callable[[list[LabelingFunction]], Labelled]
SUFFIX = ".votes"
CacheLike: TypeAlias = "VoteCache | PathLike"


class VoteCache:
    """A folder with the votes of LFs, by what the LF does, the rows and the classes.

    What an LF does is its code, that of functions, preprocessors and scorers it reaches, their
    constants, defaults, resources and the globals that they read; installed packages count by
    version. An LF for which that cannot be told (it reads files, the clock or random numbers, it
    changes a global, it holds objects of compiled code) is computed every time, unless it states a
    ``version``, and so is one that failed on a row. Nothing is guessed.

    Parameters
    ----------
    folder : path
    max_bytes : int, default=1_000_000_000
        Above that, files that were not used for longest are removed.

    Attributes
    ----------
    report : dict of str to str
        What the last application did for each LF: ``"cached"``, ``"computed"``, or
        ``"not cached: <why>"``.

    Examples
    --------
    >>> import tempfile
    >>> from spear_amal.labeling import LFApplier, keyword_lf
    >>> cache = VoteCache(tempfile.mkdtemp())
    >>> applier = LFApplier([keyword_lf("free", ["free"], 1)])
    >>> for _ in range(2):
    ...     votes = applier.apply(["free tones", "see you"], cache=cache)
    ...     print(cache.report)
    {'free': 'computed'}
    {'free': 'cached'}
    """

    def __init__(self, folder: PathLike, max_bytes: int = 1_000_000_000) -> None:
        check_not_negative("max_bytes", max_bytes)
        self.folder = Path(folder)
        self.max_bytes = max_bytes
        self.report: dict[str, str] = {}

    @classmethod
    def of(cls, cache: CacheLike) -> VoteCache:
        """Return `cache`, made of a folder if it is one."""
        return cache if isinstance(cache, VoteCache) else cls(cache)

    def clear(self) -> None:
        """Remove all votes that are kept."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def label(
        self,
        lfs: Sequence[LabelingFunction],
        classes: ClassSet,
        source: RowSource,
        batch_size: int | None,
        compute: Compute,
    ) -> Labelled:
        """Votes of all LFs, of which only those are computed that are not in the folder."""
        self.report.clear()
        remove_leftovers(self.folder)
        keys = _Keys(classes, source, batch_size)
        gathering, metas = LabelMatrixBuilder(lfs, classes), []
        known, todo = {}, []
        for j, lf in enumerate(lfs):
            known[j] = self._key(keys, lf)
            entry = self._read(lf, known[j], source.n)
            if entry is None:
                todo.append(j)
                continue
            gathering.add_column(entry.column, j)
            metas.append(entry.meta(lf.name))
        if todo:
            votes, meta = compute([lfs[j] for j in todo])
            metas.append(meta)
            for j, votes_of_lf in zip(todo, columns_of(votes), strict=True):
                gathering.add_column(votes_of_lf, j)
                self._keep(keys, lfs[j], known[j], votes_of_lf, meta)
            self._make_room()
        return gathering.matrix(source.n, source.ids), merged(metas)

    def _key(self, keys: _Keys, lf: LabelingFunction) -> str | None:
        try:
            return keys.of(lf)
        except Unhashable as reason:
            self.report[lf.name] = f"not cached: {reason}"
            return None

    def _read(self, lf: LabelingFunction, key: str | None, n: int) -> Entry | None:
        if key is None:
            return None
        path = self._path(key)
        try:
            entry = read_entry(path, key, n)
            os.utime(path)  # used last now
        except FileNotFoundError:
            return None
        except (FileFormatError, OSError) as error:
            warnings.warn(f"votes of LF {lf.name!r} are computed anew: {error}", stacklevel=5)
            return None
        self.report[lf.name] = "cached"
        return entry

    def _keep(
        self,
        keys: _Keys,
        lf: LabelingFunction,
        key: str | None,
        votes: VoteColumn,
        meta: ApplierMetadata,
    ) -> None:
        if key is None:
            return
        if lf.name in meta.faults:
            self.report[lf.name] = f"not cached: it failed on {meta.faults[lf.name]} rows"
        elif lf.version is None and self._key(keys, lf) != key:
            self.report[lf.name] = "not cached: it changes while it runs"
        else:
            self.report[lf.name] = "computed"
            clipped, reasons = meta.clipped.get(lf.name, 0), meta.abstentions.get(lf.name, {})
            entry = Entry(keys.n, votes, clipped, reasons)
            try:
                write_entry(self._path(key), key, entry)
            except OSError as error:
                self.report[lf.name] = f"not cached: {error}"
                warnings.warn(
                    f"votes of LF {lf.name!r} are not kept in {self._path(key)}: {error}",
                    stacklevel=5,
                )

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{SUFFIX}"

    def _files(self) -> list[Path]:
        """Files of votes; not what is being written."""
        return [path for path in self.folder.glob(f"*{SUFFIX}") if not path.name.startswith(".")]

    def _make_room(self) -> None:
        """Remove what was not used for longest; another process may be doing the same."""
        with suppress(OSError):
            entries = [(path.stat(), path) for path in self._files()]
            total = sum(about.st_size for about, _ in entries)
            for about, path in sorted(entries, key=lambda pair: pair[0].st_mtime_ns):
                if total <= self.max_bytes:
                    break
                path.unlink(missing_ok=True)
                total -= about.st_size


# Of sources that are in use: their rows never change, so they are hashed once.
_row_hashes: WeakKeyDictionary[RowSource, dict[str | None, str]] = WeakKeyDictionary()


class _Keys:
    """Keys of LFs on one source."""

    def __init__(self, classes: ClassSet, source: RowSource, batch_size: int | None) -> None:
        self._classes, self._source, self._batch_size = classes, source, batch_size
        self._data = _row_hashes.setdefault(source, {})
        self.n = source.n

    def of(self, lf: LabelingFunction) -> str:
        """Key of one LF.

        Raises
        ------
        Unhashable
            If it cannot be told what its votes depend on.
        """
        read = lf.column if isinstance(lf, ColumnLF) else None
        batch_size = self._batch_size if lf.vectorized and read is None else None
        return function_hash([lf_hash(lf), self._classes.key, self._rows(read), batch_size])

    def _rows(self, name: str | None) -> str:
        if name not in self._data:
            source = self._source
            try:
                self._data[name] = function_hash(
                    source.batch(0, source.n)
                    if name is None
                    else column_of(source.column(name, 0, source.n))
                )
            except Unhashable as reason:
                raise Unhashable(f"the rows cannot be hashed: {reason}") from reason
        return self._data[name]


FORMAT = 2  # 1: without a digest of the head


class Entry(NamedTuple):
    """Votes of one LF on n rows, how many scores were clipped, and why it abstained, if it said."""

    n: int
    column: VoteColumn
    clipped: int
    reasons: dict[str, int]

    def meta(self, lf_name: str) -> ApplierMetadata:
        """Return what an applier hands back beside these votes."""
        clipped = {lf_name: self.clipped} if self.clipped else {}
        return ApplierMetadata({}, {}, clipped, {lf_name: self.reasons} if self.reasons else {})


def write_entry(path: Path, key: str, entry: Entry) -> None:
    """Write the file aside, then rename it: another process sees all of it, or nothing."""
    content = io.BytesIO()
    np.savez(content, **entry.column._asdict())
    payload = content.getvalue()
    head = _head(key) | {"n": entry.n, "clipped": entry.clipped, "reasons": entry.reasons}
    head |= {DIGEST: _digest(head, payload)}
    with write_aside(path, durable=False) as temporary:
        temporary.write_bytes(json.dumps(head).encode() + b"\n" + payload)


def read_entry(path: Path, key: str, n: int) -> Entry:
    """Read the file back.

    Raises
    ------
    FileFormatError
        If it is damaged, or was written by another version or for other votes.
    """
    with guarded_reading(path, "a file of these votes", "they are computed again"):
        first, _, payload = path.read_bytes().partition(b"\n")
        head = json.loads(first)
        for name, needed in (_head(key) | {"n": n}).items():
            if head[name] != needed:
                raise ValueError(f"{name} is {head[name]!r}, needed {needed!r}")
        if head[DIGEST] != _digest(head, payload):
            raise ValueError("the checksum is another one")
        arrays = arrays_of(io.BytesIO(payload))
        votes = VoteColumn(arrays["rows"], arrays["votes"], arrays["scores"])
        return Entry(n, votes, head["clipped"], head.get("reasons", {}))


def _head(key: str) -> dict[str, Any]:
    return {"format": FORMAT, "version": spear_amal.__version__, "key": key}


def _digest(head: dict[str, Any], payload: bytes) -> str:
    return hashlib.sha256(json_digest(head).encode() + payload).hexdigest()
