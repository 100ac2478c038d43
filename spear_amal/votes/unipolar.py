"""The unipolar form of votes: columns of one class each, as CAGE, SPEAR and ImplyLoss need them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

UnipolarPlan = Sequence[tuple[int, int]]


def unipolar_plan(codes: sp.csr_array, lf_classes: np.ndarray) -> list[tuple[int, int]]:
    """Pairs (LF, class): one for each class that an LF votes for or declares.

    Parameters
    ----------
    codes : csr_array of shape (n, m)
        vote + 1.
    lf_classes : ndarray of shape (m,)
        Declared classes, -1 for none.
    """
    n_classes = max(int(codes.data.max(initial=0)), int(lf_classes.max(initial=-1)) + 1)
    seen = np.zeros((codes.shape[1], n_classes), dtype=bool)
    seen[codes.indices, codes.data - 1] = True
    declared = np.flatnonzero(lf_classes >= 0)
    seen[declared, lf_classes[declared]] = True
    return [(int(j), int(k)) for j, k in np.argwhere(seen)]


def split_votes(codes: sp.csr_array, plan: UnipolarPlan, n_classes: int) -> tuple[np.ndarray, ...]:
    """Votes that the plan holds.

    Returns
    -------
    rows, lfs, columns, votes : ndarrays of one length
        Row, LF of the matrix, column of the plan and class of each vote.
    """
    position = np.full((codes.shape[1], n_classes), -1)
    for column, (j, k) in enumerate(plan):
        position[j, k] = column
    coo = codes.tocoo()
    votes = coo.data.astype(int) - 1
    columns = position[coo.col, votes]
    kept = columns >= 0
    return coo.row[kept], coo.col[kept], columns[kept], votes[kept]


def split_names(names: Sequence[str], classes: Sequence[Any], plan: UnipolarPlan) -> list[str]:
    """Names of the columns: that of the LF, with the class if the LF has several columns."""
    columns = Counter(j for j, _ in plan)
    return [f"{names[j]}={classes[k]}" if columns[j] > 1 else names[j] for j, k in plan]


def moved_columns(matrix: sp.csr_array, places: np.ndarray, width: int) -> sp.csr_array:
    """Return a matrix of `width` columns with each column in its place, several in one if need be.

    Columns that share a place must have their entries on other rows.
    """
    parts = matrix.data.copy(), places[matrix.indices], matrix.indptr
    moved = sp.csr_array(parts, shape=(matrix.shape[0], width))
    moved.sort_indices()  # in place, hence the copy
    return moved
