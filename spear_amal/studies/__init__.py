"""Methods compared on corpora: splits, scorers that alone see test rows, studies and tables.

Names are loaded when first used, so that printing a stored study costs no import of torch, and
naming the studies none of pandas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spear_amal._lazy import lazy_names

if TYPE_CHECKING:
    from spear_amal.studies.catalogue import CATALOGUE, load_study
    from spear_amal.studies.corpus_study import run_study, study_methods
    from spear_amal.studies.corpus_votes import CorpusVotes, load_corpus_votes, shuffled_votes
    from spear_amal.studies.engine import one_thread
    from spear_amal.studies.grid.study import GridStudy, RunSpec, run_grid_study
    from spear_amal.studies.methods import (
        METHODS,
        WITHOUT_GOLD,
        Method,
        MethodSpec,
        find_method,
        parse_method,
        register_method,
    )
    from spear_amal.studies.split import (
        HeldOutScorer,
        Split,
        calibration_error,
        make_split,
        score_table,
    )
    from spear_amal.studies.split_comparison import (
        SplitComparison,
        SplitComparisonRow,
        compare_on_split,
        fit_method,
    )
    from spear_amal.studies.summary import read_study, summarise
    from spear_amal.studies.verdict import Verdict, verdicts

_LAZY = {
    "catalogue": ("CATALOGUE", "load_study"),
    "split_comparison": ("SplitComparison", "SplitComparisonRow", "compare_on_split", "fit_method"),
    "corpus_study": ("run_study", "study_methods"),
    "corpus_votes": ("CorpusVotes", "load_corpus_votes", "shuffled_votes"),
    "engine": ("one_thread",),
    "grid.study": ("GridStudy", "RunSpec", "run_grid_study"),
    "methods": (
        "METHODS",
        "WITHOUT_GOLD",
        "Method",
        "MethodSpec",
        "find_method",
        "parse_method",
        "register_method",
    ),
    "split": ("HeldOutScorer", "Split", "calibration_error", "make_split", "score_table"),
    "summary": ("read_study", "summarise"),
    "verdict": ("Verdict", "verdicts"),
}

__all__ = [
    "CATALOGUE",
    "METHODS",
    "WITHOUT_GOLD",
    "CorpusVotes",
    "GridStudy",
    "HeldOutScorer",
    "Method",
    "MethodSpec",
    "RunSpec",
    "Split",
    "SplitComparison",
    "SplitComparisonRow",
    "Verdict",
    "calibration_error",
    "compare_on_split",
    "find_method",
    "fit_method",
    "load_corpus_votes",
    "load_study",
    "make_split",
    "one_thread",
    "parse_method",
    "read_study",
    "register_method",
    "run_grid_study",
    "run_study",
    "score_table",
    "shuffled_votes",
    "study_methods",
    "summarise",
    "verdicts",
]


if not TYPE_CHECKING:
    __getattr__ = lazy_names(__name__, _LAZY)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
