"""Finding the linear head of a user's network, and watching what goes in and comes out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.loop.model_state import unwrapped

# Share of the sum of sizes; half precision takes less than half of it.
_ROUNDING = 0.02


@dataclass(frozen=True)
class Call:
    """One use of a linear layer: what went in and came out."""

    module: nn.Linear
    hidden: Tensor
    logits: Tensor


@contextmanager
def watched(modules: list[nn.Linear], *, leaves: bool = False) -> Iterator[list[Call]]:
    """Collect the calls of linear layers.

    With `leaves` the layer's output goes on as a leaf that asks for its gradient, so that the
    graph of the network before it is dropped at once.
    """
    calls: list[Call] = []

    def note(module: Any, inputs: tuple[Any, ...], named: dict[str, Any], output: Tensor) -> Any:
        (hidden,) = (*inputs, *named.values())
        if not leaves and output.ndim != 2:  # cannot be logits: attention over long texts, say
            return None
        # Copies, for what follows may write into the output: `logits /= temperature`.
        logits = output.detach().clone().requires_grad_(leaves)
        calls.append(Call(module, hidden.detach(), logits))
        return logits.clone() if leaves else None

    handles = [module.register_forward_hook(note, with_kwargs=True) for module in modules]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """Find the model's linear layers by name."""
    named = unwrapped(model).named_modules()
    return {name: module for name, module in named if isinstance(module, nn.Linear)}


def candidates(model: nn.Module, head: nn.Module | str | None) -> list[nn.Linear]:
    """Layers that may be the head: the one that is named, or all linear ones."""
    layers = linear_layers(model)
    if head is None:
        if not layers:
            raise InputError(
                f"the model, a {type(unwrapped(model)).__name__}, has no nn.Linear module; the "
                "look-ahead needs one whose output are the logits"
            )
        return list(layers.values())
    if isinstance(head, str):
        head = _named(model, head)
    if not isinstance(head, nn.Linear):
        raise InputError(
            f"head must be an nn.Linear module or its name, found {_what(head)}; the model's "
            f"linear modules are {sorted(layers)}"
        )
    return [head]


def _named(model: nn.Module, name: str) -> nn.Module:
    try:
        return unwrapped(model).get_submodule(name)
    except AttributeError:
        raise InputError(
            f"the model has no module {name!r}; its linear modules are "
            f"{sorted(linear_layers(model))}"
        ) from None


def _what(head: object) -> str:
    return f"a {type(head).__name__}" if isinstance(head, nn.Module) else repr(head)


def speaker(calls: list[Call], logits: Tensor, model: nn.Module) -> Call:
    """Find the call whose output the logits are."""
    for call in reversed(calls):
        if call.logits.shape == logits.shape and _same(call.logits, logits):
            return call
    if not calls:
        raise InputError(
            "no linear head was called on rows while validation was gone through: call the model "
            "inside refresh, as the generator ((model(x), y) for x, y in loader) does, and hand "
            "over the model that is called; where it answers by token, flatten what goes into the "
            "head, head(hidden.flatten(0, 1)), not what comes out"
        )
    raise InputError(
        f"the validation logits {tuple(logits.shape)} are not what a linear head gave out "
        f"({sorted({tuple(call.logits.shape) for call in calls})}); hand over the head's output "
        f"as it is. The model's linear modules are {sorted(linear_layers(model))}"
    )


def check_linear(call: Call) -> None:
    """Raise InputError where a subclass of nn.Linear does more than its name says."""
    head, hidden = call.module, call.hidden
    weight = head.weight.detach()
    wide = torch.promote_types(weight.dtype, torch.float32)
    bias = torch.zeros(1).to(weight) if head.bias is None else head.bias.detach()
    if torch.is_autocast_enabled(hidden.device.type):
        return  # it keeps casts of weights, which are old ones where a step was taken meanwhile
    if weight.shape == (call.logits.shape[1], hidden.shape[1]):
        hidden, weight, bias = hidden.to(wide), weight.to(wide), bias.to(wide)
        linear, sizes = hidden @ weight.T + bias, hidden.abs() @ weight.abs().T + bias.abs()
        if bool(((call.logits - linear).abs() <= _ROUNDING * (sizes + 1)).all()):
            return
    raise InputError(
        f"the head, a {type(head).__name__}, does not give out weight @ input + bias (does it "
        "normalise, scale or quantise?), but the look-ahead needs just that; end the model in a "
        "plain nn.Linear, or take a mixer that sees the whole network: gcs, auxilearn, maoal"
    )


def _same(said: Tensor, logits: Tensor) -> bool:
    """Equal as numbers, whatever their dtypes: .float() may stand between."""
    wide = torch.promote_types(said.dtype, logits.dtype)
    return torch.equal(said.to(wide), logits.detach().to(wide))
