"""What a look-ahead wants to be small on validation rows, and its slopes in closed form."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.mixers import LookAheadOptions


@dataclass(frozen=True)
class ValidationLoss:
    """Cross-entropy of the feature model; or with the rule model's; or ALM-KD's divergence.

    Attributes
    ----------
    rules : bool
        Add `gamma` times the cross-entropy of the rule model on covered rows.
    teacher : bool
        In place of the cross-entropy: ``KL(p' || p_student)`` from the perturbed teacher
        ``p' = (1 - alpha) p_T + alpha e_y`` at temperature 1, plus `beta` times the same on the
        training group (ALM-KD, section 4). Of several teachers p_T is the mean.
    """

    rules: bool = False
    gamma: float = 1.0
    teacher: bool = False
    alpha: float = 0.2
    beta: float = 0.1

    @classmethod
    def of(cls, options: LookAheadOptions) -> ValidationLoss:
        """Make the loss that a mixer asks for."""
        kinds = {"rules": options.outer == "feature+rules", "teacher": options.outer == "teacher"}
        return cls(gamma=options.gamma, alpha=options.alpha, beta=options.beta, **kinds)

    def loss(self, outputs: Outputs, batch: Batch, shard: Shard = WHOLE) -> Tensor:
        """Mean over validation rows (and over covered ones for the rule model), a scalar.

        Of a training group that is spread over processes, the part of the rows that are here.
        """
        if self.teacher:
            y, teachers = batch.y, batch.teachers
            return perturbed_divergence(outputs.logits, teachers, y, self.alpha, shard)
        value = F.cross_entropy(outputs.logits, batch.y)
        if not self.rules or outputs.rule_logits is None:
            return value
        losses = F.cross_entropy(outputs.rule_logits, batch.y, reduction="none")
        total = torch.where(batch.covered, losses, 0.0).sum()
        return value + self.gamma * total / batch.covered.sum().clamp(min=1)

    def slopes(
        self, outputs: Outputs, batch: Batch, shard: Shard = WHOLE
    ) -> tuple[Tensor, Tensor | None]:
        """Derive :meth:`loss` by the logits and, if it sees them, by the rule model's (B, C each).

        `outputs` are without a graph.
        """
        if self.teacher:
            target = perturbed_target(batch.teachers, batch.y, self.alpha)
            mass = target.sum(1, keepdim=True)  # 1, or 0 on a row that does not count
            return (outputs.p * mass - target) / known_rows(target, shard), None
        by_logits = _less_gold(outputs.p, batch) / len(batch)
        if not self.rules or outputs.rule_logits is None:
            return by_logits, None
        covered = batch.covered.to(by_logits)
        share = covered * (self.gamma / covered.sum().clamp(min=1))
        return by_logits, _less_gold(outputs.q, batch) * share.unsqueeze(1)

    @property
    def sees_group(self) -> bool:
        """Whether the training group counts as well."""
        return self.teacher and self.beta > 0


def _less_gold(p: Tensor, batch: Batch) -> Tensor:
    """``p - e_y`` (B, C) of labelled rows."""
    return p - batch.kept(
        ("gold", p.shape, p.dtype, p.stride()),
        lambda: torch.zeros_like(p).scatter_(1, batch.gold_column, 1.0),  # laid out as p is
    )


def perturbed_divergence(
    logits: Tensor, teachers: Tensor, y: Tensor, alpha: float, shard: Shard = WHOLE
) -> Tensor:
    """Mean ``KL(p' || softmax(logits))`` over the rows that have a teacher or a label.

    Parameters
    ----------
    logits : Tensor (B, C)
    teachers : Tensor (B, T, C)
        Teacher logits; rows of NaN are silent. ``p_T`` is the mean over those that speak.
    y : Tensor (B,)
        Gold class, or -1: then ``p' = p_T``. Without a teacher ``p' = e_y``.
    alpha : float
    shard : Shard
        Counts the rows of a batch that is spread over processes.
    """
    target = perturbed_target(teachers, y, alpha)
    terms = torch.xlogy(target, target) - target * F.log_softmax(logits, dim=1)
    return terms.sum() / known_rows(target, shard)  # rows that do not count have zeros


def known_rows(target: Tensor, shard: Shard) -> Tensor:
    """Count the rows of targets (B, C) that have one, on all processes; at least 1."""
    return shard.total([(target.sum(1) > 0).sum()])[0].clamp(min=1)


def perturbed_target(teachers: Tensor, y: Tensor, alpha: float) -> Tensor:
    """Probabilities p' (B, C); zeros on a row with neither teacher nor label."""
    speaks = ~teachers.isnan().any(2)  # (B, T)
    p = torch.nan_to_num(teachers, nan=0.0).softmax(2) * speaks.unsqueeze(2)
    mean = p.sum(1) / speaks.sum(1).clamp(min=1).unsqueeze(1)  # (B, C)
    gold = F.one_hot(y.clamp(min=0), teachers.shape[2]).to(mean) * (y >= 0).unsqueeze(1)
    # Filled, not chosen between numbers: those would be float32, whatever the teachers are.
    share = torch.ones_like(mean[:, 0]).masked_fill(speaks.any(1), alpha) * (y >= 0)
    return (1 - share).unsqueeze(1) * mean + share.unsqueeze(1) * gold
