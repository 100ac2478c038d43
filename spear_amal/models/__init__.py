"""Feature models and networks, the rule model and the two together."""

from spear_amal.models.feature import (
    MLP,
    Affine,
    FeatureAdapter,
    LinearModel,
    build_feature_model,
    check_kind,
)
from spear_amal.models.joint import JointModel
from spear_amal.models.networks import (
    build_network,
    check_network,
    compression_ratio,
    is_network,
    n_parameters,
    network_names,
)
from spear_amal.models.rule_network import RuleNetwork
from spear_amal.models.rules import RuleModel

__all__ = [
    "MLP",
    "Affine",
    "FeatureAdapter",
    "JointModel",
    "LinearModel",
    "RuleModel",
    "RuleNetwork",
    "build_feature_model",
    "build_network",
    "check_kind",
    "check_network",
    "compression_ratio",
    "is_network",
    "n_parameters",
    "network_names",
]
