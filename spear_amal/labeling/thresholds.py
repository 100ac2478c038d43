"""Labelling functions that compare the numbers of one column with bounds."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from decimal import Decimal
from numbers import Real

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
) -> ColumnLF:
    """LF that votes where a number lies above and/or below a bound (both exclusive).

    Parameters
    ----------
    name, column : str
    label : int, str or Enum member
    above, below : float, optional
        At least one. Missing values abstain.
    version : str or int, optional
        As in :func:`keyword_lf`.

    Examples
    --------
    >>> short = threshold_lf("short", "n_words", 0, below=5)
    >>> short({"n_words": 3}), short({"n_words": 5}), short({"n_words": float("nan")})
    (0, -1, -1)
    """
    if above is None and below is None:
        raise InputError(f"threshold_lf {name!r} needs above=, below= or both")
    if wrong := [x for x in (above, below) if not (x is None or isinstance(x, Real | Decimal))]:
        raise InputError(f"threshold_lf {name!r} needs bounds that are numbers, found {wrong[0]!r}")
    low, high = (-np.inf if above is None else above), (np.inf if below is None else below)
    if not low < high:
        raise InputError(f"threshold_lf {name!r} can never fire: above={above}, below={below}")
    return ThresholdLF(name, column, label, above, below, version)


class ThresholdLF(ColumnLF):
    """An LF that votes where a number lies above and/or below a bound, of which one is given."""

    def __init__(
        self,
        name: str,
        column: str,
        label: ClassLike,
        above: float | None,
        below: float | None,
        version: str | int | None = None,
    ) -> None:
        super().__init__(name, column, self.fires_on, label, reads=number_column, version=version)
        self._above, self._below = above, below

    def fires_on(self, numbers: Numbers) -> np.ndarray:
        """Return whether the LF votes on each row (n,)."""
        values, known = numbers
        whole = values.dtype.kind != "f"  # compared with whole bounds exactly
        parts = [] if known is None else [known]
        if self._above is not None:
            parts.append(values > (_whole(self._above, math.floor) if whole else self._above))
        if self._below is not None:
            parts.append(values < (_whole(self._below, math.ceil) if whole else self._below))
        return functools.reduce(np.logical_and, parts)


def _whole(bound: float, rounded: Callable[[float], int]) -> float:
    return rounded(bound) if math.isfinite(bound) else bound
