"""Columns of texts as bytes: the buffers of Arrow and pandas where they lie, else a copy in parts.

A column comes as chunks of bounded size, each with the UTF-8 of its texts behind one another.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.labeling.cell_values import as_list, is_missing

# Bytes of a chunk at most, unless a single text has more.
CHUNK_BYTES = 1 << 23
# Rows, or letters of Python's texts, that are copied at a time where no UTF-8 lies in order.
COPIED_ROWS = 1 << 16
COPIED_LETTERS = 1 << 22


@dataclass(frozen=True)
class TextChunk:
    """Texts of n rows that follow each other.

    Attributes
    ----------
    data : array of uint8 of shape (bytes,)
        UTF-8; half of a surrogate pair that stands alone as "surrogatepass" writes it.
    offsets : array of int32 or int64 of shape (n + 1,)
        Text i is ``data[offsets[i]:offsets[i + 1]]``.
    missing : array of bool of shape (n,), or None
        Rows without a text, whatever bytes stand there; None if all have one.
    """

    data: np.ndarray
    offsets: np.ndarray
    missing: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def text(self, row: int) -> str:
        """Return the text of one row."""
        part = self.data[self.offsets[row] : self.offsets[row + 1]]
        return part.tobytes().decode("utf-8", "surrogatepass")


def text_chunks(values: Any) -> Iterator[TextChunk] | None:
    """Return a column of texts in chunks; None if something else than texts is in it.

    Parameters
    ----------
    values : pandas Series, array of Arrow or Polars, or sequence, of shape (n,)

    Raises
    ------
    InputError
        While the chunks are read, if what Arrow holds as text is no UTF-8.

    Examples
    --------
    >>> (chunk,) = text_chunks(["won", None, "lost"])
    >>> chunk.data.tobytes(), chunk.offsets.tolist(), chunk.missing.tolist()
    (b'wonlost', [0, 3, 3, 7], [False, True, False])
    """
    arrays = _arrow_arrays(values)
    if arrays is not None:
        return _chunks_of_arrow(arrays)
    texts = as_list(values)
    if set(map(type, texts)) <= {str, type(None)}:
        return chunks_of_texts(texts)
    texts = [None if is_missing(text) else text for text in texts]
    usable = all(text is None or isinstance(text, str) for text in texts)
    return chunks_of_texts(texts) if usable else None


def chunks_of_texts(values: Sequence[str | None]) -> Iterator[TextChunk]:
    """Write texts of Python as UTF-8, a bounded number of letters at a time."""
    missing, texts = None, cast("Sequence[str]", values)
    if None in values:
        missing = np.fromiter((value is None for value in values), bool, len(values))
        texts = [value or "" for value in values]
    ends = np.cumsum(np.fromiter(map(len, texts), np.int64, len(texts)))
    for start, stop in _spans(np.concatenate([[0], ends]), COPIED_LETTERS):
        part = texts[start:stop]
        data = "".join(part).encode("utf-8", "surrogatepass")
        letters = ends[start:stop] - (ends[start - 1] if start else 0)
        if len(data) > letters[-1]:  # some letters take several bytes
            letters = np.cumsum([len(text.encode("utf-8", "surrogatepass")) for text in part])
        offsets = np.concatenate([[0], letters])
        some = None if missing is None else missing[start:stop]
        yield TextChunk(np.frombuffer(data, np.uint8), offsets, some)


def _spans(offsets: np.ndarray, size: int) -> Iterator[tuple[int, int]]:
    """Return spans of rows of at most `size` bytes, at least one row each."""
    start, n = 0, len(offsets) - 1
    while start < n:
        stop = int(np.searchsorted(offsets, offsets[start] + size, side="right")) - 1
        stop = min(max(stop, start + 1), n)
        yield start, stop
        start = stop


def _arrow_arrays(values: Any) -> Iterator[Any] | None:
    """Return arrays of Arrow of the type string or large_string; None for other columns."""
    package = type(values).__module__.partition(".")[0]
    if package == "polars":
        return _of_polars(values)
    pa: Any = sys.modules.get("pyarrow")
    if pa is None:
        return None
    if isinstance(values, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        if not _stored_by_arrow(values.dtype):
            return None
        values = pa.chunked_array(pd.Series(values))
    elif package != "pyarrow" or not hasattr(values, "type"):
        return None
    return _of_arrow(values)


def _stored_by_arrow(kind: Any) -> bool:
    if isinstance(kind, pd.StringDtype):
        return kind.storage == "pyarrow"
    return isinstance(kind, pd.ArrowDtype)


def _of_polars(values: Any) -> Iterator[Any] | None:
    import polars as pl

    if values.dtype != pl.String or importlib.util.find_spec("pyarrow") is None:
        return None
    # Its texts do not lie in order: they are copied, a part at a time.
    starts = range(0, len(values), COPIED_ROWS)
    return (values.slice(start, COPIED_ROWS).to_arrow() for start in starts)


def _of_arrow(values: Any) -> Iterator[Any] | None:
    import pyarrow as pa

    kind, is_type = values.type, pa.types
    chunks = values.chunks if isinstance(values, pa.ChunkedArray) else [values]
    if is_type.is_string(kind) or is_type.is_large_string(kind):
        return iter(chunks)
    if is_type.is_dictionary(kind):
        kind = kind.value_type
    # Dictionaries, and views of strings, whose texts do not lie in order.
    if not (is_type.is_string(kind) or is_type.is_large_string(kind) or _is_view(kind)):
        return None
    try:
        values[:0].cast(pa.large_string())
    except pa.ArrowNotImplementedError:  # early versions have views, and cannot cast them
        return None
    return (
        chunk.slice(start, COPIED_ROWS).cast(pa.large_string())
        for chunk in chunks
        for start in range(0, len(chunk), COPIED_ROWS)
    )


def _is_view(kind: Any) -> bool:
    return str(kind) == "string_view"


def _check_utf8(array: Any) -> None:
    """Raise InputError unless the texts are UTF-8, which no reader of Parquet makes sure of."""
    import pyarrow as pa

    try:
        array.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(
            f"a column of texts holds bytes that are no UTF-8 ({error}); read it as binary, and "
            "decode it by the encoding that it has"
        ) from error


def _chunks_of_arrow(arrays: Iterator[Any]) -> Iterator[TextChunk]:
    for array in arrays:
        if not len(array):
            continue
        width = np.int64 if str(array.type) == "large_string" else np.int32
        known, places, data = array.buffers()
        rows = slice(array.offset, array.offset + len(array) + 1)
        offsets = np.frombuffer(places, width)[rows]
        letters = np.frombuffer(data, np.uint8) if data is not None else np.empty(0, np.uint8)
        if letters[offsets[0] : offsets[-1]].max(initial=0) >= 0x80:
            _check_utf8(array)
        missing = None
        if array.null_count:
            bits = np.unpackbits(np.frombuffer(known, np.uint8), bitorder="little")
            missing = bits[rows][: len(array)] == 0
        for start, stop in _spans(offsets, CHUNK_BYTES):
            some = None if missing is None else missing[start:stop]
            yield TextChunk(letters, offsets[start : stop + 1], some)
