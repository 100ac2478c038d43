"""A word of warning where votes look as if they followed another tool's codes.

Here, as in today's Snorkel, -1 is abstain and classes count from 0. In MeTaL and Snorkel before
0.9, 0 is abstain and classes count from 1; FlyingSquid has 0 for abstain, 1 and -1 for classes.
"""

from __future__ import annotations

import warnings

import numpy as np

# Fewer rows, or a single LF, show too little of a habit.
FEWEST_ROWS = 20
_READ_BY = "if so, read them by spear_amal.data.{}; if not, leave this be"


def warn_of_other_codes(votes: np.ndarray, n_fired: int) -> None:
    """Warn where most cells of every LF are 0 and the rest is as other tools write it.

    Parameters
    ----------
    votes : ndarray of int, shape (n, m)
    n_fired : int
        How many of them are not -1. Where that is under half of them, nothing is looked at.
    """
    n, m = votes.shape
    if n < FEWEST_ROWS or m < 2 or 2 * n_fired < n * m or not _rests_at_zero(votes):
        return
    if n_fired == n * m:
        if votes.max() >= 2:
            _warn("no LF abstains and each votes 0 on most rows", "metal_label_matrix")
        return
    low, high = votes.min(axis=0), votes.max(axis=0)
    one_sided = ((low == 0) | (high == 0)).all() and low.min() == -1 and high.max() == 1
    if one_sided:
        _warn("each LF has 0 on most rows and else only 1, or only -1", "flyingsquid_label_matrix")


def _rests_at_zero(votes: np.ndarray) -> bool:
    return bool((2 * np.count_nonzero(votes == 0, axis=0) > len(votes)).all())


def _warn(seen: str, reader: str) -> None:
    warnings.warn(
        f"{seen}: do these votes write abstain as 0? {_READ_BY.format(reader)}",
        UserWarning,
        stacklevel=4,
    )
