"""Mixers by name: the one table that estimators, loops, studies, the command line and files go by.

A mixer of your own joins it with one line, and is then meant by its name everywhere::

    register_mixer("halves", Halves)
    SpearClassifier(mixer="halves")
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spear_amal.checks import check_name
from spear_amal.errors import InputError
from spear_amal.mixers.alm_kd import AlmKd
from spear_amal.mixers.amal import PRESETS, Amal
from spear_amal.mixers.auxilearn import AuxiLearn
from spear_amal.mixers.base import Mixer
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
from spear_amal.registration import check_registration


@dataclass(frozen=True)
class MixerEntry:
    """What a mixer's name stands for.

    Attributes
    ----------
    mixer : type of Mixer
    description : str
        One line for lists of mixers.
    defaults : mapping of str to value
        Options where the name differs from the class' own defaults.
    n_teachers : int
        Fewest teachers that it makes sense with.
    """

    mixer: type[Mixer]
    description: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    n_teachers: int = 0


#: The mixers by name, and those that users have registered.
MIXERS: dict[str, MixerEntry] = {
    "alm-kd": MixerEntry(
        AlmKd, "convex weights of label and teachers per row, learnt on validation", n_teachers=1
    ),
    "amal": MixerEntry(
        Amal, "weights per row and loss, learnt on validation", PRESETS["recommended"]
    ),
    "amal-paper": MixerEntry(Amal, "AMAL as published", PRESETS["paper"]),
    "amal-kd": MixerEntry(
        Amal, "AMAL as published for distillation: 0.1 and 0.9 first", PRESETS["distillation"]
    ),
    "auxilearn": MixerEntry(AuxiLearn, "a combiner of losses, learnt on validation"),
    "crust": MixerEntry(Crust, "a coreset of clean-looking rows every epoch"),
    "dgkd": MixerEntry(DGKD, "each teacher kept with probability 0.75 a batch", n_teachers=2),
    "dgkd-drop": MixerEntry(DGKD, "one teacher left out of each batch", {"drop": 1}, n_teachers=2),
    "fixed": MixerEntry(Fixed, "all weights 1, or given ones"),
    "gcs": MixerEntry(GradientCosine, "a loss counts as its gradient agrees with the main one's"),
    "kd": MixerEntry(
        Fixed, "Hinton's: 0.1 label, 0.9 each teacher", {"per_loss": HINTON}, n_teachers=1
    ),
    "l2r": MixerEntry(LearningToReweight, "rows of each batch that help on validation"),
    "maoal": MixerEntry(MAOAL, "weights per loss and module, learnt on validation"),
    "mwn": MixerEntry(MetaWeightNet, "a small net turns a loss into its weight"),
    "random-search": MixerEntry(
        RandomSearch, "fixed weights drawn at random, chosen on validation"
    ),
    "single": MixerEntry(Single, "the main loss alone"),
    "spear": MixerEntry(Fixed, "SPEAR: all weights 1"),
    "superloss": MixerEntry(SuperLoss, "rows of a high loss count less"),
    "uncertainty": MixerEntry(Uncertainty, "each loss divided by a variance that is learnt"),
}


def register_mixer(
    name: str,
    mixer: type[Mixer],
    description: str = "",
    defaults: Mapping[str, Any] | None = None,
    n_teachers: int = 0,
) -> None:
    """Register a mixer of your own under a name, wherever mixers are given by name.

    Files of models that were trained with it are read where it is registered.

    Parameters
    ----------
    name : str
    mixer : type of Mixer
    description, defaults, n_teachers
        As in :class:`MixerEntry`.

    Raises
    ------
    InputError
        If the name or the class' name is taken by another class, or it is no Mixer.
    """
    classes = {known: entry.mixer for known, entry in MIXERS.items()}
    check_registration(classes, name, mixer, Mixer)
    MIXERS[name] = MixerEntry(mixer, description, dict(defaults or {}), n_teachers)


def build_mixer(mixer: str | Mixer, options: Mapping[str, Any] | None = None) -> Mixer:
    """Make a mixer from its name in :data:`MIXERS` and options, or copy one that is made."""
    if not isinstance(options, Mapping | None):
        raise InputError(f"mixer_options must be options by name, found {options!r}")
    options = dict(options or {})
    if isinstance(mixer, Mixer):
        if options:
            raise InputError("mixer_options go with a mixer's name, not with a mixer object")
        return copy.deepcopy(mixer)  # the user's object stays as it was, and folds share nothing
    check_name("mixer", mixer, MIXERS)
    entry = MIXERS[mixer]
    try:
        return entry.mixer(**{**copy.deepcopy(dict(entry.defaults)), **options})
    except TypeError as error:
        raise InputError(f"mixer {mixer!r} cannot take {options}: {error}") from error


def mixer_parameters(mixer: str | Mixer | None) -> tuple[str, ...]:
    """Names of the options that :func:`build_mixer` takes with a mixer's name."""
    if not isinstance(mixer, str) or mixer not in MIXERS:
        return ()
    return tuple(inspect.signature(MIXERS[mixer].mixer).parameters)
