"""What a killable process does: it answers requests from its standard input until that ends."""

from __future__ import annotations

import importlib
import os
import pickle
import sys
from typing import Any

#: What an answer is: one of those asked for, an error in place of them, or their end.
ANSWER, FAILED, DONE = "answer", "failed", "done"


def serve_requests(handler: str, parent: int) -> None:
    """Answer requests from the standard input until it ends; the body of the process.

    Parameters
    ----------
    handler : str
        As for :class:`KillableWorker`.
    parent : int
        The process ends with this one.
    """
    from spear_amal.processes import end_with_parent

    end_with_parent(parent)
    out = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    module, _, name = handler.partition(":")
    answer = getattr(importlib.import_module(module), name)
    send(out, ("ready", None))
    while True:
        try:
            request = pickle.load(sys.stdin.buffer)  # noqa: S301 - of our parent
        except EOFError:
            return
        try:
            for value in answer(*request):
                send(out, (ANSWER, value))
        except Exception as error:
            send(out, (FAILED, error))
        else:
            send(out, (DONE, None))


def send(stream: Any, value: Any) -> None:
    """Write a value into a stream of binary data, at once."""
    pickle.dump(value, stream, protocol=pickle.HIGHEST_PROTOCOL)
    stream.flush()
