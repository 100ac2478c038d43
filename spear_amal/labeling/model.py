"""Label models with Snorkel's names and arguments, loaded when they are asked for.

They stand on label models, which import torch and stand beside this package, not below it: here
are the names alone.
"""

from __future__ import annotations

import importlib

# Snorkel's names -> those of the classes, which other classes have already.
_CLASSES = {
    "LabelModel": "SnorkelStyleLabelModel",
    "MajorityClassVoter": "MajorityClassVoter",
    "MajorityLabelVoter": "MajorityLabelVoter",
    "RandomVoter": "RandomVoter",
}
__all__ = ["LabelModel", "MajorityClassVoter", "MajorityLabelVoter", "RandomVoter"]  # noqa: F822


def __getattr__(name: str) -> object:
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("spear_amal.snorkel_models"), _CLASSES[name])
