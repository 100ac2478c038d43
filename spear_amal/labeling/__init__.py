"""Writing, applying and analysing labelling functions; imports no torch."""

from spear_amal.label_matrix import ABSTAIN, LabelMatrix
from spear_amal.labeling.appliers import ColumnLFApplier, LFApplier, PandasLFApplier
from spear_amal.labeling.column_lf import ColumnLF, threshold_lf
from spear_amal.labeling.faults import ApplierMetadata, Fault
from spear_amal.labeling.functions import LabelingFunction, labeling_function
from spear_amal.labeling.loading import LoadedLFs, load_lfs
from spear_amal.labeling.patterns import dictionary_lf, keyword_lf, regex_lf
from spear_amal.labeling.preprocess import (
    BasePreprocessor,
    LambdaPreprocessor,
    Preprocessor,
    lambda_mapper,
    preprocessor,
)
from spear_amal.labeling.rows import Row
from spear_amal.labeling.scorers import ContinuousScorer, continuous_scorer

__all__ = [
    "ABSTAIN",
    "ApplierMetadata",
    "BasePreprocessor",
    "ColumnLF",
    "ColumnLFApplier",
    "ContinuousScorer",
    "Fault",
    "LFApplier",
    "LabelMatrix",
    "LabelingFunction",
    "LambdaPreprocessor",
    "LoadedLFs",
    "PandasLFApplier",
    "Preprocessor",
    "Row",
    "continuous_scorer",
    "dictionary_lf",
    "keyword_lf",
    "labeling_function",
    "lambda_mapper",
    "load_lfs",
    "preprocessor",
    "regex_lf",
    "threshold_lf",
]
