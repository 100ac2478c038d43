"""Weak supervision that people trust with real work: labelling functions, SPEAR and AMAL.

Names are loaded when first used, so that ``import spear_amal`` and the labelling half cost no
import of torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spear_amal._lazy import lazy_names

__version__ = "0.1.0"

if TYPE_CHECKING:  # for editors and type checkers; _LAZY says the same while the program runs
    from spear_amal.comparison import Comparison, Crossover
    from spear_amal.estimators import (
        AuxiliaryClassifier,
        DistilledClassifier,
        GoldClassifier,
        LabelModelClassifier,
        PooledClassifier,
        ReweightedClassifier,
        RuleModelConfig,
        RuleNetworkClassifier,
        SelfTrainedClassifier,
        SingleModelClassifier,
        SpearClassifier,
        distiller,
    )
    from spear_amal.loop import LossMixer
    from spear_amal.streamed_predictions import predict_stream
    from spear_amal.text_classifier import TextClassifier
    from spear_amal.training import TrainerConfig
    from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

_LAZY = {
    "comparison": ("Comparison", "Crossover"),
    "estimators": (
        "AuxiliaryClassifier",
        "DistilledClassifier",
        "GoldClassifier",
        "LabelModelClassifier",
        "PooledClassifier",
        "ReweightedClassifier",
        "RuleModelConfig",
        "RuleNetworkClassifier",
        "SelfTrainedClassifier",
        "SingleModelClassifier",
        "SpearClassifier",
        "distiller",
    ),
    "loop": ("LossMixer",),
    "streamed_predictions": ("predict_stream",),
    "text_classifier": ("TextClassifier",),
    "training": ("TrainerConfig",),
    "votes.label_matrix": ("ABSTAIN", "LabelMatrix"),
}

__all__ = [
    "ABSTAIN",
    "AuxiliaryClassifier",
    "Comparison",
    "Crossover",
    "DistilledClassifier",
    "GoldClassifier",
    "LabelMatrix",
    "LabelModelClassifier",
    "LossMixer",
    "PooledClassifier",
    "ReweightedClassifier",
    "RuleModelConfig",
    "RuleNetworkClassifier",
    "SelfTrainedClassifier",
    "SingleModelClassifier",
    "SpearClassifier",
    "TextClassifier",
    "TrainerConfig",
    "distiller",
    "predict_stream",
]


if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
