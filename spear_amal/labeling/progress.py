"""A progress bar with time left, on stderr, only where a person looks at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


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
