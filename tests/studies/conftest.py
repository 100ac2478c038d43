"""A generated corpus that is small enough to train on in a moment, with votes of its own."""

from __future__ import annotations

import dataclasses

import pytest

from spear_amal.data import synthetic_corpus
from spear_amal.labeling import PandasLFApplier, keyword_lf
from spear_amal.studies import METHODS, CorpusVotes

WORDS = {"romance": ["love", "passion", "wedding", "heart"], "action": ["gang", "bomb", "gun"]}


def small_source(n=211, n_test=61):
    corpus = synthetic_corpus(n=n, n_test=n_test, seed=3)
    corpus = dataclasses.replace(corpus, n_labelled=23, n_validation=23)
    lfs = [keyword_lf(f"says_{word}", [word], label=k) for k in WORDS for word in WORDS[k]]
    return CorpusVotes(corpus, PandasLFApplier(lfs, corpus.classes).apply(corpus.frame), "keywords")


@pytest.fixture(scope="session")
def source():
    """150 rows in the pool, 61 test rows, seven LFs; look but do not touch."""
    return small_source()


@pytest.fixture
def methods(monkeypatch):
    """METHODS, in which a test may register what it likes."""
    monkeypatch.setattr("spear_amal.studies.methods.METHODS", registered := dict(METHODS))
    return registered


@pytest.fixture
def killed_and_continued():
    """Run a study that is killed after `at` runs, then go on: its rows, and how many runs it took.

    Called as ``(study, run, at)``, where ``run(study)`` runs a study into one file.
    """

    def both(study, run, at):
        ran = []

        def counted(spec, folder):
            ran.append(spec)
            return study.run(spec, folder)

        def killed(spec, folder):
            if len(ran) == at:
                raise KeyboardInterrupt
            return counted(spec, folder)

        with pytest.raises(KeyboardInterrupt):
            run(dataclasses.replace(study, run=killed))
        return run(dataclasses.replace(study, run=counted)), len(ran)

    return both
