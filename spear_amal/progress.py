"""One progress bar for downloads, labelling, training and studies, wherever the process runs.

On a terminal rich draws it, and it vanishes at the end. In a notebook rich would need ipywidgets
and warn without them: there a line of text is displayed and updated in place, which every front
end does. In anything else, such as a log file, a line is written now and then. All of it goes to
standard error, or below the cell.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from spear_amal.printable import on_one_line

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

LOG_EVERY = 60.0  # seconds between two lines of a log file
NOTEBOOK_EVERY = 0.2  # seconds between two updates of a cell's output
# Seconds over which rich takes the speed: one step of training or of a study may last minutes.
_PERIOD = 24 * 3600.0

_is_hidden: ContextVar[bool] = ContextVar("_is_hidden", default=False)


@contextmanager
def hidden_progress(hidden: bool = True) -> Iterator[None]:
    """Show no progress bar that is opened within the block."""
    token = _is_hidden.set(hidden)
    try:
        yield
    finally:
        _is_hidden.reset(token)


class Progress:
    """How far something is, shown while the ``with`` block runs.

    Has the four names that pooch's downloader wants: total, update, reset, close.

    Parameters
    ----------
    title : str
    total : float, optional
        Steps in all: bytes of a download, rows to label; None where nobody knows.
    show : bool
        False shows nothing at all.
    unit : str, optional
        What is counted, such as "epoch"; "" counts without a word. None shows a percentage.
    log_every : float
        Seconds between two lines where it is not watched; 0 writes one for every step.

    Attributes
    ----------
    done : float
    note : str
        Shown behind, such as the last score.

    Examples
    --------
    >>> with Progress("reading", total=2, show=False) as bar:
    ...     for _ in range(2):
    ...         bar.update()
    >>> bar.line()
    '100% reading'
    """

    def __init__(
        self,
        title: str,
        total: float | None = None,
        *,
        show: bool = True,
        unit: str | None = None,
        log_every: float = LOG_EVERY,
    ) -> None:
        self.title, self.unit, self.note = title, unit, ""
        self.log_every = log_every
        self._display: _Display = _choose_display() if show and not _is_hidden.get() else _Hidden()
        self._is_open = False
        self.begin(total)

    def begin(self, total: float | None, done: float = 0) -> None:
        """Start anew, with `done` of `total` steps made by an earlier run."""
        self._total, self._first, self.done = total, done, done
        self._started = time.monotonic()
        if self._is_open:
            self._display.show(self)

    @property
    def has_moved(self) -> bool:
        """Whether a step was made since it began."""
        return self.done > self._first

    @property
    def total(self) -> float:
        """Steps in all; 0 if unknown. Setting it starts anew."""
        return self._total or 0

    @total.setter
    def total(self, value: float) -> None:
        self.begin(value or None)

    def update(self, amount: float = 1, note: str | None = None) -> None:
        """Advance by some steps."""
        self.move_to(self.done + amount, note)

    def move_to(self, done: float, note: str | None = None) -> None:
        """Set the number of steps that are done."""
        self.done = done
        if note is not None:
            self.note = note
        self._display.show(self)

    def follow(self, done: int, total: int, what: str) -> None:
        """Show how far a study is: `what` was just finished, or nothing at the start."""
        self.title = what or self.title
        if not what or total != self.total:
            self.begin(total, done - bool(what))
        if what:
            self.move_to(done)

    def reset(self) -> None:
        """Restart at 0, keeping the total."""
        self.begin(self._total)

    def close(self) -> None:
        """Do nothing: the bar ends with its block."""

    def __enter__(self) -> Self:
        self._display.open(self)
        self._is_open = True
        return self

    def __exit__(self, *error: object) -> None:
        self._is_open = False
        self._display.close(self)

    def count(self) -> str:
        """Return how far it is, such as "epoch 3/20" or "45%"; empty if nobody knows."""
        if not self._total:
            return ""
        if self.unit is not None:
            return f"{self.unit} {self.done:g}/{self._total:g}".lstrip()
        return f"{100 * min(self.done / self._total, 1):.0f}%"

    def seconds_left(self) -> float | None:
        """Estimate the time left from the mean speed; None before the first step."""
        if not self._total or not self.has_moved:
            return None
        each = (time.monotonic() - self._started) / (self.done - self._first)
        return each * max(self._total - self.done, 0)

    def line(self) -> str:
        """All of it in a line of text."""
        left = self.seconds_left()
        time_left = f"{_clock(left)} left" if left else ""
        parts = [f"{self.count()} {self.title}".lstrip(), self.note, time_left]
        return ", ".join(part for part in parts if part)


def _clock(seconds: float) -> str:
    """Write a time as minutes and seconds, with hours where there are any.

    Examples
    --------
    >>> _clock(7.2), _clock(3600 * 2 + 61)
    ('0:07', '2:01:01')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


# -- where it is shown ----------------------------------------------------------------------------


class _Display(Protocol):
    def open(self, bar: Progress) -> None: ...
    def show(self, bar: Progress) -> None: ...
    def close(self, bar: Progress) -> None: ...


def _choose_display() -> _Display:
    if _in_notebook():
        return _Notebook()
    if sys.stderr is None:  # a program without a console, as on Windows
        return _Hidden()
    return _Terminal() if sys.stderr.isatty() else _Log()


def _in_notebook() -> bool:
    """Return whether this is a kernel of Jupyter, whose front end shows what is displayed."""
    return hasattr(_shell(), "kernel")


def _shell() -> Any:
    """Return IPython's shell; None outside."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


class _Hidden:
    """Nothing is shown."""

    def open(self, bar: Progress) -> None: ...
    def show(self, bar: Progress) -> None: ...
    def close(self, bar: Progress) -> None: ...


class _Terminal:
    """Bars drawn by rich, one under the other where one is opened within another."""

    _screen: RichProgress | None = None
    _bars = 0

    def open(self, bar: Progress) -> None:
        if _Terminal._screen is None:
            _Terminal._screen = _rich_progress()
            _Terminal._screen.start()
        _Terminal._bars += 1
        self._shared = _Terminal._screen
        self._task = self._shared.add_task(on_one_line(bar.title), total=None, count="", note="")
        self.show(bar)

    def show(self, bar: Progress) -> None:
        self._shared.update(
            self._task,
            total=bar.total or None,
            completed=bar.done,
            description=on_one_line(bar.title),
            count=bar.count(),
            note=on_one_line(bar.note),
        )

    def close(self, bar: Progress) -> None:
        _Terminal._bars -= 1
        if not _Terminal._bars:
            self._shared.stop()
            _Terminal._screen = None
        self._shared.remove_task(self._task)


def _rich_progress() -> RichProgress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as TimeRemaining
    from rich.text import Text

    class Time(TimeRemaining):
        """The time left, or the time passed where nobody knows how much there is to do."""

        def render(self, task: Task) -> Text:
            return super().render(task) if task.total else TimeElapsedColumn().render(task)

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[count]}", markup=False),
        Time(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True, force_jupyter=False),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # results that go to a file stay there
        speed_estimate_period=_PERIOD,
    )


class _Notebook:
    """A line of text below the cell for each open bar, updated in place and emptied at the end.

    All bars of a cell share one place, one after the other or one within another: a cell that
    trains five folds shows one line, not five. What is over at once leaves no trace.
    """

    _lines: ClassVar[dict[_Notebook, str]] = {}  # of the bars that are open, in their order
    _cell: ClassVar[object] = None
    _handle: ClassVar[Any] = None

    def open(self, bar: Progress) -> None:
        self._last = time.monotonic()
        if not bar.total:  # a tool at work may never say how far it is
            self._put(bar.line())

    def show(self, bar: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= NOTEBOOK_EVERY:
            self._last = now
            self._put(bar.line())

    def close(self, bar: Progress) -> None:
        if self in _Notebook._lines:
            self._put(None)

    def _put(self, line: str | None) -> None:
        from IPython.display import display

        lines = _Notebook._lines
        if line is None:
            del lines[self]
        else:
            lines[self] = line
        cell = getattr(_shell(), "execution_count", None)
        if cell != _Notebook._cell:
            _Notebook._cell, _Notebook._handle = cell, None
        text = {"text/plain": "\n".join(lines.values())}
        if _Notebook._handle is None:
            _Notebook._handle = display(text, raw=True, display_id=True)
        else:
            _Notebook._handle.update(text, raw=True)


class _Log:
    """A line now and then, for log files."""

    def open(self, bar: Progress) -> None:
        self._last = time.monotonic()

    def show(self, bar: Progress) -> None:
        now = time.monotonic()
        if bar.has_moved and now - self._last >= bar.log_every:
            self._last = now
            sys.stderr.write(f"{on_one_line(bar.line())}\n")
            sys.stderr.flush()

    def close(self, bar: Progress) -> None: ...
