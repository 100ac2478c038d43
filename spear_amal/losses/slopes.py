"""Slopes of losses by what the models say of a row, in closed form, summed over losses.

A loss on log-probabilities ``log p = z - logsumexp(z)`` has a short derivative by them: one number
per row for a cross-entropy. The derivative by the logits z,

    d l / d z_c = g_c - p_c sum_d g_d,    g = d l / d log p,

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
    by_log_p, by_logits : Tensor (B, C)
        Derivatives by the feature model's log-probabilities, and directly by its logits.
    by_log_q, by_rule_logits : Tensor (B, C)
        The same of the rule model; not to be looked at without LFs.
    """

    outputs: Outputs
    by_log_p: Tensor
    by_logits: Tensor
    by_log_q: Tensor
    by_rule_logits: Tensor

    @classmethod
    def zeros(cls, outputs: Outputs, n_losses: int | None = None) -> Slopes:
        """Make an empty sum, or one for each of `n_losses` that are kept apart: (B, K, C)."""
        n, n_classes = outputs.logits.shape
        shape = (n, n_classes) if n_losses is None else (n, n_losses, n_classes)
        return cls(outputs, *outputs.logits.new_zeros(4, *shape).unbind())

    def of(self, loss: int) -> Slopes:
        """Return where one of the losses that are kept apart adds its own."""
        parts = (self.by_log_p, self.by_logits, self.by_log_q, self.by_rule_logits)
        return Slopes(self.outputs, *(part[:, loss] for part in parts))

    def total(self) -> tuple[Tensor, Tensor | None]:
        """Compute the slopes by the logits and, with LFs, by the rule model's; ends the sum."""
        outputs = self.outputs
        by_logits = _through_softmax(self.by_log_p, outputs.p, self.by_logits)
        if outputs.rule_logits is None:
            return by_logits, None
        return by_logits, _through_softmax(self.by_log_q, outputs.q, self.by_rule_logits)


def _through_softmax(by_log_p: Tensor, p: Tensor, by_logits: Tensor) -> Tensor:
    """Add to `by_logits` what `by_log_p` is by the logits."""
    p = p if by_log_p.ndim == 2 else p.unsqueeze(1)
    mass = by_log_p.sum(-1, keepdim=True)
    return by_logits.add_(by_log_p).addcmul_(p, mass, value=-1)
