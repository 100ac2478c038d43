"""Slicing functions, under Snorkel's name of the package."""

from spear_amal.slicing.functions import SlicingFunction, slicing_function

__all__ = ["SlicingFunction", "slicing_function"]
