"""Slices of the rows, under Snorkel's names: where a model may do worse; imports no torch."""

from spear_amal._refused import refused_names
from spear_amal.slicing.functions import SlicingFunction, slicing_function
from spear_amal.slicing.sf_appliers import PandasSFApplier, SFApplier, slice_dataframe

__all__ = [
    "PandasSFApplier",
    "SFApplier",
    "SlicingFunction",
    "slice_dataframe",
    "slicing_function",
]

_INSTEAD = (
    "no network here has a head for each slice: score slices with "
    "spear_amal.analysis.Scorer.score_slices, and let AMAL weigh rows one by one with "
    "spear_amal.SpearClassifier"
)
__getattr__ = refused_names(
    __name__,
    dict.fromkeys(
        (
            "SliceAwareClassifier",
            "SliceCombinerModule",
            "add_slice_labels",
            "convert_to_slice_tasks",
        ),
        _INSTEAD,
    ),
)
