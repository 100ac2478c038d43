"""Ways to weigh losses: fixed ones, AMAL, ALM-KD, L2R, Meta-Weight-Net and others."""

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
from spear_amal.mixers.registry import (
    MIXERS,
    MixerEntry,
    build_mixer,
    mixer_parameters,
    register_mixer,
)
from spear_amal.mixers.superloss import SuperLoss
from spear_amal.mixers.uncertainty import Uncertainty

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
    "MixerEntry",
    "RandomSearch",
    "Single",
    "Step",
    "SuperLoss",
    "Uncertainty",
    "build_mixer",
    "mixer_parameters",
    "register_mixer",
]
