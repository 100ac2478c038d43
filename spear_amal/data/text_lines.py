"""Lines of text files with their numbers, so that whatever is wrong is told by its line."""

from __future__ import annotations

import codecs
import gzip
import io
import warnings
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from spear_amal.errors import FileFormatError, InputError

COMPRESSED = ".gz"
UTF_8 = "utf-8"
# Marks that files may begin with, the longer one first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_OF_WINDOWS = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}  # where no mark tells
_LOOKED_AT = 1_000_000  # bytes at the head of a file that tell whether it looks like UTF-8
_ADVICE = (
    "save it as UTF-8, or name its encoding: encoding='cp1252' (--encoding cp1252) if a program of "
    "Windows wrote it"
)


class TextEncoding(NamedTuple):
    """How a file holds its text.

    Attributes
    ----------
    codec : str
        Python's name of the encoding, without a mark.
    mark : bytes
        What the file begins with to tell its encoding (BOM); mostly nothing.
    """

    codec: str
    mark: bytes


@contextmanager
def open_bytes(path: Path) -> Iterator[Any]:
    """Open a file for reading; what ends in .gz is decompressed.

    Raises
    ------
    FileFormatError
        If compressed content is damaged.
    """
    if path.suffix.lower() != COMPRESSED:
        with open(path, "rb") as handle:
            yield handle
        return
    try:
        with gzip.open(path, "rb") as handle:
            yield handle
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FileFormatError(f"{path} cannot be decompressed: {error}; is it whole?") from error


def encoding_of(path: Path, wanted: str | None = None) -> TextEncoding:
    """Return the encoding of a file: that which is wanted, else that of its mark, else UTF-8.

    Raises
    ------
    InputError
        If there is no such encoding, or the mark of the file says that it has another one.

    Warns
    -----
    UserWarning
        If another encoding than UTF-8 is wanted of a file whose bytes look like UTF-8.
    """
    with open_bytes(path) as handle:
        head = handle.read(4 if wanted is None else _LOOKED_AT)
    mark, marked = next((pair for pair in _MARKS if head.startswith(pair[0])), (b"", None))
    if wanted is None:
        return TextEncoding(marked or UTF_8, mark)
    codec = _codec(wanted)
    if marked is not None and marked not in (codec, f"{codec}-le", f"{codec}-be"):
        raise InputError(
            f"{path} begins with the mark of {marked.upper()}, so that it is no {wanted}; leave "
            "the encoding out"
        )
    if not codec.startswith("utf") and _looks_like_utf_8(head):
        warnings.warn(
            f"{path} is read as {wanted}, as was asked for, but its bytes look like UTF-8: letters "
            "with accents may come out as two others; if so, leave the encoding out",
            UserWarning,
            stacklevel=2,
        )
    return TextEncoding(marked or _OF_WINDOWS.get(codec, codec), mark)


def _looks_like_utf_8(head: bytes) -> bool:
    """Return whether bytes are UTF-8 beyond ASCII; those of other encodings hardly ever are."""
    if head.isascii():
        return False
    try:
        codecs.getincrementaldecoder(UTF_8)().decode(head)  # the last letter may be cut
    except UnicodeDecodeError:
        return False
    return True


def encoding_to_write(name: str | None = None) -> TextEncoding:
    r"""Return an encoding by its name, with the mark that files of it begin with by custom.

    Raises
    ------
    InputError
        If there is no such encoding.

    Examples
    --------
    >>> encoding_to_write(), encoding_to_write("utf-16").mark
    (TextEncoding(codec='utf-8', mark=b''), b'\xff\xfe')
    """
    if name is None:
        return TextEncoding(UTF_8, b"")
    codec = _codec(name)
    wants_mark = codec in _OF_WINDOWS or codecs.lookup(name).name == "utf-8-sig"
    codec = _OF_WINDOWS.get(codec, codec)
    marks = {marked: mark for mark, marked in _MARKS}
    return TextEncoding(codec, marks[codec] if wants_mark else b"")


@contextmanager
def open_to_write(
    path: Path, target: Path, encoding: TextEncoding | None = None
) -> Iterator[TextIO]:
    """Open a file for text, line ends as they come; it is compressed if the target ends in .gz.

    Parameters
    ----------
    path : Path
        The file itself, such as a temporary one.
    target : Path
        What it is going to be called.
    encoding : TextEncoding, default=UTF-8

    Raises
    ------
    InputError
        If the encoding cannot hold a character that is written.
    """
    codec, mark = encoding or encoding_to_write()
    with ExitStack() as stack:
        raw: Any = stack.enter_context(open(path, "wb"))
        if target.suffix.lower() == COMPRESSED:
            # Without a time in it: the same rows make the same file.
            raw = stack.enter_context(gzip.GzipFile("", "wb", fileobj=raw, mtime=0))
        raw.write(mark)
        handle = stack.enter_context(io.TextIOWrapper(raw, encoding=codec, newline=""))
        try:
            yield handle
        except UnicodeEncodeError as error:
            raise unwritable(target, error, codec) from error


def comes_back(path: Path, encoding: TextEncoding) -> bool:
    """Return whether the text of a file, written again, gives the same bytes.

    Some encodings of Asia have two codes for one character.
    """
    if encoding.codec.startswith("utf"):
        return True
    with open_bytes(path) as handle:
        content: bytes = handle.read()[len(encoding.mark) :]
    return read_text(path, encoding.codec).encode(encoding.codec) == content


def unwritable(target: Path, error: UnicodeEncodeError, codec: str = UTF_8) -> InputError:
    """Make the error of a text that the encoding of a file cannot hold."""
    character = error.object[error.start]
    if "\ud800" <= character <= "\udfff":
        return InputError(
            f"{target}: {character!r} is half of a character, which {codec} cannot hold; mend the "
            "text"
        )
    return InputError(
        f"{target}: {codec} has no {character!r}; write another kind of file, such as .jsonl, or "
        "leave the encoding out (UTF-8)"
    )


def _codec(name: str) -> str:
    try:
        codec = codecs.lookup(name)
        "a".encode(name)  # some codecs are of bytes to bytes
    except (LookupError, ValueError, TypeError) as error:
        raise InputError(
            f"there is no encoding {name!r}; usual ones are utf-8, utf-16, cp1252 and latin-1"
        ) from error
    return UTF_8 if codec.name == "utf-8-sig" else codec.name


def numbered_lines(path: Path, encoding: str | None = None) -> Iterator[tuple[int, str]]:
    """Yield the lines of a file, counted from 1, with their line ends and without the mark.

    Only line feeds end a line: a carriage return, or another separator, is part of the text.

    Parameters
    ----------
    path : Path
    encoding : str, optional
        Default: that of the file's mark, else UTF-8.

    Raises
    ------
    FileFormatError
        If a line is not of the encoding; names the line and the place in it.
    InputError
        As :func:`encoding_of`.
    """
    codec, mark = encoding_of(path, encoding)
    if codec != UTF_8:  # a line feed may be more than one byte: as a whole
        lines = io.StringIO(read_text(path, encoding), newline="\n")
        yield from enumerate(lines, start=1)
        return
    with open_bytes(path) as handle:
        handle.read(len(mark))
        for number, line in enumerate(handle, start=1):
            try:
                yield number, line.decode(UTF_8)
            except UnicodeDecodeError as error:
                raise _no_text(path, number, codec, error, error.start) from error


def read_text(path: Path, encoding: str | None = None) -> str:
    """Return all the text of a file without its mark; errors as :func:`numbered_lines`."""
    codec, mark = encoding_of(path, encoding)
    with open_bytes(path) as handle:
        content = handle.read()[len(mark) :]
    try:
        text = content.decode(codec)
        if codec != UTF_8:
            text.encode(UTF_8)  # some encodings know halves of characters
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(codec)
        place = error.start - max(content.rfind(b"\n", 0, error.start) + 1, 0)
        raise _no_text(path, before.count("\n") + 1, codec, error, place) from error
    except UnicodeEncodeError as error:
        number = text.count("\n", 0, error.start) + 1
        raise line_error(path, number, f"half a character ({text[error.start]!r})") from error
    return text


def _no_text(
    path: Path, number: int, codec: str, error: UnicodeDecodeError, place: int
) -> FileFormatError:
    return line_error(
        path, number, f"not {codec.upper()} ({error.reason}, byte {place}); {_ADVICE}"
    )


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
