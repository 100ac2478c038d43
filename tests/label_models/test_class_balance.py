"""How frequent classes are: given, counted on gold or estimated, in every label model."""

from functools import partial
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal import LabelMatrix, LabelModelClassifier
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import LABEL_MODELS, Cage, LabelModel, MajorityVote, WeightedMajority
from spear_amal.label_models.class_balance import estimate_shares, gold_shares
from spear_amal.studies import parse_method
from spear_amal.training import TrainerConfig

N, M = 307, 6


# Fewer steps and candidates where there are many.
SMALL = {
    "snorkel": {"n_epochs": 10},
    "cage": {"epochs": 20},
    "auto": {"candidates": ["majority", "label-model"]},
}


@pytest.fixture(params=LABEL_MODELS)
def make(request):
    if request.param == "snorkel":
        pytest.importorskip("snorkel")
    return partial(LABEL_MODELS[request.param], **SMALL.get(request.param, {}))


@pytest.fixture(scope="module")
def drawn():
    L, y = synthetic_votes(N, M, 2, coverages=0.6, class_balance=[0.8, 0.2], seed=3)
    return L.with_classes(["ham", "spam"]), y


@pytest.mark.filterwarnings("ignore:.*gold rows with votes, the majority vote:UserWarning")
def test_every_label_model_takes_the_same_words(make, drawn):
    L, y = drawn
    gold = np.where(np.arange(N) < 100, y, -1)
    for word in (None, "balanced", "estimated", {"spam": 0.3, "ham": 0.7}, [0.7, 0.3]):
        p = make(class_balance=word).fit(L).predict_proba(L)
        np.testing.assert_allclose(p.sum(1), 1)
        assert (p[~L.covered()] == 0.5).all()
    by_gold = make(class_balance="gold").fit(L, gold).predict_proba(L)
    counted = (np.bincount(y[:100], minlength=2) + 1) / 102
    with_shares = make(class_balance=counted)
    given_them = with_shares.fit(L, gold if make.func.uses_gold else None).predict_proba(L)
    np.testing.assert_allclose(by_gold, given_them, atol=1e-9)
    for wrong in (None, np.where(y == 1, 1, None)):
        with pytest.raises(
            InputError, match="class_balance='gold' needs gold rows that were drawn"
        ):
            make(class_balance="gold").fit(L, wrong)
    with pytest.raises(InputError, match="must be 'balanced', 'gold', 'estimated'"):
        make(class_balance="even").fit(L)


@pytest.mark.filterwarnings("ignore:.*gold rows with votes, the majority vote:UserWarning")
def test_a_more_frequent_class_is_no_less_likely(make, drawn):
    L, _y = drawn
    p = [make(class_balance=[q, 1 - q]).fit(L).predict_proba(L)[:, 0].mean() for q in (0.2, 0.8)]
    assert p[1] > p[0]


def test_posteriors_are_turned_by_the_rule_of_bayes(drawn):
    L, _y = drawn
    covered = L.covered()
    even = WeightedMajority().fit(L).predict_proba(L)[covered]
    model = WeightedMajority(class_balance=[0.9, 0.1]).fit(L)
    expected = even * [0.9, 0.1] / (even * [0.9, 0.1]).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(L)[covered], expected)
    assert model.class_balance_.tolist() == [0.9, 0.1]


def test_cage_is_turned_from_the_shares_that_it_implies():
    """By enumeration: P(y | votes) of the model's joint, with another P(y)."""
    L, _y = synthetic_votes(101, 3, 2, coverages=0.6, seed=6)
    votes = LabelMatrix.from_dense(np.where(L.to_dense() == [0, 1, 1], [0, 1, 1], -1))
    model = Cage(class_balance=[0.9, 0.1], epochs=30).fit(votes)
    rows = np.array(list(product([0, -1], [1, -1], [1, -1])))
    joint = np.exp((rows >= 0).astype(float) @ model.theta_.T)  # (8, C), up to a factor
    given_class = joint / joint.sum(0)  # P(votes | y)
    expected = given_class * [0.9, 0.1] / (given_class * [0.9, 0.1]).sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(rows)[:-1], expected[:-1], atol=1e-9)


def test_majority_has_its_ties_decided():
    votes = [[0, 1], [0, 0], [1, -1]]
    model = MajorityVote(class_balance=[0.3, 0.7]).fit(votes)
    np.testing.assert_allclose(model.predict_proba(votes), [[0.3, 0.7], [1, 0], [0, 1]])
    assert model.predict(votes).tolist() == [1, 0, 1]


def test_a_file_keeps_the_class_balance(make, drawn, tmp_path):
    L, _y = drawn
    model = make(class_balance="estimated").fit(L)
    model.save(tmp_path / "model")
    loaded = LabelModel.load(tmp_path / "model")
    np.testing.assert_array_equal(loaded.predict_proba(L), model.predict_proba(L))


@settings(max_examples=40)
@given(st.lists(st.floats(0.05, 0.95), min_size=2, max_size=5), st.floats(0.1, 0.9))
def test_estimated_shares_are_those_of_the_draw(kinds, share):
    """Kinds of rows with known P(kind | class): posteriors under even classes, rows as expected."""
    first = np.array([*kinds, 0.5])
    second = first[::-1] ** 2
    table = np.stack([first / first.sum(), second / second.sum()], axis=1)  # P(kind | class)
    if np.abs(np.diff(table, axis=1)).max() < 0.3:
        return  # the classes look alike
    rows = 1e7 * (table @ [share, 1 - share])
    p = table / table.sum(1, keepdims=True)
    found = estimate_shares(p, np.array([0.5, 0.5]), rows)
    turned = p * found / (p * found).sum(1, keepdims=True)
    # A fixed point of EM, and so the maximum, as the likelihood is concave.
    np.testing.assert_allclose(rows @ turned / rows.sum(), found, atol=1e-4)
    gain = np.log(table @ [share, 1 - share]) - np.log(table @ found)
    assert rows @ gain / rows.sum() < 1e-4


def test_gold_rows_count_as_they_are():
    p = np.full((4, 2), 0.5)
    found = estimate_shares(p, np.array([0.5, 0.5]), np.full(4, 1e6), np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(found, [0.75, 0.25], atol=1e-4)


def test_shares_of_gold_by_hand():
    counts = np.array([[10.0, 0], [0, 10]])
    gold = np.array([0, 0, 1, -1])
    np.testing.assert_allclose(gold_shares(gold, counts), [3 / 5, 2 / 5])
    n_rows = np.array([5.0, 1, 2, 7])
    np.testing.assert_allclose(gold_shares(gold, counts, n_rows), [7 / 10, 3 / 10])
    assert gold_shares(np.array([1, 1, -1, -1]), counts) is None
    assert gold_shares(None, counts) is None


def test_classifiers_count_the_gold_of_their_training():
    L, y = synthetic_votes(400, M, 2, coverages=0.6, class_balance=[0.8, 0.2], seed=4)
    X = np.random.default_rng(0).normal(size=(400, 3)) + 2.0 * np.c_[y]
    classifier = LabelModelClassifier(
        label_model_options={"class_balance": "gold"},
        fit_strategy="crossfit",
        n_folds=3,
        trainer=TrainerConfig(max_epochs=2),
    )
    gold = np.where(np.arange(400) < 120, y, -1)
    classifier.fit(X, gold, L=LabelMatrix.from_dense(L.to_dense(), classes=[0, 1]))
    shares = np.array([model.class_balance_ for model in classifier.label_models_])
    assert shares.shape == (3, 2)  # one for each fold, as its gold is another
    np.testing.assert_allclose(shares[:, 0], (y[:120] == 0).mean(), atol=0.05)
    made = parse_method("majority:class_balance=estimated").make().new_label_model()
    assert made.class_balance == "estimated"
