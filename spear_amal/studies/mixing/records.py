"""What rows of a study of mixers say of a fitted model: its choice, its weights, its time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from spear_amal.mixers import Mixer, build_mixer
from spear_amal.training.callbacks import MODULE, WEIGHT

_DIGITS = 4


def outcome(model: Any, seconds: float, scorer_score: float) -> dict[str, Any]:
    """Give score, validation score, chosen epoch (from 1), and time of a fitted classifier."""
    return {
        "score": scorer_score,
        "val_score": model.val_score_,
        "best_epoch": model.best_epoch_[0] + 1,
        "seconds": round(seconds, 3),
        "seconds_per_epoch": round(float(model.history_["seconds"].mean()), 4),
    }


def end_weights(model: Any, mixer: str | Mixer, options: Any = None) -> dict[str, Any]:
    """Mean weight of each loss when training ended, by module where they differ between modules.

    Returns
    -------
    dict
        "mean_weights": by loss; "module_weights": by "LOSS/MODULE". Without those that a mixer
        does not have: one that weighs each batch anew remembers none.
    """
    last = model.history_.iloc[-1]
    means = {name: _rounded(last[WEIGHT + name]) for name in _named(model.history_, WEIGHT)}
    if not means and _keeps_table(build_mixer(mixer, options), list(model.weights_)):
        # Constant ones, or those that a search chose: no column says them by epoch.
        means = {k: _rounded(v) for k, v in model.weights_.mean().dropna().items()}
    modules = {name: _rounded(last[MODULE + name]) for name in _named(model.history_, MODULE)}
    held = {"mean_weights": means, "module_weights": modules}
    return {name: values for name, values in held.items() if values}


def weights_by_epoch(history: pd.DataFrame) -> dict[str, Any]:
    """Weights after each epoch, as far as a mixer tells them.

    Returns
    -------
    dict
        "weights_by_epoch": lists by loss; "module_weights_by_epoch": lists by "LOSS/MODULE".
    """
    fields = {WEIGHT: "weights_by_epoch", MODULE: "module_weights_by_epoch"}
    found = {
        field: {name: list(map(_rounded, history[kind + name])) for name in _named(history, kind)}
        for kind, field in fields.items()
    }
    return {field: values for field, values in found.items() if values}


def _named(history: pd.DataFrame, kind: str) -> list[str]:
    """Names of losses (or of losses and modules) in columns of a kind."""
    columns = (str(name) for name in history if str(name).startswith(kind))
    return [name.removeprefix(kind) for name in columns]


def _keeps_table(mixer: Mixer, names: list[str]) -> bool:
    return all(type(one).table is not Mixer.table for one in mixer.candidates(names))


def _rounded(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), _DIGITS)
