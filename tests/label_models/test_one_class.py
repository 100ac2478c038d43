"""LFs that vote for one class only, those that always or never fire, and gold chosen by class.

What is right comes from how votes were drawn, from plain loops and from hand counts.
"""

import numpy as np
import pytest

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import (
    LABEL_MODELS,
    AccuracyModel,
    DawidSkene,
    MajorityVote,
    WeightedMajority,
)
from spear_amal.label_models.one_class import (
    firing_accuracy,
    gold_tells_balance,
    most_accuracy,
    without_votes,
)

LEARNING = [name for name in LABEL_MODELS if name != "majority"]
EVERY_ROW = {"weighted-majority", "dawid-skene", "label-model"}  # hear LFs that nearly always fire


def fit(name, votes, y=None):
    if name == "snorkel":
        pytest.importorskip("snorkel")
    return LABEL_MODELS[name]().fit(votes, y)


def one_class_votes(n_classes, n=1501, seed=0, balance=None):
    """Three LFs per class that fire on 35 of 100 rows of it, and on 5 of 100 others."""
    rng = np.random.default_rng(seed)
    y = rng.choice(n_classes, n, p=balance)
    own = np.arange(3 * n_classes) % n_classes
    fires = rng.random((n, len(own))) < np.where(y[:, None] == own, 0.35, 0.05)
    covered = fires.any(1)
    return np.where(fires, own, -1)[covered], y[covered]


def accuracy(model, votes, y):
    """Share of right rows; a tie of k classes counts as a k-th."""
    p = model.predict_proba(votes)
    tied = p >= p.max(1, keepdims=True) - 1e-9
    return (tied[np.arange(len(y)), y] / tied.sum(1)).mean()


@pytest.mark.parametrize("n_classes", [2, 3, 5])
@pytest.mark.parametrize("name", LEARNING)
def test_no_label_model_collapses_where_every_lf_votes_for_one_class(name, n_classes):
    votes, y = one_class_votes(n_classes)
    majority = accuracy(MajorityVote().fit(votes), votes, y)
    assert accuracy(fit(name, votes), votes, y) > majority - 0.02


@pytest.mark.parametrize("extra", [[1], [0, 0, 0], [1] * 6 + [-1, -1]])
@pytest.mark.parametrize("kind", ["one class", "several classes"])
@pytest.mark.parametrize("name", LEARNING)
def test_lfs_that_always_or_never_fire_change_little(name, kind, extra):
    if kind == "one class":
        votes, y = one_class_votes(2)
    else:
        L, y = synthetic_votes(1501, 8, 2, accuracies=0.7, coverages=0.5, seed=0)
        votes, y = np.asarray(L)[L.covered()], y[L.covered()]
    wider = np.c_[votes, np.tile(extra, (len(votes), 1))]
    before, after = accuracy(fit(name, votes), votes, y), accuracy(fit(name, wider), wider, y)
    assert after > before - 0.02


def test_lfs_of_cage_without_votes_change_nothing():
    votes, _y = one_class_votes(2)
    own = np.arange(6) % 2
    L = LabelMatrix.from_dense(votes, classes=["a", "b"], lf_classes=own)
    silent = np.full((len(votes), 4), -1)
    wider = LabelMatrix.from_dense(
        np.c_[votes, silent], classes=["a", "b"], lf_classes=[*own, 1, 1, 1, 1]
    )
    expected = LABEL_MODELS["cage"]().fit(L).predict_proba(L)
    model = LABEL_MODELS["cage"]().fit(wider)
    np.testing.assert_allclose(model.predict_proba(wider), expected, atol=1e-9)


@pytest.mark.parametrize("name", sorted(EVERY_ROW))
def test_lfs_that_nearly_always_fire_change_little(name):
    votes, y = one_class_votes(2)
    loud = np.where(np.random.default_rng(1).random((len(votes), 2)) < 0.95, 1, -1)
    wider = np.c_[votes, loud]
    assert accuracy(fit(name, wider), wider, y) > accuracy(fit(name, votes), votes, y) - 0.02


@pytest.mark.parametrize("name", LEARNING)
def test_gold_of_positives_only_does_no_harm(name):
    L, y = synthetic_votes(
        1501, 8, 2, accuracies=0.7, coverages=0.5, class_balance=[0.8, 0.2], seed=0
    )
    votes, y = np.asarray(L)[L.covered()], y[L.covered()]
    gold = np.full(len(y), np.nan)  # -1 beside 1 would be asked about
    gold[np.flatnonzero(y == 1)[:61]] = 1
    before = accuracy(fit(name, votes), votes, y)
    assert accuracy(fit(name, votes, gold), votes, y) > before - 0.02


@pytest.mark.parametrize("name", LEARNING)
def test_gold_of_positives_only_does_no_harm_to_lfs_of_one_class(name):
    votes, y = one_class_votes(2, balance=[0.8, 0.2])
    gold = np.full(len(y), np.nan)  # -1 beside 1 would be asked about
    gold[np.flatnonzero(y == 1)[:61]] = 1
    majority = accuracy(MajorityVote().fit(votes), votes, y)
    assert accuracy(fit(name, votes, gold), votes, y) > majority - 0.1


def test_auto_asks_each_lf_by_plain_loops():
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, 83)
    own = np.array([0, 1, 2, 0])
    one = np.where(rng.random((83, 4)) < np.where(y[:, None] == own, 0.6, 0.2), own, -1)
    several = np.where(
        rng.random((83, 2)) < 0.7, (y[:, None] + rng.integers(0, 2, (83, 2))) % 3, -1
    )
    votes = np.c_[one, several]
    model = DawidSkene(max_iter=5, tol=0.0).fit(votes)
    assert model.abstains_modelled_.tolist() == [True] * 4 + [False] * 2
    confusion, balance, posterior = by_loops(votes, model.abstains_modelled_, steps=5)
    np.testing.assert_allclose(model.confusion_, confusion[:, :, :3], atol=1e-10)
    np.testing.assert_allclose(model.class_balance_, balance, atol=1e-10)
    covered = (votes >= 0).any(1)
    np.testing.assert_allclose(model.predict_proba(votes)[covered], posterior[covered], atol=1e-10)


def by_loops(votes, modelled, steps):
    """EM row by row; answers are 0, 1, 2, and 3 for abstain where it is one."""
    n, m = votes.shape
    answers = [[(j, v) for j, v in enumerate(row) if v >= 0 or modelled[j]] for row in votes]
    posterior = np.full((n, 3), 1 / 3)
    for i, row in enumerate(votes):
        if (row >= 0).any():
            posterior[i] = np.bincount(row[row >= 0], minlength=3) / (row >= 0).sum()
    for _ in range(steps + 1):
        balance = posterior.mean(0)
        counts = np.zeros((m, 3, 4))
        for i in range(n):
            for j, v in answers[i]:
                counts[j, :, v] += posterior[i]  # -1 is the last column
        confusion = counts / counts.sum(2, keepdims=True)
        posterior = np.empty((n, 3))
        for i in range(n):
            p = balance * np.prod([confusion[j, :, v] for j, v in answers[i]], axis=0)
            posterior[i] = p / p.sum()
    return confusion, balance, posterior


@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_auto_is_the_paper_where_lfs_vote_for_several_classes(smoothing):
    L, _y = synthetic_votes(211, 5, 3, coverages=0.5, seed=1)
    auto = DawidSkene(smoothing=smoothing).fit(L)
    paper = DawidSkene(model_abstains=False, smoothing=smoothing).fit(L)
    np.testing.assert_array_equal(auto.confusion_, paper.confusion_)
    np.testing.assert_array_equal(auto.class_balance_, paper.class_balance_)
    assert auto.log_likelihoods_ == paper.log_likelihoods_


def test_model_abstains_is_checked():
    for wrong in ("yes", 1, None):
        with pytest.raises(InputError, match="model_abstains must be 'auto', True or False"):
            DawidSkene(model_abstains=wrong).fit([[0, 1, 1], [1, 0, -1]])


def test_likelihood_never_falls_with_gold_of_one_class():
    votes, y = one_class_votes(3)
    gold = np.where((y == 1) & (np.arange(len(y)) < 300), 1, np.nan)
    values = np.array(DawidSkene(tol=0.0).fit(votes, gold).log_likelihoods_)
    assert (np.diff(values) > -1e-9 * abs(values[0])).all()


def test_firing_accuracy_by_hand():
    # LF 0 fires 30 times in the 90 rows of its class and 5 times in the 30 others; LF 1 9 and 9.
    right, cast = np.array([30.0, 9, 3, 0]), np.array([35.0, 18, 3, 0])
    found = firing_accuracy(right, cast, np.array([90.0, 30, 120, 60]), 120.0, 2)
    inside, outside = 30 / 90, 5 / 30
    np.testing.assert_allclose(found[0], inside / (inside + outside))
    np.testing.assert_allclose(found[1], (9 / 30) / (9 / 30 + 9 / 90))
    assert np.isnan(found[2:]).all()  # no row of another class; no vote
    of_three = firing_accuracy(np.array([8.0]), np.array([12.0]), np.array([10.0]), 50.0, 3)
    np.testing.assert_allclose(of_three, 0.8 / (0.8 + 2 * 0.1))


def test_most_accuracy_is_that_of_the_best_lf():
    n, n_classes = 60, 3
    y = np.arange(n) % n_classes
    for cast in (5, 20, 21, 45, 60):
        best = np.argsort(y != 0, kind="stable")[:cast]  # rows of class 0 first
        found = most_accuracy(np.array([float(cast)]), n, n_classes)[0]
        np.testing.assert_allclose(found, (y[best] == 0).mean())


def test_gold_accuracies_of_one_class_lfs_by_hand():
    # Ten rows of class 0, five of class 1; LF 0 fires on 4 and 1 of them, LF 1 on 1 and 3.
    y = np.repeat([0, 1], [10, 5])
    votes = np.full((15, 3), -1)
    votes[[0, 1, 2, 3, 10], 0] = 0
    votes[[9, 11, 12, 13], 1] = 1
    votes[:, 2] = y  # votes for both
    model = WeightedMajority(prior_accuracy=0.6, prior_strength=2.0).fit(votes, y)
    firing = [0.4 / (0.4 + 0.2), 0.6 / (0.6 + 0.1)]
    expected = [(5 * firing[0] + 1.2) / 7, (4 * firing[1] + 1.2) / 6, (15 + 1.2) / 17]
    np.testing.assert_allclose(model.accuracies_, expected)
    some = WeightedMajority(prior_accuracy=0.6).fit(votes, np.where(y == 1, 1, -1))
    np.testing.assert_allclose(some.accuracies_[:2], 0.6)  # gold of one class tells nothing


def test_agreement_of_one_class_lfs_by_loops():
    votes, _y = one_class_votes(3, n=211, seed=5)
    votes = np.c_[votes, np.where(votes[:, 0] >= 0, 0, 2)][:, 1:]  # the last votes for two classes
    model = WeightedMajority(prior_accuracy=0.7, prior_strength=3.0, max_iter=1).fit(votes)
    n, m = votes.shape
    for j in range(m):
        right = cast = of_class = n_others = 0.0
        voted = set(votes[votes[:, j] >= 0, j])
        own = min(voted)
        for i in range(n):
            counts = np.bincount(np.delete(votes[i], j)[np.delete(votes[i], j) >= 0], minlength=3)
            if counts.sum() == 0:
                continue
            shares = (counts == counts.max()) / (counts == counts.max()).sum()
            n_others += 1
            of_class += shares[own]
            if votes[i, j] >= 0:
                cast += 1
                right += shares[votes[i, j]]
        if len(voted) == 1:
            inside, outside = right / of_class, (cast - right) / (n_others - of_class)
            right = cast * inside / (inside + 2 * outside)
        least = 1 / 3 if len(voted) == 1 else 1 / 3 + 0.02
        expected = max((right + 3 * 0.7) / (cast + 3), least)
        np.testing.assert_allclose(model.accuracies_[j], expected, atol=1e-9)


def test_chosen_gold_by_hand():
    counts = np.array([[50.0, 0, 0], [0, 40, 0], [0, 0, 10]])
    for gold, tells in (
        ([0, 1, 2, -1], True),
        ([1, 1, -1, -1], False),  # one class only
        ([0, 1, 1, 0, -1], True),  # 0.9 ** 4: class 2 may be lacking by chance
        ([0, 1] * 22 + [-1], False),  # 0.9 ** 44 is less than 0.01
        ([0, 1] * 21 + [-1], True),  # 0.9 ** 42 is more
        ([-1, -1], True),
    ):
        expected = [True] * len(gold) if tells else [g < 0 for g in gold]
        assert gold_tells_balance(np.array(gold), counts).tolist() == expected
    once = gold_tells_balance(np.array([0, 1, -1]), counts, np.array([22.0, 22, 900]))
    assert once.tolist() == [False, False, True]


def test_snorkels_balance_is_not_that_of_chosen_gold():
    pytest.importorskip("snorkel")
    votes, y = one_class_votes(2)
    gold = np.where((y == 1) & (np.arange(len(y)) < 300), 1, np.nan)
    np.testing.assert_allclose(fit("snorkel", votes, gold).class_balance_, [0.5, 0.5])


def test_without_votes_leaves_the_rest():
    L = LabelMatrix.from_dense(
        [[0, 1, -1], [1, 1, 0]], classes=["a", "b"], lf_names=["x", "y", "z"]
    )
    silenced = without_votes(L, np.array([False, True, False]))
    assert silenced.to_dense().tolist() == [[0, -1, -1], [1, -1, 0]]
    assert (silenced.lf_names, silenced.classes) == (L.lf_names, L.classes)


def test_one_row_is_still_heard():
    for model in (AccuracyModel(), WeightedMajority(), DawidSkene()):
        assert model.fit([[0, 0, 1]]).predict([[0, 0, 1]]).shape == (1,)
    votes = [[0, 0], [0, 1], [0, 1]]  # the first LF is constant, the other tells the rows apart
    model = AccuracyModel().fit(votes)
    assert model.constant_.tolist() == [True, False]
    assert model.predict(votes).tolist() == [0, 1, 1]
    np.testing.assert_array_equal(model.predict_proba([[0, -1]]), 0.5)


def test_votes_on_disk_are_as_in_memory(tmp_path, in_parts):
    pytest.importorskip("pyarrow")
    votes, y = one_class_votes(3)
    L = LabelMatrix.from_dense(np.c_[votes, np.full(len(votes), 1)], classes=range(3))
    gold = np.where(np.arange(len(y)) < 200, y, -1)
    folder = in_parts(tmp_path, L, [101, 300])
    for name in LEARNING:
        for given in (None, gold):
            in_memory = fit(name, L, given)
            on_disk = fit(name, folder, given)
            np.testing.assert_array_equal(on_disk.constant_, in_memory.constant_)
            np.testing.assert_allclose(
                on_disk.predict_proba(L), in_memory.predict_proba(L), atol=1e-9
            )
