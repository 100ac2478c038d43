"""Loss components: SPEAR's seven, distillation, label models, self-training, auxiliary tasks."""

from spear_amal.losses.auxiliary import SquaredNorm, TaskCrossEntropy, TaskSquaredError
from spear_amal.losses.base import ClosedForm, Component, ComponentSet, Penalty
from spear_amal.losses.imply_loss import Implication, PosteriorRegularisation, RuleReliability
from spear_amal.losses.noisy_label import NoisyCrossEntropy
from spear_amal.losses.self_training import (
    AnchorContrast,
    PseudoLabelDivergence,
    PseudoLabels,
    UniformDivergence,
)
from spear_amal.losses.slopes import Slopes
from spear_amal.losses.spear import (
    EVERY_LOSS,
    NAMES,
    Agreement,
    GoldCrossEntropy,
    OnCovered,
    PredictionEntropy,
    QualityGuide,
    RuleConsensus,
    RuleGold,
    RuleLikelihood,
    register_loss,
    resolve,
    spear_components,
)
from spear_amal.losses.teacher import (
    LabelCrossEntropy,
    TeacherCrossEntropy,
    TeacherDivergence,
    teacher_components,
    teacher_names,
)

__all__ = [
    "EVERY_LOSS",
    "NAMES",
    "Agreement",
    "AnchorContrast",
    "ClosedForm",
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
    "PseudoLabelDivergence",
    "PseudoLabels",
    "QualityGuide",
    "RuleConsensus",
    "RuleGold",
    "RuleLikelihood",
    "RuleReliability",
    "Slopes",
    "SquaredNorm",
    "TaskCrossEntropy",
    "TaskSquaredError",
    "TeacherCrossEntropy",
    "TeacherDivergence",
    "UniformDivergence",
    "register_loss",
    "resolve",
    "spear_components",
    "teacher_components",
    "teacher_names",
]
