"""Feature models and networks, the rule model and the two together."""

from spear_amal.models.adapter import FeatureAdapter
from spear_amal.models.build import build_feature_model, check_kind
from spear_amal.models.convnet import ConvNet, ConvNet4
from spear_amal.models.densenet import DenseNet
from spear_amal.models.feature import MLP, Affine, LinearModel
from spear_amal.models.images import ImageModel, channel_statistics
from spear_amal.models.joint import JointModel
from spear_amal.models.network import Network
from spear_amal.models.networks import (
    build_network,
    check_network,
    compression_ratio,
    is_network,
    n_parameters,
    network_names,
)
from spear_amal.models.resnet import ResNet
from spear_amal.models.rule_network import RuleNetwork
from spear_amal.models.rules import RuleModel
from spear_amal.models.tasks import MultiTask
from spear_amal.models.wide_resnet import WideResNet

__all__ = [
    "MLP",
    "Affine",
    "ConvNet",
    "ConvNet4",
    "DenseNet",
    "FeatureAdapter",
    "ImageModel",
    "JointModel",
    "LinearModel",
    "MultiTask",
    "Network",
    "ResNet",
    "RuleModel",
    "RuleNetwork",
    "WideResNet",
    "build_feature_model",
    "build_network",
    "channel_statistics",
    "check_kind",
    "check_network",
    "compression_ratio",
    "is_network",
    "n_parameters",
    "network_names",
]
