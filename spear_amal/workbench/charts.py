"""Places of lines, points and ticks in a picture; templates draw them as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

LEFT, RIGHT, TOP, BOTTOM = 44.0, 12.0, 10.0, 34.0
_N_COLOURS = 8


@dataclass(frozen=True)
class Tick:
    """A tick of an axis: its place, and what stands beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """A line through points.

    Attributes
    ----------
    name : str
    points : str
        As SVG has them.
    colour : int
        Of the palette.
    is_thin : bool
        One of several behind a mean.
    last : str
        The last value, in words.
    """

    name: str
    points: str
    colour: int
    is_thin: bool = False
    last: str = ""


@dataclass(frozen=True)
class Mark:
    """A score with its interval.

    Attributes
    ----------
    x, y, low, high : float
    about : str
        Read out, and shown where a pointer rests.
    link : str
    is_new : bool
        The rules were changed since the mark before.
    """

    x: float
    y: float
    low: float
    high: float
    about: str
    link: str = ""
    is_new: bool = False


@dataclass(frozen=True)
class Chart:
    """A picture.

    Attributes
    ----------
    about : str
        What it shows, for those who cannot see it.
    width, height : float
    x_title, y_title : str
    x_ticks, y_ticks : list of Tick
    lines : list of Line
    marks : list of Mark
    """

    about: str
    width: float
    height: float
    x_title: str
    y_title: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    lines: list[Line] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    @property
    def right(self) -> float:
        """Where the plane ends on the right."""
        return self.width - RIGHT

    @property
    def bottom(self) -> float:
        """Where the plane ends below."""
        return self.height - BOTTOM

    @property
    def legend(self) -> list[Line]:
        """The lines that have a name of their own."""
        return [line for line in self.lines if not line.is_thin]


@dataclass(frozen=True)
class Scale:
    """From values to places on an axis.

    Parameters
    ----------
    low, high : float
        Values at the ends.
    start, end : float
        Places of the ends.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self, n: int = 5, form: str = "{:g}") -> list[Tick]:
        """Return about n ticks at round values.

        Examples
        --------
        >>> [tick.text for tick in Scale(0, 1, 0, 100).ticks()]
        ['0', '0.2', '0.4', '0.6', '0.8', '1']
        """
        rough = (self.high - self.low) / max(n, 1)
        power = 10 ** math.floor(math.log10(rough))
        step = next(f * power for f in (1, 2, 5, 10) if f * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        values = [round(i * step, 10) for i in range(first, last + 1)]
        return [Tick(self(value), form.format(value)) for value in values]


@dataclass(frozen=True)
class Series:
    """A line to draw: its name, points, colour, and whether it stands behind a mean."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    is_thin: bool = False


def line_chart(
    about: str,
    series: Sequence[Series],
    x_title: str,
    y_title: str,
    *,
    least: float | None = None,
    most: float | None = None,
    width: float = 560,
    height: float = 240,
) -> Chart | None:
    """Return a picture of lines over whole numbers from 1; None without a point.

    Parameters
    ----------
    about : str
    series : sequence of Series
    x_title, y_title : str
    least, most : float, optional
        Values that the vertical axis never leaves.
    width, height : float
    """
    drawn = [one for one in series if len(one.points)]
    if not drawn:
        return None
    ys = [y for one in drawn for _, y in one.points]
    pad = max((max(ys) - min(ys)) * 0.08, 0.01)
    low, high = min(ys) - pad, max(ys) + pad
    low = low if least is None else max(low, least)
    high = high if most is None else min(high, most)
    if high - low < 0.02:
        low, high = high - 0.02, high
    last = max(max(x for one in drawn for x, _ in one.points), 5.0)
    x = Scale(1, last, LEFT, width - RIGHT)
    y = Scale(low, high, height - BOTTOM, TOP)
    lines = [
        Line(
            one.name,
            " ".join(f"{x(a):g},{y(b):g}" for a, b in one.points),
            one.colour % _N_COLOURS,
            one.is_thin,
            f"{one.points[-1][1]:.3g}",
        )
        for one in drawn
    ]
    whole = [tick for tick in x.ticks(6) if "." not in tick.text]
    return Chart(about, width, height, x_title, y_title, whole, y.ticks(4), lines)


@dataclass(frozen=True)
class ScoredRun:
    """A score to draw: value and bounds as shares, what to say of it, where it leads to."""

    score: float
    low: float
    high: float
    text: str
    about: str
    link: str = ""
    is_new: bool = False


def interval_chart(
    about: str,
    runs: Sequence[ScoredRun],
    x_title: str,
    y_title: str,
    width: float = 560,
    height: float = 220,
) -> Chart | None:
    """Return a picture of scores with their intervals, side by side; None without any."""
    if not runs:
        return None
    low, high = min(run.low for run in runs), max(run.high for run in runs)
    pad = max((high - low) * 0.08, 0.01)
    x = Scale(0, max(len(runs), 4), LEFT, width - RIGHT)
    y = Scale(max(low - pad, 0), min(high + pad, 1) + 1e-9, height - BOTTOM, TOP)
    places = [x(i + 0.5) for i in range(len(runs))]
    marks = [
        Mark(at, y(run.score), y(run.low), y(run.high), run.about, run.link, run.is_new)
        for at, run in zip(places, runs, strict=True)
    ]
    ticks = [Tick(at, run.text) for at, run in zip(places, runs, strict=True)]
    every = -(-len(ticks) // 8)
    shown = ticks[::-every][::-1]
    return Chart(about, width, height, x_title, y_title, shown, y.ticks(4), [], marks)
