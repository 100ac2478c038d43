"""Slopes of losses by what the models say of a row, in closed form, summed over losses.

A loss on log-probabilities ``log p = z - logsumexp(z)`` pulls them up by ``u = -d l / d log p``,
which is short: a cross-entropy pulls by 1, at the class that it wants. The derivative by the
logits z,

    d l / d z_c = p_c sum_d u_d - u_c,

is taken once, of the sum.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from torch import Tensor

from spear_amal.batch import Outputs
from spear_amal.tensors.layout import is_class_by_class


@dataclass(eq=False)
class Slopes:
    """Where losses add their weighted slopes on B rows.

    Attributes
    ----------
    outputs : Outputs
        Without a graph.
    pull_p, by_logits : Tensor (B, C)
        Minus the derivative by the feature model's log-probabilities, and the derivative by its
        logits themselves. Or (K, B, C): those of K losses.
    pull_q, by_rule_logits : Tensor
        The same of the rule model; not to be touched without LFs.
    """

    outputs: Outputs
    pull_p: Tensor
    by_logits: Tensor
    pull_q: Tensor
    by_rule_logits: Tensor

    @classmethod
    def zeros(cls, outputs: Outputs, *n_losses: int) -> Slopes:
        """Make an empty sum, or one for each of `n_losses`, laid out as the logits are."""
        n, n_classes = outputs.logits.shape
        n_parts = 2 if outputs.rule_logits is None else 4
        if is_class_by_class(outputs.logits):
            zeros = outputs.logits.new_zeros(n_parts, *n_losses, n_classes, n).mT
        else:
            zeros = outputs.logits.new_zeros(n_parts, *n_losses, n, n_classes)
        parts = zeros.unbind()
        return cls(outputs, *parts, *([cast(Tensor, None)] * (4 - n_parts)))

    def apart(self) -> list[Slopes]:
        """Return the sums of K losses one by one."""
        parts = (self.pull_p, self.by_logits, self.pull_q, self.by_rule_logits)
        by_loss = [part.unbind() for part in parts if part is not None]
        missing = [cast(Tensor, None)] * (4 - len(by_loss))
        return [Slopes(self.outputs, *own, *missing) for own in zip(*by_loss, strict=True)]

    def total(self) -> tuple[Tensor, Tensor | None]:
        """Compute the slopes by the logits and, with LFs, by the rule model's; ends the sum."""
        outputs = self.outputs
        _add_pull(self.by_logits, self.pull_p, outputs.p)
        if outputs.rule_logits is not None:
            _add_pull(self.by_rule_logits, self.pull_q, outputs.q)
        return self.by_logits, self.by_rule_logits


def _add_pull(by_logits: Tensor, pull: Tensor, p: Tensor) -> None:
    """Add to `by_logits` what a pull on the log-probabilities is by the logits."""
    by_logits.addcmul_(p, pull.sum(-1, keepdim=True)).sub_(pull)
