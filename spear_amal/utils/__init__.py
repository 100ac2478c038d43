"""Between labels, predictions and probabilities, under Snorkel's names; imports no torch."""

from spear_amal.labeling.conversions import preds_to_probs, probs_to_preds
from spear_amal.utils.core import filter_labels, to_int_label_array

__all__ = ["filter_labels", "preds_to_probs", "probs_to_preds", "to_int_label_array"]
