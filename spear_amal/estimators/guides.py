"""Quality guides: how often each LF is believed to be right when it fires."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix

PRIOR_MEAN = 0.9  # the published default guide
PRIOR_STRENGTH = 2.0  # counts as two imagined firings, so that rare LFs stay near the default


def estimate_guides(labels: LabelMatrix, y: np.ndarray) -> np.ndarray:
    """Estimate guides (m,) from fired rows with gold only.

    ``q_j = (a + sum_V m_ij [k_j = y_i]) / (a + b + sum_V m_ij)``; an LF that never fires on gold
    rows keeps the default 0.9.

    Parameters
    ----------
    labels : LabelMatrix (n, m), unipolar
    y : ndarray (n,)
        Gold codes, -1 where unknown.
    """
    known = y >= 0
    votes = labels.codes[known].tocoo()
    right = (votes.data.astype(int) - 1) == y[known][votes.row]
    m = labels.shape[1]
    fired = np.bincount(votes.col, minlength=m)
    correct = np.bincount(votes.col[right], minlength=m)
    return (PRIOR_MEAN * PRIOR_STRENGTH + correct) / (PRIOR_STRENGTH + fired)


def check_guides(given: Any) -> None:
    """Raise InputError for guides that are no number between 0 and 1, whatever the votes are."""
    if isinstance(given, str):
        if given != "validation":
            raise InputError(f"quality_guides must be numbers or 'validation', found {given!r}")
        return
    guides = np.asarray(given, dtype=float)
    if not ((guides > 0) & (guides < 1)).all():
        raise InputError(f"quality_guides must lie strictly between 0 and 1, found {given!r}")


def resolve_guides(
    given: Any, labels: LabelMatrix, y: np.ndarray, plan: list[tuple[int, int]], n_lfs: int
) -> np.ndarray:
    """Guides (columns,) from a number, one per LF, one per column, or ``"validation"``.

    `plan` holds (LF, class) of each column; silent LFs have none.
    """
    check_guides(given)
    if isinstance(given, str):
        return estimate_guides(labels, y)
    guides = np.asarray(given, dtype=float)
    if guides.ndim == 1 and len(guides) == n_lfs:
        guides = guides[[j for j, _ in plan]]
    if guides.ndim > 1 or (guides.ndim == 1 and len(guides) != len(plan)):
        raise InputError(
            f"quality_guides has shape {guides.shape}; needed one number, {n_lfs} (one per LF) or "
            f"{len(plan)} (one per LF and class)"
        )
    return np.broadcast_to(guides, (len(plan),)).copy()
