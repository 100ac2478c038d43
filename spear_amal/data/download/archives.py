"""Look into folders and archives without unpacking them: nothing is written, names are checked.

A small archive may hold a great deal: what is unpacked has a budget by the size of the archive.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from spear_amal.errors import FileFormatError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".zip", ".whl", ".deb")
# Of one member: a damaged header may claim any size. CIFAR-100's largest has 156 MB.
MOST_BYTES = 1 << 28
# Of all members together, for each byte of the archive: pictures do not shrink at all, lists of
# labels by ten or so, zeros by a thousand.
MOST_GROWTH = 100
LEAST_ALLOWANCE = 1 << 26
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    OSError,
    RuntimeError,  # zipfile on a member that is encrypted
    NotImplementedError,  # zipfile on a compression it does not know
    ValueError,
)
MemberFilter = Callable[[str], bool]
ArchiveMember = tuple[str, bytes]


def base_name(name: str) -> str:
    """Last part of a member's name."""
    return PurePosixPath(name).name


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive that :func:`members` opens, by its name."""
    return path.name.lower().endswith(ARCHIVES)


def members(path: Path, wanted: MemberFilter) -> Iterator[ArchiveMember]:
    """Yield name and content of the wanted files of a folder or an archive, one after another.

    Archives inside a folder are looked into as well, after its plain files, so that a download
    serves as it came. Archives inside archives are not.

    Parameters
    ----------
    path : Path
        A folder, or a .tar, .tar.gz, .tgz, .tar.xz, .zip, .whl or .deb file.
    wanted : callable name -> bool
        Names are relative and have "/" between their parts.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    FileFormatError
        If an archive is damaged or truncated, names a place outside itself, or unpacks to more
        than a file may have or an archive of its size holds.
    """
    if path.is_dir():
        yield from _of_folder(path, wanted)
    elif not path.exists():
        raise FileNotFoundError(f"{path} does not exist; name a folder or an archive")
    elif is_archive(path):
        yield from _of_archive(path, wanted)
    else:
        raise FileFormatError(f"{path} is neither a folder nor an archive ({', '.join(ARCHIVES)})")


def held_files(path: Path) -> list[Path]:
    """Files of a folder in the order in which :func:`members` reads them, or the one file."""
    if not path.is_dir():
        return [path]
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return sorted(files, key=is_archive)  # stable: plain files come first


def _of_folder(folder: Path, wanted: MemberFilter) -> Iterator[ArchiveMember]:
    for file in held_files(folder):
        name = file.relative_to(folder).as_posix()
        if is_archive(file):
            yield from _of_archive(file, wanted)
        elif wanted(name):
            yield name, file.read_bytes()


def _of_archive(path: Path, wanted: MemberFilter) -> Iterator[ArchiveMember]:
    """Yield from the reader of this kind; what goes wrong in it names the archive."""
    reader = {".zip": _of_zip, ".whl": _of_zip, ".deb": _of_deb}.get(path.suffix.lower(), _of_tar)
    allowance = max(LEAST_ALLOWANCE, MOST_GROWTH * path.stat().st_size)
    with path.open("rb") as handle:
        content = reader(handle, wanted, allowance)
        while True:
            with _damage_of(path):
                member = next(content, None)
            if member is None:
                return
            yield member


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    try:
        yield
    except FileFormatError as error:
        raise FileFormatError(f"{path}: {error}") from error
    except _DAMAGE as error:
        raise FileFormatError(
            f"{path} is damaged, truncated or no archive of its kind "
            f"({type(error).__name__}: {error}); fetch it again"
        ) from error


class _Bounded(io.RawIOBase):
    """A stream, decompressed, of which no more can be read or passed over than is allowed."""

    def __init__(self, stream: Any, allowance: int) -> None:
        self._stream = stream
        self._allowance = allowance

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes."""
        left = self._allowance - self._stream.tell()
        content: bytes = self._stream.read(left + 1 if size < 0 else min(size, left + 1))
        if len(content) > left:
            raise _too_much(self._allowance)
        return content

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place, counted from the beginning."""
        if place > self._allowance:
            raise _too_much(self._allowance)
        moved: int = self._stream.seek(place, whence)
        return moved

    def tell(self) -> int:
        """Return the place in the decompressed stream."""
        place: int = self._stream.tell()
        return place

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True


def _too_much(allowance: int) -> FileFormatError:
    return FileFormatError(
        f"unpacks to more than {allowance} bytes, {MOST_GROWTH} times its size; it is damaged, or "
        "no archive of pictures: unpack it yourself and name the folder"
    )


def _decompressed(handle: Any) -> Any:
    """Return the stream of a tar file, by how the packed one begins."""
    start = handle.read(6)
    handle.seek(0)
    if start.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=handle)
    if start == b"\xfd7zXZ\x00":
        return lzma.LZMAFile(handle)
    return bz2.BZ2File(handle) if start.startswith(b"BZh") else handle


def _of_tar(handle: Any, wanted: MemberFilter, allowance: int) -> Iterator[ArchiveMember]:
    stream: Any = _Bounded(_decompressed(handle), allowance)
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        for info in archive:
            name = _checked_name(info.name)
            if info.isdir() or not wanted(name):
                continue
            _check_size(name, info.size)
            content = archive.extractfile(info) if info.isfile() else None
            if content is None:
                raise FileFormatError(f"member {name} is no plain file")
            yield name, content.read()


def _of_zip(handle: Any, wanted: MemberFilter, allowance: int) -> Iterator[ArchiveMember]:
    unpacked = 0
    with zipfile.ZipFile(handle) as archive:
        for info in archive.infolist():
            name = _checked_name(info.filename)
            if not info.is_dir() and wanted(name):
                _check_size(name, info.file_size)
                # No member may be longer than its header says: zipfile sees to that.
                unpacked += info.file_size
                if unpacked > allowance:
                    raise _too_much(allowance)
                yield name, archive.read(info)


def _of_deb(handle: Any, wanted: MemberFilter, allowance: int) -> Iterator[ArchiveMember]:
    """Yield the files that a Debian package would install: the data.tar.* of an "ar" archive."""
    if handle.read(8) != b"!<arch>\n":
        raise FileFormatError("is no Debian package")
    length = handle.seek(0, io.SEEK_END)
    handle.seek(8)
    while len(header := handle.read(60)) == 60:
        size = int(header[48:58])
        if not 0 <= size <= length - handle.tell():  # asked first: the read would reserve as much
            raise EOFError("it ends inside a member")
        content = handle.read(size + size % 2)  # members start at even places
        if header.startswith(b"data.tar"):
            yield from _of_tar(io.BytesIO(content), wanted, allowance)
            return
    raise EOFError("it holds no data.tar")


def _checked_name(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
        raise FileFormatError(f"member {name!r} names a place outside the archive; do not trust it")
    return name.removeprefix("./")


def gunzipped(content: bytes) -> bytes:
    """Return what gzip packed.

    Raises
    ------
    FileFormatError
        If it is more than a member of an archive may have.
    EOFError, OSError, zlib.error
        If it is damaged.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
        plain = packed.read(MOST_BYTES + 1)
    _check_size("packed by gzip", len(plain))
    return plain


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise FileFormatError(f"member {name} claims {size} bytes, more than {MOST_BYTES}")
