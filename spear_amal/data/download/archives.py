"""Look into folders and archives without unpacking them: nothing is written, names are checked."""

from __future__ import annotations

import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from spear_amal.errors import FileFormatError

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".zip", ".whl", ".deb")
MOST_BYTES = 1 << 30  # of one member: a damaged header may claim any size
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
Member = tuple[str, bytes]


def base_name(name: str) -> str:
    """Last part of a member's name."""
    return PurePosixPath(name).name


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive that :func:`members` opens, by its name."""
    return path.name.lower().endswith(ARCHIVES)


def members(path: Path, wanted: MemberFilter) -> Iterator[Member]:
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
        If an archive is damaged or truncated, or names a place outside itself.
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


def _of_folder(folder: Path, wanted: MemberFilter) -> Iterator[Member]:
    for file in held_files(folder):
        name = file.relative_to(folder).as_posix()
        if is_archive(file):
            yield from _of_archive(file, wanted)
        elif wanted(name):
            yield name, file.read_bytes()


def _of_archive(path: Path, wanted: MemberFilter) -> Iterator[Member]:
    """Yield from the reader of this kind; what goes wrong in it names the archive."""
    reader = {".zip": _of_zip, ".whl": _of_zip, ".deb": _of_deb}.get(path.suffix.lower(), _of_tar)
    with path.open("rb") as handle:
        content = reader(handle, wanted)
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


def _of_tar(handle: io.BufferedIOBase, wanted: MemberFilter) -> Iterator[Member]:
    with tarfile.open(fileobj=handle, mode="r:*") as archive:
        for info in archive:
            name = _checked_name(info.name)
            if info.isdir() or not wanted(name):
                continue
            content = archive.extractfile(info) if info.isfile() else None
            if content is None:
                raise FileFormatError(f"member {name} is no plain file")
            _check_size(name, info.size)
            yield name, content.read()


def _of_zip(handle: io.BufferedIOBase, wanted: MemberFilter) -> Iterator[Member]:
    with zipfile.ZipFile(handle) as archive:
        for info in archive.infolist():
            name = _checked_name(info.filename)
            if not info.is_dir() and wanted(name):
                _check_size(name, info.file_size)
                yield name, archive.read(info)


def _of_deb(handle: io.BufferedIOBase, wanted: MemberFilter) -> Iterator[Member]:
    """Yield the files that a Debian package would install: the data.tar.* of an "ar" archive."""
    if handle.read(8) != b"!<arch>\n":
        raise FileFormatError("is no Debian package")
    while len(header := handle.read(60)) == 60:
        size = int(header[48:58])
        _check_size("of the package", size)
        content = handle.read(size + size % 2)  # members start at even places
        if len(content) < size:
            raise EOFError("it ends inside a member")
        if header.startswith(b"data.tar"):
            yield from _of_tar(io.BytesIO(content), wanted)
            return
    raise EOFError("it holds no data.tar")


def _checked_name(name: str) -> str:
    parts = name.replace("\\", "/").split("/")
    if ".." in parts or name.startswith(("/", "\\")) or ":" in parts[0]:
        raise FileFormatError(f"member {name!r} names a place outside the archive; do not trust it")
    return name.removeprefix("./")


def _check_size(name: str, size: int) -> None:
    if size > MOST_BYTES:
        raise FileFormatError(f"member {name} claims {size} bytes, more than {MOST_BYTES}")
