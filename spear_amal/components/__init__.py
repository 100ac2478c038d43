"""Loss components: SPEAR's seven, and learning from a teacher."""

from spear_amal.components.base import Component, ComponentSet, Penalty
from spear_amal.components.imply import Implication, PosteriorRegularisation, RuleReliability
from spear_amal.components.noisy import NoisyCrossEntropy
from spear_amal.components.spear import (
    EVERY_LOSS,
    NAMES,
    Agreement,
    GoldCrossEntropy,
    PredictionEntropy,
    QualityGuide,
    RuleConsensus,
    RuleGold,
    RuleLikelihood,
    resolve,
    spear_components,
)
from spear_amal.components.teacher import TeacherCrossEntropy

__all__ = [
    "EVERY_LOSS",
    "NAMES",
    "Agreement",
    "Component",
    "ComponentSet",
    "GoldCrossEntropy",
    "Implication",
    "NoisyCrossEntropy",
    "Penalty",
    "PosteriorRegularisation",
    "PredictionEntropy",
    "QualityGuide",
    "RuleConsensus",
    "RuleGold",
    "RuleLikelihood",
    "RuleReliability",
    "TeacherCrossEntropy",
    "resolve",
    "spear_components",
]
