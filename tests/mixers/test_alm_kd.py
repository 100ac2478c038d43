"""ALM-KD: its gradient against autograd through the real step, and convexity."""

import pytest
import torch

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.losses import ComponentSet, GoldCrossEntropy
from spear_amal.losses.teacher import teacher_components
from spear_amal.maths.losses import domain_counts, weighted_objective
from spear_amal.mixers import Amal
from spear_amal.mixers.alm_kd import AlmKd
from spear_amal.models import MLP, JointModel, LinearModel
from spear_amal.training.look_ahead import LookAhead

B, D, C, H, N_VAL = 13, 7, 3, 5, 29
ALPHA, BETA, ETA = 0.25, 0.75, 0.4
TEACHERS = pytest.mark.parametrize("n_teachers", [1, 3])


def rows(n, n_teachers, generator, gaps=False):
    x = torch.randn(n, D, generator=generator, dtype=torch.float64)
    y = torch.randint(0, C, (n,), generator=generator)
    teachers = torch.randn(n, n_teachers, C, generator=generator, dtype=torch.float64)
    if gaps:
        y[:2] = -1  # teachers only
        teachers[2:4] = torch.nan  # label only
        teachers[4, 0] = torch.nan
    none = torch.zeros(n, 0, dtype=torch.float64)
    return Batch(torch.arange(n), x, y, none, none, teachers)


def setting(n_teachers, gaps=True, seed=3):
    generator = torch.Generator().manual_seed(seed)
    net = MLP(D, C, (H,), generator).double()
    with torch.no_grad():
        net.head.weight.normal_(generator=generator)
    batch = rows(B, n_teachers, generator, gaps)
    components = ComponentSet([GoldCrossEntropy(), *teacher_components(n_teachers, 4.0)])
    return JointModel(net), components, batch, rows(N_VAL, n_teachers, generator)


def attached(mixer, components, batch):
    domain = components.applies(batch)
    mixer.attach(len(batch), components.names, domain, components.mixable())
    return mixer


def divergence(logits, batch, alpha):
    """KL(p' || p) at temperature 1, written out; the mean teacher where several speak."""
    total = logits.new_zeros(())
    count = 0
    for i in range(len(batch)):
        speak = [torch.softmax(t, 0) for t in batch.teachers[i] if not t.isnan().any()]
        label = batch.y[i].item()
        if not speak and label < 0:
            continue
        target = torch.stack(speak).mean(0) if speak else torch.eye(C).double()[label]
        if speak and label >= 0:
            target = (1 - alpha) * target + alpha * torch.eye(C).double()[label]
        total = total + (target * (target.log() - torch.log_softmax(logits[i], 0))).nansum()
        count += 1
    return total / count


def after_the_step(model, components, batch, validation, weights):
    head = model.feature.head
    value = weighted_objective(
        components.losses(model(batch), batch), weights, components.applies(batch)
    )
    steps = torch.autograd.grad(value, [head.weight, head.bias], create_graph=True)
    weight, bias = head.weight - ETA * steps[0], head.bias - ETA * steps[1]
    seen = [model(one).hidden.detach() @ weight.T + bias for one in (validation, batch)]
    return divergence(seen[0], validation, ALPHA) + BETA * divergence(seen[1], batch, ALPHA)


def mixer_of(gradient="exact", **options):
    settings = {"alpha": ALPHA, "beta": BETA, "lookahead_lr": ETA, "weight_lr": 0.05, **options}
    return AlmKd(gradient=gradient, **settings)


@TEACHERS
@pytest.mark.parametrize("gradient", ["exact", "paper"])
@pytest.mark.parametrize("tied", [True, False])
def test_gains_are_autograd_through_the_step_of_the_whole_outer_loss(n_teachers, gradient, tied):
    """lambda -> (1 - max lambda, lambda) -> a step -> validation loss plus beta times the group's.

    The paper's form for several teachers is no derivative; there only the label's term differs.
    """
    model, components, batch, validation = setting(n_teachers)
    mixer = attached(mixer_of(gradient), components, batch)
    if not tied:
        drawn = torch.rand(B, 1 + n_teachers, generator=torch.Generator().manual_seed(1))
        moved = torch.where(mixer.mixed, drawn, mixer.table())
        mixer.lambdas[:] = mixer._completed(moved, torch.arange(B))
    lambdas = mixer.table().double()[:, 1:].requires_grad_()
    mixed = mixer.mixed[:, 1:]
    largest = torch.where(mixed, lambdas, -torch.inf).amax(1)  # ties share the derivative
    label = torch.where(mixed.any(1), 1 - largest, torch.ones(B).double())
    weights = torch.cat([label.unsqueeze(1), lambdas], dim=1)
    value = after_the_step(model, components, batch, validation, weights)
    (slope,) = torch.autograd.grad(value, lambdas)
    counts = domain_counts(components.applies(batch))
    expected = torch.where(mixed, -slope * counts[1:] / ETA, 0.0)
    look = LookAhead.from_options(model, components, batch, validation, mixer.look_ahead_options())
    found = mixer.gains(look.alignment(weights.detach()), weights.detach(), batch.index)[:, 1:]
    assert expected.abs().max() > 1e-3
    agree = torch.isclose(found, expected, rtol=0, atol=1e-10)
    alone = mixed.sum(1) == 1  # one teacher on the row
    if gradient == "exact" or n_teachers == 1:
        assert agree.all()
    else:
        assert agree[alone].all()
        assert not agree.all()


def test_the_papers_form_subtracts_the_label_from_every_teacher():
    _, components, batch, _ = setting(3)
    mixer = attached(mixer_of("paper"), components, batch)
    alignment = torch.randn(B, 4, generator=torch.Generator().manual_seed(0)).double()
    counts = domain_counts(mixer.domain)
    found = mixer.gains(alignment, mixer.table(), batch.index)
    label = alignment[:, :1] * counts / counts[0]
    assert torch.allclose(found, torch.where(mixer.mixed, alignment - label, 0.0))


@TEACHERS
@pytest.mark.parametrize("gradient", ["exact", "paper"])
@pytest.mark.parametrize("normalise", ["none", "features", "max-abs", "l2"])
def test_weights_stay_convex(n_teachers, gradient, normalise):
    model, components, batch, validation = setting(n_teachers)
    mixer = attached(mixer_of(gradient, weight_lr=3.0, normalise=normalise), components, batch)
    start = mixer.table().clone()
    for _ in range(3):
        look = LookAhead.from_options(
            model, components, batch, validation, mixer.look_ahead_options()
        )
        mixer.refresh(look, batch)
        table = mixer.table()
        assert ((table >= 0) & (table <= 1)).all()
        rest = 1 - torch.where(mixer.mixed, table, 0.0).amax(1)
        assert torch.equal(table[4:, 0], rest[4:])
        assert (table[:4] == 1).all()  # teachers only, and label only
    assert (table[4:] != start[4:]).any()
    if n_teachers > 1:
        assert table[4, 1] == 1  # that teacher is silent there: nothing is shared with it


def test_a_noisy_label_pushes_the_weight_to_the_teacher():
    """The teacher is right everywhere; the labels of half of the rows are not."""
    generator = torch.Generator().manual_seed(0)
    components = setting(1)[1]
    model = JointModel(LinearModel(D, C).double())
    truth = torch.randn(C, D, generator=generator, dtype=torch.float64)
    batch, validation = (rows(n, 1, generator) for n in (61, 97))
    for one in (batch, validation):
        told = 4 * one.x @ truth.T
        one.teachers.copy_(told.unsqueeze(1))
        one.y.copy_(told.argmax(1))
    noisy = torch.arange(61) % 2 == 0
    batch.y[noisy] = (batch.y[noisy] + 1) % C
    mixer = attached(mixer_of(start=0.5, weight_lr=0.02), components, batch)
    look = LookAhead.from_options(model, components, batch, validation, mixer.look_ahead_options())
    mixer.refresh(look, batch)
    risen = mixer.table()[:, 1] - 0.5
    assert risen[noisy].mean() > 0
    assert risen[noisy].mean() > 1.5 * risen[~noisy].mean()


def test_other_losses_and_losses_that_are_not_mixable_keep_weight_one():
    names = ("gold", "teacher0", "entropy", "teacher1")
    domain = torch.ones(B, 4, dtype=torch.bool)
    mixer = AlmKd(start=0.75)
    mixer.attach(B, names, domain, torch.tensor([True, True, True, False]))
    assert torch.equal(mixer.table(), torch.tensor([0.25, 0.75, 1.0, 1.0]).expand(B, 4))
    mixer.attach(B, names, domain, torch.tensor([False, True, True, True]))
    assert (mixer.table() == 1).all()  # a label that counts fully cannot share
    assert mixer.mean_weights(torch.arange(B))["teacher0"] == 1.0


def test_the_look_ahead_is_told_what_the_outer_loss_is():
    options = AlmKd(alpha=0.4, beta=0.6, lookahead_lr=0.2, group_size=31).look_ahead_options()
    assert (options.outer, options.alpha, options.beta) == ("teacher", 0.4, 0.6)
    assert (options.eta, options.group_size) == (0.2, 31)


@pytest.mark.parametrize(
    "options",
    [
        {"weight_lr": -1.0},
        {"start": 1.5},
        {"gradient": "steep"},
        {"outer": "rules"},
        {"alpha": 2.0},
        {"beta": -0.1},
        {"refresh_every": 0},
        {"warmup": 0.5},
        {"lookahead_lr": 0.0},
        {"inner_repeats": 0},
        {"group_size": 0},
        {"normalise": "loud"},
        {"look_ahead": "far"},
    ],
)
def test_nonsense_is_refused_by_name(options):
    with pytest.raises(InputError, match=next(iter(options))):
        AlmKd(**options)


@TEACHERS
def test_a_label_aware_start_is_less_where_the_teacher_contradicts_the_label(n_teachers):
    _, components, batch, _ = setting(n_teachers)
    p = batch.teachers.softmax(2)
    told = torch.full((B, n_teachers), torch.nan, dtype=torch.float64)
    for i in range(B):
        if batch.y[i] >= 0:
            told[i] = p[i, :, batch.y[i]]
    mixer = AlmKd(start=0.8, label_aware=True)
    mixer.told = told
    table = attached(mixer, components, batch).table().double()
    for i in range(B):
        speaks = ~batch.teachers[i].isnan().any(1)
        if batch.y[i] < 0 or not speaks.any():
            assert (table[i] == 1).all()  # nothing to share
            continue
        expected = 0.8 * p[i, speaks, batch.y[i]]
        assert table[i, 1:][speaks].tolist() == pytest.approx(expected.tolist(), rel=1e-5)
        assert table[i, 0].item() == pytest.approx(1 - expected.max().item(), rel=1e-5)


def test_amal_begins_with_its_start_times_what_the_teacher_says_of_the_label():
    _, components, batch, _ = setting(1, gaps=False)
    mixer = Amal(start={"label": 0.5, "teacher": 0.9}, label_aware=True)
    mixer.told = batch.teachers.softmax(2)[:, 0].gather(1, batch.y[:, None])
    table = attached(mixer, components, batch).table().double()
    assert table[:, 0].tolist() == [0.5] * B
    assert table[:, 1].tolist() == pytest.approx((0.9 * mixer.told[:, 0]).tolist(), rel=1e-5)


def test_a_label_aware_start_without_teachers_answers_is_an_error():
    _, components, batch, _ = setting(2)
    with pytest.raises(InputError, match="label_aware needs labels and teachers"):
        attached(AlmKd(label_aware=True), components, batch)
