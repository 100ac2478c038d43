"""How far a study is: a bar with the time left, or lines where nobody watches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from spear_amal.cli.console import is_watched, note

Progress = Callable[[int, int, str], None]

# Seconds over which speed is taken: one run may last many minutes.
_PERIOD = 24 * 3600.0


@contextmanager
def study_progress(output: Path, further: str = "") -> Iterator[Progress]:
    """Give what tells how far a study is; who stops it hears that nothing finished is lost.

    `further` says what is kept besides the runs.
    """
    shown = _bar() if is_watched() else nullcontext(_tell)
    try:
        with shown as progress:
            yield progress
    except KeyboardInterrupt:
        note(f"Finished runs are kept in {output}{further}; the same command goes on from there")
        raise


def _tell(done: int, total: int, what: str) -> None:
    if what:
        note(f"{done}/{total} {what}")


@contextmanager
def _bar() -> Iterator[Progress]:
    """Give a bar with the time left."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    console = Console(stderr=True)
    with Bar(
        *columns, TimeRemainingColumn(), console=console, speed_estimate_period=_PERIOD
    ) as bar:
        task = bar.add_task("loading", total=None)

        def advance(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what or "training")

        yield advance
