"""Ways to mix losses that studies put side by side: a mixer by its name, with options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.mixers import Mixer, build_mixer
from spear_amal.training.callbacks import MODULE, WEIGHT

MAIN = "single"  # the reference: the main loss alone


@dataclass(frozen=True)
class Mixing:
    """A row of a study of mixers.

    Attributes
    ----------
    title : str
    mixer : str
        A name that the estimator of the study knows.
    options : dict
        Of the mixer.
    """

    title: str
    mixer: str
    options: Mapping[str, Any] = field(default_factory=dict)

    def with_options(self, **options: Any) -> Mixing:
        """Make the same row with further options."""
        return replace(self, options={**self.options, **options})


# The papers' runs are long: MAOAL's has a thousand steps of its weights, at 1e-2 each. Runs of some
# hundred steps of the model must learn faster. Rates were tried on seeds from 100 on, by validation
# scores alone; between 0.01 and 0.05 they were level.
LONG = 150  # epochs from which the papers' own settings are taken
FASTER: dict[str, dict[str, Any]] = {
    "maoal": {"every": 5, "lr": 0.05},
    "auxilearn": {"every": 5, "lr": 0.01},
}


def for_length(mixing: Mixing, max_epochs: int) -> Mixing:
    """Let a mixer that learns between steps learn faster in a short run.

    Examples
    --------
    >>> [dict(for_length(MIXINGS[name], 15).options) for name in ("maoal", "gcs")]
    [{'every': 5, 'lr': 0.05}, {}]
    """
    own = FASTER.get(mixing.mixer, {}) if max_epochs < LONG else {}
    return mixing.with_options(**own)


def seeded(mixer: str, options: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Options of a mixer for one run: a search draws anew for every seed."""
    return {**options, "seed": seed} if mixer == "random-search" else dict(options)


# Every weight of SuperLoss is that of the row: no loss is preferred beforehand, and no teacher
# tells the number of classes.
_PLAIN_SUPERLOSS = {"per_loss": {}, "tau": "mean"}
MIXINGS: dict[str, Mixing] = {
    MAIN: Mixing("main loss alone", "single"),
    "fixed": Mixing("equal weights", "fixed"),
    "random-search": Mixing("random search", "random-search"),
    "uncertainty": Mixing("uncertainty, 1/2 form", "uncertainty"),
    "uncertainty-class": Mixing(
        "uncertainty, classification form", "uncertainty", {"form": "classification"}
    ),
    "gcs": Mixing("GCS, weighted", "gcs"),
    "gcs-unweighted": Mixing("GCS, unweighted", "gcs", {"form": "unweighted"}),
    "gcs-last": Mixing("GCS, last layer", "gcs", {"parameters": "last-layer"}),
    "auxilearn": Mixing("AuxiLearn, linear", "auxilearn"),
    "auxilearn-net": Mixing("AuxiLearn, non-linear", "auxilearn", {"combiner": "non-linear"}),
    "maoal": Mixing("MAOAL, by stage", "maoal"),
    "maoal-parameter": Mixing("MAOAL, by parameter", "maoal", {"partition": "parameter"}),
    "superloss": Mixing("SuperLoss", "superloss", _PLAIN_SUPERLOSS),
    "amal": Mixing("AMAL", "amal"),
    "l2r": Mixing("L2R", "l2r"),
    "mwn": Mixing("MWN", "mwn"),
}


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
