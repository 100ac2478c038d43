"""Placebo: rules that tell nothing, to see whether a method is hurt by them."""

from __future__ import annotations

import numpy as np

from spear_amal.votes.label_matrix import LabelMatrix


def shuffled_votes(L: LabelMatrix, seed: int = 0) -> LabelMatrix:
    """Deal the rows of votes out anew, so that coverage and conflicts stay and meaning goes.

    Parameters
    ----------
    L : LabelMatrix (n, m)
    seed : int

    Returns
    -------
    LabelMatrix (n, m)
        The votes (and scores) of row i are those of another row; ``row_ids`` stay in place.

    Examples
    --------
    >>> L = LabelMatrix.from_dense([[0, -1], [1, 1], [-1, -1]], row_ids=["a", "b", "c"])
    >>> placebo = shuffled_votes(L, seed=1)
    >>> sorted(placebo.to_dense().tolist()), placebo.row_ids.tolist()
    ([[-1, -1], [0, -1], [1, 1]], ['a', 'b', 'c'])
    """
    shuffled: LabelMatrix = L[np.random.default_rng(seed).permutation(len(L))]
    shuffled.row_ids = L.row_ids
    return shuffled
