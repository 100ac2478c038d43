"""What a command says of its way while it runs: a file of one JSON object a line (``--events``).

Whoever follows it reads whole lines at any moment, also of a command that was killed; while the
command runs the file is locked.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import spear_amal
from spear_amal.cli.errors import message
from spear_amal.cli.study_progress import Advance
from spear_amal.history import MODULE, WEIGHT
from spear_amal.io.atomic import check_writable, refuse_existing
from spear_amal.io.locks import take_lock
from spear_amal.training.watching import WatchedEpoch, watched_by


class EventFile:
    """An open file of events.

    Parameters
    ----------
    descriptor : int
        Of a file that is open for writing.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._began = time.monotonic()

    def write(self, event: str, **values: Any) -> None:
        """Write an event with the seconds since the command began, in one call of the system."""
        seconds = round(time.monotonic() - self._began, 3)
        line = json.dumps({"event": event, "seconds": seconds, **values}, allow_nan=False)
        os.write(self._descriptor, f"{line}\n".encode())

    def write_epoch(self, epoch: WatchedEpoch) -> None:
        """Write an epoch of a model."""
        record = epoch.record
        scored = [name for name in ("val_score", "val_loss") if name in record]
        self.write(
            "epoch",
            name=[part for part in epoch.name if part],
            epoch=record["epoch"],
            of=epoch.n_epochs,
            last=epoch.is_last,
            **{name: _readable(record[name]) for name in scored},
            losses=_of_kind(record, "loss/"),
            weights=_of_kind(record, WEIGHT) | _of_kind(record, MODULE),
        )


_events: ContextVar[EventFile | None] = ContextVar("_events", default=None)


@contextmanager
def event_file(path: Path | None, command: str, force: bool, **values: Any) -> Iterator[None]:
    """Write what happens in the block into a file: its begin, epochs, parts, and how it ends.

    Parameters
    ----------
    path : Path or None
        None writes nothing.
    command : str
    force : bool
        Whether a file that is there may be replaced.
    **values
        Of JSON, for the first line.

    Raises
    ------
    OutputExistsError
        If the file exists and `force` is False, or is no regular file.
    """
    if path is None:
        yield
        return
    refuse_existing(path, force)
    check_writable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o666)
    try:
        with suppress(OSError):  # a file system without locks
            take_lock(descriptor)
        events = EventFile(descriptor)
        events.write("begin", command=command, version=spear_amal.__version__, **values)
        token = _events.set(events)
        try:
            with watched_by(events.write_epoch):
                yield
        except BaseException as error:
            status = "stopped" if isinstance(error, KeyboardInterrupt) else "failed"
            events.write("end", status=status, message=message(error))
            raise
        finally:
            _events.reset(token)
        events.write("end", status="done")
    finally:
        os.close(descriptor)


def write_event(event: str, **values: Any) -> None:
    """Write an event into the file of the command that runs; without one do nothing."""
    events = _events.get()
    if events is not None:
        events.write(event, **values)


def with_events(advance: Advance) -> Advance:
    """Return a function that shows how far a study is, and writes every finished part."""

    def follow(done: int, total: int, what: str) -> None:
        advance(done, total, what)
        write_event("part", done=done, total=total, name=what)

    return follow


def _readable(value: float) -> float | None:
    """Return a number with the digits that anybody looks at; None for not-a-number."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _of_kind(record: dict[str, Any], kind: str) -> dict[str, float | None]:
    """Return the numbers of a record whose names begin alike, by the rest of their names."""
    return {
        name.removeprefix(kind): _readable(value)
        for name, value in record.items()
        if name.startswith(kind)
    }
