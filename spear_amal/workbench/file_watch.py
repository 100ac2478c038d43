"""Files that somebody else may change: an editor, another workbench, a version control system."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

from spear_amal._typing import PathLike

SECONDS = 0.25  # between two looks
# Up to this size contents are compared: an edit may be quicker than the clock of a file system.
SMALL = 1_000_000

FileState = tuple[object, ...]


class FileWatch(Thread):
    """A thread that looks at groups of files, and tells of a group that has changed and is at rest.

    Parameters
    ----------
    groups : mapping of str to callable
        Each returns the files of the group, as they are named at that moment.
    changed : callable
        Given the name of a group, in this thread.
    seconds : float
        Between two looks; files are at rest that are the same at two looks.
    """

    def __init__(
        self,
        groups: Mapping[str, Callable[[], Iterable[PathLike]]],
        changed: Callable[[str], None],
        seconds: float = SECONDS,
    ) -> None:
        super().__init__(daemon=True)
        self._groups, self._changed, self._seconds = dict(groups), changed, seconds
        self._known = {name: self._look(name) for name in groups}
        self._seen = dict(self._known)
        self._lock = Lock()
        self._closed = Event()

    def close(self) -> None:
        """End the thread."""
        self._closed.set()

    def run(self) -> None:
        """Watch until closed."""
        while not self._closed.wait(self._seconds):
            with suppress(OSError):  # of a folder that cannot be read now
                self.look()

    def look(self) -> None:
        """Compare all files once with what they were."""
        for name in self._groups:
            with self._lock:
                state = self._look(name)
                is_changed = state == self._seen[name] != self._known[name]
                self._seen[name] = state
                if is_changed:
                    self._known[name] = state
            if is_changed:
                self._changed(name)

    def adopt(self, name: str) -> None:
        """Watch files that a group has from now on: they have not changed by that."""
        with self._lock:
            now = self._look(name)
            for states in (self._known, self._seen):
                states[name] = {path: states[name].get(path, now[path]) for path in now}

    def _look(self, name: str) -> dict[str, FileState]:
        return {str(path): state_of_file(path) for path in self._groups[name]()}


def state_of_file(path: PathLike) -> FileState:
    """Return what tells a file from its former self: content, or time and size; () without one."""
    path = Path(path)
    try:
        about = os.stat(path)
        if about.st_size > SMALL:
            return about.st_mtime_ns, about.st_size, about.st_ino
        return (hashlib.blake2b(path.read_bytes()).digest(),)
    except OSError:
        return ()
