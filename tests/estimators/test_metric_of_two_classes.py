"""The metric f1 is that of one class of two: with more classes it is an error, before any work."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from spear_amal import LabelMatrix, SpearClassifier, TrainerConfig, estimators
from spear_amal.data import synthetic_corpus
from spear_amal.errors import InputError
from spear_amal.training import Trainer

X = np.random.default_rng(5).normal(size=(31, 3))
Y = np.arange(31) % 3
VOTES = LabelMatrix.from_dense(Y[:, None] * [1, 1], classes=["a", "b", "c"])
SAID = "the metric f1 .* there are 3 classes; take macro-f1"


@pytest.mark.parametrize("name", ["SpearClassifier", "GoldClassifier", "LabelModelClassifier"])
def test_estimators(name, monkeypatch):
    monkeypatch.setattr(Trainer, "begin", None)  # nothing is trained
    with pytest.raises(InputError, match=SAID):
        getattr(estimators, name)(metric="f1").fit(X, Y, L=VOTES)


def test_macro_f1_and_two_classes_are_fine():
    once = TrainerConfig(max_epochs=1)
    SpearClassifier(metric="macro-f1", trainer=once).fit(X, Y, L=VOTES)
    two = Y < 2
    votes = LabelMatrix.from_dense(Y[two][:, None], classes=["a", "b"])
    model = SpearClassifier(metric="f1", trainer=once).fit(X[two], Y[two], L=votes)
    assert model.metric == "f1"
    assert model.classes_.tolist() == [0, 1]


def test_corpora():
    corpus = synthetic_corpus(n=31, n_test=7)
    assert corpus.metric == "f1"
    with pytest.raises(InputError, match=SAID):
        dataclasses.replace(corpus, classes=("a", "b", "c"))
