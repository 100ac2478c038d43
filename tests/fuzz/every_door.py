"""All doors, and the public names that need none."""

from __future__ import annotations

import importlib
import pkgutil

import doors
from registry import DOORS, Door

import spear_amal

for found in pkgutil.iter_modules(doors.__path__):
    importlib.import_module(f"doors.{found.name}")

__all__ = ["DOORS", "Door", "exempt", "public_names"]

PACKAGES = (
    *("cli", "data", "estimators", "label_models", "labeling", "loop", "losses", "mixers"),
    *("models", "report", "studies", "teachers", "training", "pipeline"),
)


def public_names() -> set[str]:
    """Return the public names, as ``package.name``."""
    names = {f"spear_amal.{name}" for name in spear_amal.__all__}
    for package in PACKAGES:
        module = importlib.import_module(f"spear_amal.{package}")
        public = getattr(module, "__all__", None) or ["TextModel", "ImagesModel", "load_model"]
        names |= {f"{package}.{name}" for name in public}
    return names


#: Public names that no door goes through, by reason.
WITHOUT = {
    "a constant": "spear_amal.ABSTAIN labeling.ABSTAIN",
}


def exempt() -> set[str]:
    """Return the names that need no door."""
    return {name for names in WITHOUT.values() for name in names.split()}
