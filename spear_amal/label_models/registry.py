"""Label models by name, and how one of your own joins them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spear_amal.errors import InputError
from spear_amal.label_models.accuracy import AccuracyModel
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.cage import Cage
from spear_amal.label_models.correlated import CorrelatedLabelModel
from spear_amal.label_models.dawid_skene import DawidSkene
from spear_amal.label_models.flying_squid import FlyingSquid
from spear_amal.label_models.hyper import HyperLabelModel
from spear_amal.label_models.majority import MajorityVote
from spear_amal.label_models.snorkel_model import SnorkelLabelModel
from spear_amal.label_models.weighted_majority import WeightedMajority
from spear_amal.registration import check_registration

#: The label models by the names that estimators, studies and the command line take.
LABEL_MODELS: dict[str, type[LabelModel]] = {
    "majority": MajorityVote,
    "weighted-majority": WeightedMajority,
    "dawid-skene": DawidSkene,
    "cage": Cage,
    "label-model": AccuracyModel,
    "correlated": CorrelatedLabelModel,
    "flying-squid": FlyingSquid,
    "snorkel": SnorkelLabelModel,
    "hyper": HyperLabelModel,
}


def make_label_model(name: str, options: Mapping[str, Any], seed: int = 0) -> LabelModel:
    """Return an unfitted label model by name; `seed` is for one that draws.

    Raises
    ------
    InputError
        If there is none of the name, or it cannot take the options.
    """
    if name not in LABEL_MODELS:
        raise InputError(f"unknown label_model {name!r}; choose from {sorted(LABEL_MODELS)}")
    try:
        model = LABEL_MODELS[name](**options)
    except TypeError as error:
        raise InputError(f"label model {name!r} cannot take {dict(options)}: {error}") from error
    if "random_state" in model.get_params():
        model.set_params(random_state=seed)
    return model


def register_label_model(name: str, label_model: type[LabelModel]) -> None:
    """Register a label model of your own under a name, wherever label models are given by name.

    Files of models that were trained with it are read where it is registered.

    Raises
    ------
    InputError
        If the name or the class' name is taken by another class, or it is no LabelModel.
    """
    check_registration(LABEL_MODELS, name, label_model, LabelModel)
    LABEL_MODELS[name] = label_model
