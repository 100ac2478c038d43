"""Labelling functions, under Snorkel's name of the package."""

from spear_amal.labeling.functions import LabelingFunction, labeling_function

__all__ = ["LabelingFunction", "labeling_function"]
