"""CSV and TSV as they lie in the file: records of cells, none of which is changed."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from spear_amal.data.text_lines import line_error, numbered_lines, read_text, split_line_end
from spear_amal.errors import FileFormatError, InputError

_QUOTE = '"'
# From within a quoted cell up to its closing quote; two quotes stand for one.
_UP_TO_CLOSING = re.compile(r'((?:[^"]++|"")*+)"')
_MUST_BE_QUOTED = re.compile(r'["\n\r\ufeff]')
# Spreadsheets skip white space in front, and take the wide forms of the signs too.
_FORMULA = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20].", re.DOTALL)
_SIGNED_NUMBER = re.compile(r"[+-]\d+(?:\.\d*)?(?:[eE][+-]?\d+)?")
_ROWS_AT_A_TIME = 128  # more of them are slower: the garbage collector looks at them all


class RawRecord(NamedTuple):
    """One record of a file.

    Attributes
    ----------
    line : int
        Where it begins, counted from 1.
    raw : str
        As it stands in the file, with its line end.
    cells : list of str
        Without the quotes around them; none for a blank line.
    """

    line: int
    raw: str
    cells: list[str]


def read_records(path: Path, sep: str, encoding: str | None = None) -> Iterator[RawRecord]:
    """Yield the header, then all other records; blank lines have no cells.

    Parameters
    ----------
    path : Path
    sep : str
        One character, which stands between cells.
    encoding : str, optional
        As for :func:`~spear_amal.data.text_lines.numbered_lines`.

    Raises
    ------
    FileFormatError
        If a record has not as many cells as the header, or its quotes are wrong; names the line.
    InputError
        If the file has no header.
    """
    records = split_records(path, numbered_lines(path, encoding), sep)
    header = next((record for record in records if record.cells), None)
    if header is None:
        raise InputError(f"{path} is empty; it needs a header or rows")
    _check_header(path, header)
    yield header
    n_cells = len(header.cells)
    for record in records:
        if len(record.cells) != n_cells and record.cells:
            raise line_error(
                path,
                record.line,
                f"{len(record.cells)} cells, where the header has {n_cells}; a cell that holds "
                f"{sep!r} or a line end needs quotes around it",
            )
        yield record


def read_cells(path: Path, sep: str, encoding: str | None = None) -> dict[str, list[str]]:
    """Return the cells of a file by column, as they are.

    A column without a name is called by its place, as "Unnamed: 0".

    Raises
    ------
    FileFormatError, InputError
        As :func:`read_records`.
    """
    columns = _read_in_c(path, sep, encoding)
    if columns is None:  # something is wrong, or odd: the slow reader tells what, and in which line
        records = read_records(path, sep, encoding)
        header = next(records).cells
        rows = (record.cells for record in records if record.cells)
        columns = _by_column(header, rows)
    return columns


def _read_in_c(path: Path, sep: str, encoding: str | None) -> dict[str, list[str]] | None:
    """Return the cells by column; None unless they are surely those of the slow reader."""
    content = read_text(path, encoding)
    if "\0" in content or content.count("\r") != content.count("\r\n"):
        return None  # the module csv ends a record at a carriage return
    rows = filter(None, csv.reader(io.StringIO(content, newline=""), delimiter=sep, strict=True))
    try:
        header = next(rows, [])
        names = column_names(header)
        return _by_column(header, rows) if header and len(set(names)) == len(names) else None
    except (csv.Error, ValueError):  # wrong quotes, or a very long cell; rows of other lengths
        return None


def _by_column(header: Sequence[str], rows: Iterable[Sequence[str]]) -> dict[str, list[str]]:
    """Return the cells of rows by column.

    Raises
    ------
    ValueError
        If a row has not as many cells as the header.
    """
    columns: dict[str, list[str]] = {name: [] for name in column_names(header)}
    remaining = iter(rows)
    while chunk := list(islice(remaining, _ROWS_AT_A_TIME)):
        for column, cells in zip(columns.values(), zip(*chunk, strict=True), strict=True):
            column.extend(cells)
    return columns


def column_names(header: Sequence[str]) -> list[str]:
    """Return the names of the columns; one without a name is called by its place."""
    return [name or f"Unnamed: {place}" for place, name in enumerate(header)]


def format_record(cells: Iterable[str], sep: str) -> str:
    r"""Return cells as a record without its line end; quotes stand where a reader needs them.

    Examples
    --------
    >>> format_record(["a", "b, c", "two\nlines"], ",")
    'a,"b, c","two\nlines"'
    """
    return sep.join(
        f'"{cell.replace(_QUOTE, _QUOTE * 2)}"'
        if sep in cell or _MUST_BE_QUOTED.search(cell)
        else cell
        for cell in cells
    )


def as_no_formula(name: str) -> str:
    """Return a name as a cell that no spreadsheet runs: with an apostrophe in front if need be.

    Numbers stay as they are.

    Examples
    --------
    >>> [as_no_formula(name) for name in ("=1+1", "@x", "-1", "+0.5", "-", "ham")]
    ["'=1+1", "'@x", '-1', '+0.5', '-', 'ham']
    """
    return f"'{name}" if _FORMULA.match(name) and not _SIGNED_NUMBER.fullmatch(name) else name


def _check_header(path: Path, header: RawRecord) -> None:
    content, end = split_line_end(header.raw)
    if "\0" in content:
        raise FileFormatError(
            f"{path} holds NUL characters, as UTF-16 without its mark does; save it as UTF-8, or "
            "name its encoding: encoding='utf-16' (--encoding utf-16)"
        )
    if "\r" in content and not end:
        raise FileFormatError(
            f"{path} ends its lines with carriage returns alone; save it with line feeds"
        )
    counts = Counter(column_names(header.cells))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise line_error(
            path, header.line, f"the columns {twice} are there more than once; rename them"
        )


def split_records(path: Path, lines: Iterable[tuple[int, str]], sep: str) -> Iterator[RawRecord]:
    """Yield the records of numbered lines, whatever number of cells they have.

    Raises
    ------
    FileFormatError
        If the quotes of a record are wrong; names the line.
    """
    lines = iter(lines)
    for number, line in lines:
        if _QUOTE in line:
            yield _record_with_quotes(path, number, line, lines, sep)
        else:
            content, _ = split_line_end(line)
            yield RawRecord(number, line, content.split(sep) if content else [])


def _record_with_quotes(
    path: Path, number: int, line: str, lines: Iterator[tuple[int, str]], sep: str
) -> RawRecord:
    """Return the record that begins in a line; a quoted cell may take further lines."""
    read, cells, position = [line], [], 0
    while True:
        if line.startswith(_QUOTE, position):
            parts, position = [], position + 1
            while (closing := _UP_TO_CLOSING.match(line, position)) is None:
                parts.append(line[position:])
                _, line = next(lines, (0, ""))
                if not line:
                    raise line_error(path, number, "a quote is opened and never closed")
                read.append(line)
                position = 0
            parts.append(closing[1])
            cells.append("".join(parts).replace(_QUOTE * 2, _QUOTE))
            position = closing.end()
        else:
            stop = line.find(sep, position)
            stop = len(split_line_end(line)[0]) if stop < 0 else stop
            cells.append(line[position:stop])
            position = stop
        if position == len(split_line_end(line)[0]):
            return RawRecord(number, "".join(read), cells)
        if not line.startswith(sep, position):
            raise line_error(
                path,
                number,
                f"{line[position : position + 9]!r} follows the closing quote of a cell; write a "
                "quote within a quoted cell twice",
            )
        position += 1
