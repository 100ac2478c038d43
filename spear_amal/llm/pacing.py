"""When the next request may be sent: limits of a minute, and pauses that a server asks for."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class Clock:
    """Time that passes, and pauses; tests have another one."""

    def now(self) -> float:
        """Return seconds since some moment."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Pause."""
        await asyncio.sleep(seconds)


class Pacer:
    """Evenly spaced turns, so that no minute has more than its limit.

    No bursts: servers that divide a limit by 60 do not complain either.

    Parameters
    ----------
    per_minute : float, optional
        None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._each = 60.0 / per_minute if per_minute else 0.0
        self._next = 0.0

    def turn(self, now: float, amount: float = 1.0) -> float:
        """Return the time at which something of this amount may be sent, and book it."""
        if not self._each:
            return now
        at = max(now, self._next)
        self._next = at + amount * self._each
        return at


class Throttle:
    """Turns of all requests of a client together.

    Parameters
    ----------
    requests_per_minute, tokens_per_minute : float, optional
    clock : Clock
    """

    def __init__(
        self, requests_per_minute: float | None, tokens_per_minute: float | None, clock: Clock
    ) -> None:
        self._requests, self._tokens = Pacer(requests_per_minute), Pacer(tokens_per_minute)
        self._clock = clock
        self._held_until = 0.0

    def turn(self, tokens: float) -> float:
        """Return the time at which a request of so many tokens may be sent, and book it."""
        now = self._clock.now()
        return max(self._requests.turn(now), self._tokens.turn(now, tokens))

    def held(self) -> float:
        """Return the seconds for which nothing may be sent."""
        return max(0.0, self._held_until - self._clock.now())

    def hold(self, seconds: float) -> None:
        """Hold all requests back for some seconds."""
        self._held_until = max(self._held_until, self._clock.now() + seconds)


def asked_pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds for which a server asks to wait; None where it does not say.

    Parameters
    ----------
    headers : mapping
        Names in lower case.

    Examples
    --------
    >>> asked_pause({"retry-after-ms": "250"}), asked_pause({"retry-after": "7"})
    (0.25, 7.0)
    >>> asked_pause({"x-ratelimit-reset-tokens": "6m0.5s", "x-ratelimit-remaining-tokens": "0"})
    360.5
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    if "retry-after" in headers:
        return _after(headers["retry-after"])
    pauses = [
        _duration(headers.get(f"x-ratelimit-reset-{kind}", ""))
        for kind in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{kind}", "0").lstrip("-") in ("0", "1")
    ]
    return max((pause for pause in pauses if pause is not None), default=None)


def _after(text: str) -> float | None:
    """Read Retry-After: seconds, or a date."""
    seconds = _number(text)
    if seconds is not None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (TypeError, ValueError):
        return _duration(text)


def _duration(text: str) -> float | None:
    parts = _DURATION.findall(text)
    if parts and "".join(number + unit for number, unit in parts) == text.strip():
        return sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return _number(text)


def _number(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 <= number < float("inf") else None
