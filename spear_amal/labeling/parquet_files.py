"""The Parquet files of a source: in an order that is no guess, with the columns of partitions."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

from spear_amal._typing import PathLike
from spear_amal.errors import InputError
from spear_amal.votes.parquet import MANIFEST

ORDERS = ("name", "number")
_SUFFIXES = frozenset([".parquet", ".parq", ".pq"])
_NULL = "__HIVE_DEFAULT_PARTITION__"
# Numbers, and what is none though it holds digits: 6f9619ff-8b86-d011-b42d-00c04fc964ff, 0f3a..e1
_NUMBER = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|(?=[0-9]*[a-f])[0-9a-f]{16,}|[0-9]+"
)


class SourceFile(NamedTuple):
    """One Parquet file.

    Attributes
    ----------
    path : Path
    partition : tuple of (str, int or str or None)
        Columns that its folders are named for, as ``year=2024``, with their value.
    """

    path: Path
    partition: tuple[tuple[str, Any], ...]


def source_files(
    source: PathLike | Sequence[PathLike],
    order: str | None = None,
    by_id: bool = False,
    output: Path | None = None,
) -> list[SourceFile]:
    """Return the Parquet files of a source: a file, a folder, or several of them.

    Parameters
    ----------
    source : path, or sequence of paths
        Of several the order is as given; within a folder it is that of the names.
    order : {"name", "number"}, optional
        How the files of a folder are sorted. Needed where the two differ: part.2 comes after
        part.10 as a text and before it as a number.
    by_id : bool
        Rows have ids of their own: the order means nothing, and is that of the numbers.
    output : path, optional
        Folder for votes: no part of the source, even if it lies in its folder. Nor are folders of
        finished votes.

    Raises
    ------
    InputError
        If there is no file, the order cannot be told, a folder holds files on several levels or
        in folders that are no partitions, or the source is something else: a Dask DataFrame.
    """
    if not isinstance(source, str | os.PathLike | list | tuple):
        raise InputError(
            f"needed Parquet files (a path, or a list of paths), found {type(source).__name__}; "
            "write its rows as Parquet first, for example with to_parquet(folder)"
        )
    if order is not None and (not isinstance(order, str) or order not in ORDERS):
        raise InputError(f"order must be one of {ORDERS}, found {order!r}")
    listed = [source] if isinstance(source, str | os.PathLike) else list(source)
    paths: list[Path] = []
    for place in map(Path, listed):
        if output is not None and place.resolve() == output.resolve():
            raise InputError(f"votes cannot go into the folder of the rows, {place}: name another")
        inside = _of_folder(place, order, by_id, output) if place.is_dir() else [place]
        # Not resolved: a link may stand for a file whose own name is a mere checksum.
        paths += [Path(os.path.abspath(path)) for path in inside]
    if not paths:
        raise InputError(f"needed Parquet files, a folder of them or a list, found none: {source}")
    return [
        SourceFile(path, columns) for path, columns in zip(paths, _partitions(paths), strict=True)
    ]


def _of_folder(folder: Path, order: str | None, by_id: bool, output: Path | None) -> list[Path]:
    if (folder / "_delta_log").is_dir():
        raise InputError(
            f"{folder} is a Delta table, whose log says which of the files count; write the rows "
            "as plain Parquet files and take those"
        )
    names = [path.relative_to(folder) for path in _walk(folder, output)]
    levels = {tuple(key for key, _ in _keys(name)) for name in names}
    outside = [name for name in names if len(_keys(name)) < len(name.parts) - 1]
    if len(levels) > 1 or outside:
        examples = sorted({str(folder / name.parent) for name in outside or names})[:3]
        raise InputError(
            f"{folder} holds Parquet files in several folders that are no partitions of one table "
            f"(year=2024/..), such as {examples}: give a list of the folders or files that are "
            "meant, in the order of the rows"
        )
    by_name, by_number = sorted(names, key=lambda name: name.parts), sorted(names, key=_by_number)
    if order is None and not by_id and by_name != by_number:
        a, b = next((a, b) for a, b in zip(by_name, by_number, strict=True) if a != b)
        raise InputError(
            f"the names in {folder} hold numbers without leading zeros, so that their order is "
            f"open: {a} comes before {b} by name, after it by number. Say order='number' (as Dask "
            "and Spark count) or order='name', list the files, or name the column of ids (row_id=)"
        )
    chosen = by_number if order == "number" or (order is None and by_id) else by_name
    return [folder / name for name in chosen]


def _walk(folder: Path, output: Path | None) -> Iterator[Path]:
    """Yield the files below a folder; a folder of Spark may itself be called rows.parquet."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith((".", "_")):
                continue
            path = Path(entry.path)
            if not entry.is_dir():
                if path.suffix.lower() in _SUFFIXES:
                    yield path
            elif not (path / MANIFEST).exists() and not (output and path.resolve() == output):
                yield from _walk(path, output)


def _by_number(name: Path) -> tuple[tuple[str, ...], Path]:
    """Sort key in which numbers have leading zeros."""
    return tuple(_NUMBER.sub(_padded, part) for part in name.parts), name


def _padded(match: re.Match[str]) -> str:
    return match[0].zfill(20) if match[0].isdecimal() else match[0]


def _keys(path: Path) -> list[tuple[str, str]]:
    """Names and values, as texts, of the partitions that a file lies in."""
    keys: list[tuple[str, str]] = []
    for part in reversed(path.parts[:-1]):
        key, equals, value = part.partition("=")
        if not (key and equals):
            break
        keys.append((unquote(key), unquote(value)))
    return keys[::-1]


def _partitions(paths: Sequence[Path]) -> list[tuple[tuple[str, Any], ...]]:
    """Columns of each file; whole numbers where all values of a column are."""
    found = [_keys(path) for path in paths]
    texts: dict[str, set[str]] = {}
    for keys in found:
        for key, value in keys:
            texts.setdefault(key, set()).add(value)
    whole = {
        key
        for key, values in texts.items()
        if all(re.fullmatch(r"[+-]?[0-9]{1,18}", value) for value in values - {_NULL})
    }

    def read(key: str, value: str) -> int | str | None:
        if value == _NULL:
            return None
        return int(value) if key in whole else value

    return [tuple((key, read(key, value)) for key, value in keys) for keys in found]
