"""A process that has imported what others need, and forks them off: they are there at once.

On Linux alone: elsewhere libraries of the system do not survive a fork. The process that forks runs
no threads, and nothing of the user's.
"""

from __future__ import annotations

import atexit
import importlib
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import BinaryIO

from spear_amal.workbench.request_loop import serve_requests

_LOOK = 0.02  # seconds between two looks at whether the process is still wanted
_LONGEST = 4096  # bytes of the name of a handler


class ForkedProcess:
    """A process that was forked off; it is used as one of :class:`subprocess.Popen`.

    Attributes
    ----------
    pid : int
    stdin, stdout : binary file
        Pipes to it.
    """

    def __init__(self, pid: int, pid_file: int, stdin: BinaryIO, stdout: BinaryIO) -> None:
        self.pid, self._pid_file = pid, pid_file
        self.stdin, self.stdout = stdin, stdout

    def poll(self) -> int | None:
        """Return None while it runs."""
        if self._pid_file >= 0 and not select.select([self._pid_file], [], [], 0)[0]:
            return None
        return 0

    def kill(self) -> None:
        """Kill it."""
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it ended just now
                signal.pidfd_send_signal(self._pid_file, signal.SIGKILL)

    def wait(self) -> int:
        """Wait until it has ended."""
        if self._pid_file >= 0:
            select.select([self._pid_file], [], [])
            os.close(self._pid_file)
            self._pid_file = -1
        return 0


class ForkSource:
    """The process that forks, started when it is first needed."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def start(self, handler: str, wanted: Callable[[], bool]) -> ForkedProcess | None:
        """Start a process that answers requests; None where that cannot be done by a fork.

        Parameters
        ----------
        handler : str
            As for :class:`~spear_amal.workbench.killable.KillableWorker`.
        wanted : callable
            Asked many times a second; when it returns False nothing is waited for any longer.
        """
        if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
            return None
        with self._lock:
            try:
                return self._forked(handler, wanted)
            except OSError:
                self._end()  # the next process begins anew
                return None

    def _end(self) -> None:
        """End the process that forks."""
        if self._socket is not None and self._process is not None and self._owner == os.getpid():
            self._socket.close()
            self._process.kill()
            self._process.wait()
        self._socket = self._process = None

    def _forked(self, handler: str, wanted: Callable[[], bool]) -> ForkedProcess:
        if self._socket is None or self._owner != os.getpid():
            self._start_source()
        source = self._socket
        if source is None:
            raise OSError("no process that forks")
        requests, answers = os.pipe(), os.pipe()
        try:
            socket.send_fds(source, [handler.encode()], [requests[0], answers[1]])
            while not select.select([source], [], [], _LOOK)[0]:  # as long as it imports
                if not wanted():
                    raise OSError("the process is no longer wanted")
            reply = source.recv(8)
            if len(reply) < 8:
                raise OSError("the process that forks has ended")
            pid = int.from_bytes(reply, "little")
            pid_file = os.pidfd_open(pid)
        except OSError:
            os.close(requests[1])
            os.close(answers[0])
            raise
        finally:
            os.close(requests[0])
            os.close(answers[1])
        pipes = os.fdopen(requests[1], "wb"), os.fdopen(answers[0], "rb")
        return ForkedProcess(pid, pid_file, *pipes)

    def _start_source(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            code = "from spear_amal.workbench.fork_source import fork_off as f; f"
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"{code}({theirs.fileno()})"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        self._socket, self._owner = ours, os.getpid()
        atexit.register(self._end)


def fork_off(descriptor: int) -> None:
    """Fork off a process for each request on a socket, until the other end is closed.

    Parameters
    ----------
    descriptor : int
        Of the socket.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then closes
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who has ended is forgotten
    requests = socket.socket(fileno=descriptor)
    while True:
        name, pipes, _, _ = socket.recv_fds(requests, _LONGEST, 2)
        if not name:
            return
        handler = name.decode()
        importlib.import_module(handler.partition(":")[0])
        source = os.getpid()
        pid = os.fork()
        if pid == 0:
            requests.close()
            _serve(handler, source, pipes)
        requests.sendall(pid.to_bytes(8, "little"))
        for pipe in pipes:
            os.close(pipe)


def _serve(handler: str, source: int, pipes: list[int]) -> None:
    """Answer requests in the process that was forked off, which ends then."""
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for place, pipe in enumerate(pipes):
            os.dup2(pipe, place)
            os.close(pipe)
        sys.stdin = os.fdopen(0, "r")
        serve_requests(handler, source)
    finally:
        os._exit(0)


#: Of this process.
FORKS = ForkSource()
