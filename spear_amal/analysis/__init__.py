"""Metrics of predictions, and rows by their labels, under Snorkel's names; imports no torch."""

from spear_amal.analysis.metrics import metric_score
from spear_amal.analysis.scorer import Scorer
from spear_amal.labeling.error_analysis import get_label_buckets, get_label_instances

__all__ = ["Scorer", "get_label_buckets", "get_label_instances", "metric_score"]
