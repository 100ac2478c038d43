"""Mixers that look ahead before each step: their gradients, resuming, and the order of batches."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spear_amal.batch import Batch
from spear_amal.data import synthetic_votes
from spear_amal.losses import ComponentSet, GoldCrossEntropy, TeacherCrossEntropy
from spear_amal.maths.losses import domain_counts, weighted_objective
from spear_amal.mixers import Fixed, LearningToReweight, MetaWeightNet
from spear_amal.models import MLP, JointModel, LinearModel
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training import Callback, Table, Trainer, TrainerConfig
from spear_amal.training.look_ahead import LookAhead

N, D, M, C, N_VAL = 61, 11, 5, 3, 29
B = 13
ETA = 0.5
MAKERS = {"l2r": LearningToReweight, "mwn": MetaWeightNet}
COMPONENTS = ComponentSet([GoldCrossEntropy(), TeacherCrossEntropy()])
KINDS = [
    ("linear", "last-layer", False),
    ("linear", "last-layer", True),
    ("mlp", "last-layer", False),
    ("mlp", "network", False),
    ("mlp", "network", True),
]
EVERY_KIND = pytest.mark.parametrize(("feature", "look_ahead", "sparse"), KINDS)
EVERY_MIXER = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


def rows(n, generator, labelled, sparse=False):
    x = torch.randn(n, D, generator=generator, dtype=torch.float64)
    x = x * (torch.rand(n, D, generator=generator) < 0.6)
    if sparse:
        x = SparseRows.from_csr(sp.csr_array(x.numpy()), torch.float64)
    y = torch.randint(0, C, (n,), generator=generator)
    y[labelled:] = -1
    fired = torch.ones(n, M, dtype=torch.float64)
    teachers = torch.randn(n, 1, C, generator=generator, dtype=torch.float64)
    teachers[-2:] = torch.nan  # rows outside both domains
    return Batch(torch.arange(n), x, y, fired, fired, teachers)


def network(feature, generator):
    net = LinearModel(D, C) if feature == "linear" else MLP(D, C, (7,), generator)
    net = net.double()
    with torch.no_grad():
        net.head.weight.normal_(generator=generator)
    return JointModel(net)


def setting(feature, sparse, seed=5):
    generator = torch.Generator().manual_seed(seed)
    return (
        network(feature, generator),
        rows(B, generator, labelled=5, sparse=sparse),
        rows(N_VAL, generator, labelled=N_VAL, sparse=sparse),
    )


def after_the_step(model, batch, validation, weights, look_ahead):
    """Validation loss after a real SGD step, differentiable by the weights."""
    head = model.feature.head
    wanted = {id(head.weight), id(head.bias)}
    at = {
        name: p
        for name, p in model.named_parameters()
        if look_ahead == "network" or id(p) in wanted
    }
    losses = COMPONENTS.losses(model(batch), batch)
    value = weighted_objective(losses, weights, COMPONENTS.applies(batch))
    steps = torch.autograd.grad(value, list(at.values()), create_graph=True)
    ahead = {name: p - ETA * g for (name, p), g in zip(at.items(), steps, strict=True)}
    logits = torch.func.functional_call(model, ahead, (validation,)).logits
    return torch.nn.functional.cross_entropy(logits, validation.y)


def attached(mixer, batch, mixable=(True, True)):
    mixer.attach(len(batch), COMPONENTS.names, COMPONENTS.applies(batch), torch.tensor(mixable))
    return mixer


def look(model, batch, validation, mixer):
    return LookAhead.from_options(model, COMPONENTS, batch, validation, mixer.look_ahead_options())


@EVERY_KIND
def test_l2r_is_autograd_through_a_step_of_weight_zero(feature, look_ahead, sparse):
    model, batch, validation = setting(feature, sparse)
    applies = COMPONENTS.applies(batch)
    n_k = domain_counts(applies)
    eps = torch.zeros(B, 2, dtype=torch.float64, requires_grad=True)
    value = after_the_step(model, batch, validation, eps * n_k, look_ahead)  # sum_ik eps_ik l_ik
    (gradient,) = torch.autograd.grad(value, eps)
    u = -gradient / ETA
    assert u.abs().max() > 1e-3
    mixer = attached(LearningToReweight(look_ahead=look_ahead), batch)
    ahead = look(model, batch, validation, mixer)
    torch.testing.assert_close(ahead.alignment(torch.zeros(B, 2)), u, rtol=0, atol=1e-10)
    mixer.refresh(ahead, batch)
    found = mixer.weights(batch, ahead.losses())
    share = u.clamp(min=0) / u.clamp(min=0).sum()
    torch.testing.assert_close(found, share * n_k, rtol=0, atol=1e-9)
    assert (found[~applies] == 0).all()
    assert (found / n_k).sum().item() == pytest.approx(1.0)


@EVERY_KIND
def test_mwn_is_autograd_through_the_step_and_the_net(feature, look_ahead, sparse):
    model, batch, validation = setting(feature, sparse)
    mixer = attached(MetaWeightNet(look_ahead=look_ahead, lookahead_lr=ETA), batch)
    ahead = look(model, batch, validation, mixer)
    weights = mixer.net(ahead.losses())
    value = after_the_step(model, batch, validation, weights, look_ahead)
    expected = torch.autograd.grad(value, list(mixer.net.parameters()))
    assert max(g.abs().max() for g in expected) > 1e-5
    mixer.refresh(ahead, batch)
    for p, gradient in zip(mixer.net.parameters(), expected, strict=True):
        torch.testing.assert_close(p.grad, gradient, rtol=0, atol=1e-10)


def test_mwn_leaves_a_loss_that_is_not_mixable_alone():
    model, batch, validation = setting("linear", False)
    mixer = attached(MetaWeightNet(), batch, mixable=(True, False))
    ahead = look(model, batch, validation, mixer)
    before = [p.detach().clone() for p in mixer.net.parameters()]
    mixer.refresh(ahead, batch)
    weights = mixer.weights(batch, ahead.losses())
    assert (weights[:, 1] == 1).all()
    assert ((weights[:, 0] > 0) & (weights[:, 0] < 1)).all()
    for old, p in zip(before, mixer.net.parameters(), strict=True):
        assert (p.grad[1] == 0).all()
        assert not torch.equal(old[0], p[0])


def test_mwn_learns_to_tell_right_rows_from_wrong_ones():
    """Half of the teacher's answers are flipped; losses are then larger where it is wrong."""
    model, _, held = setting("linear", False)
    with torch.no_grad():
        sure = 4 * model(held).logits
    right = (torch.arange(N_VAL) % 2 == 0).view(-1, 1)
    teachers = torch.where(right, sure, -sure).unsqueeze(1)  # (N_VAL, 1, C)
    batch = replace(held, y=torch.full((N_VAL,), -1), teachers=teachers)
    held = replace(held, y=sure.argmax(1))
    mixer = attached(MetaWeightNet(lr=0.05), batch)
    for _ in range(40):
        mixer.refresh(look(model, batch, held, mixer), batch)
    weights = mixer.weights(batch, look(model, batch, held, mixer).losses())[:, 1]
    assert weights[::2].mean() > weights[1::2].mean() + 0.1


# -- in the loop ----------------------------------------------------------------------------------


def data(val_sign=1.0):
    rng = np.random.default_rng(0)
    labels, y = synthetic_votes(N + N_VAL, M, C, seed=0)
    x = rng.normal(size=(N + N_VAL, D)) + np.eye(C)[y] @ rng.normal(size=(C, D))
    observed = np.where(np.arange(N) < 17, y[:N], -1)
    teachers = np.log(np.clip(np.eye(C)[rng.integers(0, C, N)], 0.05, 1))[:, None, :]
    kind = {"n_classes": C, "dtype": torch.float64}
    unipolar = labels.to_unipolar()
    return (
        Table(x[:N], observed, unipolar[:N], teachers, **kind),
        Table(val_sign * x[N:], y[N:], unipolar[N:], **kind),
    )


def run(mixer, callbacks=(), feature="linear", **options):
    train, validation = data()
    settings = TrainerConfig(**{"max_epochs": 5, "batch_size": B, "lr": 0.05, **options})
    generator = torch.Generator().manual_seed(1)
    net = LinearModel(D, C) if feature == "linear" else MLP(D, C, (7,), generator)
    model = JointModel(net.double())
    result = Trainer(settings, callbacks=callbacks).fit(
        model, COMPONENTS, mixer, train, np.arange(N), selection=validation, fingerprint="a"
    )
    return model, result, mixer


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


class Killed(Exception):
    pass


class KillAt(Callback):
    def on_epoch(self, epoch, record):
        if epoch == 2:
            raise Killed


@EVERY_MIXER
@pytest.mark.parametrize("options", [{}, {"meta_size": 7, "look_ahead": "network"}])
@pytest.mark.parametrize("every", [1, 2])
def test_a_killed_run_continues_to_the_same_result_bit_for_bit(tmp_path, make, options, every):
    """Killed after epoch 2; with a checkpoint every second epoch, an epoch is done again."""
    kind = {"feature": "mlp", "checkpoint_every": every}
    whole_model, whole, whole_mixer = run(make(**options), **kind)
    path = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        run(make(**options), [KillAt()], checkpoint=path, **kind)
    assert path.exists()
    model, result, mixer = run(make(**options), checkpoint=path, **kind)
    assert same(model, whole_model)
    state, expected = mixer.state_dict(), whole_mixer.state_dict()
    assert state.keys() == expected.keys()
    assert all(torch.equal(state[name], expected[name]) for name in state)
    drop = [[{**record, "seconds": 0} for record in r.history] for r in (result, whole)]
    assert drop[0] == drop[1]


def watched(kind, **options):
    """Make a mixer that notes the rows of each batch and its weights."""

    class Watched(kind):
        def weights(self, batch, losses):
            given = super().weights(batch, losses)
            self.seen.append(batch.index.tolist())
            self.given.append(given.clone())
            return given

    mixer = Watched(**options)
    mixer.seen, mixer.given = [], []
    return mixer


def test_meta_draws_move_no_batch():
    mixers = [
        watched(Fixed),
        watched(LearningToReweight),
        watched(LearningToReweight, meta_size=7),
        watched(MetaWeightNet, meta_size=2),
    ]
    for mixer in mixers:
        run(mixer)
    assert all(mixer.seen == mixers[0].seen for mixer in mixers)
    differs = [not torch.equal(a, b) for a, b in zip(mixers[1].given, mixers[2].given, strict=True)]
    assert any(differs)  # the draws are used


def test_l2r_shares_of_each_batch_sum_to_one():
    mixer = watched(LearningToReweight)
    _, result, _ = run(mixer)
    for index, weights in zip(mixer.seen, mixer.given, strict=True):
        n_k = domain_counts(result.domain[index])
        total = (weights / n_k).sum().item()
        assert total == pytest.approx(1.0) or total == 0.0
        assert (weights[~result.domain[index]] == 0).all()


def test_a_batch_that_helps_nowhere_has_weight_zero_and_training_goes_on():
    """Validation rows whose loss every training row raises."""
    x = np.ones((N, 1))
    train = Table(x, np.zeros(N), n_classes=2, dtype=torch.float64)
    validation = Table(np.ones((3, 1)), np.ones(3), n_classes=2, dtype=torch.float64)
    mixer, model = watched(LearningToReweight), JointModel(LinearModel(1, 2).double())
    gold = ComponentSet([GoldCrossEntropy()])
    result = Trainer(TrainerConfig(max_epochs=3, batch_size=B)).fit(
        model, gold, mixer, train, np.arange(N), selection=validation
    )
    assert len(result.history) == 3
    assert all((weights == 0).all() for weights in mixer.given)
    assert (model.feature.head.weight == 0).all()


@EVERY_MIXER
def test_without_validation_rows_nothing_is_learnt(make):
    train, _ = data()
    model = JointModel(LinearModel(D, C).double())
    result = Trainer(TrainerConfig(max_epochs=2)).fit(
        model, COMPONENTS, make(), train, np.arange(N)
    )
    assert len(result.history) == 2
    assert all(torch.isfinite(p).all() for p in model.parameters())


@EVERY_MIXER
def test_the_model_is_in_training_mode_for_its_step_and_not_for_the_look_ahead(make):
    modes = []

    class Watch(LinearModel):
        def forward(self, x):
            modes.append((self.training, len(x)))
            return super().forward(x)

    train, validation = data()
    model = JointModel(Watch(D, C).double())
    Trainer(TrainerConfig(max_epochs=1, batch_size=B)).fit(
        model, COMPONENTS, make(), train, np.arange(N), selection=validation
    )
    steps = [n for training, n in modes if training]
    assert sum(steps) == N  # each row trains once; look-aheads and scores are in evaluation mode
    assert any(not training for training, _ in modes)


@EVERY_MIXER
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_cpu_result_within_rounding(make):
    models = []
    for device in ("cpu", "cuda"):
        tables = [copy.copy(table) for table in data()]
        for table in tables:
            table.device = torch.device(device)
            for name in ("x", "y", "teachers", "fired"):
                setattr(table, name, getattr(table, name).to(device))
        model = JointModel(LinearModel(D, C).double()).to(device)
        Trainer(TrainerConfig(max_epochs=2, batch_size=B)).fit(
            model, COMPONENTS, make(meta_size=7), tables[0], np.arange(N), selection=tables[1]
        )
        models.append(model.cpu())
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)
