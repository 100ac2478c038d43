"""Locks between processes, on files; the system lets go of them when a process dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from spear_amal._typing import PathLike

if sys.platform == "win32":
    import msvcrt

    # A locked byte can be neither read nor written: take one that no file reaches.
    _BYTE = 1 << 40

    def take_lock(descriptor: int, wait: bool = False) -> bool:
        """Lock an open file for this process; return False where another one has it."""
        os.lseek(descriptor, _BYTE, os.SEEK_SET)
        while True:
            try:
                msvcrt.locking(descriptor, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
            except OSError:  # LK_LOCK gives up after ten seconds
                if wait:
                    continue
                return False
            return True
else:
    import fcntl

    def take_lock(descriptor: int, wait: bool = False) -> bool:
        """Lock an open file for this process; return False where another one has it.

        Raises
        ------
        OSError
            If the file system knows no locks.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True


@contextmanager
def exclusive(path: PathLike) -> Iterator[None]:
    """Keep other processes out of blocks for the same path, which need not exist.

    For a file that is read, changed and written again. The lock is a hidden file beside it, which
    is gone when nobody waits. Where the file system knows no locks, nobody is kept out.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.with_name(f".{path.name}.lock")
    descriptor = _locked(lock)
    try:
        yield
    finally:
        # Removed while it is locked: whoever waits for it sees that, and makes a new one.
        with suppress(OSError):
            lock.unlink()
        os.close(descriptor)


def _locked(lock: Path) -> int:
    while True:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        with suppress(OSError):
            take_lock(descriptor, wait=True)
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), os.stat(lock)):
                return descriptor
        os.close(descriptor)
