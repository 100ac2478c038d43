"""Declarative labelling functions read one column: fast on batches, callable on one row too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.literals import Needed
from spear_amal.labeling.rows import as_list, column, field, is_missing


class ColumnLF(LabelingFunction):
    """An LF that decides by the values of one column.

    Parameters
    ----------
    name : str
    column : str
        The column it reads.
    decide : callable
        From the values of the column to a sequence of answers of that length.
    label : int, str or Enum member, optional
        The class it votes for; the answers are then bools.
    exemplar : str, optional
        A text from which the rule was written.
    reads : callable
        Makes of a column what `decide` takes: a list of Python objects by default.

    Attributes
    ----------
    column, exemplar
        As above.
    """

    def __init__(
        self,
        name: str,
        column: str,
        decide: Callable[[Any], Any],
        label: Any = None,
        exemplar: str | None = None,
        reads: Callable[[Any], Any] = as_list,
    ) -> None:
        super().__init__(name, self._on_batch, label=label, vectorized=True)
        self.__name__ = name
        self.__doc__ = f"{type(self).__name__} {name} on column {column!r}."
        self.column = column
        self.exemplar = exemplar
        self._decide, self._reads = decide, reads

    def _on_batch(self, batch: Any) -> Any:
        return self._decide(self._reads(column(batch, self.column)))

    def _on_row(self, x: Any) -> Any:
        return as_list(self._decide([field(x, self.column)]))[0]

    @property
    def row_form(self) -> LabelingFunction:
        """The same LF on rows."""
        return LabelingFunction(self.name, self._on_row, label=self.label)

    def __call__(self, x: Any) -> Any:
        """Vote on one row: a text, or an object or mapping that has the column."""
        return self.row_form(x)

    def __repr__(self) -> str:
        label = "" if self.label is None else f", Label: {self.label}"
        return f"{type(self).__name__} {self.name}, Column: {self.column}{label}"


class TextLF(ColumnLF):
    """An LF that tests one text at a time.

    Parameters
    ----------
    name, column : str
    test : callable
        From a text to True or False, or to a class or None.
    label : int, str or Enum member, optional
    needed : Needed, optional
        What a text must hold for `test` to give True or a class: appliers then look for the words
        of all LFs of a column together.
    answers : {bool, object}
        What `test` gives; object for classes.
    exemplar : str, optional

    Attributes
    ----------
    test, needed, answers
        As above.
    """

    def __init__(
        self,
        name: str,
        column: str,
        test: Callable[[str], Any],
        label: Any = None,
        needed: Needed | None = None,
        answers: type = bool,
        exemplar: str | None = None,
    ) -> None:
        super().__init__(name, column, on_texts(name, test, answers), label, exemplar)
        self.test, self.needed, self.answers = test, needed, answers


def text_of(value: Any, lf_name: str) -> str | None:
    """Return a text as it is, None for a missing value.

    Raises
    ------
    InputError
        If the value is something else.
    """
    if isinstance(value, str):
        return value
    if is_missing(value):
        return None
    raise InputError(f"LF {lf_name!r} reads texts, found {value!r} ({type(value).__name__})")


def on_texts(
    lf_name: str, test: Callable[[str], Any], dtype: type = bool
) -> Callable[[list[Any]], np.ndarray]:
    """Turn a test of one text into one of a list; it gives an array of `dtype`.

    A missing value counts as False, or as None if `dtype` is object.
    """
    missing = False if dtype is bool else None

    def decide(values: list[Any]) -> np.ndarray:
        if all(type(value) is str for value in values):
            return np.fromiter(map(test, values), dtype, len(values))
        texts = [text_of(value, lf_name) for value in values]
        answers = (missing if text is None else test(text) for text in texts)
        return np.fromiter(answers, dtype, len(values))

    return decide


def threshold_lf(
    name: str,
    column: str,
    label: Any,
    above: float | None = None,
    below: float | None = None,
) -> ColumnLF:
    """LF that votes where a number lies above and/or below a bound (both exclusive).

    Parameters
    ----------
    name, column : str
    label : int, str or Enum member
    above, below : float, optional
        At least one. Missing values abstain.

    Examples
    --------
    >>> short = threshold_lf("short", "n_words", 0, below=5)
    >>> short({"n_words": 3}), short({"n_words": 5}), short({"n_words": float("nan")})
    (0, -1, -1)
    """
    if above is None and below is None:
        raise InputError(f"threshold_lf {name!r} needs above=, below= or both")
    low = -np.inf if above is None else float(above)
    high = np.inf if below is None else float(below)
    if not low < high:
        raise InputError(f"threshold_lf {name!r} can never fire: above={above}, below={below}")

    def decide(values: Any) -> np.ndarray:
        numbers = _numbers(values)
        if below is None:
            return numbers > low
        return numbers < high if above is None else (numbers > low) & (numbers < high)

    return ColumnLF(name, column, decide, label, reads=_as_they_are)


def _as_they_are(values: Any) -> Any:
    return values


def _numbers(values: Any) -> np.ndarray:
    """Float64 (n,), NaN where missing, of a column in whatever container."""
    array = np.asarray(values)
    if array.dtype.kind in "iuf":
        return array.astype(np.float64, copy=False)
    listed = [np.nan if is_missing(value) else value for value in as_list(values)]
    return np.asarray(listed, dtype=np.float64)
