"""Generated data holds the truth it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from spear_amal.data import TextFeatures, partition, synthetic_corpus, synthetic_votes
from spear_amal.errors import InputError


def test_the_same_seed_gives_the_same_texts():
    one, two = synthetic_corpus(n=31, n_test=7, seed=3), synthetic_corpus(n=31, n_test=7, seed=3)
    assert one.frame.equals(two.frame)
    assert one.texts != synthetic_corpus(n=31, n_test=7, seed=4).texts
    assert "{" not in "".join(one.texts)


def test_sizes_and_balance():
    corpus = synthetic_corpus(n=101, n_test=23)
    assert len(corpus.rows("test")) == 23
    assert corpus.labels.sum() == 50
    assert len(synthetic_corpus(n=2, n_test=0)) == 2
    for n, n_test in ((1, 0), (5, 5), (5, -1)):
        with pytest.raises(InputError, match=r"n must be a whole number|n_test"):
            synthetic_corpus(n=n, n_test=n_test)


def test_as_hard_as_real_plots_with_a_hundred_labels():
    corpus = synthetic_corpus()
    features = TextFeatures().fit_transform(corpus.texts)
    scores = []
    for seed in range(3):
        parts = partition(corpus, seed)
        model = LogisticRegression(C=10).fit(
            features[parts.labelled], corpus.labels[parts.labelled]
        )
        scores.append(model.score(features[parts.test], corpus.labels[parts.test]))
    assert 0.75 < np.mean(scores) < 0.9


@pytest.mark.parametrize(
    ("words", "genre"),
    [("battle|kill|agent|war|explosion", 1), ("love|wedding|marriage|heart", 0)],
)
def test_words_of_a_genre_fire_partly_and_err_partly(words, genre):
    corpus = synthetic_corpus()
    fires = corpus.frame["text"].str.contains(words).to_numpy()
    assert 0.2 < fires.mean() < 0.7
    assert 0.65 < (corpus.labels[fires] == genre).mean() < 0.9


def test_votes_have_the_stated_rates():
    accuracies, coverages = np.array([0.9, 0.6, 0.75]), np.array([0.2, 0.5, 1.0])
    votes, y = synthetic_votes(
        20011, 3, 5, accuracies, coverages, class_balance=[0.1, 0.3, 0.2, 0.25, 0.15], seed=7
    )
    dense = votes.to_dense()
    fired = dense != -1
    right = np.array([(dense[fired[:, j], j] == y[fired[:, j]]).mean() for j in range(3)])
    np.testing.assert_allclose(fired.mean(axis=0), coverages, atol=0.015)
    np.testing.assert_allclose(right, accuracies, atol=0.02)
    np.testing.assert_allclose(np.bincount(y) / 20011, [0.1, 0.3, 0.2, 0.25, 0.15], atol=0.015)
    # Errors fall on the other classes evenly.
    wrong = dense[:, 2] != y
    shift = np.bincount((dense[wrong, 2] - y[wrong]) % 5, minlength=5) / wrong.sum()
    np.testing.assert_allclose(shift, [0, 0.25, 0.25, 0.25, 0.25], atol=0.03)


@given(st.integers(0, 7), st.integers(1, 5), st.integers(2, 5))
def test_votes_of_any_size(n, m, n_classes):
    votes, y = synthetic_votes(n, m, n_classes, accuracies=0.0, coverages=1.0)
    assert votes.shape == (n, m)
    assert votes.n_classes == n_classes
    assert not (votes.to_dense() == y[:, None]).any()
    assert synthetic_votes(n, m, n_classes, coverages=0.0)[0].nnz == 0


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"accuracies": [0.5, 0.5]}, "accuracies must be one number or 3"),
        ({"coverages": 1.5}, "coverages must lie in"),
        ({"coverages": float("nan")}, "coverages must lie in"),
        ({"class_balance": [0.5, 0.6]}, "class_balance must sum to 1"),
        ({"n_classes": 1}, "n_classes must be a whole number of at least 2"),
    ],
)
def test_rates_that_cannot_be(options, told):
    with pytest.raises(InputError, match=told):
        synthetic_votes(7, 3, **options)
