"""Several metrics at once, over all rows and over slices of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import MatrixLike, VectorLike
from spear_amal.analysis.metrics import METRICS, metric_score
from spear_amal.checks import check_name
from spear_amal.errors import InputError
from spear_amal.votes.matrix_checks import as_rows

__all__ = ["Scorer"]


class Scorer:
    """Metrics of predictions by gold, each by its name.

    Parameters
    ----------
    metrics : sequence of str, optional
        Names in :data:`spear_amal.analysis.metrics.METRICS`.
    custom_metric_funcs : mapping of str to function, optional
        Functions of (golds, preds, probs) that return a number, or a dict of them by name.
    abstain_label : int or None
        Rows with this class, in gold or as a prediction, are left out of all metrics but
        "coverage"; None leaves out none.

    Examples
    --------
    >>> Scorer(metrics=["accuracy", "coverage"]).score(np.array([1, 0, 1]), np.array([1, 1, -1]))
    {'accuracy': 0.5, 'coverage': 0.6666666666666666}
    """

    def __init__(
        self,
        metrics: Sequence[str] | None = None,
        custom_metric_funcs: Mapping[str, Callable[..., Any]] | None = None,
        abstain_label: int | None = -1,
    ) -> None:
        if isinstance(metrics, str):
            raise InputError(f"metrics must be a list of names, such as [{metrics!r}]")
        self.abstain_label = abstain_label
        self.metrics: dict[str, Callable[..., Any]] = {}
        left_out: dict[str, list[int]] = {}
        if abstain_label is not None:
            left_out = {"golds": [abstain_label], "preds": [abstain_label]}
        for name in metrics or ():
            check_name("metric", name, METRICS)
            filtered = {} if name == "coverage" else left_out
            self.metrics[name] = partial(metric_score, metric=name, filter_dict=filtered)
        self.metrics.update(custom_metric_funcs or {})

    def score(
        self,
        golds: VectorLike,
        preds: VectorLike | None = None,
        probs: MatrixLike | None = None,
    ) -> dict[str, float]:
        """Compute all metrics of predictions (n,) and probabilities (n, C) by gold codes (n,).

        Raises
        ------
        InputError
            If there are no rows, or a metric lacks what it needs.
        """
        if len(as_rows(golds, "golds")) == 0:
            raise InputError("there are no rows to score")
        scores: dict[str, float] = {}
        for name, metric in self.metrics.items():
            value = metric(golds, preds, probs)
            scores.update(value if isinstance(value, dict) else {name: value})
        return scores

    def score_slices(
        self,
        S: np.recarray,
        golds: VectorLike,
        preds: VectorLike,
        probs: MatrixLike,
        as_dataframe: bool = False,
    ) -> dict[str, dict[str, float]] | pd.DataFrame:
        """Compute all metrics of all rows ("overall"), and of those in each slice.

        Parameters
        ----------
        S : recarray (n,)
            By name of a slice whether a row is in it, as ``PandasSFApplier`` gives it.
        golds, preds : array (n,)
        probs : array (n, C)
        as_dataframe : bool
            Return a table with one row a slice, in place of a dict.

        Raises
        ------
        InputError
            If lengths differ, a slice has no rows or holds -1.
        """
        arrays = [np.asarray(values) for values in (golds, preds, probs)]
        lengths = [len(S), *map(len, arrays)]
        if len(set(lengths)) > 1:
            raise InputError(f"S, golds, preds and probs must be of the same rows, found {lengths}")
        scores = {"overall": self.score(*arrays)}
        for name in S.dtype.names or ():
            inside = rows_in_slice(S, name)
            scores[name] = self.score(*(array[inside] for array in arrays))
        return pd.DataFrame.from_dict(scores).transpose() if as_dataframe else scores


def rows_in_slice(S: np.recarray, name: str) -> np.ndarray:
    """Return which rows (n,) are in a slice, as bool.

    Raises
    ------
    InputError
        If the slicing function gave -1 anywhere: whether the row is in it was not said.
    """
    values = np.asarray(S[name])
    if (values < 0).any():
        raise InputError(
            f"the slicing function {name!r} abstained (-1) on row {int((values < 0).argmax())} and "
            f"{int((values < 0).sum()) - 1} others; it must say True or False of every row"
        )
    return values.astype(bool)
