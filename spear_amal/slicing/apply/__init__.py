"""Appliers of slicing functions, under Snorkel's name of the package."""

from spear_amal.slicing.sf_appliers import PandasSFApplier, SFApplier

__all__ = ["PandasSFApplier", "SFApplier"]
