"""Rows without a text: no labelling function sees them, and all of them abstain there."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import scipy.sparse as sp

from spear_amal.labeling.cell_values import as_list
from spear_amal.labeling.data_points import RowSource
from spear_amal.labeling.parallel import Labelled
from spear_amal.votes.label_matrix import LabelMatrix


def has_text(texts: Iterable[Any]) -> np.ndarray:
    """Return which texts (n,) are there: not missing, and more than white space.

    Examples
    --------
    >>> has_text(["hello", "", "  ", None]).tolist()
    [True, False, False, False]
    """
    return np.array([text is not None and str(text).strip() != "" for text in as_list(texts)], bool)


def votes_where_text(
    source: RowSource, column: str | None, label: Callable[[RowSource], Labelled]
) -> Labelled:
    """Return votes on all rows of a source, of which only those with a text are labelled.

    Parameters
    ----------
    source : RowSource of n rows
    column : str or None
        Column with the texts; None for all rows.
    label : callable
        From a source to votes and what went wrong.

    Raises
    ------
    InputError
        If there is no such column.
    """
    if column is None:
        return label(source)
    places = np.flatnonzero(has_text(source.column(column, 0, source.n)))
    if len(places) == source.n:
        return label(source)
    votes, meta = label(source.take(places))
    return _spread(votes, places, source), meta


def _spread(votes: LabelMatrix, places: np.ndarray, source: RowSource) -> LabelMatrix:
    """Return votes on all rows of a source, from those on the rows at these places."""
    counts = np.zeros(source.n + 1, dtype=np.int64)
    counts[places + 1] = np.diff(votes.codes.indptr)
    ends = np.cumsum(counts)

    def spread(matrix: sp.csr_array) -> sp.csr_array:
        shape = (source.n, matrix.shape[1])
        return sp.csr_array((matrix.data, matrix.indices, ends), shape=shape)

    return LabelMatrix(
        spread(votes.codes),
        lf_names=votes.lf_names,
        classes=votes.classes,
        row_ids=source.ids,
        lf_classes=votes.lf_classes,
        scores=None if votes.scores is None else spread(votes.scores),
        continuous=votes.continuous,
    )
