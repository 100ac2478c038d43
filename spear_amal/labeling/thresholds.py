"""Labelling functions that compare the numbers of one column with bounds."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from spear_amal._typing import ClassLike
from spear_amal.errors import InputError
from spear_amal.labeling.builders import ColumnLF
from spear_amal.labeling.cell_values import number_column

# Numbers of a column (n,), and which rows have one; None if all have.
Numbers = tuple[np.ndarray, np.ndarray | None]


def threshold_lf(
    name: str,
    column: str,
    label: ClassLike,
    above: float | None = None,
    below: float | None = None,
    version: str | int | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> ColumnLF:
    """LF that votes where a number lies within bounds, of which at least one is given.

    Parameters
    ----------
    name, column : str
    label : int, str or Enum member
    above, below : float, optional
        Bounds that are themselves outside. Missing values abstain.
    version : str or int, optional
        As in :func:`keyword_lf`.
    at_least, at_most : float, optional
        Bounds that are themselves inside, in place of `above` and `below`.

    Examples
    --------
    >>> short = threshold_lf("short", "n_words", 0, below=5)
    >>> short({"n_words": 3}), short({"n_words": 5}), short({"n_words": float("nan")})
    (0, -1, -1)
    >>> threshold_lf("short", "n_words", 0, at_most=5)({"n_words": 5})
    0
    """
    bounds = Bounds(above, below, at_least, at_most)
    given = {key: bound for key, bound in bounds._asdict().items() if bound is not None}
    if not given:
        raise InputError(
            f"threshold_lf {name!r} needs above= or at_least=, below= or at_most=, or one of each"
        )
    if wrong := [x for x in given.values() if not isinstance(x, Real | Decimal)]:
        raise InputError(f"threshold_lf {name!r} needs bounds that are numbers, found {wrong[0]!r}")
    for pair in (("above", "at_least"), ("below", "at_most")):
        if given.keys() >= set(pair):
            raise InputError(f"threshold_lf {name!r}: give {pair[0]}= or {pair[1]}=, not both")
    low = -np.inf if above is None else above
    low = low if at_least is None else at_least
    high = np.inf if below is None else below
    high = high if at_most is None else at_most
    is_closed = at_least is not None and at_most is not None
    if not (low < high or (is_closed and low == high)):
        said = ", ".join(f"{key}={bound}" for key, bound in given.items())
        raise InputError(f"threshold_lf {name!r} can never fire: {said}")
    return ThresholdLF(name, column, label, bounds, version)


class Bounds(NamedTuple):
    """Bounds of numbers, each None where there is none."""

    above: float | None
    below: float | None
    at_least: float | None
    at_most: float | None


class ThresholdLF(ColumnLF):
    """An LF that votes where a number lies within bounds, of which at least one is given."""

    def __init__(
        self,
        name: str,
        column: str,
        label: ClassLike,
        bounds: Bounds,
        version: str | int | None = None,
    ) -> None:
        super().__init__(name, column, self.fires_on, label, reads=number_column, version=version)
        self._bounds = tuple(bounds)

    def fires_on(self, numbers: Numbers) -> np.ndarray:
        """Return whether the LF votes on each row (n,)."""
        values, known = numbers
        whole = values.dtype.kind != "f"  # compared with whole bounds exactly
        parts = [] if known is None else [known]
        for bound, (compare, rounded) in zip(self._bounds, _COMPARED, strict=True):
            if bound is not None:
                parts.append(compare(values, _whole(bound, rounded) if whole else bound))
        return functools.reduce(np.logical_and, parts)


# How each of the bounds is compared, and rounded where values are whole.
_COMPARED: tuple[tuple[Callable[..., Any], Callable[[float], int]], ...] = (
    (operator.gt, math.floor),
    (operator.lt, math.ceil),
    (operator.ge, math.ceil),
    (operator.le, math.floor),
)


def _whole(bound: float, rounded: Callable[[float], int]) -> float:
    return rounded(bound) if math.isfinite(bound) else bound
