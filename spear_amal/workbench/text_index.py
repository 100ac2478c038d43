"""A column of texts laid out for search: bytes in a file that two processes share.

Texts stand behind one another with a newline between them, so that one search runs through all.
"""

from __future__ import annotations

import mmap
import re
import tempfile
import weakref
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.io.leftovers import ScratchFolder, remove_leftovers
from spear_amal.labeling.cell_values import as_list
from spear_amal.labeling.text_chunks import CHUNK_BYTES, TextChunk

# Characters that may stand for a newline: no letters, no white space, of one byte.
_STAND_INS = [chr(code) for code in (*range(1, 9), *range(0x0E, 0x1C))]
_LETTER_BEYOND_ASCII = re.compile(r"[^\W\x00-\x7f]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_UTF8 = ("utf-8", "surrogatepass")


@dataclass(frozen=True)
class Group:
    r"""Texts behind one another, each with a newline behind it.

    Attributes
    ----------
    rows : ndarray of int (k,)
        Their rows in the table.
    data : bytes-like
        UTF-8, of other groups too.
    starts, stops : ndarray of int (k,)
        Text i is ``data[starts[i]:stops[i]]``.
    newline : str or None
        The character that stands for a newline in a text: no text has it. None if no text of the
        column has a newline.
    is_plain : bool
        All letters and digits are of ASCII: there ``\b`` and ``\w`` mean the same in every engine.
    """

    rows: np.ndarray
    data: Any
    starts: np.ndarray
    stops: np.ndarray
    newline: str | None
    is_plain: bool

    @cached_property
    def edges(self) -> np.ndarray:
        """Where texts, and what stands between two of them, begin and end (2 k), by turns."""
        return np.stack([self.starts, self.stops], axis=1).ravel()

    @cached_property
    def as_arrow(self) -> Any:
        """The texts as Arrow has them (2 k - 1), without a copy; a newline between two."""
        import pyarrow as pa

        buffers = [None, pa.py_buffer(self.edges), pa.py_buffer(self.data)]
        return pa.Array.from_buffers(pa.large_string(), len(self.edges) - 1, buffers)

    def span(self, first: int, size: int) -> int:
        """Return where texts from `first` on end that have about `size` bytes; one at least."""
        last = int(np.searchsorted(self.starts, self.starts[first] + size)) - 1
        return min(max(last, first) + 1, len(self.rows))

    def chunks(self) -> Iterator[tuple[np.ndarray, TextChunk]]:
        """Yield the texts as a search for words takes them, with their rows.

        What stands between two texts comes as a text of its own, with row -1.
        """
        data = np.frombuffer(self.data, np.uint8)
        stop = 0
        while stop < len(self.rows):
            first, stop = stop, self.span(stop, CHUNK_BYTES)
            rows = np.full(2 * (stop - first), -1)
            rows[::2] = self.rows[first:stop]
            yield rows[:-1], TextChunk(data, self.edges[2 * first : 2 * stop])


class TextIndex:
    """The texts of a column, laid out for search.

    Parameters
    ----------
    values : sequence or Series of n texts, None or NaN where there is none
    column : str
        For messages.

    Attributes
    ----------
    n : int
    groups : list of Group
    odd : ndarray of int
        Rows of texts that no group can hold: empty ones, and those with half a character.
    starts, stops : ndarray of int (n,)
        Where the text of each row lies in the file.
    newline : str or None
        As of the groups; in odd rows newlines are newlines.

    Raises
    ------
    InputError
        If the column holds something else than texts.
    """

    def __init__(self, values: Any, column: str) -> None:
        texts: list[str | None] = as_list(values)
        if not set(map(type, texts)) <= {str, type(None)}:
            other = next(text for text in texts if not isinstance(text, str | None))
            raise InputError(
                f"column {column!r} holds {other!r} ({type(other).__name__}); words and patterns "
                "are looked for in texts only"
            )
        plain, lettered, odd = _sorted_rows(texts)
        self.newline, odd_too = _newline_for(texts)
        if odd_too:
            odd = sorted({*odd, *odd_too})
            plain, lettered = (sorted({*rows} - {*odd}) for rows in (plain, lettered))
        self.n = len(texts)
        self.odd = np.array(odd, np.int64)
        self.starts = np.zeros(len(texts), np.int64)
        self.stops = np.zeros(len(texts), np.int64)
        remove_leftovers(Path(tempfile.gettempdir()))
        folder = ScratchFolder(Path(tempfile.gettempdir()))
        self.close = weakref.finalize(self, folder.remove)  # removes the file
        self.file = folder.path / "texts"
        self._write(texts, (plain, lettered, odd))
        parts = (np.array(plain, np.int64), True), (np.array(lettered, np.int64), False)
        self.groups = [
            Group(rows, self.data, self.starts[rows], self.stops[rows], self.newline, is_plain)
            for rows, is_plain in parts
            if len(rows)
        ]

    def _write(self, texts: Sequence[str | None], parts: Sequence[list[int]]) -> None:
        """Write the texts to the file, and where they lie."""
        place = 0
        with open(self.file, "wb") as handle:
            for rows in parts:
                part = [texts[row] or "" for row in rows]
                if self.newline is not None and rows is not parts[-1]:
                    part = [text.replace("\n", self.newline) for text in part]
                joined = "\n".join([*part, ""])
                data = joined.encode(*_UTF8)
                sizes: Iterable[int] = map(len, part)
                if len(data) > len(joined):
                    sizes = (len(text.encode(*_UTF8)) for text in part)
                lengths = np.fromiter(sizes, np.int64, len(part))
                stops = place + np.cumsum(lengths + 1) - 1
                self.starts[rows], self.stops[rows] = stops - lengths, stops
                handle.write(data)
                place += len(data)

    @cached_property
    def data(self) -> Any:
        """The bytes of the file, in memory as long as they are used."""
        with open(self.file, "rb") as handle:
            if not self.file.stat().st_size:
                return b""
            return mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ)

    @property
    def present(self) -> np.ndarray:
        """All rows that have a text."""
        parts = [group.rows for group in self.groups]
        return np.sort(np.concatenate([*parts, self.odd]))

    def located(self, rows: np.ndarray) -> tuple[str, bytes, bytes, str | None]:
        """Return where the texts of some rows lie, for other processes: see ``pattern_worker``."""
        starts, stops = self.starts[rows].tobytes(), self.stops[rows].tobytes()
        return str(self.file), starts, stops, self.newline

    def text(self, row: int) -> str:
        """Return the text of a row, "" where there is none."""
        text = self.data[self.starts[row] : self.stops[row]].decode(*_UTF8)
        return text if self.newline is None else text.replace(self.newline, "\n")


def _sorted_rows(texts: Sequence[str | None]) -> tuple[list[int], list[int], list[int]]:
    """Return rows without letters beyond ASCII, rows with some, and rows that are odd."""
    plain: list[int] = []
    lettered: list[int] = []
    odd: list[int] = []
    for row, text in enumerate(texts):
        if not text:
            if text is not None:
                odd.append(row)
        elif text.isascii():
            plain.append(row)
        elif _SURROGATE.search(text):
            odd.append(row)
        else:
            (lettered if _LETTER_BEYOND_ASCII.search(text) else plain).append(row)
    return plain, lettered, odd


def _newline_for(texts: Sequence[str | None]) -> tuple[str | None, list[int]]:
    """Return what may stand for a newline, and rows with newlines if nothing may."""
    rows = [row for row, text in enumerate(texts) if text and "\n" in text]
    if not rows:
        return None, []
    for letter in _STAND_INS:
        if not any(letter in text for text in texts if text):
            return letter, []
    return None, rows
