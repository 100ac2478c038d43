"""What every input must keep to: only documented errors, no long computation, no large memory."""

from __future__ import annotations

import contextlib
import resource
import signal
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklearn.exceptions import NotFittedError

from spear_amal.errors import SpearAmalError
from spear_amal.params import InvalidParameterError

#: Seconds of processor time for one input, and bytes by which it may raise the peak of memory.
MOST_SECONDS = 5.0
MOST_BYTES = 1_000_000_000

DOCUMENTED = (SpearAmalError, InvalidParameterError, NotFittedError)


class Fault(AssertionError):
    """A door let an input through that it should have refused, or took too long over it."""


class _OutOfTime(BaseException):
    """Raised inside a door that has used up its processor time."""


@dataclass
class Tally:
    """What a door did with the inputs so far."""

    accepted: int = 0
    refused: int = 0
    seconds: float = 0.0
    bytes: int = 0
    errors: dict[str, int] = field(default_factory=dict)


def documented(error: BaseException, further: tuple[type[BaseException], ...] = ()) -> bool:
    """Check whether an error is the project's own, or one that scikit-learn's checks raise."""
    if isinstance(error, DOCUMENTED + further):
        return True
    innermost = traceback.extract_tb(error.__traceback__)[-1].filename
    return isinstance(error, TypeError | ValueError) and "sklearn/utils/" in innermost


@contextlib.contextmanager
def within_time(seconds: float) -> Iterator[None]:
    """Stop what runs inside once it has used twice its processor time."""

    def stop(*_: Any) -> None:
        raise _OutOfTime

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, 2 * seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run(
    door: Callable[..., None],
    draw: Any,
    folder: Path,
    tally: Tally,
    further: tuple[type[BaseException], ...] = (),
) -> None:
    """Send one drawn input through a door; raise Fault unless it keeps to the rules."""
    peak, start = _peak(), time.process_time()
    try:
        with warnings.catch_warnings(), within_time(MOST_SECONDS):
            warnings.simplefilter("ignore")
            door(draw, folder)
        tally.accepted += 1
    except _OutOfTime as error:
        raise Fault(f"more than {2 * MOST_SECONDS} s of processor time") from error
    except Exception as error:
        if type(error).__module__.startswith("hypothesis") or isinstance(error, AssertionError):
            raise
        if not documented(error, further):
            raise Fault(f"{type(error).__name__}: {error}") from error
        tally.refused += 1
        name = f"{type(error).__name__}: {str(error)[:110]!a}"
        tally.errors[name] = tally.errors.get(name, 0) + 1
    seconds, grown = time.process_time() - start, _peak() - peak
    tally.seconds, tally.bytes = max(tally.seconds, seconds), max(tally.bytes, grown)
    if seconds > MOST_SECONDS:
        raise Fault(f"{seconds:.1f} s of processor time")
    if grown > MOST_BYTES:
        raise Fault(f"{grown / 1e9:.1f} GB of memory")


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
