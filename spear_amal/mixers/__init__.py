"""Ways to weigh losses: fixed ones, AMAL, ALM-KD, L2R, Meta-Weight-Net and others."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from spear_amal.errors import InputError
from spear_amal.mixers.alm_kd import AlmKd
from spear_amal.mixers.amal import PRESETS, Amal
from spear_amal.mixers.auxilearn import AuxiLearn
from spear_amal.mixers.base import GraphsLike, LookAheadLike, LookAheadOptions, Mixer, Step
from spear_amal.mixers.crust import Crust
from spear_amal.mixers.dgkd import DGKD
from spear_amal.mixers.fixed import Fixed, Single
from spear_amal.mixers.gradient_cosine import GradientCosine
from spear_amal.mixers.learning_to_reweight import LearningToReweight
from spear_amal.mixers.loss_roles import HINTON
from spear_amal.mixers.maoal import MAOAL
from spear_amal.mixers.meta_weight_net import MetaWeightNet
from spear_amal.mixers.random_search import RandomSearch
from spear_amal.mixers.superloss import SuperLoss
from spear_amal.mixers.uncertainty import Uncertainty

#: The mixers by name; :func:`build_mixer` knows further names for settings of them.
MIXERS: dict[str, type[Mixer]] = {
    "alm-kd": AlmKd,
    "amal": Amal,
    "auxilearn": AuxiLearn,
    "crust": Crust,
    "dgkd": DGKD,
    "fixed": Fixed,
    "gcs": GradientCosine,
    "l2r": LearningToReweight,
    "maoal": MAOAL,
    "mwn": MetaWeightNet,
    "random-search": RandomSearch,
    "single": Single,
    "superloss": SuperLoss,
    "uncertainty": Uncertainty,
}

# Other names -> the mixer that they are settings of.
_KINDS = {
    "amal-paper": "amal",
    "amal-kd": "amal",
    "spear": "fixed",
    "kd": "fixed",
    "dgkd-drop": "dgkd",
}


def build_mixer(mixer: "str | Mixer", options: Mapping[str, Any] | None = None) -> Mixer:
    """Make a mixer from its name and options, or take one that is made.

    Names: "amal" (preset "recommended"), "amal-paper", "amal-kd" (preset "distillation"), "alm-kd",
    "fixed" and its other name "spear", "kd" (fixed, 0.1 label and 0.9 each teacher), "dgkd" (each
    teacher kept with probability 0.75 a batch), "dgkd-drop" (one dropped), "superloss", "crust",
    "l2r", "mwn", "single" (the main loss alone), "random-search" (of fixed weights),
    "uncertainty", "gcs" (gradient cosine similarity), "auxilearn" (a learnt combiner), "maoal"
    (weights by module).
    """
    if not isinstance(options, Mapping | None):
        raise InputError(f"mixer_options must be options by name, found {options!r}")
    options = dict(options or {})
    if isinstance(mixer, Mixer):
        if options:
            raise InputError("mixer_options go with a mixer's name, not with a mixer object")
        return copy.deepcopy(mixer)  # the user's object stays as it was, and folds share nothing
    makers = {
        "amal": lambda: Amal.preset("recommended", **options),
        "amal-paper": lambda: Amal.preset("paper", **options),
        "amal-kd": lambda: Amal.preset("distillation", **options),
        "alm-kd": lambda: AlmKd(**options),
        "fixed": lambda: Fixed(**options),
        "kd": lambda: Fixed(**{"per_loss": HINTON, **options}),
        "crust": lambda: Crust(**options),
        "superloss": lambda: SuperLoss(**options),
        "dgkd": lambda: DGKD(**options),
        "dgkd-drop": lambda: DGKD(**{"drop": 1, **options}),
        "spear": lambda: Fixed(**options),
        "l2r": lambda: LearningToReweight(**options),
        "mwn": lambda: MetaWeightNet(**options),
        "auxilearn": lambda: AuxiLearn(**options),
        "maoal": lambda: MAOAL(**options),
        "random-search": lambda: RandomSearch(**options),
        "single": lambda: Single(**options),
        "uncertainty": lambda: Uncertainty(**options),
        "gcs": lambda: GradientCosine(**options),
    }
    if mixer not in makers:
        raise InputError(f"unknown mixer {mixer!r}; choose from {sorted(makers)}")
    try:
        return makers[mixer]()
    except TypeError as error:
        raise InputError(f"mixer {mixer!r} cannot take {options}: {error}") from error


def mixer_parameters(mixer: "str | Mixer | None") -> tuple[str, ...]:
    """Names of the options that :func:`build_mixer` takes with a mixer's name."""
    if not isinstance(mixer, str):
        return ()
    kind = _KINDS.get(mixer, mixer)
    return tuple(inspect.signature(MIXERS[kind]).parameters) if kind in MIXERS else ()


__all__ = [
    "DGKD",
    "HINTON",
    "MAOAL",
    "MIXERS",
    "PRESETS",
    "AlmKd",
    "Amal",
    "AuxiLearn",
    "Crust",
    "Fixed",
    "GradientCosine",
    "GraphsLike",
    "LearningToReweight",
    "LookAheadLike",
    "LookAheadOptions",
    "MetaWeightNet",
    "Mixer",
    "RandomSearch",
    "Single",
    "Step",
    "SuperLoss",
    "Uncertainty",
    "build_mixer",
    "mixer_parameters",
]
