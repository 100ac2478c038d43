"""scikit-learn estimators over the one trainer."""

from spear_amal.estimators.auxiliary import AuxiliaryClassifier
from spear_amal.estimators.base import TrainedClassifier
from spear_amal.estimators.distilled import DistilledClassifier
from spear_amal.estimators.distiller import DISTILLATION, distiller
from spear_amal.estimators.end_model import LabelModelClassifier, ReweightedClassifier
from spear_amal.estimators.gold import GoldClassifier
from spear_amal.estimators.rule_network import RuleNetworkClassifier
from spear_amal.estimators.spear import PRESETS, SpearClassifier
from spear_amal.estimators.sskd import RotationDistiller
from spear_amal.estimators.task_targets import Task

__all__ = [
    "DISTILLATION",
    "PRESETS",
    "AuxiliaryClassifier",
    "DistilledClassifier",
    "GoldClassifier",
    "LabelModelClassifier",
    "ReweightedClassifier",
    "RotationDistiller",
    "RuleNetworkClassifier",
    "SpearClassifier",
    "Task",
    "TrainedClassifier",
    "distiller",
]
