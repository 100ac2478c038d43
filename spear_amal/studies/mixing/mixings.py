"""Ways to mix losses that studies put side by side: a mixer by its name, with options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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
