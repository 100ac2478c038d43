"""Processes that are asked to end, to wait for others, or whose parent is no more."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType

_PAUSE = 0.2  # seconds between two looks at the parent
_PATIENT = 10  # of 0, usual, to 19, last


def end_with_parent(parent: int) -> None:
    """Make this process end once the process `parent`, which started it, is no more.

    For the start of each process of a pool: such a process waits for work for minutes, and nothing
    tells it that none will come when its parent was killed.
    """
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


if sys.platform == "win32":
    import ctypes

    _SYNCHRONIZE, _INFINITE = 0x00100000, 0xFFFFFFFF

    def _end_with(parent: int) -> None:
        kernel = ctypes.windll.kernel32
        kernel.WaitForSingleObject(kernel.OpenProcess(_SYNCHRONIZE, False, parent), _INFINITE)
        os._exit(1)
else:

    def _end_with(parent: int) -> None:
        while os.getppid() == parent:  # an orphan gets another parent
            time.sleep(_PAUSE)
        os._exit(1)


def give_way(pid: int) -> None:
    """Make a process wait where others want the processor, as far as the system lets it be said.

    Parameters
    ----------
    pid : int
        Of a process that has just begun: threads that it starts later do as it does.
    """
    if sys.platform != "win32":
        with suppress(OSError):  # it has ended, or belongs to somebody else
            now = os.getpriority(os.PRIO_PROCESS, pid)
            os.setpriority(os.PRIO_PROCESS, pid, max(now, _PATIENT))


class Terminated(KeyboardInterrupt):
    """The process was asked to end by a signal other than that of Ctrl-C."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextmanager
def termination_as_interrupt() -> Iterator[None]:
    """Make SIGTERM, and SIGHUP of a closed terminal, end the block as Ctrl-C does.

    Temporary files are then removed and worker processes ended. Signals that the program has a
    handler for, or ignores, are left alone; so are all of them outside the main thread.

    Raises
    ------
    Terminated
        When such a signal arrives.
    """

    def stop(number: int, frame: FrameType | None) -> None:
        raise Terminated(number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {}
    if threading.current_thread() is threading.main_thread():
        for number in (getattr(signal, name) for name in names):
            if signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
