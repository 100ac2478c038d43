"""Adam and SGD over lists of tensors: one kernel for the parameters of one model, or of many.

The kernels are those of ``torch.optim`` with ``fused=True``. Its classes are not used: making the
first of them imports torch's compiler, which takes seconds, and each steps by itself, where models
in lock step want one call for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor

BETAS, EPS = (0.9, 0.999), 1e-8  # of Kingma and Ba, "Adam", 2015


class Optimiser:
    """Adam or SGD with a learning rate and a weight decay for each group of parameters.

    Parameters
    ----------
    groups : sequence of dict
        "params" (tensors), "lr" and "weight_decay" of each; rates may be changed between steps.
    kind : {"adam", "sgd"}
    momentum, nesterov
        Of SGD.

    Attributes
    ----------
    param_groups : list of dict
        As given.
    """

    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        kind: str = "adam",
        momentum: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        self.param_groups = [{"weight_decay": 0.0, **group} for group in groups]
        self.kind, self.momentum, self.nesterov = kind, momentum, nesterov
        self._state: dict[int, dict[str, Tensor]] = {}  # by number of the parameter

    @property
    def settings(self) -> tuple[Any, ...]:
        """Return what optimisers that step in one call have in common, beside the rates."""
        return self.kind, self.momentum, self.nesterov

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Remove the gradients."""
        for group in self.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def step(self) -> None:
        """Move one step along the gradients; parameters without one stay."""
        step_all([self])

    def _entries(self) -> Iterable[tuple[tuple[float, float], Tensor, dict[str, Tensor]]]:
        """Rate and decay, parameter, and its state, of the parameters that have a gradient."""
        i = 0
        for group in self.param_groups:
            rates = (group["lr"], group["weight_decay"])
            for parameter in group["params"]:
                if parameter.grad is not None:
                    if i not in self._state:
                        self._state[i] = self._begin(parameter)
                    yield rates, parameter, self._state[i]
                i += 1

    def _begin(self, parameter: Tensor) -> dict[str, Tensor]:
        if self.kind == "sgd":
            # Zeros stand for none: with neither dampening nor history both give the gradient.
            return {"momentum_buffer": torch.zeros_like(parameter)} if self.momentum else {}
        return {
            "step": torch.zeros((), dtype=torch.float32, device=parameter.device),
            "exp_avg": torch.zeros_like(parameter),
            "exp_avg_sq": torch.zeros_like(parameter),
        }

    def tensors(self) -> dict[str, Tensor]:
        """Return moments, momentum and counts of steps by ``"<parameter>.<key>"``; not copies."""
        return {
            f"{i}.{key}": value for i, kept in self._state.items() for key, value in kept.items()
        }

    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore copies of what :meth:`tensors` returned."""
        self._state = {}
        parameters = [p for group in self.param_groups for p in group["params"]]
        for name, value in tensors.items():
            i, key = name.split(".", 1)
            like = parameters[int(i)]
            if key != "step" and value.shape != like.shape:
                raise ValueError(f"state of shape {tuple(value.shape)} for {tuple(like.shape)}")
            dtype = value.dtype if key == "step" else like.dtype
            copied = value.to(device=like.device, dtype=dtype, copy=True)
            self._state.setdefault(int(i), {})[key] = copied


def step_all(optimisers: Sequence[Optimiser]) -> None:
    """Move each by one step; those with equal settings and rates share one call of the kernel."""
    for step in plan_steps(optimisers):
        step()


@torch.no_grad()
def plan_steps(optimisers: Sequence[Optimiser]) -> list[Callable[[], None]]:
    """Return what to call for one step of each, as often as parameters and rates are the same.

    Gradients are looked up once: they must be written to where they are.
    """
    calls: dict[tuple[Any, ...], list[tuple[Tensor, dict[str, Tensor]]]] = {}
    for optimiser in optimisers:
        for rates, parameter, state in optimiser._entries():
            calls.setdefault((optimiser.settings, rates), []).append((parameter, state))
    return [_plan(settings, rates, entries) for (settings, rates), entries in calls.items()]


def _plan(
    settings: tuple[Any, ...],
    rates: tuple[float, float],
    entries: Sequence[tuple[Tensor, dict[str, Tensor]]],
) -> Callable[[], None]:
    """Return the call of a kernel for parameters with their states."""
    (kind, momentum, nesterov), (lr, decay) = settings, rates
    parameters = [parameter for parameter, _ in entries]
    gradients = [cast(Tensor, parameter.grad) for parameter in parameters]
    if kind == "sgd":
        buffers = [state["momentum_buffer"] for _, state in entries] if momentum else []

        @torch.no_grad()
        def sgd() -> None:
            torch._fused_sgd_(
                parameters,
                gradients,
                buffers,
                weight_decay=decay,
                momentum=momentum,
                lr=lr,
                dampening=0.0,
                nesterov=nesterov,
                maximize=False,
                is_first_step=False,
            )

        return sgd
    means, squares, counts = (
        [state[name] for _, state in entries] for name in ("exp_avg", "exp_avg_sq", "step")
    )

    @torch.no_grad()
    def adam() -> None:
        torch._foreach_add_(counts, 1)
        torch._fused_adam_(
            parameters,
            gradients,
            means,
            squares,
            [],
            counts,
            lr=lr,
            beta1=BETAS[0],
            beta2=BETAS[1],
            weight_decay=decay,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )

    return adam
