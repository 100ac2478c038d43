"""Work in a process of its own that is killed at a time limit, so that nothing can hang the server.

The process stays warm between requests. Import this module alone and little else is loaded.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from threading import Lock, Thread
from typing import Any, BinaryIO

from spear_amal.errors import SpearAmalError
from spear_amal.processes import give_way
from spear_amal.workbench.fork_source import FORKS, ForkedProcess
from spear_amal.workbench.request_loop import ANSWER, DONE, FAILED, send

_LOOK = 0.02  # seconds between two looks at whether the answer is still wanted
_END_OF_STREAM = ("end of stream", None)


class TimeLimitError(SpearAmalError):
    """Work took longer than it may, and was stopped."""


class SupersededError(SpearAmalError):
    """The answer is no longer wanted: a newer request took its place."""


class WorkerDiedError(SpearAmalError):
    """The process ended by itself: killed by the system, or crashed."""


def always() -> bool:
    """Return True: the answer stays wanted."""
    return True


class KillableWorker:
    """A warm process that answers requests one at a time, and is killed when one takes too long.

    Parameters
    ----------
    handler : str
        ``"package.module:function"``, imported by the process: a function that yields answers to a
        request. Requests and answers are pickled; what the function prints goes nowhere.
    is_urgent : bool
        Whether somebody waits for the answers; else the process gives way to others.

    Examples
    --------
    >>> worker = KillableWorker("builtins:divmod")  # its answers are the two numbers
    >>> list(worker.answers(7, 2, seconds=60))
    [3, 1]
    >>> worker.close()
    """

    def __init__(self, handler: str, is_urgent: bool = True) -> None:
        self.handler, self.is_urgent = handler, is_urgent
        self._lock = Lock()
        self._closed = False
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._queue: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()

    def start(self) -> None:
        """Start the process, if it does not run, so that the first request need not wait."""
        with self._lock:
            if not self._closed:
                with suppress(SupersededError):  # it was closed meanwhile
                    self._running()

    def close(self) -> None:
        """End the process, for good; a request that is under way is ended first."""
        self._closed = True
        with self._lock:
            self._kill()

    def __del__(self) -> None:
        self._kill()

    def answers(
        self, *request: Any, seconds: float, wanted: Callable[[], bool] = always
    ) -> Iterator[Any]:
        """Yield the answers of the process as they come.

        Parameters
        ----------
        *request
            Arguments of the handler.
        seconds : float
            From now on, the wait for other requests and for a start of the process not counted.
        wanted : callable
            Asked many times a second; when it returns False the process is killed.

        Raises
        ------
        TimeLimitError
            If the time is over; what was yielded before stays true.
        SupersededError
            If the answer is no longer wanted.
        WorkerDiedError
            If the process ends by itself; the next request starts another one.
        """
        with self._lock:
            process = self._running()
            whole = False
            try:
                send(process.stdin, request)
                end = time.monotonic() + seconds
                while True:
                    kind, value = self._next(end, wanted)
                    if kind == ANSWER:
                        yield value
                        continue
                    whole = kind in (DONE, FAILED)
                    if kind == FAILED:
                        raise value
                    if not whole:
                        raise WorkerDiedError(
                            "the process that did the work ended by itself; perhaps there is too "
                            "little memory"
                        )
                    return
            except BrokenPipeError as error:
                raise WorkerDiedError("the process that did the work has ended") from error
            finally:
                if not whole:  # also where the caller stops to iterate
                    self._kill()
                    Thread(target=self.start, daemon=True).start()

    def _next(self, end: float, wanted: Callable[[], bool]) -> tuple[str, Any]:
        while wanted() and not self._closed:
            left = end - time.monotonic()
            try:
                return self._queue.get(timeout=max(0, min(_LOOK, left)))
            except queue.Empty:
                if left <= 0:
                    raise TimeLimitError("stopped at the time limit") from None
        raise SupersededError("a newer request took the place of this one")

    def _running(self) -> subprocess.Popen[bytes] | ForkedProcess:
        """Return the process, started and ready."""
        if self._closed:
            raise SupersededError("what this was asked of is closed: the table has changed")
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._kill()
        self._process = FORKS.start(self.handler, lambda: not self._closed)
        self._process = self._process or _new_process(self.handler)
        if not self.is_urgent:
            give_way(self._process.pid)
        self._queue = queue.SimpleQueue()
        Thread(target=_read, args=(self._process.stdout, self._queue), daemon=True).start()
        while not self._closed:  # until its greeting, or the end of the stream
            with suppress(queue.Empty):
                self._queue.get(timeout=_LOOK)
                return self._process
        raise SupersededError("what this was asked of is closed")

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            # While Python ends, a thread that reads will never let go of its stream: to wait for it
            # would abort the process.
            if not sys.is_finalizing():
                for stream in (process.stdin, process.stdout):
                    _close_quietly(stream)


def _new_process(handler: str) -> subprocess.Popen[bytes]:
    code = f"from spear_amal.workbench.request_loop import serve_requests as s; s({handler!r}, "
    # Without -P a file of the user's folder could stand for a module of the library.
    return subprocess.Popen(
        [sys.executable, "-P", "-c", f"{code}{os.getpid()})"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _close_quietly(stream: Any) -> None:
    try:
        stream.close()
    except OSError:  # what was not sent yet has nobody to read it
        pass


def _read(stream: BinaryIO, answers: queue.SimpleQueue[tuple[str, Any]]) -> None:
    """Collect the answers of a process in a queue, until its stream ends."""
    try:
        while True:
            answers.put(pickle.load(stream))  # noqa: S301 - of our own process
    except (EOFError, OSError, ValueError, pickle.UnpicklingError):
        answers.put(_END_OF_STREAM)
