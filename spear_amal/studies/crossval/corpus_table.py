"""A corpus whose rows all have gold as a table of which labels are drawn, beside its test rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.errors import InputError
from spear_amal.studies.corpus_votes import CorpusVotes, load_corpus_votes
from spear_amal.studies.crossval.folds import text_groups
from spear_amal.studies.crossval.table import ComparedTable, TableRows
from spear_amal.studies.features import default_features, study_features


def corpus_table(
    source: Any,
    features: str | None = None,
    lfs: Path | None = None,
    data_dir: Path | None = None,
) -> tuple[ComparedTable, str, int]:
    """Read a corpus by its name, or a WRENCH folder.

    Parameters
    ----------
    source, lfs, data_dir
        As for :func:`spear_amal.studies.load_corpus_votes`.
    features : str, optional
        As for :func:`spear_amal.studies.features.study_features`; default: the corpus' usual ones.

    Returns
    -------
    table : ComparedTable
        The pool with all its gold, and the test rows.
    metric : str
        How the corpus is scored.
    largest : int
        Its usual numbers of labelled and validation rows, together.

    Raises
    ------
    InputError
        If there is no such corpus, or it has no test rows.
    """
    voted = load_corpus_votes(source, lfs=lfs, data_dir=data_dir)
    corpus = voted.corpus
    test = corpus.rows("test")
    if not len(test):
        raise InputError(f"corpus {corpus.name!r} has no test rows to score on")
    name = features or default_features(corpus)
    x = study_features(corpus, name)
    groups = text_groups(corpus.texts) if "text" in corpus.frame else np.arange(len(corpus))
    pool = np.setdiff1d(np.arange(len(corpus)), test)
    table = ComparedTable(
        corpus.name,
        _rows(voted, x, groups, pool),
        voted.votes.classes,
        name,
        test=_rows(voted, x, groups, test),
    )
    return table, corpus.metric, corpus.n_labelled + corpus.n_validation


def _rows(voted: CorpusVotes, x: Any, groups: np.ndarray, rows: np.ndarray) -> TableRows:
    return TableRows(x[rows], voted.corpus.labels[rows], voted.votes[rows], groups[rows])
