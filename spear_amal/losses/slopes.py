"""Slopes of losses by what the models say of a row, in closed form, summed over losses.

A loss on log-probabilities ``log p = z - logsumexp(z)`` pulls them up by ``u = -d l / d log p``,
which is short: a cross-entropy pulls by 1, at the class that it wants. The derivative by the
logits z,

    d l / d z_c = p_c sum_d u_d - u_c,

is taken once, of the sum.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from spear_amal.batch import Outputs


@dataclass(frozen=True)
class Slopes:
    """Where losses add their weighted slopes on B rows.

    Attributes
    ----------
    outputs : Outputs
        Without a graph.
    pull_p, pull_q : Tensor (B, C)
        Minus the derivatives by the log-probabilities of the feature model and of the rules.
    by_logits, by_rule_logits : Tensor (B, C)
        Derivatives by the scores themselves.
    """

    outputs: Outputs
    pull_p: Tensor
    pull_q: Tensor
    by_logits: Tensor
    by_rule_logits: Tensor

    @classmethod
    def zeros(cls, outputs: Outputs, n_losses: int | None = None) -> Slopes:
        """Make an empty sum, or one for each of `n_losses` that are kept apart: (B, K, C)."""
        n, n_classes = outputs.logits.shape
        shape = (n, n_classes) if n_losses is None else (n, n_losses, n_classes)
        return cls(outputs, *outputs.logits.new_zeros(4, *shape).unbind())

    def of(self, loss: int) -> Slopes:
        """Return where one of the losses that are kept apart adds its own."""
        parts = (self.pull_p, self.pull_q, self.by_logits, self.by_rule_logits)
        return Slopes(self.outputs, *(part[:, loss] for part in parts))

    def total(self) -> tuple[Tensor, Tensor | None]:
        """Compute the slopes by the logits and, with LFs, by the rule model's; ends the sum."""
        outputs = self.outputs
        _through_softmax(self.pull_p, outputs.p, self.by_logits)
        if outputs.rule_logits is None:
            return self.by_logits, None
        _through_softmax(self.pull_q, outputs.q, self.by_rule_logits)
        return self.by_logits, self.by_rule_logits


def _through_softmax(pull: Tensor, p: Tensor, by_logits: Tensor) -> None:
    """Add to `by_logits` what `pull` on the log-probabilities is by the logits."""
    p = p if pull.ndim == 2 else p.unsqueeze(1)
    by_logits.addcmul_(p, pull.sum(-1, keepdim=True)).sub_(pull)
