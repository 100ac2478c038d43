"""A training step asks the device for no number: each such question makes a GPU wait."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.linear_model import LogisticRegression
from torch.utils._python_dispatch import TorchDispatchMode

from spear_amal import DistilledClassifier, RuleModelConfig, SpearClassifier, TrainerConfig
from spear_amal.mixers import Amal
from spear_amal.training import Table, trainer
from spear_amal.training.lock_step.engine import LockStep

# Operators whose result's size or value the host must know before it goes on.
WAITING = {"_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim"}


class Watch(TorchDispatchMode):
    """Notes operators that a GPU would have to finish before the host goes on."""

    def __init__(self):
        super().__init__()
        self.found, self.calls = [], 0
        self.members = set()  # of lock steps that were watched

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.calls += 1
        name = func.overloadpacket.__name__
        masks = name.startswith("index") and any(
            one is not None and one.dtype in (torch.bool, torch.uint8)
            for one in (args[1] if isinstance(args[1], list | tuple) else ())
        )
        if name in WAITING or masks:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


@pytest.fixture
def watch(monkeypatch):
    """Watch the making of batches, forward and backward passes, and all that a lock step does.

    Alone the optimiser has its own ways.
    """
    watch = Watch()
    batch, step = Table.batch, trainer._train_batch
    steps = LockStep._train_steps

    def watched_steps(self, schedule, chunk):
        watch.members.add(len(self.runs))
        with watch:
            return steps(self, schedule, chunk)

    def watched_batch(self, index, augmented=False):
        if not augmented:  # not of training
            return batch(self, index)
        with watch:
            return batch(self, index, augmented=True)

    def watched_step(state, *given):
        optimise = state.optimiser.step
        with watch, monkeypatch.context() as patch:
            patch.setattr(state.optimiser, "step", lambda *a, **k: unwatched(optimise))
            return step(state, *given)

    def unwatched(optimise):
        with torch.utils._python_dispatch._disable_current_modes():
            return optimise()

    monkeypatch.setattr(Table, "batch", watched_batch)
    monkeypatch.setattr(trainer, "_train_batch", watched_step)
    monkeypatch.setattr(LockStep, "_train_steps", watched_steps)
    return watch


def drawn(n=120, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = rng.normal(size=(n, 6)).astype(np.float32) + y[:, None]
    votes = np.where(rng.random((n, 3)) < 0.6, y[:, None], -1)
    return X, y, np.where(np.arange(n) < 40, y, -1), votes


@pytest.mark.parametrize("mixer", ["fixed", "amal", "uncertainty"])
@pytest.mark.parametrize("feature_model", ["linear", "mlp"])
def test_steps_of_spear_wait_for_nothing(watch, mixer, feature_model):
    X, y, gold, votes = drawn()
    mixer = Amal(warmup=0, refresh_every=1) if mixer == "amal" else mixer
    SpearClassifier(
        feature_model=feature_model,
        hidden=(8,),
        mixer=mixer,
        trainer=TrainerConfig(max_epochs=2),
        rule_model=RuleModelConfig(losses="1234567"),
    ).fit(X, gold, votes, X[40:60], y[40:60], votes[40:60])
    assert watch.calls > 100
    assert watch.found == []


@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("mixer", ["fixed", "amal"])
def test_steps_of_folds_wait_for_nothing(watch, mixer, wide, monkeypatch):
    X, _, gold, votes = drawn()
    if wide:
        monkeypatch.setattr("spear_amal.training.table.DENSE_WIDTH", 1)
        X = sp.csr_array(X)
    SpearClassifier(
        mixer=Amal(warmup=0, refresh_every=1) if mixer == "amal" else mixer,
        fit_strategy="crossfit",
        n_folds=3,
        prior_correction=True,
        trainer=TrainerConfig(max_epochs=2),
    ).fit(X, gold, votes)
    assert watch.members == {3}
    assert watch.calls > 100
    assert watch.found == []


def test_steps_of_distillation_wait_for_nothing(watch):
    X, y, gold, _ = drawn()
    teacher = LogisticRegression().fit(X[:40], y[:40])
    DistilledClassifier(
        student="mlp",
        hidden=(8,),
        teachers=[teacher],
        mixer_options={"warmup": 0},
        trainer=TrainerConfig(max_epochs=2),
    ).fit(X, gold, X_val=X[40:60], y_val=y[40:60])
    assert watch.calls > 100
    assert watch.found == []


def test_the_watch_sees_questions():
    with Watch() as watch:
        torch.ones(3).sum().item()
        torch.ones(3)[torch.ones(3) > 0]
    assert {"_local_scalar_dense"} <= set(watch.found)
    assert len(watch.found) >= 2
