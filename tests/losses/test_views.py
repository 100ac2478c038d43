"""SSKD's losses against sums written out, the selection by enumeration, what gets a gradient."""

import itertools
import math
from fractions import Fraction

import pytest
import torch
import torch.nn.functional as F

from spear_amal.batch import Batch, Outputs, Views
from spear_amal.errors import InputError
from spear_amal.losses import ComponentSet, LabelCrossEntropy
from spear_amal.losses.self_supervised import (
    RotatedDivergence,
    SimilarityDivergence,
    UprightDivergence,
    ViewMatching,
    best_ranked,
    position,
    similarities,
)
from spear_amal.maths.losses import weighted_objective
from spear_amal.mixers import Fixed

B, C, P, Q = 5, 3, 7, 11  # the teacher's projections are wider than the student's


def views(n, width, generator, grad):
    logits = 2 * torch.randn(n, 4, C, generator=generator, dtype=torch.float64)
    projected = torch.randn(n, 4, width, generator=generator, dtype=torch.float64)
    return Views(logits.requires_grad_(grad), projected.requires_grad_(grad))


def make(n=B, seed=0, unlabelled=()):
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(C, (n,), generator=generator)
    y[list(unlabelled)] = -1
    nothing = torch.zeros(n, 0)
    # What is stored of the teacher is NaN: these losses must take what it says of the batch.
    stored = torch.full((n, 1, C), torch.nan, dtype=torch.float64)
    batch = Batch(torch.arange(n), nothing, y, nothing, nothing, stored)
    own, told = views(n, P, generator, True), views(n, Q, generator, False)
    return Outputs(own.logits[:, 0], nothing, views=own, teacher_views=told), batch


def objective(component, outputs, batch):
    """What the trainer minimises of one loss of weight 1."""
    members = ComponentSet([component])
    values, on = members.losses(outputs, batch), members.applies(batch)
    return weighted_objective(values, torch.ones_like(values), on)


def softmax(scores):
    top = [math.exp(s) for s in scores]
    return [t / sum(top) for t in top]


def kl(told, own, temperature):
    """``KL(told || own)`` of two lists of scores, summed over classes."""
    p, q = softmax([s / temperature for s in told]), softmax([s / temperature for s in own])
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def cosine(a, b):
    norm = math.sqrt(sum(x * x for x in a)) * math.sqrt(sum(x * x for x in b))
    return sum(x * y for x, y in zip(a, b, strict=True)) / norm


def chosen(scored, ratio):
    """Numbers of the rows of (scores, target) that are kept, by sorting."""
    ranks = [sum(s > scores[target] for s in scores) for scores, target in scored]
    wrong = sorted((rank, i) for i, rank in enumerate(ranks) if rank)
    right = [i for i, rank in enumerate(ranks) if not rank]
    return right + [i for _, i in wrong[: math.floor(len(wrong) * Fraction(str(ratio)))]]


def similarity_rows(projected):
    """One list for each turned view, image by image, and the image that it comes from."""
    listed = projected.tolist()
    rows = [[cosine(image[v], other[0]) for other in listed] for image in listed for v in (1, 2, 3)]
    return rows, [i for i in range(len(listed)) for _ in range(3)]


def test_upright_is_the_batch_mean_of_the_tempered_divergence():
    outputs, batch = make()
    told, own = outputs.teacher_views.logits[:, 0].tolist(), outputs.views.logits[:, 0].tolist()
    expected = 16 * sum(kl(t, s, 4.0) for t, s in zip(told, own, strict=True)) / B
    found = objective(UprightDivergence(0, 4.0), outputs, batch)
    assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.75, 1.0])
@pytest.mark.parametrize("unlabelled", [(), (1, 3)])
def test_rotated_is_the_mean_over_selected_views(ratio, unlabelled):
    outputs, batch = make(seed=2, unlabelled=unlabelled)
    told, own = outputs.teacher_views.logits.tolist(), outputs.views.logits.tolist()
    rows = []
    for i, y in enumerate(batch.y.tolist()):
        y = max(range(C), key=lambda c: told[i][0][c]) if y < 0 else y
        rows += [(told[i][v], own[i][v], y) for v in (1, 2, 3)]
    kept = chosen([(t, y) for t, _, y in rows], ratio)
    assert ratio == 1 or 0 < len(kept) < 3 * B
    expected = 16 * sum(kl(rows[i][0], rows[i][1], 4.0) for i in kept) / len(kept)
    found = objective(RotatedDivergence(4.0, ratio), outputs, batch)
    assert found.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ratio", [0.0, 0.5, 0.75, 1.0])
def test_similarity_is_the_mean_over_selected_rows(ratio):
    outputs, batch = make(seed=3)
    told, images = similarity_rows(outputs.teacher_views.projected)
    own, _ = similarity_rows(outputs.views.projected)
    kept = chosen(list(zip(told, images, strict=True)), ratio)
    assert ratio == 1 or 0 < len(kept) < 3 * B
    expected = 0.25 * sum(kl(told[i], own[i], 0.5) for i in kept) / len(kept)
    found = objective(SimilarityDivergence(0.5, ratio), outputs, batch)
    assert found.item() == pytest.approx(expected, rel=1e-12)


def test_matching_is_cross_entropy_of_plain_cosines_to_ones_own_image():
    outputs, batch = make(seed=5)
    rows, images = similarity_rows(outputs.views.projected)
    expected = -sum(math.log(softmax(row)[i]) for row, i in zip(rows, images, strict=True)) / 15
    assert objective(ViewMatching(), outputs, batch).item() == pytest.approx(expected, rel=1e-12)
    torch.testing.assert_close(
        similarities(outputs.views.projected), torch.tensor(rows, dtype=torch.float64)
    )


def test_together_they_are_the_published_loss():
    """Reductions as torch's "batchmean": sums over classes, means over rows."""
    outputs, batch = make(seed=7)
    own, told = outputs.views, outputs.teacher_views

    def divergence(student, teacher, temperature):
        p = (teacher / temperature).softmax(1)
        q = (student / temperature).log_softmax(1)
        return temperature**2 * F.kl_div(q, p, reduction="batchmean")

    every = ComponentSet(
        [
            LabelCrossEntropy(),
            UprightDivergence(0, 4.0),
            RotatedDivergence(4.0, 1.0),
            SimilarityDivergence(0.5, 1.0),
        ]
    )
    mixer = Fixed({"label": 0.1, "teacher": 0.9, "rotated": 2.7, "similarity": 10.0})
    on = every.applies(batch)
    mixer.attach(B, every.names, on, every.mixable())
    losses = every.losses(outputs, batch)
    found = weighted_objective(losses, mixer.weights(batch, losses), on)
    expected = (
        0.1 * F.cross_entropy(own.logits[:, 0], batch.y)
        + 0.9 * divergence(own.logits[:, 0], told.logits[:, 0], 4.0)
        + 2.7 * divergence(own.logits[:, 1:].flatten(0, 1), told.logits[:, 1:].flatten(0, 1), 4.0)
        + 10 * divergence(similarities(own.projected), similarities(told.projected), 0.5)
    )
    # Weights are held in single precision.
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=0)


@pytest.mark.parametrize("ratio", [0.0, 0.29, 0.5, 0.75, 1.0])
def test_selection_by_enumeration(ratio):
    for ranks in itertools.product(range(3), repeat=5):
        kept = best_ranked(torch.tensor(ranks), ratio).tolist()
        wrong = [(rank, i) for i, rank in enumerate(ranks) if rank]
        n = math.floor(len(wrong) * Fraction(str(ratio)))
        best = {i for _, i in sorted(wrong)[:n]}
        assert {i for i, on in enumerate(kept) if on} == best | {
            i for i, rank in enumerate(ranks) if not rank
        }


def test_a_share_is_rounded_down_but_not_by_rounding_errors():
    assert 0.29 * 100 < 29
    assert best_ranked(torch.ones(100, dtype=torch.int64), 0.29).sum() == 29
    assert best_ranked(torch.ones(101, dtype=torch.int64), 0.29).sum() == 29


def test_position_counts_what_is_strictly_higher():
    for scores in itertools.product((0.0, 1.0, 2.0), repeat=3):
        for target in range(3):
            expected = sum(s > scores[target] for s in scores)
            assert position(torch.tensor([scores]), torch.tensor([target])).item() == expected


def test_only_selected_views_get_a_gradient():
    outputs, batch = make(seed=2)
    objective(RotatedDivergence(4.0, 0.0), outputs, batch).backward()
    told = outputs.teacher_views.logits[:, 1:]
    right = told.argmax(2) == batch.y[:, None]
    assert 0 < right.sum() < 3 * B
    gradient = outputs.views.logits.grad
    assert ((gradient[:, 1:] != 0).any(2) == right).all()
    assert (gradient[:, 0] == 0).all()


def test_nothing_selected_is_a_loss_of_zero():
    outputs, batch = make()
    batch.y[:] = outputs.teacher_views.logits[:, 1:].sum(1).argmin(1)
    worst = outputs.teacher_views.logits.clone()
    worst[torch.arange(B), :, batch.y] = -9
    outputs = Outputs(
        outputs.logits, outputs.hidden, views=outputs.views, teacher_views=Views(worst, worst)
    )
    value = objective(RotatedDivergence(4.0, 0.0), outputs, batch)
    value.backward()
    assert value == 0
    assert (outputs.views.logits.grad == 0).all()


EVERY = [UprightDivergence(), RotatedDivergence(), SimilarityDivergence(), ViewMatching()]


@pytest.mark.parametrize("component", EVERY, ids=lambda one: one.name)
@pytest.mark.parametrize("unlabelled", [(), (0,)])
def test_a_batch_of_one_row_gives_finite_values(component, unlabelled):
    outputs, batch = make(1, unlabelled=unlabelled)
    value = objective(component, outputs, batch)
    value.backward()
    assert torch.isfinite(value)
    held = (outputs.views.logits.grad, outputs.views.projected.grad)
    assert all(torch.isfinite(g).all() for g in held if g is not None)


@pytest.mark.parametrize("component", EVERY, ids=lambda one: one.name)
def test_without_views_the_message_says_why(component):
    _, batch = make()
    with pytest.raises(InputError, match="looked ahead"):
        component.loss(Outputs(torch.zeros(B, C), batch.x), batch)
