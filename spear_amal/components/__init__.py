"""Loss components: SPEAR's seven, distillation, label models and auxiliary tasks."""

from spear_amal.components.base import Component, ComponentSet, Penalty
from spear_amal.components.covered import OnCovered
from spear_amal.components.distillation import (
    LabelCrossEntropy,
    TeacherDivergence,
    teacher_components,
    teacher_names,
)
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
from spear_amal.components.tasks import SquaredNorm, TaskCrossEntropy, TaskSquaredError
from spear_amal.components.teacher import TeacherCrossEntropy

__all__ = [
    "EVERY_LOSS",
    "NAMES",
    "Agreement",
    "Component",
    "ComponentSet",
    "GoldCrossEntropy",
    "Implication",
    "LabelCrossEntropy",
    "NoisyCrossEntropy",
    "OnCovered",
    "Penalty",
    "PosteriorRegularisation",
    "PredictionEntropy",
    "QualityGuide",
    "RuleConsensus",
    "RuleGold",
    "RuleLikelihood",
    "RuleReliability",
    "SquaredNorm",
    "TaskCrossEntropy",
    "TaskSquaredError",
    "TeacherCrossEntropy",
    "TeacherDivergence",
    "resolve",
    "spear_components",
    "teacher_components",
    "teacher_names",
]
