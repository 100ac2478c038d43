"""Label models: votes in, class distributions out."""

from spear_amal.label_models.accuracy import AccuracyModel
from spear_amal.label_models.auto import AutoLabelModel
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.cage import Cage
from spear_amal.label_models.committee import LabelModelCommittee
from spear_amal.label_models.correlated import CorrelatedLabelModel
from spear_amal.label_models.dawid_skene import DawidSkene
from spear_amal.label_models.flying_squid import FlyingSquid
from spear_amal.label_models.hyper import HyperLabelModel
from spear_amal.label_models.label_rows import UNKNOWN_WITHOUT_GOLD, label_rows
from spear_amal.label_models.majority import MajorityVote
from spear_amal.label_models.registry import LABEL_MODELS, register_label_model
from spear_amal.label_models.snorkel_model import SnorkelLabelModel
from spear_amal.label_models.weighted_majority import WeightedMajority

# They are made of the registered ones, and so come after them.
register_label_model("committee", LabelModelCommittee)
register_label_model("auto", AutoLabelModel)

__all__ = [
    "LABEL_MODELS",
    "UNKNOWN_WITHOUT_GOLD",
    "AccuracyModel",
    "AutoLabelModel",
    "Cage",
    "CorrelatedLabelModel",
    "DawidSkene",
    "FlyingSquid",
    "HyperLabelModel",
    "LabelModel",
    "LabelModelCommittee",
    "MajorityVote",
    "SnorkelLabelModel",
    "WeightedMajority",
    "label_rows",
    "register_label_model",
]
