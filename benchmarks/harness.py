"""What a benchmark is: two ways to one result, checked equal before they are timed.

A module ``bench_*.py`` in this folder holds functions under :func:`benchmark` that make a
:class:`Case`. ``run.py`` finds them, runs both sides by turns in one process, so that a busy
machine slows both, and measures peak memory of each side in a process of its own.
"""

from __future__ import annotations

import ctypes
import gc
import resource
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Case:
    """One comparison, ready to run.

    Attributes
    ----------
    ours, peer : callable without arguments
        What is timed; `peer` is None where a limit in seconds is the goal.
    check : callable of both results
        Raises where they are not the same; called once, before anything is timed. Without a peer
        its second argument is None.
    size : str
        What was worked on, for the table.
    repeats, peer_repeats : int
        Timings of each side; the median counts.
    calls : int
        Calls of `ours` in one timing, for what takes microseconds.
    peer_calls : int
    memory : bool
        Whether peak memory is measured; only that of the process itself can be.
    """

    ours: Callable[[], Any]
    peer: Callable[[], Any] | None = None
    check: Callable[[Any, Any], None] = lambda ours, peer: None
    size: str = ""
    repeats: int = 5
    peer_repeats: int | None = None
    calls: int = 1
    peer_calls: int = 1
    memory: bool = True


@dataclass(frozen=True)
class Benchmark:
    """A named comparison and what it must show.

    Attributes
    ----------
    name : str
    make : function of ``small`` (bool) to a Case, or to finished rows (list of dict)
    peer : str
        What ours is compared with.
    goal : float or None
        Least ratio of the peer's time to ours.
    limit_s : float or None
        Most seconds of ours, where there is no peer.
    memory_goal : float or None
        Least ratio of the peer's peak memory to ours.
    """

    name: str
    make: Callable[[bool], Any]
    peer: str
    goal: float | None = None
    limit_s: float | None = None
    memory_goal: float | None = None


BENCHMARKS: dict[str, Benchmark] = {}
#: Checkout of the build before this one, where ``run.py --against`` names it.
BUILD_BEFORE: Path | None = None


class Skip(Exception):
    """Raised by a benchmark that cannot run here, with the reason."""


def benchmark(
    name: str,
    peer: str = "",
    goal: float | None = None,
    limit_s: float | None = None,
    memory_goal: float | None = None,
) -> Callable[[Callable[[bool], Any]], Callable[[bool], Any]]:
    """Register a function ``make(small)`` under a name."""

    def register(make: Callable[[bool], Any]) -> Callable[[bool], Any]:
        if name in BENCHMARKS:
            raise ValueError(f"two benchmarks are called {name!r}")
        BENCHMARKS[name] = Benchmark(name, make, peer, goal, limit_s, memory_goal)
        return make

    return register


def load_all() -> dict[str, Exception]:
    """Import every ``bench_*.py`` beside this file; the errors of those that cannot be, by name."""
    broken: dict[str, Exception] = {}
    for path in sorted(Path(__file__).parent.glob("bench_*.py")):
        try:
            __import__(path.stem)
        except Exception as error:
            broken[path.stem] = error
    return broken


def cannot_run(error: Exception) -> bool:
    """Tell a benchmark that cannot run here (something optional is missing) from a broken one."""
    if isinstance(error, ModuleNotFoundError):
        return (error.name or "").partition(".")[0] != "spear_amal"
    # Errors of ours that name the extra are ImportErrors as well; so is a name that has moved.
    return isinstance(error, Skip) or type(error).__name__ == "MissingExtraError"


def run_case(one: Benchmark, case: Case) -> dict[str, Any]:
    """Check the two sides equal, then time them by turns; one row of the table."""
    sides = {"ours": case.ours} | ({} if case.peer is None else {"peer": case.peer})
    results = {side: call() for side, call in sides.items()}  # also warms both up
    case.check(results["ours"], results.get("peer"))
    del results
    repeats = {"ours": case.repeats, "peer": case.peer_repeats or case.repeats}
    calls = {"ours": case.calls, "peer": case.peer_calls}
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    for turn in range(max(repeats.values())):
        for side, call in sides.items():
            if turn < repeats[side]:
                seconds[side].append(timed(call, calls[side]))
    ours = statistics.median(seconds["ours"])
    peer = statistics.median(seconds["peer"]) if "peer" in seconds else None
    return row_of(one, case.size, ours, peer) | {f"{side}_runs": s for side, s in seconds.items()}


def row_of(one: Benchmark, size: str, ours_s: float, peer_s: float | None) -> dict[str, Any]:
    """One row of the table, without memory."""
    ratio = None if peer_s is None else peer_s / ours_s
    return {
        "benchmark": one.name,
        "size": size,
        "ours_s": ours_s,
        "peer": one.peer,
        "peer_s": peer_s,
        "ratio": ratio,
        "ours_mb": None,
        "peer_mb": None,
        "goal": one.goal,
        "limit_s": one.limit_s,
        "memory_goal": one.memory_goal,
    }


def timed(call: Callable[[], Any], calls: int) -> float:
    """Seconds of the processor for one call, the mean over `calls`; garbage goes before."""
    gc.collect()
    began = processor_seconds()
    for _ in range(calls):
        call()
    return (processor_seconds() - began) / calls


def processor_seconds() -> float:
    """Seconds that this process and those that it waited for have had of a processor.

    Other programs on a busy machine change them little.
    """
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def side_memory(one: Benchmark, side: str, small: bool) -> float | None:
    """Peak megabytes of one side, in a process where nothing else has run.

    The small case runs first: what is imported and set up at first use is no part of the job.
    """
    getattr(one.make(True), side)()
    return peak_memory(getattr(one.make(small), side))


def peak_memory(call: Callable[[], Any]) -> float | None:
    """Megabytes that a call needs at its peak beyond what the process holds; Linux only.

    Processes that the call starts are not counted.
    """
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    gc.collect()
    try:
        # Freed memory that the process still holds would be used again unseen.
        ctypes.CDLL(None).malloc_trim(0)
        reset.write_text("5")  # the high-water mark starts from here
    except (OSError, AttributeError):
        return None
    before = _kilobytes(status, "VmRSS")
    kept = call()
    peak = _kilobytes(status, "VmHWM")
    del kept
    return max(peak - before, 0) / 1024


def _kilobytes(status: Path, name: str) -> int:
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def met(row: dict[str, Any]) -> bool | None:
    """Tell whether a row reaches its goals; None where it has none."""
    found = [
        row[value] >= row[goal] if least else row[value] <= row[goal]
        for value, goal, least in (
            ("ratio", "goal", True),
            ("ours_s", "limit_s", False),
            ("memory_ratio", "memory_goal", True),
        )
        if row.get(goal) is not None and row.get(value) is not None
    ]
    return all(found) if found else None
