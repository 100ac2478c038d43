"""What holds for every label model."""

import numpy as np
import pytest
from sklearn.base import clone

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import LABEL_MODELS, LabelModel
from spear_amal.testing import ContractError, check_label_model

N, M, C = 101, 7, 3


@pytest.fixture(params=LABEL_MODELS)
def make(request):
    """Make a fresh model; smaller steps or fewer LFs need no other settings."""
    if request.param == "snorkel":
        pytest.importorskip("snorkel")
    return LABEL_MODELS[request.param]


@pytest.fixture(scope="module")
def votes():
    return synthetic_votes(N, M, C, seed=0)[0]


def test_every_label_model_keeps_the_contract(make):
    check_label_model(make)


def test_the_contract_finds_what_breaks_it():
    class Counting(LabelModel):
        def _fit(self, L, y):
            pass

        def _posterior(self, L):
            return np.full((len(L), self.n_classes_), 1.0)

    class Ordered(Counting):
        def _posterior(self, L):
            rank = np.arange(1.0, len(L) + 1)[:, None] ** np.arange(self.n_classes_)
            return rank / rank.sum(1, keepdims=True)

    for model, said in ((Counting, "distribution over classes"), (Ordered, "order of rows")):
        with pytest.raises(ContractError, match=said):
            check_label_model(model)


def test_a_second_fit_gives_the_same_and_leaves_votes_alone(make, votes):
    dense = np.asarray(votes)
    before = dense.copy()
    model = make().fit(dense)
    p = model.predict_proba(dense)
    np.testing.assert_array_equal(p, model.fit(dense).predict_proba(dense))
    np.testing.assert_array_equal(dense, before)


def test_rows_without_votes_are_uniform(make, votes):
    model = make().fit(votes)
    silent = np.full((2, M), -1)
    np.testing.assert_array_equal(model.predict_proba(silent), 1 / C)
    assert model.predict(silent).tolist() == [-1, -1]
    assert model.predict(silent, tie_break_policy="first").tolist() == [0, 0]


def test_order_of_lfs_does_not_matter(make, votes):
    order = np.random.default_rng(1).permutation(M)
    p = make().fit(votes).predict_proba(votes)
    moved = make().fit(votes[:, order])
    np.testing.assert_allclose(moved.predict_proba(votes[:, order]), p, atol=1e-5)


def test_an_lf_that_never_fires_changes_nothing(make, votes):
    wider = np.c_[np.asarray(votes), np.full(N, -1)]
    p = make().fit(votes).predict_proba(votes)
    np.testing.assert_allclose(make().fit(wider).predict_proba(wider), p, atol=1e-5)


def test_one_lf_fires_alone(make):
    votes = np.full((53, M), -1)
    votes[:, 2] = np.arange(53) % C
    p = make().fit(votes).predict_proba(votes)
    np.testing.assert_allclose(p.sum(1), 1)
    assert len(np.unique(p.round(9), axis=0)) <= C


@pytest.mark.parametrize("row", [[0, 0, 1], [1, -1, -1], [0, 1, -1]])
def test_one_row(make, row):
    p = make().fit([row]).predict_proba([row])
    assert p.shape == (1, 2)
    np.testing.assert_allclose(p.sum(1), 1)


def test_classes_that_get_no_vote(make):
    few, _y = synthetic_votes(N, M, 2, seed=2)
    wide = few.with_classes(["a", "b", "c", "d", "e"])
    p = make().fit(wide).predict_proba(wide)
    assert p.shape == (N, 5)
    np.testing.assert_allclose(p.sum(1), 1)
    dense = np.asarray(wide)
    votes_for = np.stack([(dense == c).sum(1) for c in range(2)], 1)
    # Where LFs contradict each other CAGE may prefer a class that none of them names.
    agreed = wide.covered() & (votes_for.min(1) == 0)
    assert (p[agreed].argmax(1) < 2).all()


def test_other_and_more_rows_than_fitted(make, votes):
    model = make().fit(votes[:31])
    p = model.predict_proba(votes)
    np.testing.assert_array_equal(p[:31], model.predict_proba(votes[:31]))
    assert model.predict_proba(votes[:0]).shape == (0, C)


def test_another_number_of_lfs_is_refused(make, votes):
    model = make().fit(votes)
    with pytest.raises(InputError, match=f"has {M - 1} LFs, the model was fitted on {M}"):
        model.predict_proba(votes[:, : M - 1])


def test_bad_input(make, votes):
    with pytest.raises(InputError, match="abstain"):
        make().fit(np.full((5, 3), -1))
    with pytest.raises(InputError, match="tie_break_policy"):
        make().fit(votes).predict(votes, tie_break_policy="coin")


def test_clone_keeps_the_parameters(make):
    parameters = make().get_params()
    assert clone(make()).get_params() == parameters
    for name in parameters:
        changed = make(**{name: 0.123})
        assert clone(changed).get_params()[name] == 0.123


@pytest.mark.filterwarnings("ignore:SnorkelLabelModel is right on:UserWarning")
def test_gold_is_used_or_ignored_as_the_class_says(make):
    L, y = synthetic_votes(N, M, C, accuracies=0.6, coverages=0.6, seed=3)
    without = make().fit(L).predict_proba(L)
    np.testing.assert_array_equal(make().fit(L, np.full(N, -1)).predict_proba(L), without)
    same = np.array_equal(make().fit(L, y).predict_proba(L), without)
    assert same is not make.uses_gold
    for wrong, message in (
        (y[1:], f"y has {N - 1} labels, L has {N} rows"),
        (y + C, "none of the classes 0, 1, 2"),
        (y - 2, "y holds -2"),
        (y + 0.5, "no probabilities or amounts"),
    ):
        with pytest.raises(InputError, match=message):
            make().fit(L, wrong)


def test_the_base_ignores_gold():
    assert LabelModel.uses_gold is False
    assert {name for name, model in LABEL_MODELS.items() if not model.uses_gold} == {
        "majority",
        "cage",
    }


def test_names_of_classes_are_kept(make):
    L = LabelMatrix.from_dense([[0, 1, 1], [1, 1, 0], [0, 0, -1]], classes=["no", "yes"])
    model = make().fit(L)
    assert model.classes_ == ("no", "yes")
    other = LabelMatrix.from_dense([[0, 1, 1]], classes=["yes", "no"])
    with pytest.raises(InputError, match="the model knows"):
        model.predict_proba(other)
