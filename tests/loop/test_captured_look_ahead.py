"""What is captured from a user's model calls says the same as training's look-ahead."""

import pytest
import torch
import torch.nn.functional as F

from spear_amal import LossMixer
from spear_amal.batch import Batch
from spear_amal.losses import ComponentSet, LabelCrossEntropy, teacher_components
from spear_amal.maths.losses import weighted_objective
from spear_amal.mixers import LookAheadOptions, Mixer
from spear_amal.models import MLP, JointModel
from spear_amal.training import LookAhead

N, B, C, D, H, N_VAL, ETA = 23, 7, 3, 5, 11, 13, 0.7


class Asks(Mixer):
    """Keeps what look-aheads say about random weights."""

    needs_look_ahead = True

    def __init__(self, group_size=None):
        self.group_size = group_size

    def look_ahead_options(self):
        return LookAheadOptions(ETA, group_size=self.group_size)

    def attach(self, *arguments):
        super().attach(*arguments)
        self.said = []

    def refresh(self, look_ahead, batch):
        weights = torch.rand(N, 3, generator=torch.Generator().manual_seed(2)).double()[batch.index]
        answers = {
            "alignment": look_ahead.alignment(weights),
            "hypergradient": look_ahead.hypergradient(weights),
            "hidden": look_ahead.hidden_gradients(weights),
            "losses": look_ahead.losses(),
            "scale": look_ahead.feature_scale(),
        }
        self.said.append((batch, weights, look_ahead, answers))


def rows(n, seed):
    draw = torch.Generator().manual_seed(seed)
    y = torch.randint(C, (n,), generator=draw)
    none = torch.zeros(n, 0, dtype=torch.float64)
    x = torch.randn(n, D, generator=draw, dtype=torch.float64)
    teachers = torch.randn(n, 2, C, generator=draw, dtype=torch.float64)
    return Batch(torch.arange(n), x, y, none, none, teachers)


def part(batch, index):
    fields = (batch.x, batch.y, batch.fired, batch.scores, batch.teachers)
    return Batch(index, *(field[index] for field in fields))


@pytest.fixture
def asked():
    """Train a table in a loop of batches of 7 and give what was asked, with all that made it."""
    train, validation = rows(N, 0), rows(N_VAL, 1)
    train.y[::3] = -1  # unlabelled: the label's loss has a domain
    model = JointModel(MLP(D, C, (H,), torch.Generator().manual_seed(3)).double())
    components = ComponentSet([LabelCrossEntropy(), *teacher_components(2, 2.0)])

    def ask(group_size):
        mixer = LossMixer(
            Asks(group_size), components.names, n_rows=N, domain=components.applies(train)
        )
        order = torch.randperm(N, generator=torch.Generator().manual_seed(5))
        batches = [part(train, index) for index in order.split(B)]
        mixer.refresh(
            ((b.index, components.losses(model(b), b)) for b in batches),
            ((model(b).logits, b.y) for b in [part(validation, torch.arange(N_VAL))]),
            model=model,
        )
        return mixer.mixer.said, model, components, train, validation

    return ask


@pytest.mark.parametrize("group_size", [None, 11, 5])
def test_it_agrees_with_trainings_look_ahead(asked, group_size):
    said, model, components, train, validation = asked(group_size)
    sizes = {None: [23], 11: [11, 11, 1], 5: [5, 5, 5, 5, 3]}[group_size]
    assert [len(batch) for batch, *_ in said] == sizes
    assert sorted(torch.cat([batch.index for batch, *_ in said]).tolist()) == list(range(N))
    for batch, weights, _, answers in said:
        other = LookAhead(model, components, part(train, batch.index), validation, eta=ETA)
        same = {"rtol": 0, "atol": 1e-10}
        torch.testing.assert_close(answers["alignment"], other.alignment(weights), **same)
        torch.testing.assert_close(answers["hypergradient"], other.hypergradient(weights), **same)
        torch.testing.assert_close(answers["hidden"], other.hidden_gradients(weights), **same)
        torch.testing.assert_close(answers["losses"], other.losses(), **same)
        assert answers["scale"] == pytest.approx(other.feature_scale(), rel=1e-12)


def test_it_agrees_with_autograd_through_the_real_step(asked):
    said, model, components, train, validation = asked(11)
    batch, weights, _, answers = said[0]
    own, head = part(train, batch.index), model.feature.head
    applies = components.applies(own)
    hidden, seen = (model(b).hidden.detach() for b in (own, validation))
    leaf = weights.clone().requires_grad_()
    at = [head.weight.detach().requires_grad_(), head.bias.detach().requires_grad_()]
    outputs = type(model(own))(F.linear(hidden, *at), hidden)
    value = weighted_objective(components.losses(outputs, own), leaf, applies)
    slopes = torch.autograd.grad(value, at, create_graph=True)
    ahead = [p - ETA * g for p, g in zip(at, slopes, strict=True)]
    (expected,) = torch.autograd.grad(F.cross_entropy(F.linear(seen, *ahead), validation.y), leaf)
    torch.testing.assert_close(answers["hypergradient"], expected, rtol=0, atol=1e-10)


def test_a_head_without_bias_and_a_criterion_of_ones_own():
    model = torch.nn.Linear(D, 1, bias=False).double()
    train, validation = rows(B, 0), rows(N_VAL, 1)
    targets = validation.x.sum(1)
    mixer = LossMixer(Asks(), ["one", "two", "three"], n_rows=N)

    def losses(x):
        z = model(x)[:, 0]
        return torch.stack([z**2, (z - 1) ** 2, (z - x.sum(1)) ** 2], 1)

    def criterion(z, y):
        return F.mse_loss(z[:, 0], y)

    mixer.refresh(
        ((batch.index, losses(batch.x)) for batch in [train]),
        ((model(batch.x), targets) for batch in [validation]),
        model=model,
        criterion=criterion,
    )
    _, weights, _, answers = mixer.mixer.said[0]
    leaf = weights.clone().requires_grad_()
    w = model.weight
    (slope,) = torch.autograd.grad((losses(train.x) * leaf).mean(0).sum(), w, create_graph=True)
    value = criterion(F.linear(validation.x, w - ETA * slope), targets)
    (expected,) = torch.autograd.grad(value, leaf)
    torch.testing.assert_close(answers["hypergradient"], expected, rtol=0, atol=1e-10)
