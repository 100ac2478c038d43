"""One noisy label per row, the domains of the rule losses, and weights by class."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from spear_amal.batch import Batch, Outputs
from spear_amal.losses import (
    ComponentSet,
    GoldCrossEntropy,
    Implication,
    NoisyCrossEntropy,
    PosteriorRegularisation,
    RuleReliability,
)
from spear_amal.maths import implication, losses

B, C, M = 7, 3, 2
NAN = float("nan")
# Row by row: gold and another teacher; a favourite; silent; a tie of two; of all; gold, silent; one
TEACHER = [
    [0.0, 0.0, 9.0],
    [0.2, 0.5, 0.3],
    [NAN] * 3,
    [0.4, 0.4, 0.2],
    [0.1, 0.1, 0.1],
    [NAN] * 3,
    [0.3, 0.3, 0.31],
]
Y = torch.tensor([1, -1, -1, -1, -1, 0, -1])
LABEL = {0: 1, 1: 1, 5: 0, 6: 2}  # row -> label, where there is one
WEIGHTS = [0.5, 2.0, 3.0]


def make(dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(B, C, generator=generator, dtype=dtype).requires_grad_()
    fired = torch.tensor([[1, 1], [1, 0], [0, 0], [0, 1], [1, 1], [0, 0], [1, 1]]).to(dtype)
    odds = torch.randn(B, M, generator=generator, dtype=dtype) * fired
    log = torch.tensor(TEACHER, dtype=dtype).log_softmax(1).unsqueeze(1)
    teachers = torch.cat([torch.full_like(log, NAN), log], dim=1)
    batch = Batch(torch.arange(B), torch.zeros(B, 2), Y, fired, fired, teachers)
    return Outputs(logits, batch.x, None, odds.requires_grad_()), batch


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gold_first_then_the_favourite_and_no_label_for_ties_and_silence(dtype):
    outputs, batch = make(dtype)
    component = NoisyCrossEntropy(teacher=1)
    assert component.applies(batch).nonzero().flatten().tolist() == list(LABEL)
    values = component.loss(outputs, batch)
    log_p = torch.log_softmax(outputs.logits, 1)
    for row, label in LABEL.items():
        torch.testing.assert_close(values[row], -log_p[row, label])


def test_a_silent_teacher_leaves_gold_rows_only():
    outputs, batch = make()
    component = NoisyCrossEntropy(teacher=0)
    assert component.applies(batch).nonzero().flatten().tolist() == [0, 5]
    (gradient,) = torch.autograd.grad(component.loss(outputs, batch).sum(), outputs.logits)
    assert torch.isfinite(gradient).all()


@pytest.mark.parametrize("n_tied", [2, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_votes_that_are_level_are_tied_in_any_precision(n_tied, dtype):
    """As the estimator hands them on: log of clipped probabilities, cast to the model's dtype."""
    _, batch = make(dtype)
    p = np.zeros((1, 1, C))
    p[..., :n_tied] = 1 / n_tied
    teachers = torch.as_tensor(np.log(np.clip(p, 1e-12, None))).to(dtype).expand(B, -1, -1)
    silent = replace(batch, y=torch.full((B,), -1), teachers=teachers)
    assert not NoisyCrossEntropy().applies(silent).any()


def test_sums_that_differ_by_rounding_are_tied_and_small_leads_are_not():
    level, ahead = [0.1 + 0.7, 0.8, 0.1], [0.8, 0.799, 0.1]
    assert level[0] != level[1]
    p = torch.tensor([level, ahead, *[level] * (B - 2)], dtype=torch.float64)
    _, batch = make()
    rows = replace(batch, y=torch.full((B,), -1), teachers=p.log().unsqueeze(1))
    assert NoisyCrossEntropy().applies(rows).nonzero().flatten().tolist() == [1]


def test_class_weights_are_factors_of_gold_rows_only():
    outputs, batch = make()
    for kind, options in ((GoldCrossEntropy, {}), (NoisyCrossEntropy, {"teacher": 1})):
        members = (kind(**options), kind(class_weights=np.array(WEIGHTS), **options))
        plain, weighted = (ComponentSet([one]).losses(outputs, batch)[:, 0] for one in members)
        factor = torch.tensor([WEIGHTS[y] if y >= 0 else 1.0 for y in Y.tolist()]).double()
        torch.testing.assert_close(weighted, factor * plain)
        assert weighted.dtype == plain.dtype


def test_rule_losses_apply_where_a_rule_fired():
    outputs, batch = make()
    k = torch.tensor([0, 2])
    expected = {
        RuleReliability(k): [0],
        Implication(k): [1, 3, 4, 6],
        PosteriorRegularisation(k): [1, 3, 4, 6],
    }
    for component, rows in expected.items():
        assert component.applies(batch).nonzero().flatten().tolist() == rows
        assert component.loss(outputs, batch).shape == (B,)


def test_gamma_and_strength_reach_the_formulas():
    outputs, batch = make()
    k, z = torch.tensor([0, 2]), outputs.reliability
    found = Implication(k, gamma=0.7).loss(outputs, batch)
    torch.testing.assert_close(
        found, 0.7 * implication.implication(outputs.logits, z, batch.fired, k)
    )
    found = PosteriorRegularisation(k, gamma=0.3, strength=2.0).loss(outputs, batch)
    expected = implication.posterior_regularisation(outputs.logits, z, batch.fired, k, 2.0)
    torch.testing.assert_close(found, 0.3 * expected)


def test_exemplars_are_looked_up_by_row_number():
    outputs, batch = make()
    k = torch.tensor([1, 0])
    exemplars = np.zeros((101, M), dtype=bool)
    exemplars[[90, 95], 0] = True
    component = RuleReliability(k, exemplars)
    moved = replace(batch, index=torch.arange(90, 90 + B))
    plain, judged = (component.loss(outputs, one) for one in (batch, moved))
    assert judged[0] != plain[0]  # rule 0 is right about row 0, and was written from it
    assert torch.equal(judged[1:], plain[1:])  # row 95 is one on which it did not fire


def test_gold_rows_without_gold_have_no_loss_under_weights():
    outputs, batch = make()
    value = ComponentSet([GoldCrossEntropy(WEIGHTS)]).losses(outputs, batch)[:, 0]
    assert (value[batch.y < 0] == 0).all()
    torch.testing.assert_close(value[5], 0.5 * losses.cross_entropy(outputs.logits, batch.y)[5])
