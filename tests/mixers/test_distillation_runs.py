"""Whole runs under each of distillation's mixers: killed ones go on, and rows are chosen."""

import numpy as np
import pytest
import torch

from spear_amal.losses import ComponentSet, LabelCrossEntropy, teacher_components
from spear_amal.mixers import Amal
from spear_amal.mixers.alm_kd import AlmKd
from spear_amal.mixers.crust import Crust
from spear_amal.mixers.dgkd import DGKD
from spear_amal.mixers.superloss import SuperLoss
from spear_amal.models import MLP, JointModel
from spear_amal.training import Callback, Table, Trainer, TrainerConfig

N, D, C, T, N_VAL = 61, 11, 3, 2, 29
B = 13
SOON = {"refresh_every": 2, "warmup": 1, "group_size": 17}
MAKERS = {
    "amal": lambda: Amal.preset("distillation", **SOON),
    "alm-kd": lambda: AlmKd(**SOON),
    "superloss": lambda: SuperLoss(tau="mean"),
    "crust": lambda: Crust(start_epoch=1, radius=0.5, group_size=17),
    "dgkd": lambda: DGKD(0.5),
    "dgkd-drop": lambda: DGKD(drop=1),
}
EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)


class Killed(Exception):
    pass


class KillAt(Callback):
    def on_epoch(self, epoch, record):
        if epoch == 2:
            raise Killed


def run(mixer, callbacks=(), device="cpu", **options):
    rng = np.random.default_rng(0)
    y = rng.integers(0, C, N + N_VAL)
    x = rng.normal(size=(N + N_VAL, D)) + 2 * np.eye(C, D)[y]
    teachers = 3 * np.eye(C)[y][:, None] + rng.normal(size=(N + N_VAL, T, C))
    teachers[5:7] = np.nan
    observed = np.where(np.arange(N) < 3, -1, y[:N])
    kind = {"n_classes": C, "dtype": torch.float64, "device": device}
    train = Table(x[:N], observed, teachers=teachers[:N], **kind)
    held = Table(x[N:], y[N:], teachers=teachers[N:], **kind)
    model = JointModel(MLP(D, C, (7,), torch.Generator().manual_seed(1)).double()).to(device)
    settings = TrainerConfig(**{"max_epochs": 5, "batch_size": B, "lr": 0.05, **options})
    result = Trainer(settings, callbacks=callbacks).fit(
        model,
        ComponentSet([LabelCrossEntropy(), *teacher_components(T)]),
        mixer,
        train,
        np.arange(N),
        selection=held,
        fingerprint="a",
    )
    return model, result, mixer


def same(one, other):
    return (
        all(torch.equal(a, other[name]) for name, a in one.items()) and one.keys() == other.keys()
    )


@EVERY
@pytest.mark.parametrize("every", [1, 2])
def test_a_killed_run_continues_to_the_same_result_bit_for_bit(tmp_path, make, every):
    """With a checkpoint every second epoch, an epoch is done again."""
    whole_model, whole, whole_mixer = run(make(), checkpoint_every=every)
    path = tmp_path / "run.safetensors"
    with pytest.raises(Killed):
        run(make(), [KillAt()], checkpoint=path, checkpoint_every=every)
    assert path.exists()
    model, result, mixer = run(make(), checkpoint=path, checkpoint_every=every)
    assert same(model.state_dict(), whole_model.state_dict())
    assert same(mixer.state_dict(), whole_mixer.state_dict())
    drop = [[{**record, "seconds": 0} for record in r.history] for r in (result, whole)]
    assert drop[0] == drop[1]


@pytest.mark.parametrize("name", ["amal", "alm-kd"])
def test_weights_move_and_are_reported(name):
    _, result, mixer = run(MAKERS[name]())
    assert result.refreshes == 2
    first, last = (result.history[epoch]["weight/teacher0"] for epoch in (0, 4))
    assert first == pytest.approx(0.9, abs=0.01)  # ALM-KD's is 1 on the 3 rows without a label
    assert last != first
    if name == "alm-kd":
        table, mixed = result.weights, mixer.mixed
        rest = 1 - torch.where(mixed, table, 0.0).amax(1)
        shared = mixed.any(1)
        assert torch.equal(table[shared, 0], rest[shared])
        assert (table[~shared] == 1).all()


def test_crust_trains_on_half_of_the_rows_from_its_first_choice_on():
    visited = []

    class Watched(Crust):
        def weights(self, batch, losses):
            visited[-1].extend(batch.index.tolist())
            return super().weights(batch, losses)

        def visits(self, rows, epoch):
            visited.append([])
            return super().visits(rows, epoch)

    run(Watched(start_epoch=2), max_epochs=4, patience=9)
    assert [len(set(rows)) for rows in visited[:2]] == [N, N]
    for rows in visited[2:]:
        assert len(rows) == len(set(rows))
        assert abs(len(rows) - N / 2) <= C + 1  # rounded per class


@EVERY
@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_the_cpu_result_within_rounding(make):
    (here, _, mine), (there, _, its) = (run(make(), device=d) for d in ("cpu", "cuda"))
    for a, b in zip(here.parameters(), there.parameters(), strict=True):
        torch.testing.assert_close(a, b.cpu(), rtol=0, atol=1e-4)  # weights are single precision
    for name, value in mine.state_dict().items():
        torch.testing.assert_close(value, its.state_dict()[name].cpu(), rtol=0, atol=1e-4)
