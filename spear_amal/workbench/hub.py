"""Events that pages hear of as they happen: each browser tab listens to one stream."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from threading import Lock
from typing import Any

_WAITING = 100  # events that a tab may be behind; then it is told to look anew


class Hub:
    """What any thread publishes, for all who listen.

    Examples
    --------
    >>> hub = Hub()
    >>> hub.publish("rules", revision=3)  # nobody listens
    """

    def __init__(self) -> None:
        self._listeners: dict[asyncio.Queue[str], asyncio.AbstractEventLoop] = {}
        self._lock = Lock()

    def publish(self, topic: str, **values: Any) -> None:
        """Write an event to all tabs; callable from any thread.

        Parameters
        ----------
        topic : str
            What changed: "rules", "rows", "job", "problems".
        **values
            Of JSON.
        """
        text = json.dumps({"topic": topic, **values})
        with self._lock:
            listeners = list(self._listeners.items())
        for queue, loop in listeners:
            loop.call_soon_threadsafe(_put, queue, text)

    async def listen(self) -> AsyncIterator[str]:
        """Yield events as JSON until the listener goes away."""
        queue: asyncio.Queue[str] = asyncio.Queue(_WAITING)
        with self._lock:
            self._listeners[queue] = asyncio.get_running_loop()
        try:
            while True:
                yield await queue.get()
        finally:
            with self._lock:
                del self._listeners[queue]


def _put(queue: asyncio.Queue[str], text: str) -> None:
    """Add an event; of a tab that is far behind the oldest ones are dropped."""
    while queue.full():
        queue.get_nowait()
    queue.put_nowait(text)
