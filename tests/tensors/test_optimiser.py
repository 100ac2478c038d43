"""Our Adam and SGD against torch's, bit for bit, and their state on its way through a file."""

from __future__ import annotations

import pytest
import torch

from spear_amal.tensors.optimiser import Optimiser, step_all

KINDS = [("adam", 0.0, False), ("sgd", 0.0, False), ("sgd", 0.9, False), ("sgd", 0.9, True)]


def parameters(seed: int, dtype: torch.dtype) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(shape, generator=generator, dtype=dtype) for shape in ((5, 3), (7,))]


def with_gradients(tensors: list[torch.Tensor], step: int) -> None:
    for i, tensor in enumerate(tensors):
        generator = torch.Generator().manual_seed(100 * step + i)
        tensor.grad = torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)


def ours(tensors: list[torch.Tensor], kind: str, momentum: float, nesterov: bool) -> Optimiser:
    groups = [
        {"params": [tensors[0]], "lr": 0.1, "weight_decay": 0.02},
        {"params": [tensors[1]], "lr": 0.01},
    ]
    return Optimiser(groups, kind, momentum, nesterov)


def theirs(
    tensors: list[torch.Tensor], kind: str, momentum: float, nesterov: bool
) -> torch.optim.Optimizer:
    groups = ours(tensors, kind, momentum, nesterov).param_groups
    if kind == "adam":
        return torch.optim.Adam(groups, fused=True)
    return torch.optim.SGD(groups, momentum=momentum, nesterov=nesterov, fused=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("kind", "momentum", "nesterov"), KINDS)
def test_steps_are_those_of_torch(
    kind: str, momentum: float, nesterov: bool, dtype: torch.dtype
) -> None:
    mine, other = parameters(0, dtype), parameters(0, dtype)
    optimiser, reference = (
        ours(mine, kind, momentum, nesterov),
        theirs(other, kind, momentum, nesterov),
    )
    for step in range(6):
        with_gradients(mine, step)
        with_gradients(other, step)
        if step == 4:  # as a schedule changes it
            optimiser.param_groups[0]["lr"] = reference.param_groups[0]["lr"] = 0.05
        optimiser.step()
        reference.step()
        for a, b in zip(mine, other, strict=True):
            assert torch.equal(a, b)


@pytest.mark.parametrize(("kind", "momentum", "nesterov"), KINDS)
def test_many_step_in_one_call_as_alone(kind: str, momentum: float, nesterov: bool) -> None:
    together = [parameters(seed, torch.float32) for seed in range(3)]
    alone = [parameters(seed, torch.float32) for seed in range(3)]
    many = [ours(tensors, kind, momentum, nesterov) for tensors in together]
    singles = [ours(tensors, kind, momentum, nesterov) for tensors in alone]
    many[1].param_groups[0]["lr"] = singles[1].param_groups[0]["lr"] = 0.3
    for step in range(5):
        for tensors in (*together, *alone):
            with_gradients(tensors, step)
        stepping = [0, 2] if step == 2 else [0, 1, 2]  # one member waits
        step_all([many[i] for i in stepping])
        for i in stepping:
            singles[i].step()
    for a, b in zip(together, alone, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_parameters_without_a_gradient_stay() -> None:
    tensors = parameters(0, torch.float32)
    before = tensors[1].clone()
    with_gradients(tensors, 0)
    tensors[1].grad = None
    optimiser = ours(tensors, "adam", 0.0, False)
    optimiser.step()
    assert torch.equal(tensors[1], before)
    assert {name.split(".")[0] for name in optimiser.tensors()} == {"0"}


@pytest.mark.parametrize(("kind", "momentum", "nesterov"), KINDS)
def test_a_restored_state_goes_on_bit_for_bit(kind: str, momentum: float, nesterov: bool) -> None:
    tensors = parameters(0, torch.float32)
    optimiser = ours(tensors, kind, momentum, nesterov)
    for step in range(3):
        with_gradients(tensors, step)
        optimiser.step()
    copies = [tensor.clone() for tensor in tensors]
    restored = ours(copies, kind, momentum, nesterov)
    restored.load({name: value.clone() for name, value in optimiser.tensors().items()})
    for pair in ((tensors, optimiser), (copies, restored)):
        with_gradients(pair[0], 3)
        pair[1].step()
    assert all(torch.equal(a, b) for a, b in zip(tensors, copies, strict=True))


def test_a_state_of_another_shape_is_refused() -> None:
    optimiser = ours(parameters(0, torch.float32), "adam", 0.0, False)
    with pytest.raises(ValueError, match="shape"):
        optimiser.load({"0.exp_avg": torch.zeros(2)})
