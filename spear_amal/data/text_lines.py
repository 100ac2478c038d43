"""Lines of UTF-8 files with their numbers, so that whatever is wrong is told by its line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from spear_amal.errors import FileFormatError

BOM = "\ufeff"  # some programs write it in front of UTF-8
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file, counted from 1, with their line ends and without the BOM.

    Only line feeds end a line: a carriage return, or another separator, is part of the text.

    Raises
    ------
    FileFormatError
        If a line is not UTF-8; names the line and the place in it.
    """
    with open(path, "rb") as handle:
        for number, line in enumerate(handle, start=1):
            try:
                text = line.decode("utf-8")
            except UnicodeDecodeError as error:
                found = "UTF-16" if line.startswith(_UTF_16) else f"{error.reason}"
                raise line_error(
                    path, number, f"not UTF-8 ({found}, byte {error.start}); save it as UTF-8"
                ) from error
            yield number, text.removeprefix(BOM) if number == 1 else text


def split_line_end(line: str) -> tuple[str, str]:
    r"""Return a line without its end, and the end: a line feed, CR and line feed, or nothing.

    Examples
    --------
    >>> split_line_end("a\r\n"), split_line_end("a\rb")
    (('a', '\r\n'), ('a\rb', ''))
    """
    end = "\r\n" if line.endswith("\r\n") else "\n" if line.endswith("\n") else ""
    return line.removesuffix(end), end


def line_error(path: Path, number: int, what: str) -> FileFormatError:
    """Make the error of one line of a file."""
    return FileFormatError(f"{path}, line {number}: {what}")
