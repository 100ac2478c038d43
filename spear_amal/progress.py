"""A progress bar on standard error, the same one for downloads, tools and encoders."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class FetchBar:
    """One bar. Has the four names that pooch's downloader wants: total, update, reset, close.

    Parameters
    ----------
    progress : rich.progress.Progress
    task : TaskID
        A bar without total (a tool at work) pulses.
    """

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    @property
    def total(self) -> float:
        """Steps in all (bytes of a download, texts to encode); 0 if unknown."""
        return self._progress.tasks[self._progress.task_ids.index(self._task)].total or 0.0

    @total.setter
    def total(self, value: float) -> None:
        self._progress.update(self._task, total=value or None)

    def update(self, amount: float) -> None:
        """Advance by `amount` steps."""
        self._progress.advance(self._task, amount)

    def reset(self) -> None:
        """Go back to the start, keeping the total."""
        self._progress.reset(self._task, total=self.total or None)

    def close(self) -> None:
        """Do nothing: the bar ends with its context."""


@contextmanager
def fetch_bar(title: str, show: bool = True) -> Iterator[FetchBar]:
    """Give a bar named `title`; it vanishes at the end of the block."""
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    hidden = not (show and console.is_terminal)  # a log file wants no bar
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        yield FetchBar(progress, progress.add_task(title, total=None))


@contextmanager
def progress(title: str, total: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    """Give a function that advances the bar; it does nothing without a terminal."""
    if not wanted:
        yield lambda steps: None
        return
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda steps: bar.advance(task, steps)
