"""COSINE's losses on pseudo-labels: values, gradients, what a refresh keeps, and edges."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.special import softmax
from scipy.stats import entropy

from spear_amal.errors import InputError
from spear_amal.losses import (
    AnchorContrast,
    ComponentSet,
    PseudoLabelDivergence,
    PseudoLabels,
    UniformDivergence,
)
from spear_amal.losses.self_training import confidence, sharpened
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.testing import B, C, D, check_loss, example_batch

THRESHOLD = 0.5


def made_labels(n_anchors=2, threshold=THRESHOLD, seed=11):
    """Pseudo-labels of 11 rows, as a model gives them that is surer of later rows."""
    n, generator = 11, torch.Generator().manual_seed(seed)
    logits = torch.randn(n, C, generator=generator, dtype=torch.float64)
    logits = logits * torch.linspace(0.2, 4, n, dtype=torch.float64)[:, None]
    y = torch.full((n,), -1)
    y[:3] = torch.tensor([4, 0, 2])
    labels = PseudoLabels(threshold=threshold, n_anchors=n_anchors)
    labels.begin(n)
    rows = torch.arange(n)
    labels.refresh(rows, y, logits)
    chosen = labels.anchor_rows(rows)
    labels.keep_anchors(chosen, torch.randn(len(chosen), D, generator=generator).double())
    return labels, logits, y


@pytest.mark.parametrize("kind", [PseudoLabelDivergence, UniformDivergence, AnchorContrast])
def test_losses_on_pseudo_labels_keep_the_contract(kind):
    check_loss(kind(made_labels()[0]))


def test_pseudo_labels_are_those_of_numpy():
    labels, logits, y = made_labels()
    p = softmax(logits.numpy(), axis=1)[3:]
    expected = p**2 / p.sum(0)
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(labels.targets[3:], expected, rtol=1e-12)
    np.testing.assert_array_equal(labels.targets[:3], np.eye(C)[y[:3]])
    sure = 1 - np.array([entropy(row, base=C) for row in expected])
    kept = np.where(sure < THRESHOLD, 0, sure)
    assert 0 < (kept == 0).sum() < len(kept)
    np.testing.assert_allclose(labels.weight, [1, 1, 1, *kept], rtol=1e-9)
    assert labels.share(torch.arange(11)) == pytest.approx((3 + (kept > 0).sum()) / 11)


def test_values_of_the_losses_are_those_of_numpy():
    labels, _, _ = made_labels()
    outputs, batch = example_batch()
    targets, weight = labels.targets[:B].numpy(), labels.weight[:B].numpy()
    p = softmax(outputs.logits.detach().numpy(), axis=1)
    divergence = [w * entropy(t, q) for w, t, q in zip(weight, targets, p, strict=True)]
    uniform = [0.3 * entropy(np.full(C, 1 / C), q) for q in p]
    hidden, anchors = outputs.hidden.detach().numpy(), labels.anchors.numpy()
    distance = ((hidden[:, None] - anchors) ** 2).mean(2)
    same = targets.argmax(1)[:, None] == labels.anchor_classes.numpy()
    contrast = 0.7 * np.where(same, distance, np.maximum(0, 1.5 - distance)) ** 2
    members = [
        PseudoLabelDivergence(labels),
        UniformDivergence(labels, 0.3),
        AnchorContrast(labels, 0.7, 1.5),
    ]
    assert same.any() and not same.all()
    expected = (divergence, uniform, contrast.mean(1))
    for member, values in zip(members, expected, strict=True):
        np.testing.assert_allclose(member.loss(outputs, batch).detach(), values, atol=1e-10)
    unlabelled = (batch.y < 0).numpy()
    for member, domain in zip(members, (unlabelled, unlabelled, True), strict=True):
        np.testing.assert_array_equal(member.applies(batch), domain & (weight > 0))


def test_gradients_of_the_losses_are_those_of_differences():
    labels, _, _ = made_labels()
    outputs, batch = example_batch()
    members = [
        PseudoLabelDivergence(labels),
        UniformDivergence(labels, 0.3),
        AnchorContrast(labels, 0.7, 1.5),
    ]
    for member in members:

        def value(logits, hidden, member=member):
            return member.loss(replace(outputs, logits=logits, hidden=hidden), batch)

        assert torch.autograd.gradcheck(value, (outputs.logits, outputs.hidden))


def test_anchors_are_spread_over_the_rows_of_a_class():
    labels = PseudoLabels(threshold=0.0, n_anchors=3)
    labels.begin(20)
    logits = torch.zeros(9, 2).index_fill(1, torch.tensor([0]), 5.0)
    logits[4] = torch.tensor([0.0, 60.0])
    rows = torch.tensor([19, 3, 5, 7, 9, 11, 13, 15, 17])
    labels.refresh(rows, torch.full((9,), -1), logits)
    assert labels.anchor_rows(rows).tolist() == [19, 11, 17, 9]  # class 0 first, in order given


def test_without_a_sure_row_nothing_counts_and_nothing_breaks():
    labels = PseudoLabels(threshold=1.0)
    members = ComponentSet(
        [PseudoLabelDivergence(labels), UniformDivergence(labels), AnchorContrast(labels)]
    )
    labels.begin(B)
    outputs, batch = example_batch(B, 0)
    labels.refresh(torch.arange(B), batch.y, outputs.logits.detach())
    labels.keep_anchors(labels.anchor_rows(torch.arange(B)), outputs.hidden[:0])
    assert not members.applies(batch).any()
    assert (members.losses(outputs, batch) == 0).all()
    assert labels.share(torch.arange(B)) == 0.0


def test_extreme_scores_give_finite_pseudo_labels():
    log_p = (torch.tensor([[1e4, 0.0], [-1e4, 0.0], [0.0, 0.0]])).log_softmax(1)
    targets = sharpened(log_p)
    assert torch.isfinite(targets).all() and torch.isfinite(confidence(targets)).all()
    alone = torch.tensor([[0.0, -1e4]]).log_softmax(1)  # no row is of the second class
    torch.testing.assert_close(sharpened(alone), torch.tensor([[1.0, 0.0]]))
    assert sharpened(alone[:0]).shape == (0, 2)


def test_labels_are_asked_for_before_they_were_made():
    labels = PseudoLabels()
    outputs, batch = example_batch()
    assert labels.due(5) and labels.counts(batch).all() and labels.state_dict() == {}
    with pytest.raises(InputError, match="no pseudo-labels yet"):
        PseudoLabelDivergence(labels).loss(outputs, batch)


def test_a_state_is_restored():
    labels, _, _ = made_labels()
    other = PseudoLabels()
    other.load_state_dict(labels.state_dict())
    for name, value in labels.state_dict().items():
        assert torch.equal(value, getattr(other, name))
    assert len(other.state_dict()) == 4


def test_labels_are_kept_as_long_as_was_asked():
    labels = made_labels()[0]
    labels.every = 3
    assert [labels.due(epoch) for epoch in range(5)] == [True, False, False, True, False]


def test_hidden_states_of_linear_models_are_refused():
    labels = made_labels()[0]
    sparse = SparseRows.from_csr(sp.csr_array((2, 3)), torch.float32)
    with pytest.raises(InputError, match="contrast=0"):
        labels.keep_anchors(torch.arange(0), sparse)


@pytest.mark.parametrize(
    "wrong", [{"power": 0}, {"threshold": 1.5}, {"threshold": -0.1}, {"every": 0}, {"n_anchors": 0}]
)
def test_settings_that_cannot_be_used_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        PseudoLabels(**wrong)
