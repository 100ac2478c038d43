"""A label model of LFs that err alike: by enumeration, and against the independent one."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_judges, synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import AccuracyModel, CorrelatedLabelModel, LabelModel
from spear_amal.label_models.copied_votes import CopiedVotes
from spear_amal.label_models.vote_patterns import cast_votes


def tables(generator, *shape):
    """Distributions over axis -2."""
    drawn = generator.random(shape) + 0.1
    return drawn / drawn.sum(-2, keepdims=True)


@pytest.fixture
def drawn():
    """Parameters of five LFs, of which three are a group, and two levels."""
    generator = np.random.default_rng(0)
    C = 3
    return CopiedVotes(
        balance=np.array([0.2, 0.3, 0.5]),
        tables=tables(generator, 5, C, C),
        guesses=tables(generator, 5, C, 1)[..., 0],
        guessing=np.tile([0.0, 0.7], (5, 1)),
        level_shares=np.array([0.6, 0.4]),
        groups=[np.array([1, 2, 4])],
        copying=np.array([0, 0.9, 0.4, 0, 0.7]),
        sources=tables(generator, 1, C, C),
        alike=np.zeros((5, 5)),
    )


def probability(model, row, y, d):
    """P(votes of a row, y, d), summed over whatever is hidden one case at a time."""
    C = len(model.balance)

    def own(j, v):
        kappa = model.guessing[j, d]
        return (1 - kappa) * model.tables[j, v, y] + kappa * model.guesses[j, v]

    p = model.balance[y] * model.level_shares[d]
    members = set(model.groups[0].tolist())
    for j, v in enumerate(row):
        if v >= 0 and j not in members:
            p *= own(j, v)
    kappa, guess = model.guessing[1, d], model.guesses[model.groups[0]].mean(0)
    summed = 0.0
    for z in range(C):
        of_answer = (1 - kappa) * model.sources[0, z, y] + kappa * guess[z]
        for j in members:
            if row[j] >= 0:
                repeats = model.copying[j] * (row[j] == z)
                of_answer *= repeats + (1 - model.copying[j]) * own(j, row[j])
        summed += of_answer
    return p * summed


def test_posterior_and_likelihood_are_those_of_an_enumeration(drawn):
    rows = np.array(list(product([-1, 0, 2], repeat=5)))
    rows = rows[(rows >= 0).any(1)]
    cast = cast_votes(LabelMatrix.from_dense(rows, classes=range(3)), 3)
    joint = np.array(
        [[probability(drawn, row, y, d) for y in range(3) for d in range(2)] for row in rows]
    )
    expected = joint.reshape(-1, 3, 2).sum(2)
    np.testing.assert_allclose(drawn.posterior(cast), expected / expected.sum(1, keepdims=True))
    gold = np.full(len(rows), -1)
    gold[:7] = np.arange(7) % 3
    counts = drawn.expect(list(drawn.parts(cast)), gold, np.full(len(rows), 2.0))
    value = np.where(gold < 0, expected.sum(1), expected[np.arange(len(rows)), gold])
    assert counts.log_likelihood == pytest.approx(2 * np.log(value).sum())
    np.testing.assert_array_equal(counts.posterior[:7], np.eye(3)[gold[:7]])


def test_probabilities_of_all_full_rows_sum_to_one(drawn):
    rows = product(range(3), repeat=5)
    assert sum(
        probability(drawn, row, y, d) for row in rows for y in range(3) for d in range(2)
    ) == pytest.approx(1)


def test_plain_em_steps_never_lower_the_likelihood(drawn):
    L, _ = synthetic_judges(499, 5, 3, 0.7, cliques=[3], hard_share=0.3, coverages=0.8, seed=1)
    cast, gold = cast_votes(L, 3), np.full(len(L), -1)
    parts, weights = list(drawn.parts(cast)), np.ones(len(L))
    values = []
    for _ in range(25):
        counts = drawn.expect(parts, gold, weights)
        values.append(counts.log_likelihood)
        balance = counts.posterior.sum(0)
        drawn = replace(
            drawn,
            balance=balance / balance.sum(),
            tables=counts.votes / counts.votes.sum(1, keepdims=True),
            copying=np.where(drawn.copying > 0, counts.copied / counts.cast, 0),
            sources=counts.answers / counts.answers.sum(1, keepdims=True),
            level_shares=counts.levels / counts.levels.sum(),
        )
    assert (np.diff(values) > -1e-7).all() and values[-1] > values[0] + 10


@pytest.mark.parametrize("C", [2, 3])
def test_without_dependence_it_is_the_independent_model(C):
    L, _ = synthetic_votes(503, 6, C, accuracies=0.75, coverages=0.8, seed=3)
    model, independent = CorrelatedLabelModel().fit(L), AccuracyModel().fit(L)
    assert model.groups_ == [] and model.bic_gain_ == 0 and len(model.level_shares_) == 1
    np.testing.assert_allclose(model.predict_proba(L), independent.predict_proba(L), atol=1e-12)
    np.testing.assert_array_equal(model.get_weights(), independent.get_weights())
    assert not model.dependence_["dependent"].any()
    assert model.n_effective_ == 6


def test_a_clique_is_found_and_no_longer_leads():
    L, y = synthetic_judges(1009, 9, accuracies=0.75, cliques=[5], copying=0.85, seed=2)
    model, independent = CorrelatedLabelModel().fit(L), AccuracyModel().fit(L)
    assert model.groups_ == [[0, 1, 2, 3, 4]]
    p, q = model.predict_proba(L), independent.predict_proba(L)
    assert (p.argmax(1) == y).mean() > (q.argmax(1) == y).mean() + 0.05
    rows = np.arange(len(y))
    assert -np.log(p[rows, y]).mean() < 0.5 * -np.log(q[rows, y] + 1e-12).mean()
    np.testing.assert_allclose(model.copying_[:5], 0.85, atol=0.1)
    pairs = model.dependence_
    assert pairs["dependent"].sum() == 10 and set(pairs["group"][:10]) == {0}
    assert 4.5 < model.n_effective_ < 7


def test_hard_rows_are_found_and_probabilities_are_less_sure():
    L, y = synthetic_judges(701, 9, accuracies=0.85, hard_share=0.4, seed=4)
    model, independent = CorrelatedLabelModel().fit(L), AccuracyModel().fit(L)
    assert model.groups_ == [] and model.level_shares_[1:].sum() == pytest.approx(0.4, abs=0.15)
    rows = np.arange(len(y))
    loss, before = (-np.log(m.predict_proba(L)[rows, y]).mean() for m in (model, independent))
    assert loss < 0.9 * before


@pytest.mark.parametrize("one_class", [False, True])
def test_copies_of_one_lf_count_about_once(one_class):
    votes, _ = synthetic_votes(1009, 5, accuracies=0.8, coverages=0.6, seed=5)
    dense = votes.to_dense()
    if one_class:
        dense = np.where(dense == np.arange(5) % 2, dense, -1)
    once = CorrelatedLabelModel().fit(dense).predict_proba(dense)
    copied = np.c_[dense, np.repeat(dense[:, :1], 4, axis=1)]
    p = CorrelatedLabelModel().fit(copied).predict_proba(copied)
    q = AccuracyModel().fit(copied).predict_proba(copied)
    fired = dense[:, 0] >= 0
    assert np.abs(p - once)[fired].mean() < 0.25 * np.abs(q - once)[fired].mean()
    assert CorrelatedLabelModel().fit(copied).n_effective_ == pytest.approx(5, abs=0.3)


def test_gold_settles_whose_clique_it_is():
    L, y = synthetic_judges(601, 6, accuracies=0.75, cliques=[4], copying=0.9, seed=6)
    given = np.where(np.arange(601) < 100, y, -1)
    p = CorrelatedLabelModel().fit(L, given).predict_proba(L)[100:]
    free = AccuracyModel().fit(L, given).predict_proba(L)[100:]
    assert (p.argmax(1) == y[100:]).mean() >= (free.argmax(1) == y[100:]).mean()


@pytest.mark.parametrize(
    "votes",
    [
        np.tile([[0], [1]], (20, 1)),
        np.tile([[0, 1], [1, 1]], (20, 1)),
        np.tile([[0], [1]], (20, 4)),
        np.tile([[1, 1, 1]], (20, 1)),
        np.tile([[1, -1, -1], [-1, 0, -1]], (20, 1)),
    ],
)
def test_degenerate_votes(votes):
    model = CorrelatedLabelModel().fit(votes)
    p = model.predict_proba(votes)
    np.testing.assert_allclose(p.sum(1), 1)
    assert len(model.dependence_) == votes.shape[1] * (votes.shape[1] - 1) // 2
    assert np.isfinite(model.dependence_[["correlation", "z", "p"]].to_numpy()).all()


def test_classes_and_lfs_in_another_order_give_the_same():
    L, _ = synthetic_judges(503, 7, 3, 0.7, cliques=[3], seed=7)
    dense, lfs, classes = L.to_dense(), np.random.default_rng(0).permutation(7), np.array([2, 0, 1])
    p = CorrelatedLabelModel().fit(dense).predict_proba(dense)
    moved = classes[dense][:, lfs]
    q = CorrelatedLabelModel().fit(moved).predict_proba(moved)
    np.testing.assert_allclose(q[:, classes], p, atol=1e-5)


def test_known_groups_by_name_or_number_and_a_file(tmp_path):
    L, _ = synthetic_judges(307, 6, accuracies=0.7, cliques=[3], seed=8)
    by_name = CorrelatedLabelModel(groups=[L.lf_names[:3]], difficulty=False).fit(L)
    by_number = CorrelatedLabelModel(groups=[[0, 1, 2]], difficulty=False).fit(L)
    p = by_name.predict_proba(L)
    np.testing.assert_array_equal(p, by_number.predict_proba(L))
    by_name.save(tmp_path / "model")
    again = LabelModel.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(L), p)
    assert again.dependence_.equals(by_name.dependence_)


def test_many_rows_are_thinned_and_the_seed_counts():
    L, _ = synthetic_judges(1201, 7, accuracies=0.75, cliques=[4], seed=9)
    models = [CorrelatedLabelModel(max_rows=500, random_state=seed).fit(L) for seed in (0, 0, 1)]
    first, again, other = (model.predict_proba(L) for model in models)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert np.abs(first - other).mean() < 0.05


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"groups": "none"}, "groups must be 'auto', or lists"),
        ({"groups": [["nobody", 0]]}, "there is no 'nobody'"),
        ({"groups": [[0, 9]]}, "there is no 9"),
        ({"groups": [[0, 1], [1, 2]]}, "an LF is in them twice"),
        ({"groups": 3}, "groups must be"),
        ({"groups": [0, 1]}, "groups must be"),
        ({"difficulty": "hard"}, "difficulty must be"),
        ({"max_rows": 0}, "max_rows"),
    ],
)
def test_parameters_that_cannot_be_used(parameters, said):
    L, _ = synthetic_votes(31, 3, seed=0)
    with pytest.raises(InputError, match=said):
        CorrelatedLabelModel(**parameters).fit(L)
