"""Writing, applying and analysing labelling functions; imports no torch."""

from spear_amal.labeling.analysis import LFAnalysis
from spear_amal.labeling.appliers import (
    ColumnLFApplier,
    LFApplier,
    PandasLFApplier,
    PandasParallelLFApplier,
)
from spear_amal.labeling.builders import ColumnLF, dictionary_lf, keyword_lf, regex_lf
from spear_amal.labeling.conversions import (
    filter_unlabeled_dataframe,
    preds_to_probs,
    probs_to_preds,
)
from spear_amal.labeling.distributed_appliers import DaskApplier, SparkApplier
from spear_amal.labeling.error_analysis import get_label_buckets, get_label_instances
from spear_amal.labeling.functions import (
    ContinuousScorer,
    LabelingFunction,
    continuous_scorer,
    labeling_function,
)
from spear_amal.labeling.grades import GRADES, lf_grades
from spear_amal.labeling.lf_outputs import ApplierMetadata, LFFailure
from spear_amal.labeling.lf_values import lf_values
from spear_amal.labeling.load_lfs import LoadedLFs, load_lfs
from spear_amal.labeling.next_rows import next_rows
from spear_amal.labeling.nlp import SpacyPreprocessor, nlp_labeling_function
from spear_amal.labeling.parquet_applier import ParquetLFApplier
from spear_amal.labeling.preprocessing import (
    BasePreprocessor,
    LambdaPreprocessor,
    Preprocessor,
    lambda_mapper,
    preprocessor,
)
from spear_amal.labeling.review import LFReview, review_lfs
from spear_amal.labeling.rows import Row
from spear_amal.labeling.rules_file import RuleLF, exemplar_frame, exemplar_matrix, read_rules
from spear_amal.labeling.significance import VotesTest, lf_check, votes_test
from spear_amal.labeling.thresholds import threshold_lf
from spear_amal.labeling.vote_cache import VoteCache
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

__all__ = [
    "ABSTAIN",
    "GRADES",
    "ApplierMetadata",
    "BasePreprocessor",
    "ColumnLF",
    "ColumnLFApplier",
    "ContinuousScorer",
    "DaskApplier",
    "LFAnalysis",
    "LFApplier",
    "LFFailure",
    "LFReview",
    "LabelMatrix",
    "LabelingFunction",
    "LambdaPreprocessor",
    "LoadedLFs",
    "PandasLFApplier",
    "PandasParallelLFApplier",
    "ParquetLFApplier",
    "Preprocessor",
    "Row",
    "RuleLF",
    "SpacyPreprocessor",
    "SparkApplier",
    "VoteCache",
    "VotesTest",
    "continuous_scorer",
    "dictionary_lf",
    "exemplar_frame",
    "exemplar_matrix",
    "filter_unlabeled_dataframe",
    "get_label_buckets",
    "get_label_instances",
    "keyword_lf",
    "labeling_function",
    "lambda_mapper",
    "lf_check",
    "lf_grades",
    "lf_values",
    "load_lfs",
    "next_rows",
    "nlp_labeling_function",
    "preds_to_probs",
    "preprocessor",
    "probs_to_preds",
    "read_rules",
    "regex_lf",
    "review_lfs",
    "threshold_lf",
    "votes_test",
]
