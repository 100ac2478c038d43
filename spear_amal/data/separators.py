"""What stands between the cells of a CSV file: named by the user, or told by its first rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from spear_amal.data.delimited import RawRecord, split_records
from spear_amal.data.table_kinds import suffix_of
from spear_amal.data.text_lines import numbered_lines, split_line_end
from spear_amal.errors import FileFormatError, InputError

COMMA, TAB = ",", "\t"
_NAMES = {COMMA: "comma", ";": "semicolon", TAB: "tab", "|": "pipe"}
_BY_NAME = {name: sep for sep, name in _NAMES.items()} | {r"\t": TAB}
# That are looked at where the header alone does not tell.
_LINES, _RECORDS = 1000, 100


def separator_of(path: Path, sep: str | None = None, encoding: str | None = None) -> str:
    """Return the character between the cells of a file.

    In .tsv that is a tab. In .csv it is the one of comma, semicolon, tab and pipe that stands in
    the header outside quotes; of several the one that divides the first rows as it does the header.

    Parameters
    ----------
    path : Path
        A file that exists.
    sep : str, optional
        The character, or its name: comma, semicolon, tab or pipe. Nothing is looked at then.
    encoding : str, optional
        As for :func:`~spear_amal.data.text_lines.numbered_lines`.

    Raises
    ------
    InputError
        If more than one character divides the rows, or `sep` is none.
    """
    if sep is not None:
        return named_separator(sep)
    if suffix_of(path) == ".tsv":
        return TAB
    lines = list(islice(numbered_lines(path, encoding), _LINES))
    counts = {mark: _cell_counts(path, lines, mark) for mark in _NAMES}
    marks = [mark for mark, cells in counts.items() if cells[:1] > [1]]
    if len(marks) < 2:
        return marks[0] if marks else COMMA
    return _most_even(path, {mark: counts[mark] for mark in marks})


def named_separator(sep: str) -> str:
    r"""Return the character that a name, or the character itself, stands for.

    Raises
    ------
    InputError
        If it is no single character, or one that ends cells or lines otherwise.

    Examples
    --------
    >>> named_separator("tab"), named_separator(";")
    ('\t', ';')
    """
    mark = _BY_NAME.get(sep.strip().lower(), sep) if isinstance(sep, str) else ""
    if len(mark) != 1 or mark in '"\r\n\0' or mark.isalnum():
        raise InputError(
            f"sep must be one character between cells, such as ';', or its name "
            f"({', '.join(_NAMES.values())}), found {sep!r}"
        )
    return mark


def _cell_counts(path: Path, lines: Sequence[tuple[int, str]], sep: str) -> list[int]:
    """Return the numbers of cells of the first records; 0 for one whose quotes are wrong."""
    counts, remaining = [], iter(lines)
    try:
        for record in split_records(path, remaining, sep):
            if record.cells:
                counts.append(0 if _has_stray_quotes(record) else len(record.cells))
            if len(counts) == _RECORDS:
                break
    except FileFormatError:
        is_cut = len(lines) == _LINES and next(remaining, None) is None
        counts += [] if is_cut else [0]
    return counts


def _has_stray_quotes(record: RawRecord) -> bool:
    """Return whether a cell holds a quote, and has none around it."""
    content, _ = split_line_end(record.raw)
    n_quotes = len(content) - sum(map(len, record.cells)) - (len(record.cells) - 1)
    return n_quotes < sum(cell.count('"') + 2 for cell in record.cells if '"' in cell)


def _most_even(path: Path, counts: dict[str, list[int]]) -> str:
    """Return the separator that divides the rows as it divides the header."""
    as_header = {mark: cells.count(cells[0]) for mark, cells in counts.items()}
    even = [mark for mark, cells in counts.items() if as_header[mark] == len(cells)]
    if len(even) == 1:
        return even[0]
    first, second, *_ = sorted(as_header, key=as_header.__getitem__, reverse=True)
    if as_header[first] > 2 * as_header[second]:
        return first  # a row is at fault, which the reader names
    marks = [f"{_NAMES[mark]} ({cells[0]} columns)" for mark, cells in counts.items()]
    raise InputError(
        f"{path}: what stands between its cells may be {' or '.join(marks)}; say which with sep= "
        f"(--sep), such as --sep {_NAMES[first]}"
    )
