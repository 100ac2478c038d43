"""Methods compared on corpora: tasks, scorers that alone see test rows, studies and tables."""

from spear_amal.studies.comparison import Comparison, ComparisonRow, compare, fit_method
from spear_amal.studies.corpus_votes import CorpusVotes, load_corpus_votes
from spear_amal.studies.methods import (
    METHODS,
    Method,
    MethodSpec,
    find_method,
    parse_method,
    register,
)
from spear_amal.studies.placebo import shuffled_votes
from spear_amal.studies.runner import run_study
from spear_amal.studies.split import (
    HeldOutScorer,
    Split,
    calibration_error,
    make_split,
    score_table,
)
from spear_amal.studies.summary import read_study, summarise
from spear_amal.studies.verdict import Verdict, verdicts
from spear_amal.studies.workers import one_thread

__all__ = [
    "METHODS",
    "Comparison",
    "ComparisonRow",
    "CorpusVotes",
    "HeldOutScorer",
    "Method",
    "MethodSpec",
    "Split",
    "Verdict",
    "calibration_error",
    "compare",
    "find_method",
    "fit_method",
    "load_corpus_votes",
    "make_split",
    "one_thread",
    "parse_method",
    "read_study",
    "register",
    "run_study",
    "score_table",
    "shuffled_votes",
    "summarise",
    "verdicts",
]
