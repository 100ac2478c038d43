"""Appliers of LFs, under Snorkel's name of the package."""

from spear_amal.labeling.appliers import LFApplier, PandasLFApplier
from spear_amal.labeling.lf_outputs import ApplierMetadata

__all__ = ["ApplierMetadata", "LFApplier", "PandasLFApplier"]
