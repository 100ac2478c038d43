"""scikit-learn estimators over the one trainer."""

from spear_amal.estimators.auxiliary import AuxiliaryClassifier
from spear_amal.estimators.auxiliary_targets import AuxiliaryTask
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.distillation import DistilledClassifier
from spear_amal.estimators.distillation_methods import DISTILLATION, distiller
from spear_amal.estimators.gold import GoldClassifier
from spear_amal.estimators.label_model import LabelModelClassifier, ReweightedClassifier
from spear_amal.estimators.pool import PooledClassifier
from spear_amal.estimators.rule_network import RuleNetworkClassifier
from spear_amal.estimators.rules import RuleModelConfig
from spear_amal.estimators.self_training import SelfTrainedClassifier, SelfTrainingConfig
from spear_amal.estimators.serving import SingleModelClassifier, distilled
from spear_amal.estimators.spear import PRESETS, SpearClassifier
from spear_amal.estimators.sskd import RotationDistiller, ViewConfig
from spear_amal.estimators.together import fit_together
from spear_amal.params import nest_options, option_places

__all__ = [
    "DISTILLATION",
    "PRESETS",
    "AuxiliaryClassifier",
    "AuxiliaryTask",
    "BaseSpearEstimator",
    "DistilledClassifier",
    "GoldClassifier",
    "LabelModelClassifier",
    "PooledClassifier",
    "ReweightedClassifier",
    "RotationDistiller",
    "RuleModelConfig",
    "RuleNetworkClassifier",
    "SelfTrainedClassifier",
    "SelfTrainingConfig",
    "SingleModelClassifier",
    "SpearClassifier",
    "ViewConfig",
    "distilled",
    "distiller",
    "fit_together",
    "nest_options",
    "option_places",
]
