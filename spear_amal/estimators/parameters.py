"""What the parameters that all our estimators have may be."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

import torch
from sklearn.utils._param_validation import Interval, StrOptions

from spear_amal.training import METRICS
from spear_amal.training.objective import PRECISIONS

DTYPES = {"float32": torch.float32, "float64": torch.float64}

CONSTRAINTS: dict[str, list[Any]] = {
    "final": [StrOptions({"single", "refit", "crossfit", "crossfit-weights"})],
    "n_folds": [Interval(Integral, 2, None, closed="left")],
    "inference": [StrOptions({"feature", "product"})],
    "prior_correction": ["boolean"],
    "lr_scale": [Interval(Real, 0, None, closed="neither")],
    "validation": [StrOptions({"shared", "split"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "lr": [None, Interval(Real, 0, None, closed="neither")],
    "batch_size": [None, Interval(Integral, 1, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "metric": [StrOptions(set(METRICS))],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "dtype": [StrOptions(set(DTYPES))],
    "precision": [StrOptions(set(PRECISIONS))],
    "compile": ["boolean", str],
    "device": [str],
    "ranks": [None, StrOptions({"auto"})],
    "hidden": ["array-like"],
    "random_state": [Interval(Integral, 0, None, closed="left")],
    "verbose": [Interval(Integral, 0, None, closed="left"), "boolean"],
}
