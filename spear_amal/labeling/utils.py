"""Rows without votes left out, under Snorkel's name of the module."""

from spear_amal.labeling.conversions import filter_unlabeled_dataframe

__all__ = ["filter_unlabeled_dataframe"]
