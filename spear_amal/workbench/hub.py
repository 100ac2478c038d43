"""Events that pages hear of as they happen, in order and without gaps."""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

_KEPT = 1000  # events that a tab may be behind; then it is told that it missed some


@dataclass(frozen=True)
class Event:
    """What changed.

    Attributes
    ----------
    number : int
        One more than that of the event before.
    text : str
        JSON: the topic, and what belongs to it.
    """

    number: int
    text: str


class Hub:
    """What any thread publishes, for all who listen.

    A tab says which event it heard last, so that it misses none between two streams.

    Examples
    --------
    >>> hub = Hub()
    >>> hub.publish("rules", revision=3)  # nobody listens
    """

    def __init__(self) -> None:
        # Another server begins at a later time, so with larger numbers than any of this one.
        self._last = time.time_ns() // 1000
        self._events: deque[Event] = deque(maxlen=_KEPT)
        self._listeners: dict[asyncio.Event, asyncio.AbstractEventLoop] = {}
        self._lock = Lock()

    @property
    def last(self) -> int:
        """Number of the last event; it need not be there any more."""
        return self._last

    def publish(self, topic: str, **values: Any) -> None:
        """Write an event to all tabs; callable from any thread.

        Parameters
        ----------
        topic : str
            What changed: "rules", "rows", "problems", "job", "history", "suggestions".
        **values
            Of JSON.
        """
        text = json.dumps({"topic": topic, **values})
        with self._lock:
            self._last += 1
            self._events.append(Event(self._last, text))
            for awake, loop in self._listeners.items():
                loop.call_soon_threadsafe(awake.set)

    async def listen(self, after: int | None = None) -> AsyncIterator[Event]:
        """Yield events until the listener goes away.

        Parameters
        ----------
        after : int, optional
            The number of the event that was heard last; default: none before now is of interest.
            If events after it are not known any more, the first one has the topic "missed".
        """
        awake = asyncio.Event()
        with self._lock:
            self._listeners[awake] = asyncio.get_running_loop()
            heard = self._last if after is None else after
        try:
            while True:
                awake.clear()
                for event in self._since(heard):
                    heard = event.number
                    yield event
                if heard == self._last:
                    await awake.wait()
        finally:
            with self._lock:
                del self._listeners[awake]

    def _since(self, heard: int) -> list[Event]:
        """Return the events after one, or that some were missed."""
        with self._lock:
            if heard == self._last:
                return []
            first = self._events[0].number if self._events else self._last + 1
            if not first - 1 <= heard < self._last:
                return [Event(self._last, json.dumps({"topic": "missed"}))]
            return [event for event in self._events if event.number > heard]
