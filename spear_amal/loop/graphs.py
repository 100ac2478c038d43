"""Graphs of one training batch and one of validation rows, from a user's own model calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from torch import Tensor, nn

from spear_amal.errors import InputError
from spear_amal.loop.batch_losses import RowLosses, stack_inputs
from spear_amal.loop.model_state import unwrapped
from spear_amal.maths.gradients import reaches


@dataclass(frozen=True)
class CapturedGraphs:
    """What mixers learn from that differentiate through the optimum (see ``GraphsLike``).

    Parameters
    ----------
    parameters : dict of str to Tensor
    applies : Tensor (B, K), bool
    losses : sequence of K Tensors (B,)
        Zeros outside the domains.
    value : Tensor, scalar
        The validation loss.
    """

    parameters: dict[str, Tensor]
    applies: Tensor
    losses: Sequence[Tensor] = field(repr=False)
    value: Tensor = field(repr=False)

    def columns(self) -> Sequence[Tensor]:
        """K losses (B,) of the batch."""
        return self.losses

    def penalty(self) -> float:
        """Nothing: what a loop adds besides its losses stays its own."""
        return 0.0

    def validation_loss(self) -> Tensor:
        """Loss on the validation rows, a scalar."""
        return self.value


def trainable_parameters(model: nn.Module) -> dict[str, Tensor]:
    """Parameters that are trained, by the names that the user's own module gives them."""
    return {name: p for name, p in unwrapped(model).named_parameters() if p.requires_grad}


def check_told_apart(
    losses: RowLosses, names: Sequence[str], parameters: dict[str, Tensor]
) -> None:
    """Raise InputError if losses reach no parameters, or a stacked tensor hides which.

    Gradients would be compared on all parameters, those of a head that only one loss has included.
    """
    nodes = None if losses.told_apart else stack_inputs(losses.stacked)
    ends = losses.columns if nodes is None else [cast(Tensor, _Known(node)) for node in nodes]
    reached = reaches(ends, list(parameters.values()))
    if not bool(reached.any()):
        raise InputError(
            f"none of the losses {list(names)} depends on the {len(parameters)} trainable "
            "parameters of the model that this mixer was given: give it the very model that the "
            "losses come from, not a copy, and with parameters that are trained"
        )
    if nodes is None:
        return
    for name, row in zip(names, reached, strict=True):
        apart = (row != reached[0]).nonzero().flatten().tolist()
        if apart:
            raise InputError(
                f"losses {names[0]!r} and {name!r} reach different parameters (such as "
                f"{list(parameters)[apart[0]]!r}): hand them over by name, as a mapping "
                "{name: losses (rows,)}, so that this mixer tells shared parameters from own ones"
            )


@dataclass(frozen=True)
class _Known:
    """Stands for a tensor of which only the graph node is known."""

    grad_fn: Any
