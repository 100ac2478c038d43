"""An event loop in a thread of its own, for as long as somebody needs it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

_Shared = TypeVar("_Shared")
_Result = TypeVar("_Result")
_GLANCE = 0.2  # seconds between two looks at how far it is


class LoopThread(Generic[_Shared]):
    """Runs coroutines for callers without a loop, or with one that is busy, as in notebooks.

    Callers in several threads share the loop and what was opened in it; the last one closes both.

    Parameters
    ----------
    open_shared : callable returning an awaitable
        Makes what the callers share.
    close_shared : callable of it, returning an awaitable
    interrupt : callable of it and an error
        Asks coroutines to come to an end, as after Ctrl-C.
    """

    def __init__(
        self,
        open_shared: Callable[[], Coroutine[Any, Any, _Shared]],
        close_shared: Callable[[_Shared], Coroutine[Any, Any, None]],
        interrupt: Callable[[_Shared, BaseException], None],
    ) -> None:
        self._open, self._close, self._interrupt = open_shared, close_shared, interrupt
        self._reset()

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._process = os.getpid()

    def run(
        self, work: Callable[[_Shared], Awaitable[_Result]], watch: Callable[[], None]
    ) -> _Result:
        """Run a coroutine to its end, and call `watch` now and then meanwhile.

        Whatever interrupts the caller ends the coroutine in good order first; a second interrupt
        does not wait for that.
        """
        if self._process != os.getpid():  # a fork: the thread stayed behind
            self._reset()
        with self._lock:
            if not self._users:
                self._begin()
            self._users += 1
        try:
            return self._wait(self._submit(work(self._shared)), watch)
        finally:
            with self._lock:
                self._users -= 1
                if not self._users:
                    self._end()

    def _wait(self, future: Future[_Result], watch: Callable[[], None]) -> _Result:
        try:
            while not _is_done(future):
                watch()
        except BaseException as error:
            self._loop.call_soon_threadsafe(self._interrupt, self._shared, error)
            try:
                while not _is_done(future):
                    pass
            except BaseException:
                future.cancel()
                raise
            raise
        watch()
        return future.result()

    def _submit(self, work: Awaitable[_Result]) -> Future[_Result]:
        async def run() -> _Result:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self._loop)

    def _begin(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="spear_amal.llm", daemon=True
        )
        self._thread.start()
        try:
            self._shared = self._submit(self._open()).result()
        except BaseException:
            self._stop()
            raise

    def _end(self) -> None:
        try:
            self._submit(self._close(self._shared)).result()
        finally:
            del self._shared
            self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def _is_done(future: Future[Any]) -> bool:
    """Return whether a future is done, after waiting a moment for it."""
    try:
        future.exception(timeout=_GLANCE)
    except TimeoutError:
        return future.done()
    return True
