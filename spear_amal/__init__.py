"""Weak supervision that people trust with real work: labelling functions, SPEAR and AMAL.

Names are loaded when first used, so that ``import spear_amal`` and the labelling half cost no
import of torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:  # for editors and type checkers; _HOME says the same while the program runs
    from spear_amal.estimators import (
        AuxiliaryClassifier,
        DistilledClassifier,
        GoldClassifier,
        LabelModelClassifier,
        ReweightedClassifier,
        RuleModelConfig,
        RuleNetworkClassifier,
        SpearClassifier,
        distiller,
    )
    from spear_amal.loop import LossMixer
    from spear_amal.training import TrainerConfig
    from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

_HOME = {
    "ABSTAIN": "spear_amal.votes.label_matrix",
    "LabelMatrix": "spear_amal.votes.label_matrix",
    "SpearClassifier": "spear_amal.estimators",
    "RuleModelConfig": "spear_amal.estimators",
    "TrainerConfig": "spear_amal.training",
    "AuxiliaryClassifier": "spear_amal.estimators",
    "DistilledClassifier": "spear_amal.estimators",
    "distiller": "spear_amal.estimators",
    "GoldClassifier": "spear_amal.estimators",
    "LabelModelClassifier": "spear_amal.estimators",
    "ReweightedClassifier": "spear_amal.estimators",
    "RuleNetworkClassifier": "spear_amal.estimators",
    "LossMixer": "spear_amal.loop",
}

__all__ = [
    "ABSTAIN",
    "AuxiliaryClassifier",
    "DistilledClassifier",
    "GoldClassifier",
    "LabelMatrix",
    "LabelModelClassifier",
    "LossMixer",
    "ReweightedClassifier",
    "RuleModelConfig",
    "RuleNetworkClassifier",
    "SpearClassifier",
    "TrainerConfig",
    "distiller",
]


if not TYPE_CHECKING:  # a checker that sees this takes a misspelt name for one that is there

    def __getattr__(name: str) -> object:
        if name in _HOME:
            return getattr(importlib.import_module(_HOME[name]), name)
        raise AttributeError(f"module 'spear_amal' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
