"""AMAL's refreshes from the states that training steps gave: no pass of rows more, same weights."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import sparse
from torch import nn

from spear_amal.data import synthetic_votes
from spear_amal.losses import spear_components
from spear_amal.mixers import Amal
from spear_amal.models import MLP, JointModel, LinearModel, RuleModel
from spear_amal.training import Callback, Table, Trainer, TrainerConfig

N, N_VALIDATION, D, H, C = 40, 14, 5, 6, 3
SCHEDULE = {"warmup": 1, "refresh_every": 1}


class Counting(nn.Module):
    """An MLP with dropout that remembers all rows it is given, and what it said of them."""

    def __init__(self, dropout=0.0):
        super().__init__()
        self.net = MLP(D, C, (H,), torch.Generator().manual_seed(0)).double()
        self.head, self.dropout = self.net.head, nn.Dropout(dropout)
        self.passes = []

    def forward(self, x):
        _, hidden = self.net(x)
        hidden = self.dropout(hidden)
        self.passes.append((self.training, x.clone(), hidden.detach().clone()))
        return self.head(hidden), hidden

    def rows(self, training):
        return sum(len(x) for was, x, _ in self.passes if was is training)


def tables():
    labels, y = synthetic_votes(N + N_VALIDATION, 6, C, seed=0)
    labels = labels.to_unipolar()
    x = np.random.default_rng(0).normal(size=(N + N_VALIDATION, D)) + 2 * np.eye(D)[y]
    gold = np.where(np.arange(N) < 15, y[:N], -1)
    kind = {"n_classes": C, "dtype": torch.float64}
    train = Table(x[:N], gold, labels[:N], **kind)
    return train, Table(x[N:], y[N:], labels[N:], **kind), labels


def rules_of(labels):
    k = torch.as_tensor(labels.lf_classes)
    return RuleModel(C, k, torch.full((len(k),), 0.8, dtype=torch.float64)).double()


def fit(mixer, dropout=0.0, callbacks=(), patience=9, outer=None, **options):
    train, validation, labels = tables()
    model = JointModel(Counting(dropout), rules_of(labels))
    settings = {"max_epochs": 4, "patience": patience, "batch_size": 7, "lr": 0.05, **options}
    trainer = Trainer(TrainerConfig(**settings), callbacks=callbacks)
    result = trainer.fit(
        *(model, spear_components(), mixer, train, np.arange(N)),
        selection=validation,
        outer=outer,
        fingerprint="a",
    )
    return model, result


def test_no_row_passes_through_the_model_for_a_refresh():
    model, result = fit(Amal(reuse_states=True, **SCHEDULE), max_epochs=4)
    assert result.refreshes == 3  # before each epoch but the first
    assert model.feature.rows(training=True) == 4 * N
    # The model answers for V once an epoch, and for one row that shows whether the head is one.
    assert model.feature.rows(training=False) == 4 * N_VALIDATION + 1
    fresh, other = fit(Amal(**SCHEDULE), max_epochs=4)
    assert other.refreshes == 3
    assert fresh.feature.rows(training=False) > 4 * N_VALIDATION + 3 * N


class AtEpoch(Callback):
    """Keeps model and weights as they are at the end of an epoch, before the mixer learns more."""

    def __init__(self, epoch, mixer):
        self.epoch, self.mixer = epoch, mixer

    def watch(self, model):
        self.live = model

    def on_epoch(self, epoch, record):
        if epoch == self.epoch:
            self.model, self.weights = copy.deepcopy(self.live), self.mixer.table().clone()


@pytest.mark.parametrize("parts", [None, 3])
def test_where_steps_change_nothing_the_weights_are_those_of_a_pass(parts):
    options = {"lr": 0.0, "lr_rules": 0.0, "micro_batch": parts}
    tables = []
    for reuse in (False, True):
        mixer = Amal(reuse_states=reuse, **SCHEDULE)
        last = AtEpoch(3, mixer)
        fit(mixer, callbacks=[last], **options)
        tables.append(last.weights)
    assert (tables[0] != 1).any()
    torch.testing.assert_close(*tables, rtol=1e-5, atol=1e-6)


def test_weights_follow_from_what_the_steps_saw():
    """Held against a linear model on the states that were seen, which AMAL passes anew."""
    options = {"weight_lr": 3.0, "clamp": (0.0, 2.0), "normalise": "none", "group_size": None}
    mixer = Amal(reuse_states=True, **SCHEDULE, **options)
    before, after = AtEpoch(0, mixer), AtEpoch(1, mixer)
    fit(mixer, dropout=0.4, callbacks=[before, after], max_epochs=2)
    model = before.model
    train, validation, _ = tables()
    steps = [(x, hidden) for was, x, hidden in model.feature.passes if was]
    seen = {tuple(row.tolist()): h for x, hidden in steps for row, h in zip(x, hidden, strict=True)}
    states = torch.stack([seen[tuple(row.tolist())] for row in train.x])
    model.eval()
    of_validation = model.feature(validation.x)[1].detach()
    assert not torch.allclose(states, model.feature(train.x)[1])

    linear = LinearModel(H, C).double()
    linear.head.load_state_dict(model.feature.head.state_dict())
    other = Amal(**{**SCHEDULE, **options, "warmup": 0})
    train, validation = (copy.copy(table) for table in (train, validation))
    train.x, validation.x = states, of_validation
    settings = TrainerConfig(max_epochs=1, lr=0.0, lr_rules=0.0)
    Trainer(settings).fit(
        *(JointModel(linear, model.rules), spear_components(), other, train, np.arange(N)),
        selection=validation,
    )
    assert (other.table() != 1).any()
    torch.testing.assert_close(after.weights, other.table(), rtol=1e-5, atol=1e-6)


class Killed(Exception):
    pass


class KillAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, epoch, record):
        if epoch == self.epoch:
            raise Killed


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_killed_run_goes_on_to_the_same_weights(tmp_path: Path, at):
    def mixer():
        return Amal(reuse_states=True, **SCHEDULE)

    options = {"dropout": 0.3, "max_epochs": 5}
    whole_model, whole = fit(mixer(), **options)
    path = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        fit(mixer(), callbacks=[KillAt(at)], checkpoint=path, **options)
    model, result = fit(mixer(), checkpoint=path, **options)
    assert torch.equal(result.weights, whole.weights) and result.refreshes == whole.refreshes
    for name, value in model.state_dict().items():
        assert torch.equal(value, whole_model.state_dict()[name])


def test_other_validation_rows_pass_for_themselves():
    _, validation, _ = tables()
    outer = validation.subset(np.arange(9))
    model, _ = fit(Amal(reuse_states=True, **SCHEDULE), outer=outer, max_epochs=4)
    assert model.feature.rows(training=False) == 4 * N_VALIDATION + 3 * 9 + 1


def test_a_refresh_before_the_first_epoch_passes_all_rows():
    model, result = fit(Amal(reuse_states=True, warmup=0, refresh_every=9), max_epochs=2)
    assert result.refreshes == 1
    assert model.feature.rows(training=False) >= N + 2 * N_VALIDATION


def test_linear_models_have_their_features_at_hand():
    train, validation, labels = tables()
    found = []
    for reuse in (False, True):
        mixer = Amal(reuse_states=reuse, **SCHEDULE)
        model = JointModel(LinearModel(D, C).double(), rules_of(labels))
        Trainer(TrainerConfig(max_epochs=4, lr=0.05)).fit(
            model, spear_components(), mixer, train, np.arange(N), selection=validation
        )
        found.append(mixer.table())
    assert torch.equal(*found)


class AnotherLinear(LinearModel):
    """A linear model that does not say so: the head's input are the features, sparse or not."""


def test_sparse_features_that_the_head_takes_as_they_are_pass_as_ever():
    labels, y = synthetic_votes(N + N_VALIDATION, 6, C, seed=0)
    labels = labels.to_unipolar()
    x = sparse.random(N + N_VALIDATION, 70_000, 1e-3, format="csr", random_state=0)
    gold = np.where(np.arange(N) < 15, y[:N], -1)
    found = []
    for reuse in (False, True):
        train = Table(x[:N], gold, labels[:N], n_classes=C)
        validation = Table(x[N:], y[N:], labels[N:], n_classes=C)
        mixer = Amal(reuse_states=reuse, **SCHEDULE)
        feature = AnotherLinear(x.shape[1], C)
        assert not isinstance(train.batch(torch.arange(2)).x, torch.Tensor)
        Trainer(TrainerConfig(max_epochs=3, lr=0.05)).fit(
            *(JointModel(feature, rules_of(labels).float()), spear_components(), mixer, train),
            np.arange(N),
            selection=validation,
        )
        found.append(mixer.table())
    assert (found[0] != 1).any() and torch.equal(*found)
