"""The loop: determinism, resuming bit for bit, AMAL at rate zero, selection, bad numbers."""

import weakref

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from spear_amal.data import synthetic_votes
from spear_amal.errors import FileFormatError
from spear_amal.losses import spear_components
from spear_amal.maths.losses import weighted_objective
from spear_amal.mixers import Amal, Fixed, GradientCosine
from spear_amal.models import MLP, JointModel, LinearModel, RuleModel
from spear_amal.training import Callback, DivergedError, Table, Trainer, TrainerConfig
from spear_amal.training.state import Selection, make_optimiser

N, D, M, C, N_VAL = 61, 11, 5, 3, 29


def data(seed=0, sparse=False):
    rng = np.random.default_rng(seed)
    labels, y = synthetic_votes(N + N_VAL, M, C, seed=seed)
    labels = labels.to_unipolar()
    x = rng.normal(size=(N + N_VAL, D)) + np.eye(C)[y] @ rng.normal(size=(C, D))
    if sparse:
        x = sp.csr_array(np.where(rng.random(x.shape) < 0.4, x, 0))
    observed = np.where(np.arange(N) < 17, y[:N], -1)
    kind = {"n_classes": C, "dtype": torch.float64}
    train = Table(x[:N], observed, labels[:N], **kind)
    validation = Table(x[N:], y[N:], labels[N:], **kind)
    return train, validation, labels


def model_for(labels, feature="linear", seed=0):
    generator = torch.Generator().manual_seed(seed)
    net = LinearModel(D, C) if feature == "linear" else MLP(D, C, (7,), generator)
    k = torch.as_tensor(labels.lf_classes)
    rules = RuleModel(C, k, torch.full((len(k),), 0.8, dtype=torch.float64))
    return JointModel(net.double(), rules.double())


def run(mixer=None, callbacks=(), feature="linear", table=None, seed=0, **options):
    train, validation, labels = data()
    settings = TrainerConfig(**{"max_epochs": 9, "patience": 9, "batch_size": 13, **options})
    model = model_for(labels, feature)
    trainer = Trainer(settings, seed=seed, callbacks=callbacks)
    result = trainer.fit(
        model,
        spear_components(),
        mixer or Fixed(),
        table or train,
        np.arange(N),
        selection=validation,
        fingerprint="a",
    )
    return model, result


def same(one, other):
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def without_time(history):
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


@pytest.mark.parametrize("feature", ["linear", "mlp"])
@pytest.mark.parametrize("off", [{"weight_lr": 0.0}, {"eta_lambda": 0.0}])
def test_amal_at_rate_zero_is_spear_bit_for_bit(off, feature):
    spear, plain = run(Fixed(), feature=feature)
    amal, mixed = run(Amal(**off, warmup=0, refresh_every=1), feature=feature)
    assert mixed.refreshes > 3
    assert same(spear, amal)
    assert [r["val_loss"] for r in plain.history] == [r["val_loss"] for r in mixed.history]


def test_the_loop_equals_spears_objective_written_out():
    """One epoch of the trainer against seven losses summed by hand."""
    train, _, labels = data()
    by_loop, _ = run(Fixed(), max_epochs=1, lr=0.05, lr_rules=0.02)
    by_hand = model_for(labels)
    optimiser = make_optimiser(by_hand, TrainerConfig(lr=0.05, lr_rules=0.02))
    generator = torch.Generator().manual_seed(0)
    components = spear_components()
    for index in torch.arange(N)[torch.randperm(N, generator=generator)].split(13):
        batch = train.batch(index)
        outputs = by_hand(batch)
        total = components.penalty(by_hand)
        for component in components.components:
            on = component.applies(batch)
            if on.any():
                total = total + component.loss(outputs, batch)[on].mean()
        optimiser.zero_grad()
        total.backward()
        optimiser.step()
    for a, b in zip(by_loop.parameters(), by_hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_same_seed_same_result_and_another_seed_another_one():
    first, one = run(Amal(warmup=0), feature="mlp")
    second, two = run(Amal(warmup=0), feature="mlp")
    third, _ = run(Amal(warmup=0), feature="mlp", seed=1)
    assert same(first, second)
    assert torch.equal(one.weights, two.weights)
    assert without_time(one.history) == without_time(two.history)
    assert not same(first, third)


def test_global_random_state_dtype_and_threads_are_left_alone():
    before = torch.get_rng_state(), torch.get_default_dtype(), torch.get_num_threads()
    state = np.random.get_state()[1].copy()  # noqa: NPY002  # the global one is what is checked
    run(Amal(warmup=0), feature="mlp")
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (torch.get_default_dtype(), torch.get_num_threads())
    assert np.array_equal(state, np.random.get_state()[1])  # noqa: NPY002


class Killed(Exception):
    pass


class KillAt(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch(self, epoch, record):
        if epoch == self.epoch:
            raise Killed


@pytest.mark.parametrize("feature", ["linear", "mlp"])
@pytest.mark.parametrize("at", [1, 2, 6])
def test_a_killed_run_continues_to_the_same_result_bit_for_bit(tmp_path, at, feature):
    options = {"feature": feature, "max_epochs": 9, "lr": 0.05}
    whole_model, whole = run(Amal(warmup=1, refresh_every=2), **options)
    path = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        run(Amal(warmup=1, refresh_every=2), [KillAt(at)], checkpoint=path, **options)
    assert path.exists()
    model, result = run(Amal(warmup=1, refresh_every=2), checkpoint=path, **options)
    assert same(model, whole_model)
    assert torch.equal(result.weights, whole.weights)
    assert without_time(result.history) == without_time(whole.history)
    assert (result.best_epoch, result.val_score) == (whole.best_epoch, whole.val_score)
    assert result.refreshes == whole.refreshes


@pytest.mark.parametrize("at", [0, 1, 2, 6])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_killed_run_finds_its_weights_on_disk_again(tmp_path, at, dtype):
    """Killed after weights were learnt, and before the checkpoint that would know of them."""
    learning = {"warmup": 1, "refresh_every": 2, "weight_lr": 4.0}
    _, plain = run(Amal(**learning, table_dtype=dtype), lr=0.05)
    on_disk = Amal(**learning, table_dtype=dtype, table_path=tmp_path / "tables")
    path = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        run(on_disk, [KillAt(at)], checkpoint=path, lr=0.05, checkpoint_every=2)
    model, result = run(on_disk, checkpoint=path, lr=0.05, checkpoint_every=2)
    assert torch.equal(result.weights[:], plain.weights)
    assert torch.equal(result.last_weights[:], plain.last_weights)
    assert not torch.equal(result.weights[:], torch.ones(N, 7))
    assert without_time(result.history) == without_time(plain.history)
    # Those of the best epoch, the last one, and the checkpoint.
    assert len(list((tmp_path / "tables").rglob("*.bin"))) <= (4 if at == 0 else 3)
    again, _ = run(on_disk, checkpoint=path, lr=0.05, checkpoint_every=2)
    assert same(again, model)


def test_a_finished_run_is_not_trained_again(tmp_path):
    path = tmp_path / "run.safetensors"
    first, _ = run(checkpoint=path)
    seen = []

    class Watch(Callback):
        def on_epoch(self, epoch, record):
            seen.append(epoch)

    second, _ = run(checkpoint=path, callbacks=[Watch()])
    assert seen == []
    assert same(first, second)


def test_a_checkpoint_of_another_run_or_a_broken_one_is_refused(tmp_path):
    path = tmp_path / "run.safetensors"
    run(checkpoint=path, max_epochs=2)
    train, validation, labels = data()
    with pytest.raises(FileFormatError, match="other data or settings"):
        Trainer(TrainerConfig(checkpoint=path)).fit(
            model_for(labels),
            spear_components(),
            Fixed(),
            train,
            np.arange(N),
            selection=validation,
            fingerprint="b",
        )
    whole = path.read_bytes()
    for size in (0, 5, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(FileFormatError, match="damaged"):
            run(checkpoint=path)
        assert path.read_bytes() == whole[:size]  # nothing is overwritten


def test_patience_stops_and_the_best_epoch_is_kept():
    _, result = run(max_epochs=200, patience=3, lr=0.2)
    assert len(result.history) < 200
    scores = [(r["val_score"], -r["val_loss"]) for r in result.history]
    assert scores.index(max(scores)) == result.best_epoch
    assert len(result.history) == result.best_epoch + 1 + 3


def test_without_validation_rows_all_epochs_are_trained():
    train, _, labels = data()
    result = Trainer(TrainerConfig(max_epochs=4)).fit(
        model_for(labels), spear_components(), Fixed(), train, np.arange(N)
    )
    assert result.best_epoch == 3
    assert result.val_score is None


def test_selection_prefers_metric_then_loss_then_the_earliest():
    selection = Selection()
    taken = [selection.offer(*o) for o in [(0, 0.5, 2.0), (1, 0.5, 1.0), (2, 0.5, 1.0)]]
    assert taken == [True, True, False]
    assert selection.offer(3, 0.6, 9.0)
    assert not selection.offer(4, 0.5, 0.1)
    assert Selection.from_dict(selection.as_dict()) == selection
    assert Selection.from_dict(Selection().as_dict()) == Selection()


def test_a_loss_that_diverges_is_named():
    train, _, _ = data()
    train.x[3] = torch.inf
    with pytest.raises(DivergedError, match="became nan"):
        run(table=train)


def test_sparse_and_dense_tables_train_alike(monkeypatch):
    tables = []
    for width in (2048, 1):
        monkeypatch.setattr("spear_amal.training.table.DENSE_WIDTH", width)
        train, validation, labels = data(sparse=True)
        model = model_for(labels)
        Trainer(TrainerConfig(max_epochs=3, batch_size=13)).fit(
            model,
            spear_components(),
            Amal(warmup=0),
            train,
            np.arange(N),
            selection=validation,
        )
        tables.append((isinstance(train.x, torch.Tensor), model))
    assert [dense for dense, _ in tables] == [True, False]
    for a, b in zip(tables[0][1].parameters(), tables[1][1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)


def test_batches_without_labelled_rows_train():
    train, _, labels = data()
    batch = train.batch(torch.arange(40, 47))
    components = spear_components()
    model = model_for(labels)
    losses = components.losses(model(batch), batch)
    value = weighted_objective(losses, torch.ones_like(losses), components.applies(batch))
    value.backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_cpu_result_within_rounding():
    models = []
    for device in ("cpu", "cuda"):
        train, validation, labels = data()
        model = model_for(labels).to(device)
        kind = {"n_classes": C, "dtype": torch.float64, "device": device}
        moved = [
            Table(t.x.numpy(), t.y.numpy(), labels[rows], **kind)
            for t, rows in ((train, slice(0, N)), (validation, slice(N, None)))
        ]
        Trainer(TrainerConfig(max_epochs=3)).fit(
            model, spear_components(), Amal(warmup=0), moved[0], np.arange(N), selection=moved[1]
        )
        models.append(model.cpu())
    for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-8)


class Watching(GradientCosine):
    """Sees how many of the steps that it was given are still held when the next one comes."""

    def __init__(self):
        super().__init__()
        self.given, self.held = [], []

    def weights(self, batch, losses):
        self.held.append(sum(one() is not None for one in self.given))
        return super().weights(batch, losses)

    def combine(self, step):
        self.given.append(weakref.ref(step))
        return super().combine(step)


def test_the_graph_of_a_step_is_gone_before_the_next_one_is_built():
    """Else a mixer that takes losses apart would need the memory of two."""
    mixer = Watching()
    run(mixer, feature="mlp", max_epochs=2)
    assert len(mixer.held) == 10
    assert set(mixer.held) == {0}
