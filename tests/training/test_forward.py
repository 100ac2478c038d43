"""Half precision and compiled forward passes: near full precision, only where asked for."""

import shutil

import numpy as np
import pytest
import torch

from spear_amal import SpearClassifier
from spear_amal.batch import Views
from spear_amal.errors import InputError
from spear_amal.models import MLP
from spear_amal.training.checkpoint import Checkpoint
from spear_amal.training.objective import MixedPrecisionForward, make_scaler


@pytest.fixture
def net():
    return MLP(20, 3, (32, 16), torch.Generator().manual_seed(0))


def drawn(n=300, seed=0):
    """Rows of two classes, votes of three LFs, a few gold labels."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    X = (rng.normal(size=(n, 20)) + 0.7 * (2 * y - 1)[:, None]).astype(np.float32)
    votes = np.where(rng.random((n, 3)) < 0.8, y[:, None], 1 - y[:, None])
    votes[rng.random((n, 3)) < 0.4] = -1
    gold = np.where(np.arange(n) < 60, y, -1)
    return X, y, gold, votes


def fitted(**options):
    X, y, gold, votes = drawn()
    held = slice(60, 120)
    model = SpearClassifier.from_options(
        feature_model="mlp", hidden=(16,), mixer="amal", max_epochs=4, patience=4, **options
    )
    return model.fit(X, gold, votes, X[held], y[held], votes[held]).predict_proba(X)


def test_bf16_stays_near_full_precision(net):
    x = torch.randn(64, 20, generator=torch.Generator().manual_seed(1))
    logits, hidden = MixedPrecisionForward(net, "bf16")(x)
    exact, _ = net(x)
    assert logits.dtype == hidden.dtype == torch.float32
    assert not torch.equal(logits, exact)
    torch.testing.assert_close(logits, exact, rtol=0.05, atol=0.01)
    (slope,) = torch.autograd.grad(logits.square().sum(), net.head.weight)
    (expected,) = torch.autograd.grad(exact.square().sum(), net.head.weight)
    torch.testing.assert_close(slope, expected, rtol=0.1, atol=0.02 * float(expected.abs().max()))


def test_what_a_model_adds_comes_back_in_full_precision():
    class Turned(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(4, 2)

        def forward(self, x):
            logits = self.head(x)
            return logits, x, {"views": Views(logits.unsqueeze(1), logits.unsqueeze(1))}

    *_, more = MixedPrecisionForward(Turned(), "bf16")(torch.ones(3, 4))
    assert more["views"].logits.dtype == torch.float32


def test_training_in_bf16_gives_nearly_the_same_probabilities():
    plain, half = fitted(), fitted(precision="bf16")
    assert not np.array_equal(plain, half)
    assert np.abs(plain - half).max() < 0.05
    assert (plain.argmax(1) == half.argmax(1)).mean() > 0.97


def test_compiled_graphs_train_to_the_same_result():
    # The graph is taken down and run without code generation, which needs no compiler.
    np.testing.assert_allclose(fitted(compile="aot_eager"), fitted(), atol=1e-5)


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_compiled_code_gives_what_the_model_gives(net):
    x = torch.randn(8, 20, generator=torch.Generator().manual_seed(1))
    run = MixedPrecisionForward(net, compile=True)
    torch.testing.assert_close(run(x)[0], net(x)[0])


def test_a_backend_that_fails_says_what_to_do(net):
    def broken(graph, inputs):
        raise RuntimeError("no compiler here")

    torch._dynamo.register_backend(broken, name="broken_for_tests")
    with pytest.raises(InputError, match="compile=False"):
        MixedPrecisionForward(net, compile="broken_for_tests")(torch.zeros(2, 20))


def test_fp16_needs_a_gpu(net):
    with pytest.raises(InputError, match="bf16"):
        MixedPrecisionForward(net, "fp16")


def test_half_precision_needs_float32():
    with pytest.raises(InputError, match="float32"):
        fitted(precision="bf16", dtype="float64")


def test_only_fp16_scales_losses():
    assert not make_scaler("bf16").is_enabled()


def test_a_run_in_bf16_resumes_bit_for_bit(tmp_path, monkeypatch):
    options = {"precision": "bf16", "checkpoint": tmp_path / "run.safetensors"}
    save, saved = Checkpoint.save, []

    def killed(self, states):
        save(self, states)
        saved.append(states[0].epoch)
        if states[0].epoch == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", killed)
    with pytest.raises(KeyboardInterrupt):
        fitted(**options)
    np.testing.assert_array_equal(fitted(**options), fitted(precision="bf16"))
    assert saved == [1, 2, 3, 4]
