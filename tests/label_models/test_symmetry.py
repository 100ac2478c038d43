"""No label model minds the order of LFs, classes or rows, nor LFs that always abstain."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_votes
from spear_amal.label_models import LABEL_MODELS

# Snorkel's start is drawn by the place of each LF and class, and its fit goes where that leads.
NAMES = [name for name in LABEL_MODELS if name != "snorkel"]
FEW = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("name", NAMES)
@FEW
@given(data=st.data())
def test_order_of_lfs_classes_and_rows_and_silent_lfs(name, data):
    n, m = 61, 6
    n_classes = data.draw(st.integers(2, 4))
    L, y = synthetic_votes(
        n,
        m,
        n_classes,
        accuracies=data.draw(st.sampled_from([0.5, 0.7, 0.9])),
        coverages=data.draw(st.sampled_from([0.3, 0.7])),
        seed=data.draw(st.integers(0, 99)),
    )
    votes = L.to_dense()
    if data.draw(st.booleans()):  # LFs of one class each
        own = np.arange(m) % n_classes
        votes = np.where(votes == own, own, -1)
    if not (votes >= 0).any():
        return
    lfs, rows = (
        np.random.default_rng(data.draw(st.integers(0, 99))).permutation(k) for k in (m, n)
    )
    classes = np.array(data.draw(st.permutations(range(n_classes))))
    gold = np.where(np.arange(n) < 15, y, -1) if data.draw(st.booleans()) else None
    p = fitted(name, votes, gold, n_classes)
    moved = np.where(votes >= 0, classes[votes], -1)[rows][:, lfs]
    silent = np.c_[moved, np.full((n, 2), -1)]
    new_gold = None if gold is None else np.where(gold >= 0, classes[gold], -1)[rows]
    q = fitted(name, silent, new_gold, n_classes)
    expected = np.empty_like(p)
    expected[:, classes] = p[rows]
    np.testing.assert_allclose(q, expected, atol=1e-4)


def fitted(name, votes, gold, n_classes):
    names = [f"class {k}" for k in range(n_classes)]
    L = LabelMatrix.from_dense(votes, classes=names)
    y = None if gold is None else [None if k < 0 else names[k] for k in gold]
    return LABEL_MODELS[name]().fit(L, y).predict_proba(L)
