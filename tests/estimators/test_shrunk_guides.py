"""How often LFs are believed to be right, by gold rows and by the other LFs of their class."""

import numpy as np
import pytest

from spear_amal import LabelMatrix, SpearClassifier
from spear_amal.estimators import rules
from spear_amal.estimators.cross_fitting import SeenGold
from spear_amal.estimators.rules import prior_strength, resolve_guides, shrunk_guides


def votes_of(columns):
    """Votes of LFs of one class each: (class, rows on which it fires) of each; 12 rows."""
    dense = np.full((12, len(columns)), -1)
    for j, (code, rows) in enumerate(columns):
        dense[rows, j] = code
    return LabelMatrix.from_dense(dense, classes=range(3)).to_unipolar()


def test_guides_are_shares_drawn_to_their_class():
    y = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2, -1, -1, -1])
    L = votes_of([(0, [0, 1, 2, 4]), (0, [9]), (1, [4, 5, 0, 1, 2]), (2, [7, 8])])
    overall = (1.8 + 3 + 2 + 2) / (2 + 4 + 5 + 2)
    strength = prior_strength(np.array([4, 0, 5, 2]), np.array([3, 0, 2, 2]), overall)
    counts = ((3, 4), (2, 5), (2, 2))
    of_class = [(strength * overall + right) / (strength + fired) for right, fired in counts]
    wanted = [
        (strength * of_class[0] + 3) / (strength + 4),
        of_class[0],  # it fires on no gold row: what others of its class are
        (strength * of_class[1] + 2) / (strength + 5),
        (strength * of_class[2] + 2) / (strength + 2),
    ]
    np.testing.assert_allclose(shrunk_guides(L, y, np.array([0, 0, 1, 2])), wanted)


@pytest.mark.parametrize("strength", [4.0, 15.0])
def test_the_strength_is_found_again_from_many_lfs(strength):
    rng = np.random.default_rng(0)
    fired = rng.integers(2, 40, 40_000)
    precision = rng.beta(strength * 0.7, strength * 0.3, len(fired))
    assert abs(prior_strength(fired, rng.binomial(fired, precision), 0.7) / strength - 1) < 0.1


def test_lfs_that_are_all_alike_are_drawn_together_and_lone_ones_say_nothing():
    rng = np.random.default_rng(0)
    fired = np.full(4000, 9)
    assert prior_strength(fired, rng.binomial(fired, 0.7), 0.7) > 25
    assert prior_strength(np.array([0, 1]), np.array([0, 1]), 0.7) == 50


def test_labelled_rows_are_those_of_training_and_gold_also_those_of_v():
    L = votes_of([(0, list(range(12)))])
    training = np.array([0, 0, 1, 1] + [-1] * 8)
    validation = np.array([-1] * 8 + [1, 1, 1, 0])
    seen = SeenGold(training, validation)
    guides = {
        name: float(resolve_guides(name, L, seen, [(0, 0)], 1)[0])
        for name in ("validation", "labelled", "gold")
    }
    assert guides["validation"] == pytest.approx((1.8 + 1) / (2 + 4))

    def alone(right, fired):
        """One LF: its share, drawn to itself twice."""
        overall = (1.8 + right) / (2 + fired)
        s = prior_strength(np.array([fired]), np.array([right]), overall)
        return (s * (s * overall + right) / (s + fired) + right) / (s + fired)

    assert guides["labelled"] == pytest.approx(alone(2, 4))
    assert guides["gold"] == pytest.approx(alone(3, 8))


def test_a_model_of_rotated_folds_knows_nothing_of_the_fold_it_never_saw(monkeypatch):
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 2, 90)
    X = rng.normal(size=(90, 3)) + gold[:, None]
    L = np.where(rng.random((90, 4)) < 0.5, gold[:, None], -1)
    y = np.where(np.arange(90) < 30, gold, -1)
    told = []

    def recorded(guides, votes, seen, plan, n_lfs):
        told.append(seen)
        return resolve_guides(guides, votes, seen, plan, n_lfs)

    monkeypatch.setattr(rules, "resolve_guides", recorded)
    options = {"fit_strategy": "crossfit-rotated", "n_folds": 3, "quality_guides": "gold"}
    model = SpearClassifier.from_options(**options, max_epochs=1, guard=False).fit(X, y, L)
    unseen = [set(np.flatnonzero(seen.all[:30] < 0)) for seen in told]
    folds = model.out_of_fold_
    assert [set(folds.rows[folds.fold == number]) for number in range(3)] == unseen
    assert set.union(*unseen) == set(range(30))
    for seen in told:
        assert not ((seen.training >= 0) & (seen.validation >= 0)).any()
