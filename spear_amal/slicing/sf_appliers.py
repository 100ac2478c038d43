"""Slicing functions on all rows: a record array, or the rows of one slice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import NamedFunction, SupportsArray
from spear_amal.errors import InputError
from spear_amal.labeling.appliers import LFApplier, PandasLFApplier
from spear_amal.labeling.functions import LabelingFunction, as_labeling_function
from spear_amal.votes.label_matrix import LabelMatrix

__all__ = ["PandasSFApplier", "SFApplier", "slice_dataframe"]


class SFApplier:
    """Applies slicing functions to a list or array of data points.

    Parameters
    ----------
    lfs : iterable of SlicingFunction
        Ours or Snorkel's.
    """

    _applier: type[LFApplier] | type[PandasLFApplier] = LFApplier

    def __init__(self, lfs: Iterable[NamedFunction]) -> None:
        self._functions = [_as_numbers(as_labeling_function(one)) for one in lfs]

    def apply(
        self,
        data_points: Iterable[Any] | SupportsArray | pd.DataFrame,
        progress_bar: bool = True,
        fault_tolerant: bool = False,
        return_meta: bool = False,
    ) -> Any:
        """Return a record array (n,): by name of a slice 1 for the rows in it, 0 for others.

        -1 stands where a slicing function gave -1, or failed with `fault_tolerant`.

        Parameters
        ----------
        data_points : sequence or array; a DataFrame for ``PandasSFApplier``
        progress_bar, fault_tolerant, return_meta
            As for :meth:`spear_amal.labeling.LFApplier.apply`.
        """
        applier: Any = self._applier(self._functions)
        votes, meta = applier.apply(data_points, progress_bar, fault_tolerant, return_meta=True)
        slices = self._records(votes)
        return (slices, meta) if return_meta else slices

    def _records(self, votes: LabelMatrix) -> np.recarray:
        dense = votes.to_dense()
        records = np.recarray(len(dense), dtype=[(f.name, np.int64) for f in self._functions])
        for column, function in zip(dense.T, self._functions, strict=True):
            records[function.name] = column
        return records


class PandasSFApplier(SFApplier):
    """Applies slicing functions to the rows of a DataFrame.

    Examples
    --------
    >>> from spear_amal.slicing import slicing_function
    >>> @slicing_function()
    ... def short(x):
    ...     return len(x.text) < 5
    >>> rows = pd.DataFrame({"text": ["ok", "see you"]})
    >>> PandasSFApplier([short]).apply(rows, progress_bar=False)["short"]
    array([1, 0])
    """

    _applier = PandasLFApplier


def slice_dataframe(df: pd.DataFrame, slicing_function: NamedFunction) -> pd.DataFrame:
    """Return the rows of a slice.

    Raises
    ------
    InputError
        If the slicing function gave -1 on a row.
    """
    records = PandasSFApplier([slicing_function]).apply(df, progress_bar=False)
    values = records[records.dtype.names[0]]
    if (values < 0).any():
        raise InputError(
            f"the slicing function {records.dtype.names[0]!r} abstained (-1) on row "
            f"{int((values < 0).argmax())}; it must say True or False of every row"
        )
    return df.iloc[np.flatnonzero(values)]


def _as_numbers(function: LabelingFunction) -> LabelingFunction:
    """Return the function with 1 for True and 0 for False, as an LF.

    Raises
    ------
    InputError
        If it is an LF of another form, whose answers are no memberships.
    """
    if function.vectorized or function.scorer is not None or function.label is not None:
        raise InputError(
            f"{function.name!r} is a labelling function that votes for a class, works on columns "
            "or gives scores; make it a @slicing_function that says True or False of a row"
        )
    answer = function.function

    def number(x: Any) -> Any:
        said = answer(x)
        return int(said) if isinstance(said, bool | np.bool_) else said

    return LabelingFunction(function.name, number, pre=function.pre)
