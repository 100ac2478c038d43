import dataclasses

import numpy as np
import pytest

from spear_amal.data import synthetic_corpus
from spear_amal.errors import InputError
from spear_amal.studies import HeldOutScorer, make_split
from spear_amal.studies.split import score_table
from spear_amal.votes.label_matrix import LabelMatrix


class Fixed:
    """Predicts what it was told to."""

    def __init__(self, p, classes=(0, 1)):
        self.p, self.classes_ = np.asarray(p), np.asarray(classes)

    def predict_proba(self, x):
        return self.p


def votes(n, n_classes=2):
    return LabelMatrix.from_dense(np.full((n, 1), -1), classes=range(n_classes))


def test_test_texts_of_the_pool_are_left_out_of_the_second_score(source):
    corpus = source.corpus
    frame = corpus.frame.copy()
    test, pool = corpus.rows("test"), corpus.rows("train")
    copied = test[:5]
    frame.loc[frame.index[copied], "text"] = [
        f" {t.upper()} " for t in frame["text"].iloc[pool[:5]]
    ]
    _, scorer = make_split(dataclasses.replace(corpus, frame=frame), source.votes)
    assert len(scorer) == 61 and scorer.n_distinct == 56
    wrong = np.where(np.arange(61)[:, None] < 5, 1 - np.eye(2)[corpus.labels[test]], 0)
    right = np.where(np.arange(61)[:, None] >= 5, np.eye(2)[corpus.labels[test]], 0)
    whole, some = scorer.score_both(Fixed(wrong + right))
    assert whole["accuracy"] == pytest.approx(56 / 61) and some["accuracy"] == 1


def test_second_score_is_none_where_it_means_nothing():
    y, p = np.array([0, 1]), np.eye(2)
    for distinct in (None, np.zeros(2, dtype=bool)):
        whole, some = HeldOutScorer(y[:, None], y, votes(2), "f1", distinct).score_both(Fixed(p))
        assert whole["f1"] == 1 and some is None


def test_classes_that_training_lacked_get_no_probability():
    y = np.array([0, 2, 1])
    scorer = HeldOutScorer(y[:, None], y, votes(3, 3), "accuracy")
    p = scorer.probabilities(Fixed([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], classes=(0, 2)))
    assert p.tolist() == [[0.9, 0, 0.1], [0.2, 0, 0.8], [0.5, 0, 0.5]]
    assert score_table(p, y)["accuracy"] == pytest.approx(2 / 3)


def test_features_made_beforehand_must_fit():
    corpus = synthetic_corpus(n=61, n_test=17)
    with pytest.raises(InputError, match="features has 7 rows, the corpus 61"):
        make_split(corpus, votes(61), n_labelled=5, n_validation=5, features=np.zeros((7, 2)))
