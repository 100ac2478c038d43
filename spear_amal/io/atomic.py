"""Writing without loss: into a file beside the target, flushed to disk, then renamed over it."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from spear_amal._typing import PathLike
from spear_amal.errors import InputError, OutputExistsError
from spear_amal.io.leftovers import (
    LockedFile,
    ScratchFolder,
    remove_leftovers,
    undo_journal,
    write_journal,
)

_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
# Errors of a disk, which a write call reports without a name.
_OF_DISK = {errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EROFS, getattr(errno, "EDQUOT", 0)}


def refuse_existing(path: PathLike, overwrite: bool = False) -> Path:
    """Return `path`, or raise if it exists and `overwrite` was not asked for.

    Raises
    ------
    OutputExistsError
        If the path exists and `overwrite` is False, or is no regular file: a folder, a link, a
        pipe or a device is never replaced.
    """
    path = Path(path)
    remove_leftovers(path.parent)
    refuse_irregular(path)
    if path.exists() and not overwrite:
        raise OutputExistsError(
            f"{path} already exists; choose another name or ask for overwriting (--force)"
        )
    return path


def refuse_irregular(path: Path) -> None:
    """Raise OutputExistsError for a path at which something else than a regular file is."""
    if "\0" in str(path):
        raise InputError(f"no file can be called {str(path)!r}: a path holds no NUL")
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISREG(mode):
        return
    kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
    target = f" to {os.readlink(path)}; name that file" if stat.S_ISLNK(mode) else ""
    raise OutputExistsError(
        f"{path} is {kind}{target or '; name a file'}: an output takes the place of what stood "
        "there before, and only a regular file may be replaced"
    )


def check_writable(path: PathLike, n_bytes: int = 0) -> None:
    """Check that a file can be written, before the work that it is for; nothing is left behind.

    Parameters
    ----------
    path : path
        Its folder may be missing.
    n_bytes : int
        Room that the file is expected to need.

    Raises
    ------
    OutputExistsError
        If the path is no regular file.
    OSError
        If the folder cannot be made or written to, or the disk has less room; names `path`.
    """
    path = Path(path)
    refuse_irregular(path)
    folder = Path(os.path.abspath(path)).parent
    while not folder.exists():
        folder = folder.parent
    with _naming(path):
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, f"{folder} is a file, no folder", str(path))
        with tempfile.TemporaryFile(dir=folder):
            pass
        free = shutil.disk_usage(folder).free
        if free < n_bytes:
            text = f"about {n_bytes} bytes are needed on the disk, {free} are free"
            raise OSError(errno.ENOSPC, text, str(path))


# -- one file -------------------------------------------------------------------------------------


@contextmanager
def write_aside(path: PathLike, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it over `path` if the block ends well.

    If the block raises (a full disk, an interrupt), the temporary file is removed and whatever
    stood at `path` before stays as it was. If the process is killed, the next one that writes into
    the folder removes it. Errors of the disk name `path`.

    Parameters
    ----------
    path : path
    durable : bool, default=True
        Flush file and folder to the disk, for a loss of power. Not needed for what is held against
        its digest when it is read, and is made again if need be.

    Raises
    ------
    OutputExistsError
        If `path` is no regular file: a folder, a link, a pipe or a device.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> target = pathlib.Path(tempfile.mkdtemp()) / "a.txt"
    >>> with write_aside(target) as tmp:
    ...     _ = tmp.write_text("kept")
    >>> target.read_text()
    'kept'
    """
    path = Path(path)
    refuse_irregular(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path.parent)
    with _naming(path):
        staged = _StagedFile(path, durable)
    waiting = _waiting.get()
    token = _waiting.set(None)  # what is written on the way to this file is renamed at once
    try:
        with _naming(path, staged.path):
            try:
                yield staged.path
            finally:
                _waiting.reset(token)
            if durable:
                with open(staged.path, "rb") as handle:
                    os.fsync(handle.fileno())
        if waiting is None:
            staged.rename()
        else:
            waiting.append(staged)
    finally:
        if waiting is None or staged not in waiting:
            staged.remove()


class _StagedFile:
    """A file that is written in a folder of its own, to be renamed to `target`."""

    def __init__(self, target: Path, durable: bool) -> None:
        self.target, self._durable = target, durable
        self._folder = ScratchFolder(target.parent)
        self.path = self._folder.path / target.name
        self.path.touch()
        # Who may read a new file depends on the user's mask; safetensors writes for the owner only.
        self._mode = stat.S_IMODE(self.path.stat().st_mode)

    def rename(self) -> None:
        """Rename, where asked for so that it outlasts a loss of power."""
        with _naming(self.target, self.path):
            os.chmod(self.path, self._mode)
            os.replace(self.path, self.target)
        if self._durable and os.name != "nt":
            with suppress(OSError):  # some file systems cannot flush a folder
                folder = os.open(self.target.parent, os.O_RDONLY)
                try:
                    os.fsync(folder)
                finally:
                    os.close(folder)

    def remove(self) -> None:
        """Remove what is not renamed."""
        self._folder.remove()


@contextmanager
def _naming(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Make errors of the system name the path that was asked for."""
    try:
        yield
    except OSError as error:
        if error.errno is not None:
            named = error.filename
            if temporary is not None and error.strerror:
                error.strerror = error.strerror.replace(str(temporary), str(path))
            if named is None and error.errno in _OF_DISK:
                error.filename = os.fspath(path)
            elif temporary is None or (named is not None and Path(named) == temporary):
                error.filename = os.fspath(path)
                del error.filename2
        raise


# -- several files that belong together -----------------------------------------------------------

_waiting: ContextVar[list[_StagedFile] | None] = ContextVar("waiting", default=None)


@contextmanager
def written_together() -> Iterator[None]:
    """Rename the files that the block writes by :func:`write_aside` at its end, all or none.

    If the process is killed between two renames, the next one that writes into the folder of the
    first file, or asks whether a file is there, removes the new ones: the command that was stopped
    can be given again.
    """
    files: list[_StagedFile] = []
    token = _waiting.set(files)
    try:
        yield
        _rename_all(files)
    finally:
        _waiting.reset(token)
        for staged in files:
            staged.remove()


def _rename_all(files: list[_StagedFile]) -> None:
    if len(files) == 1:
        files[0].rename()
    if len(files) < 2:
        return
    journal = LockedFile(files[0].target.parent, "journal")
    try:
        write_journal(journal, {staged.target: staged.path for staged in files})
        for staged in files:
            staged.rename()
    finally:
        undo_journal(journal.path)
        journal.remove()
