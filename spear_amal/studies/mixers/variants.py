"""Ways to mix losses that studies put side by side: a mixer by its name, with options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.history import MODULE, WEIGHT
from spear_amal.mixers import Mixer, build_mixer
from spear_amal.studies.grid.study import RunSpec

# The papers' runs are long: MAOAL's has a thousand steps of its weights, at 1e-2 each. Runs of some
# hundred steps of the model must learn faster. Rates were tried on seeds from 100 on, by validation
# scores alone; between 0.01 and 0.05 they were level.
LONG = 150  # epochs from which the papers' own settings are taken
FASTER: dict[str, dict[str, Any]] = {
    "maoal": {"every": 5, "lr": 0.05},
    "auxilearn": {"every": 5, "lr": 0.01},
}
_DIGITS = 4


@dataclass(frozen=True)
class MixerVariant:
    """A mixer with options: one row of a study of mixers.

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

    def settings(self, max_epochs: int) -> dict[str, Any]:
        """Return mixer and options; what learns between steps does so faster in a short run.

        Examples
        --------
        >>> VARIANTS["maoal"].settings(15)
        {'mixer': 'maoal', 'options': {'every': 5, 'lr': 0.05}}
        >>> VARIANTS["gcs"].settings(15)["options"]
        {}
        """
        faster = FASTER.get(self.mixer, {}) if max_epochs < LONG else {}
        return {"mixer": self.mixer, "options": {**self.options, **faster}}


def mixer_arguments(spec: RunSpec) -> dict[str, Any]:
    """Return mixer and options of a run for its estimator: a search draws anew for every seed."""
    mixer, options = spec.settings["own"]["mixer"], dict(spec.settings["own"]["options"])
    if mixer == "random-search":
        options["seed"] = spec.seed
    return {"mixer": mixer, "mixer_options": options}


# Every weight of SuperLoss is that of the row: no loss is preferred beforehand, and no teacher
# tells the number of classes.
_PLAIN_SUPERLOSS = {"per_loss": {}, "tau": "mean"}
VARIANTS: dict[str, MixerVariant] = {
    "single": MixerVariant("main loss alone", "single"),
    "fixed": MixerVariant("equal weights", "fixed"),
    "random-search": MixerVariant("random search", "random-search"),
    "uncertainty": MixerVariant("uncertainty, 1/2 form", "uncertainty"),
    "uncertainty-class": MixerVariant(
        "uncertainty, classification form", "uncertainty", {"form": "classification"}
    ),
    "gcs": MixerVariant("GCS, weighted", "gcs"),
    "gcs-unweighted": MixerVariant("GCS, unweighted", "gcs", {"form": "unweighted"}),
    "gcs-last": MixerVariant("GCS, last layer", "gcs", {"parameters": "last-layer"}),
    "auxilearn": MixerVariant("AuxiLearn, linear", "auxilearn"),
    "auxilearn-net": MixerVariant("AuxiLearn, non-linear", "auxilearn", {"combiner": "non-linear"}),
    "maoal": MixerVariant("MAOAL, by stage", "maoal"),
    "maoal-parameter": MixerVariant("MAOAL, by parameter", "maoal", {"partition": "parameter"}),
    "superloss": MixerVariant("SuperLoss", "superloss", _PLAIN_SUPERLOSS),
    "amal": MixerVariant("AMAL", "amal"),
    "l2r": MixerVariant("L2R", "l2r"),
    "mwn": MixerVariant("MWN", "mwn"),
}


def model_fields(model: Any, seconds: float, score: float) -> dict[str, Any]:
    """Return score, validation score, chosen epoch (from 1), and time of a fitted classifier."""
    return {
        "score": score,
        "val_score": model.val_score_,
        "path": getattr(model, "training_path_", None),
        "best_epoch": model.best_epoch_[0] + 1,
        "seconds": round(seconds, 3),
        "seconds_per_epoch": round(float(model.history_["seconds"].mean()), 4),
    }


def end_weights(model: Any, mixer: str | Mixer, options: Any = None) -> dict[str, Any]:
    """Return the mean weight of each loss after training, by module where modules differ.

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
    weights = {"mean_weights": means, "module_weights": modules}
    return {name: values for name, values in weights.items() if values}


def weights_by_epoch(history: pd.DataFrame) -> dict[str, Any]:
    """Return the weights after each epoch, as far as a mixer tells them.

    Returns
    -------
    dict
        "weights_by_epoch": lists by loss; "module_weights_by_epoch": lists by "LOSS/MODULE".
    """
    fields = {WEIGHT: "weights_by_epoch", MODULE: "module_weights_by_epoch"}
    series = {
        field: {name: list(map(_rounded, history[kind + name])) for name in _named(history, kind)}
        for kind, field in fields.items()
    }
    return {field: values for field, values in series.items() if values}


def _named(history: pd.DataFrame, kind: str) -> list[str]:
    """Return the names of losses (or of losses and modules) in columns of a kind."""
    columns = (str(name) for name in history if str(name).startswith(kind))
    return [name.removeprefix(kind) for name in columns]


def _keeps_table(mixer: Mixer, names: list[str]) -> bool:
    return all(type(each).table is not Mixer.table for each in mixer.candidates(names))


def _rounded(value: Any) -> float | None:
    return None if np.isnan(value) else round(float(value), _DIGITS)
