"""Rows grouped by their labels, under Snorkel's name of the module."""

from spear_amal.labeling.error_analysis import get_label_buckets, get_label_instances

__all__ = ["get_label_buckets", "get_label_instances"]
