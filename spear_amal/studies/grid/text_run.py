"""A run on texts: its row says what the rows of ``study`` say, of the same partitions."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from spear_amal.studies.corpus_votes import load_corpus_votes
from spear_amal.studies.grid.run_spec import RunSpec
from spear_amal.studies.results_file import Row
from spear_amal.studies.run import Setup
from spear_amal.studies.runner import make_setup

TFIDF = "tfidf"


@dataclass(frozen=True)
class TextRunSpec(RunSpec):
    """A cell whose ``data`` names a corpus of texts and, as `n_train`, the size of L."""

    def row(self) -> Row:
        """Identify the run."""
        setup = setup_of(self)
        return super().row() | {
            "metric": setup.source.corpus.metric,
            "labels": setup.n_labelled,
            "features": setup.features,
        }


def setup_of(cell: RunSpec) -> Setup:
    """Load corpus, votes and features of a cell, once a process."""
    features = cell.settings.get("features", TFIDF)
    return loaded(cell.data.corpus, cell.data.data_dir, cell.data.n_train, features)


@functools.lru_cache(maxsize=2)
def loaded(
    corpus: str, data_dir: str | None, n_labelled: int | None, features: str | None = TFIDF
) -> Setup:
    """Load a corpus with the votes of its own labelling functions, and features.

    Without a name of features they are those that ``study`` takes for the corpus.
    """
    return make_setup(load_corpus_votes(corpus, data_dir=data_dir), n_labelled, features)
