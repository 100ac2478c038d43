"""Label models: votes in, class distributions out."""

from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.cage import Cage
from spear_amal.label_models.majority import MajorityVote

LABEL_MODELS = {"majority": MajorityVote, "cage": Cage}

__all__ = ["LABEL_MODELS", "Cage", "LabelModel", "MajorityVote"]
