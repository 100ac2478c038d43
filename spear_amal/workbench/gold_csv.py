"""The content of a file of labels: records of CSV, of which the last may have been cut off."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import write_aside

_LINES = re.compile(r"[^\n]*\n|[^\n]+")
_CUT = "unexpected end of data"  # what csv says of a quote that is never closed
_DELIMITERS = (",", ";", "\t", "|")


@dataclass(frozen=True)
class GoldCsv:
    """What stands in a file of labels.

    Attributes
    ----------
    columns : tuple of str
        Empty for a file without content.
    records : tuple of tuple of str
        Each as long as `columns`.
    size : int
        Bytes of the file that hold whole records: what follows was cut off by a crash.
    delimiter : str
    is_ended : bool
        Whether the last whole record ends with its line.
    """

    columns: tuple[str, ...] = ()
    records: tuple[tuple[str, ...], ...] = ()
    size: int = 0
    delimiter: str = ","
    is_ended: bool = True

    @classmethod
    def of(cls, content: bytes, path: Path, label_column: str) -> GoldCsv:
        """Read the content of a file.

        Raises
        ------
        FileFormatError
            If it is no text in UTF-8, no CSV, or has no column of labels.
        """
        text = _decoded(content, path)
        try:
            with _cells_of_any_length():
                read = cls._of_text(text, label_column)
        except csv.Error as error:
            raise FileFormatError(
                f"{path} is no CSV ({error}); save it with a line for each record"
            ) from error
        if read.columns and label_column not in read.columns:
            raise FileFormatError(
                f"{path} needs the column {label_column!r} of labels; it has {list(read.columns)}"
            )
        if content.startswith(_BOM) and read.columns:
            return replace(read, size=read.size + len(_BOM))
        return read

    @classmethod
    def _of_text(cls, text: str, label_column: str) -> GoldCsv:
        lines = _LINES.findall(text)
        if not lines:
            return cls()
        delimiter = next((d for d in _DELIMITERS if label_column in _fields(lines[0], d)), ",")
        reader = csv.reader(lines, delimiter=delimiter)
        read, ends = [], []
        for fields in reader:
            read.append(tuple(fields))
            ends.append(reader.line_num)
        is_ended = text.endswith("\n")
        columns = read[0]
        start = ends[-2] if len(ends) > 1 else 0
        # Where all cells are quoted, as they are written here, so is the last one.
        is_bare = lines[0].startswith('"') and not text.endswith('"')
        is_short = not is_ended and (len(read[-1]) < len(columns) or is_bare)
        if is_short or _has_open_quote(lines[start:], delimiter):
            lines, read, is_ended = lines[:start], read[:-1], True
        if not read:
            return cls()
        size = len("".join(lines).encode())
        width = len(columns)
        records = tuple((*r, *[""] * width)[:width] for r in read[1:] if any(r))
        return cls(columns, records, size, delimiter, is_ended)

    def cells(self, column: str) -> list[str]:
        """Return the cells of a column; empty ones where there is no such column."""
        if column not in self.columns:
            return [""] * len(self.records)
        place = self.columns.index(column)
        return [record[place] for record in self.records]


_BOM = b"\xef\xbb\xbf"
_LIMIT_LOCK = Lock()
_LONGEST_CELL = 2**31 - 1  # characters; csv itself stops at a text of 131,072


@contextmanager
def _cells_of_any_length() -> Iterator[None]:
    """Raise the limit of csv for long cells during a block; it is one for all threads."""
    with _LIMIT_LOCK:
        usual = csv.field_size_limit(_LONGEST_CELL)
        try:
            yield
        finally:
            csv.field_size_limit(usual)


def _decoded(content: bytes, path: Path) -> str:
    """Return the text; without the rest of a letter that was cut off at the end."""
    content = content.removeprefix(_BOM)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        if b"\n" not in content[error.start :] and error.reason == _CUT:
            return content[: error.start].decode()
        raise FileFormatError(
            f"{path} is no text in UTF-8 (byte {error.start}); save it as UTF-8"
        ) from error


def _fields(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _has_open_quote(lines: Sequence[str], delimiter: str) -> bool:
    """Return whether the last record was cut off within a cell; its text may have ends of lines."""
    try:
        list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error as error:
        return str(error) == _CUT
    return False


def append_records(path: Path, content: GoldCsv, records: Iterable[Sequence[str]]) -> None:
    """Write records behind those of a file, by one write that reaches the disk.

    Parameters
    ----------
    path : path
    content : GoldCsv
        What the file holds now; a record that was cut off is removed.
    records : iterable of sequences of str
    """
    added = _csv_text(records, content.delimiter)
    with open(path, "r+b", buffering=0) as file:
        file.truncate(content.size)
        file.seek(content.size)
        try:
            _write_all(file, ("" if content.is_ended else "\n").encode() + added.encode())
            os.fsync(file.fileno())
        except OSError as error:  # a full disk: no label counts of which nobody was told
            with suppress(OSError):
                file.truncate(content.size)
            error.filename = os.fspath(path)
            raise


def _write_all(file: io.FileIO, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[file.write(rest) :]


def write_records(path: Path, content: GoldCsv) -> None:
    """Write a whole file anew, aside first."""
    with write_aside(path) as temporary:
        rows = [content.columns, *content.records]
        temporary.write_bytes(_csv_text(rows, content.delimiter).encode())


def _csv_text(records: Iterable[Sequence[str]], delimiter: str) -> str:
    # All cells are quoted: of a record that was cut off a quote is open.
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerows(records)
    return text.getvalue()
