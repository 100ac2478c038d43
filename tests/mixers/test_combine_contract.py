"""What every mixer must keep in the steps of a run: objective, gradients, state, repetition."""

import copy

import pytest
import torch
from every_mixer import MAKERS, NAMES, PLAIN_AT_FIRST, Run, attached, domain, gradients, same

from spear_amal.maths.losses import weighted_objective
from spear_amal.mixers.fixed import Frozen

EVERY = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
DTYPES = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
ROWS = torch.tensor([7, 2, 11, 0, 5])
NONE = torch.arange(0)


def made(make, on=None):
    mixer = make()
    if on is not None and on.shape[1] == 1 and (isinstance(mixer, Frozen) or drops(mixer)):
        pytest.skip("made for several losses")
    return attached(mixer, on=on)


def drops(mixer):
    return getattr(mixer, "drop", None)


@pytest.mark.parametrize("make", PLAIN_AT_FIRST.values(), ids=PLAIN_AT_FIRST)
@DTYPES
def test_weights_of_one_give_the_unweighted_objective_and_its_gradient(make, dtype):
    """Of losses that agree; those that do not are another matter for mixers that take apart."""
    run = Run(made(make), dtype, on=torch.ones_like(domain()), alike=True)
    run.mixer.attach(len(run.on), NAMES, run.on, torch.ones(3, dtype=torch.bool))
    step = run.prepare(ROWS, weights=torch.ones(len(ROWS), 3, dtype=dtype))
    plain = weighted_objective(step.losses, torch.ones_like(step.losses), step.applies)
    expected = gradients(plain, run.network)
    step = run.prepare(ROWS, weights=torch.ones(len(ROWS), 3, dtype=dtype))
    value = run.mixer.combine(step)
    found = gradients(value, run.network)
    assert value.dtype == dtype
    assert value.ndim == 0
    # Others add the same numbers up in another order, or in double precision.
    exact = not (run.mixer.separates or run.mixer.needs_graphs)
    tolerance = {"rtol": 0, "atol": 0} if exact else {}
    torch.testing.assert_close(value, plain, **tolerance)
    assert found.keys() == expected.keys()
    for name, gradient in found.items():
        torch.testing.assert_close(gradient, expected[name], **tolerance)


@EVERY
@DTYPES
def test_a_step_leaves_its_inputs_alone(make, dtype):
    run = Run(made(make), dtype)
    run.learn(ROWS)
    assert all(parameter.grad is None for parameter in run.network.parameters())
    before = copy.deepcopy(run.network.state_dict())
    step = run.prepare(ROWS)
    held = [step.losses, step.weights, step.applies, *step.columns]
    copies = [tensor.detach().clone() for tensor in held]
    assert not step.weights.requires_grad
    value = run.mixer.combine(step)
    assert all(parameter.grad is None for parameter in run.network.parameters())
    value.backward()
    assert all(torch.equal(*pair) for pair in zip(held, copies, strict=True))
    assert same(run.network.state_dict(), before)
    assert step.weights.grad is None


@EVERY
@pytest.mark.parametrize("n_losses", [1, 3])
@pytest.mark.parametrize("n_rows", [1, 5])
@pytest.mark.parametrize("empty", ["none", "first", "last", "all"])
def test_few_rows_few_losses_and_domains_without_rows(make, n_losses, n_rows, empty):
    on = domain(n_losses)
    on[:, {"none": NONE, "first": 0, "last": -1, "all": slice(None)}[empty]] = False
    run = Run(made(make, on), on=on)
    for _ in range(3):
        value, found = run.step(n_rows)
        assert torch.isfinite(value)
        assert all(torch.isfinite(gradient).all() for gradient in found.values())
    if empty == "all":
        assert all((gradient == 0).all() for gradient in found.values())
    elif empty == "last":  # nobody's head is moved by a loss that applies nowhere
        assert not any(
            found[name].any() for name in found if name.startswith(f"heads.{n_losses - 1}")
        )
    for name, mean in run.mixer.mean_weights(torch.arange(len(on))).items():
        assert name in NAMES
        assert mean >= 0


@EVERY
@DTYPES
def test_the_same_seed_gives_the_same_run(make, dtype):
    one, other = (Run(made(make), dtype) for _ in range(2))
    for _ in range(5):
        (value, found), (again, repeated) = one.step(), other.step()
        assert torch.equal(value, again)
        assert same(found, repeated)
    assert same(one.mixer.state_dict(), other.mixer.state_dict())


@EVERY
@DTYPES
@pytest.mark.parametrize("told", [False, True], ids=["within-epoch", "after-epoch"])
def test_state_goes_out_and_in_between_steps_and_the_run_goes_on_bit_for_bit(make, dtype, told):
    run = Run(made(make), dtype)
    rows = torch.arange(len(run.on))
    for _ in range(3):
        run.step()
    if told:
        run.mixer.mean_weights(rows)
    state = run.mixer.state_dict()
    assert all(isinstance(value, torch.Tensor) for value in state.values())
    assert not any(value.requires_grad for value in state.values())
    kept = {name: value.clone() for name, value in state.items()}
    other = run.fork(made(make))
    other.mixer.load_state_dict(state)
    for _ in range(4):
        (value, found), (again, repeated) = run.step(), other.step()
        assert torch.equal(value, again)
        assert same(found, repeated)
    assert same(state, kept)  # copies on the way out and on the way in
    assert same(run.mixer.state_dict(), other.mixer.state_dict())
    for what in ("mean_weights", "module_weights"):
        told_of = (rows,) if what == "mean_weights" else ()
        assert getattr(run.mixer, what)(*told_of) == getattr(other.mixer, what)(*told_of)


@EVERY
def test_attaching_again_starts_anew(make):
    fresh = Run(made(make))
    used = Run(made(make))
    for _ in range(3):
        used.step()
    again = Run(attached(used.mixer))
    assert same(again.mixer.state_dict(), fresh.mixer.state_dict())
    assert again.mixer.mean_weights(ROWS) == fresh.mixer.mean_weights(ROWS)
    for _ in range(3):
        (value, found), (repeated, gradient) = fresh.step(), again.step()
        assert torch.equal(value, repeated)
        assert same(found, gradient)


@EVERY
def test_a_copy_shares_nothing_with_the_mixer_it_was_taken_from(make):
    run = Run(made(make))
    run.step()
    before = {name: value.clone() for name, value in run.mixer.state_dict().items()}
    other = run.fork(copy.deepcopy(run.mixer))
    for _ in range(3):
        other.step()
    assert same(run.mixer.state_dict(), before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@EVERY
def test_a_run_on_a_gpu_is_that_on_a_cpu(make):
    run = Run(made(make), torch.float64)
    other = Run(attached(make(), on=domain().cuda()), torch.float64, device="cuda")
    for _ in range(5):
        (value, found), (again, repeated) = run.step(), other.step()
        torch.testing.assert_close(again.cpu(), value)
        torch.testing.assert_close({name: g.cpu() for name, g in repeated.items()}, found)
    rows = torch.arange(len(run.on))
    assert other.mixer.mean_weights(rows) == pytest.approx(run.mixer.mean_weights(rows))
    state = other.mixer.state_dict()
    other.mixer.load_state_dict({name: value.cpu() for name, value in state.items()})
    other.step()
