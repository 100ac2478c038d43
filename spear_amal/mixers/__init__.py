"""Ways to weigh losses: fixed weights (SPEAR), AMAL, L2R and Meta-Weight-Net."""

import copy
import inspect
from collections.abc import Mapping
from typing import Any

from spear_amal.errors import InputError
from spear_amal.mixers.amal import PRESETS, Amal
from spear_amal.mixers.base import LookAheadOptions, Mixer
from spear_amal.mixers.fixed import Fixed
from spear_amal.mixers.reweight import LearningToReweight
from spear_amal.mixers.weight_net import MetaWeightNet

MIXERS: dict[str, type[Mixer]] = {
    "amal": Amal,
    "fixed": Fixed,
    "l2r": LearningToReweight,
    "mwn": MetaWeightNet,
}


def build_mixer(mixer: "str | Mixer", options: Mapping[str, Any] | None = None) -> Mixer:
    """Make a mixer from its name and options, or take one that is made.

    Names: "amal" (preset "recommended"), "amal-paper", "fixed" and its other name "spear", "l2r",
    "mwn".
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
        "fixed": lambda: Fixed(**options),
        "spear": lambda: Fixed(**options),
        "l2r": lambda: LearningToReweight(**options),
        "mwn": lambda: MetaWeightNet(**options),
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
    kind = {"amal-paper": "amal", "spear": "fixed"}.get(mixer, mixer)
    return tuple(inspect.signature(MIXERS[kind]).parameters) if kind in MIXERS else ()


__all__ = [
    "MIXERS",
    "PRESETS",
    "Amal",
    "Fixed",
    "LearningToReweight",
    "LookAheadOptions",
    "MetaWeightNet",
    "Mixer",
    "build_mixer",
    "mixer_parameters",
]
