"""The adapter: Snorkel's own answers, no trace of it outside, clear errors."""

import random
import sys
import warnings

import numpy as np
import pytest
import torch

from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError, MissingExtraError
from spear_amal.label_models import SnorkelLabelModel


@pytest.fixture(scope="module")
def votes():
    pytest.importorskip("snorkel")
    return synthetic_votes(211, 7, 3, coverages=0.5, seed=0)[0]


def states():
    legacy = np.random.get_state()  # noqa: NPY002
    return random.getstate(), [str(part) for part in legacy], torch.get_rng_state().tolist()


def test_equals_snorkel(votes):
    from snorkel.labeling.model import LabelModel

    balance = [0.5, 0.3, 0.2]
    model = SnorkelLabelModel(class_balance=balance, n_epochs=53, lr=0.02, l2=0.1, seed=5)
    found = model.fit(votes).predict_proba(votes)
    before, dense = states(), np.asarray(votes).astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = LabelModel(cardinality=3, verbose=False)
        theirs.fit(
            dense, class_balance=balance, progress_bar=False, n_epochs=53, lr=0.02, l2=0.1, seed=5
        )
        expected = theirs.predict_proba(dense)
    random.setstate(before[0])
    covered = votes.covered()
    np.testing.assert_allclose(found[covered], expected[covered], atol=1e-6)
    np.testing.assert_array_equal(found[~covered], 1 / 3)


def test_leaves_no_trace(votes, capfd, caplog):
    before = states()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        SnorkelLabelModel().fit(votes)
    assert states() == before
    assert not seen
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def test_the_seed_decides(votes):
    p = SnorkelLabelModel(seed=1).fit(votes).predict_proba(votes)
    np.testing.assert_array_equal(SnorkelLabelModel(seed=1).fit(votes).predict_proba(votes), p)
    assert not np.array_equal(SnorkelLabelModel(seed=2).fit(votes).predict_proba(votes), p)


def test_balance_from_gold(votes):
    gold = np.full(211, -1)
    gold[:7] = [0, 0, 0, 0, 1, 1, 1]
    model = SnorkelLabelModel().fit(votes, gold)
    np.testing.assert_allclose(model.class_balance_, [0.5, 0.4, 0.1])
    np.testing.assert_allclose(SnorkelLabelModel().fit(votes).class_balance_, 1 / 3)


def test_many_lfs_do_not_underflow():
    m = 2003  # 0.25 ** 2003 is zero in float64, where Snorkel's own product ends
    model = SnorkelLabelModel()
    model.classes_, model.n_classes_, model.n_lfs_ = (0, 1), 2, m
    model.constant_ = np.zeros(m, dtype=bool)
    model.class_balance_ = np.array([0.5, 0.5])
    model.conditionals_ = np.full((m, 2, 2), 0.25)
    model.conditionals_[0, 1] = [0.1, 0.3]
    np.testing.assert_allclose(model.predict_proba(np.ones((1, m), dtype=int)), [[0.25, 0.75]])


def test_a_fit_that_diverges_is_an_error_that_says_so():
    pytest.importorskip("snorkel")
    L, _y = synthetic_votes(101, 211, 2, coverages=1.0, seed=1)
    before = states()
    with pytest.raises(InputError, match="smaller lr"):
        SnorkelLabelModel(lr=10.0).fit(L)
    assert states() == before


def test_bad_input(votes):
    with pytest.raises(InputError, match="at least 3 LFs, L has 2"):
        SnorkelLabelModel().fit([[0, 1], [1, 1]])
    with pytest.raises(InputError, match="class_balance must have 3 shares"):
        SnorkelLabelModel(class_balance=[0.5, 0.5]).fit(votes)


def test_without_the_extra(votes, monkeypatch):
    monkeypatch.setitem(sys.modules, "snorkel.labeling.model", None)
    before = states()
    with pytest.raises(MissingExtraError, match=r"spear-amal\[snorkel\]"):
        SnorkelLabelModel().fit(votes)
    assert states() == before
