"""Feature models and networks, the rule model and the two together."""

from spear_amal.models.adapter import FeatureAdapter
from spear_amal.models.cage import RuleModel
from spear_amal.models.conv_base import Network
from spear_amal.models.convnet import ConvNet, ConvNet4
from spear_amal.models.densenet import DenseNet
from spear_amal.models.encoder_config import EncoderConfig, encoder_name
from spear_amal.models.encoder_model import EncoderModel, EncoderPlan, check_tokens
from spear_amal.models.feature_model import MLP, Affine, JointModel, LinearModel
from spear_amal.models.image_model import ImageModel, channel_statistics
from spear_amal.models.multi_task import MultiTask
from spear_amal.models.registry import (
    build_feature_model,
    build_network,
    check_kind,
    check_network,
    compression_ratio,
    is_network,
    n_parameters,
    network_names,
)
from spear_amal.models.resnet import ResNet
from spear_amal.models.rule_network import RuleNetwork
from spear_amal.models.wide_resnet import WideResNet

__all__ = [
    "MLP",
    "Affine",
    "ConvNet",
    "ConvNet4",
    "DenseNet",
    "EncoderConfig",
    "EncoderModel",
    "EncoderPlan",
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
    "check_tokens",
    "compression_ratio",
    "encoder_name",
    "is_network",
    "n_parameters",
    "network_names",
]
