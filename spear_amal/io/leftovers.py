"""Files and folders of a running process, which the next one removes if that process was killed.

Each is locked while its process lives, so that what is not locked is a leftover; process numbers,
which are given out again, and clocks have no say in it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from spear_amal.io.locks import take_lock

_NAME = re.compile(r"\.spear_amal\.[0-9a-f]{12}\.(scratch|journal)")
_swept: set[Path] = set()


class LockedFile:
    """A new empty file in a folder, locked until it is removed.

    Parameters
    ----------
    folder : Path
    kind : {"scratch", "journal"}
    """

    def __init__(self, folder: Path, kind: str) -> None:
        while True:
            self.path = folder / f".spear_amal.{secrets.token_hex(6)}.{kind}"
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            with suppress(OSError):  # no locks here: then nothing is taken for a leftover either
                take_lock(self._descriptor, wait=True)
            if self.path.exists():  # else swept before it was locked
                return
            os.close(self._descriptor)

    def remove(self) -> None:
        """Remove the file, and with it the lock."""
        if os.name == "nt":  # an open file cannot be removed there
            os.close(self._descriptor)
        self.path.unlink(missing_ok=True)
        if os.name != "nt":
            os.close(self._descriptor)


class ScratchFolder:
    """A new folder in another one, for files that are not finished; a mark beside it is locked.

    Not the files themselves are locked, since some libraries put new ones in their place.
    """

    def __init__(self, parent: Path) -> None:
        self._mark = LockedFile(parent, "scratch")
        self.path = _folder_of(self._mark.path)
        try:
            self.path.mkdir()
        except BaseException:
            self._mark.remove()
            raise

    def remove(self) -> None:
        """Remove the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._mark.remove()


def _folder_of(mark: Path) -> Path:
    return mark.with_name(f"{mark.name}-files")


@contextmanager
def scratch_folder(parent: Path | None = None) -> Iterator[Path]:
    """Yield a new folder that is removed at the end of the block, or else by the next process.

    Parameters
    ----------
    parent : Path, optional
        Default: the system's folder for temporary files.
    """
    parent = Path(tempfile.gettempdir()) if parent is None else parent
    remove_leftovers(parent)
    folder = ScratchFolder(parent)
    try:
        yield folder.path
    finally:
        folder.remove()


def remove_leftovers(folder: Path) -> None:
    """Remove what processes that are no more left in a folder; once for each folder.

    Outputs of a command that was killed while it renamed them are removed as well: they are not
    complete, see :func:`spear_amal.io.atomic.written_together`.
    """
    folder = Path(os.path.abspath(folder))
    if folder in _swept:
        return
    _swept.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:  # no such folder: nothing to do
        for entry in entries:
            kind = _NAME.fullmatch(entry.name)
            if kind and entry.is_file(follow_symlinks=False):
                _remove_leftover(Path(entry.path), kind[1])


def _remove_leftover(path: Path, kind: str) -> None:
    with suppress(OSError):  # another process was quicker, or it is another user's
        descriptor = os.open(path, os.O_RDWR)
        try:
            if not take_lock(descriptor):
                return
            if kind == "journal":
                undo_journal(path)
            elif kind == "scratch":
                shutil.rmtree(_folder_of(path), ignore_errors=True)
            if os.name != "nt":
                path.unlink()
        finally:
            os.close(descriptor)
        if os.name == "nt":
            path.unlink(missing_ok=True)


# -- journals: which new files belong together ----------------------------------------------------


def write_journal(journal: LockedFile, files: Mapping[Path, Path]) -> None:
    """Write down, and flush to disk, which staged files are about to be renamed to which paths."""
    entries = [
        (os.path.abspath(path), not path.exists(), *_identity(staged))
        for path, staged in files.items()
    ]
    with open(journal.path, "w", encoding="utf-8") as handle:
        json.dump(entries, handle)
        handle.flush()
        os.fsync(handle.fileno())


def undo_journal(path: Path) -> None:
    """Remove the new files of a journal if some were renamed and others were not."""
    if hasattr(os, "geteuid") and path.stat().st_uid != os.geteuid():
        return  # whoever else may write here must not say what is removed
    with suppress(ValueError, TypeError):  # half written: nothing was renamed yet
        entries = json.loads(path.read_text(encoding="utf-8"))
        renamed = [_is_in_place(Path(target), identity) for target, _, *identity in entries]
        if all(renamed):
            return
        for (target, new, *_), is_renamed in zip(entries, renamed, strict=True):
            if new and is_renamed:
                os.unlink(target)


def _is_in_place(target: Path, identity: list[int]) -> bool:
    try:
        return list(_identity(target)) == identity
    except OSError:
        return False


def _identity(path: Path) -> tuple[int, int, int]:
    about = path.lstat()
    return about.st_ino, about.st_size, about.st_mtime_ns
