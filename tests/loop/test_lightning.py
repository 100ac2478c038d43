"""A Lightning run with a mixer does what a plain loop does, and continues where it was stopped."""

import sys

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from spear_amal.errors import InputError, MissingExtraError
from spear_amal.loop import LossMixer

pl = pytest.importorskip("lightning.pytorch")
from spear_amal.loop.lightning import MixerCallback  # noqa: E402

N, N_VAL, B, D, H, C = 29, 13, 7, 5, 11, 3
NAMES = ["label", "teacher"]


def table(n, seed):
    g = torch.Generator().manual_seed(seed)
    y, t = (torch.randint(C, (n,), generator=g) for _ in range(2))
    return TensorDataset(torch.arange(n), torch.randn(n, D, generator=g), y, t)


TRAIN, VAL = table(N, 0), table(N_VAL, 1)


class Net(pl.LightningModule):
    def __init__(self, mixer="amal", **options):
        super().__init__()
        torch.manual_seed(3)
        self.body, self.head = nn.Linear(D, H), nn.Linear(H, C)
        self.mixer = LossMixer(mixer, NAMES, n_rows=N, model=self, **options)
        self.seen = []

    def forward(self, x):
        return self.head(torch.tanh(self.body(x)))

    def row_losses(self, batch):
        rows, x, y, t = batch
        logits = self(x)
        self.seen.append((self.training, logits.dtype))
        label, teacher = (cross_entropy(logits, target, reduction="none") for target in (y, t))
        return rows, {"label": label, "teacher": teacher}

    def answers(self, batch):
        return self(batch[1]), batch[2]

    def training_step(self, batch, _):
        rows, losses = self.row_losses(batch)
        return self.mixer(losses, rows)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.5)


def callback(net, **given):
    loaders = {"train": DataLoader(TRAIN, 2 * B), "validation": DataLoader(VAL, B)}
    return MixerCallback(net.mixer, Net.row_losses, Net.answers, **{**loaders, **given})


def trainer(folder, callbacks, epochs=3, **options):
    quiet = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    return pl.Trainer(
        **{"max_epochs": epochs, "accelerator": "cpu", **dict.fromkeys(quiet, False), **options},
        callbacks=callbacks,
        default_root_dir=folder,
    )


def fitted(folder, mixer="amal", epochs=3, **options):
    net = Net(mixer, **({"warmup": 1, "refresh_every": 1} if mixer == "amal" else {}))
    run = trainer(folder, [callback(net)], epochs, **options)
    run.fit(net, DataLoader(TRAIN, B))
    return net, run


def same(one, other):
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(v, w) for (a, v), (b, w) in pairs)


def plain_loop(mixer, epochs=3):
    """What the callback stands for, written out."""
    net = Net(mixer, **({"warmup": 1, "refresh_every": 1} if mixer == "amal" else {}))
    optimiser = net.configure_optimizers()
    held_out = list(DataLoader(VAL, B))
    step = 0
    for epoch in range(epochs):
        if net.mixer.refresh_due(epoch):
            net.mixer.refresh(
                (net.row_losses(batch) for batch in DataLoader(TRAIN, 2 * B)),
                (net.answers(batch) for batch in held_out),
            )
        for batch in DataLoader(TRAIN, B):
            if net.mixer.step_refresh_due():
                net.mixer.refresh(
                    (net.row_losses(b) for b in [batch]),
                    (net.answers(b) for b in [held_out[step % len(held_out)]]),
                )
            optimiser.zero_grad()
            net.training_step(batch, 0).backward()
            optimiser.step()
            step += 1
    return net


@pytest.mark.parametrize("mixer", ["amal", "l2r", "gcs", "uncertainty"])
def test_same_as_a_plain_loop(mixer, tmp_path):
    net, _ = fitted(tmp_path, mixer)
    plain = plain_loop(mixer)
    assert same(net, plain)
    if mixer == "amal":
        assert torch.equal(net.mixer.table(), plain.mixer.table())
        assert net.mixer.table().unique().numel() > 1


def test_refresh_is_in_evaluation_mode_before_epochs_that_want_it(tmp_path):
    net, _ = fitted(tmp_path)
    asked = [training for training, _ in net.seen]
    refresh, epoch = [False] * 3, [True] * 5  # batches of 14 and of 7 out of 29 rows
    assert asked == epoch + refresh + epoch + refresh + epoch
    assert net.training


def test_weights_are_logged(tmp_path):
    net, run = fitted(tmp_path)
    assert {k: float(v) for k, v in run.logged_metrics.items()} == pytest.approx(
        {f"weight/{name}": value for name, value in net.mixer.mean_weights().items()}
    )
    assert {p.name for p in tmp_path.iterdir()} == set()


def test_module_weights_are_logged(tmp_path):
    _, run = fitted(tmp_path, "maoal", epochs=1)
    assert "module/teacher/body" in run.logged_metrics


@pytest.mark.parametrize("accumulate", [1, 2])
def test_bfloat16_and_accumulated_gradients(accumulate, tmp_path):
    net, run = fitted(
        tmp_path, epochs=2, precision="bf16-mixed", accumulate_grad_batches=accumulate
    )
    assert torch.isfinite(net.head.weight).all() and net.head.weight.dtype == torch.float32
    assert run.global_step == 2 * (5 if accumulate == 1 else 3)
    assert (True, torch.bfloat16) in net.seen
    assert net.mixer.table().unique().numel() > 1


@pytest.mark.parametrize("mixer", ["amal", "mwn"])
def test_run_continues_from_a_checkpoint(mixer, tmp_path):
    whole, _ = fitted(tmp_path, mixer, epochs=4)
    _, half = fitted(tmp_path, mixer, epochs=2)
    half.save_checkpoint(tmp_path / "half.ckpt")

    net = Net(mixer, **({"warmup": 1, "refresh_every": 1} if mixer == "amal" else {}))
    rest = trainer(tmp_path, [callback(net)], epochs=4)
    rest.fit(net, DataLoader(TRAIN, B), ckpt_path=tmp_path / "half.ckpt", weights_only=True)
    assert same(net, whole)
    held, wanted = net.mixer.state_dict()["state"], whole.mixer.state_dict()["state"]
    assert held.keys() == wanted.keys() and held
    assert all(torch.equal(held[name], wanted[name]) for name in held)


def test_state_is_of_tensors_names_and_numbers(tmp_path):
    net, run = fitted(tmp_path, epochs=1)
    run.save_checkpoint(tmp_path / "one.ckpt")
    kept = torch.load(tmp_path / "one.ckpt", weights_only=True)["callbacks"]["MixerCallback"]
    assert torch.equal(kept["state"]["lambdas"], net.mixer.table())


@pytest.mark.parametrize(
    ("mixer", "missing", "message"),
    [
        ("amal", ("train",), "needs train:"),
        ("amal", ("row_losses", "answers"), "needs row_losses and answers:"),
        ("l2r", ("validation",), "needs validation:"),
    ],
)
def test_left_out_arguments(mixer, missing, message, tmp_path):
    net = Net(mixer, **({"warmup": 0} if mixer == "amal" else {}))
    made = callback(net)
    for name in missing:
        setattr(made, name, None)
    with pytest.raises(InputError, match=message):
        trainer(tmp_path, [made]).fit(net, DataLoader(TRAIN, B))


def test_empty_validation(tmp_path):
    net = Net("l2r")
    with pytest.raises(InputError, match="validation is empty"):
        trainer(tmp_path, [callback(net, validation=[])]).fit(net, DataLoader(TRAIN, B))


def test_mixers_that_learn_nothing_need_no_data(tmp_path):
    net = Net("fixed")
    trainer(tmp_path, [MixerCallback(net.mixer)], epochs=1).fit(net, DataLoader(TRAIN, B))


def test_without_lightning(monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    monkeypatch.delitem(sys.modules, "spear_amal.loop.lightning")
    with pytest.raises(MissingExtraError, match=r"spear-amal\[lightning\]"):
        import spear_amal.loop.lightning  # noqa: F401
