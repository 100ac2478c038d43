"""CSV and TSV as they lie in the file: records of cells, none of which is changed or guessed at."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from spear_amal.data.text_lines import line_error, numbered_lines, split_line_end
from spear_amal.errors import FileFormatError, InputError

DELIMITERS = {".csv": ",", ".tsv": "\t"}

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


def delimiter_of(path: Path) -> str:
    """Return what stands between the cells of a file, by its suffix."""
    return DELIMITERS[path.suffix.lower()]


def read_records(path: Path) -> Iterator[RawRecord]:
    """Yield the header, then all other records; blank lines have no cells.

    Raises
    ------
    FileFormatError
        If a record has not as many cells as the header, or its quotes are wrong; names the line.
    InputError
        If the file has no header.
    """
    records = _split(path, delimiter_of(path))
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
                f"{delimiter_of(path)!r} or a line end needs quotes around it",
            )
        yield record


def read_cells(path: Path) -> dict[str, list[str]]:
    """Return the cells of a file by column, as they are.

    A column without a name is called by its place, as "Unnamed: 0".

    Raises
    ------
    FileFormatError, InputError
        As :func:`read_records`.
    """
    records = read_records(path)
    columns: dict[str, list[str]] = {name: [] for name in column_names(next(records))}
    rows = (record.cells for record in records if record.cells)
    while chunk := list(islice(rows, _ROWS_AT_A_TIME)):
        for column, cells in zip(columns.values(), zip(*chunk, strict=True), strict=True):
            column.extend(cells)
    return columns


def column_names(header: RawRecord) -> list[str]:
    """Return the names of the columns; one without a name is called by its place."""
    return [name or f"Unnamed: {place}" for place, name in enumerate(header.cells)]


def format_record(cells: Iterable[str], delimiter: str) -> str:
    r"""Return cells as a record without its line end; quotes stand where a reader needs them.

    Examples
    --------
    >>> format_record(["a", "b, c", "two\nlines"], ",")
    'a,"b, c","two\nlines"'
    """
    return delimiter.join(
        f'"{cell.replace(_QUOTE, _QUOTE * 2)}"'
        if delimiter in cell or _MUST_BE_QUOTED.search(cell)
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
        raise FileFormatError(f"{path} holds NUL characters, as UTF-16 does; save it as UTF-8")
    if "\r" in content and not end:
        raise FileFormatError(
            f"{path} ends its lines with carriage returns alone; save it with line feeds"
        )
    counts = Counter(column_names(header))
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        raise line_error(
            path, header.line, f"the columns {twice} are there more than once; rename them"
        )


def _split(path: Path, delimiter: str) -> Iterator[RawRecord]:
    lines = numbered_lines(path)
    for number, line in lines:
        if _QUOTE in line:
            yield _record_with_quotes(path, number, line, lines, delimiter)
        else:
            content, _ = split_line_end(line)
            yield RawRecord(number, line, content.split(delimiter) if content else [])


def _record_with_quotes(
    path: Path, number: int, line: str, lines: Iterator[tuple[int, str]], delimiter: str
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
            stop = line.find(delimiter, position)
            stop = len(split_line_end(line)[0]) if stop < 0 else stop
            cells.append(line[position:stop])
            position = stop
        if position == len(split_line_end(line)[0]):
            return RawRecord(number, "".join(read), cells)
        if not line.startswith(delimiter, position):
            raise line_error(
                path,
                number,
                f"{line[position : position + 9]!r} follows the closing quote of a cell; write a "
                "quote within a quoted cell twice",
            )
        position += 1
