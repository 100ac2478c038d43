"""What a fit settles before it starts: the device, the learning rate, what was given together."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix

LOGIT_STEP = 0.14  # 0.01 on bags of 14 words, the rate that a first study used
RATE_RANGE = (1e-4, 0.1)
STEPS_PER_EPOCH = 16
SGD_RATE = 0.05


def find_device(name: str) -> str:
    """Check that a device exists; "auto" takes CUDA where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used here ({error}); try 'cpu'") from error
    return name


def check_pairs(L: Any, X_val: Any, y_val: Any, L_val: Any) -> None:
    """Check that X_val comes with y_val, and L_val where training has L."""
    if (X_val is None) != (y_val is None):
        given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise InputError(f"{given} was given without {missing}; validation rows need both")
    if L_val is not None and (X_val is None or L is None):
        raise InputError("L_val was given without " + ("X_val" if X_val is None else "L"))
    if L is not None and X_val is not None and L_val is None:
        warnings.warn(
            "validation rows came without L_val: LF quality cannot be estimated on them",
            UserWarning,
            stacklevel=4,
        )


def gold_batch(n_rows: int) -> int:
    """Batch size that gives training on few gold rows enough steps.

    A gold set of 69 rows in batches of 32 makes three Adam steps per epoch: under-trained at any
    usual number of epochs. Small batches keep the comparison with rule-trained models fair.
    """
    return int(np.clip(n_rows // STEPS_PER_EPOCH, 4, 32))


def default_rate(x: Any, feature_model: Any, optimiser: str = "adam") -> float:
    """Rate where none is given: for SGD 0.05, as the AMAL paper says; for Adam as follows.

    For a linear model one Adam step changes a logit by about rate times the absolute sum of a
    row; the rate is set so that this is :data:`LOGIT_STEP` for the mean row, whatever the scale
    of the features. Networks get 0.001.
    """
    if optimiser == "sgd":
        return SGD_RATE
    if feature_model != "linear" or x.ndim > 2:
        return 1e-3
    row = float(abs(x).sum()) / max(x.shape[0], 1)
    return float(np.clip(LOGIT_STEP / max(row, 1e-12), *RATE_RANGE))


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
