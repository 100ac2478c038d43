"""Losses on a classifier and on rule reliabilities: implication, exemplars, posterior constraints.

Awasthi et al., "Learning from Rules Generalizing Labeled Exemplars", ICLR 2020. Log odds z (B, m)
say how likely rule j is right about row i, ``w_ij = sigmoid(z_ij)``; `fired` (B, m) is 1 where the
rule fired; k (m,) is its class. All return one value per row (B,), summed over the fired rules.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 1e-12


def implication(logits: Tensor, z: Tensor, fired: Tensor, k: Tensor) -> Tensor:
    """``-sum_j log(1 - w_ij (1 - p_i[k_j]))``: if the rule is right, the class is its class.

    ``1 - w (1 - p) = (1 - w) + w p`` is added in log space.
    """
    log_p = F.log_softmax(logits, dim=-1)[:, k]  # (B, m)
    value = -torch.logaddexp(F.logsigmoid(-z), F.logsigmoid(z) + log_p)
    return torch.where(fired > 0, value, torch.zeros_like(value)).sum(1)


def reliability(z: Tensor, right: Tensor, fired: Tensor, exemplar: Tensor, q: float) -> Tensor:
    """Judge rules by gold rows: exemplars, correct firings and wrong ones.

    ``-log w`` on the exemplar that a rule was written from, ``-log(1 - w)`` where it is wrong, and
    the generalised cross-entropy ``(1 - w^q) / q`` where it is right by what may be chance.

    Parameters
    ----------
    z, fired : Tensor (B, m)
    right, exemplar : Tensor (B, m), bool
    q : float
        Between 0 (cross-entropy) and 1 (absolute error).
    """
    log_w = F.logsigmoid(z)
    value = torch.where(right, (1 - torch.exp(q * log_w)) / q, -F.logsigmoid(-z))
    value = torch.where(exemplar & right, -log_w, value)
    return torch.where(fired > 0, value, torch.zeros_like(value)).sum(1)


def posterior_targets(
    logits: Tensor, z: Tensor, fired: Tensor, k: Tensor, strength: float
) -> tuple[Tensor, Tensor]:
    """Posterior of class and rules under soft constraints: log q(y) (B, C) and q(r_j = 1) (B, m).

    With ``u_ij(y) = 1 - w_ij + w_ij exp(-C [y != k_j])`` (1 where the rule did not fire),
    ``q(y) ~ p(y) prod_j u_ij(y)`` and ``q(r_j) = w A / (w A + (1 - w) B)``,
    ``A = sum_y p(y) exp(-C [y != k_j]) prod_{i != j} u(y)``, B the same without the exponential.
    """
    log_p = F.log_softmax(logits, dim=-1)
    other = torch.arange(logits.shape[1], device=k.device) != k.unsqueeze(1)  # (m, C)
    price = -strength * other.to(z)  # (m, C)
    kept = (fired > 0).unsqueeze(-1)
    log_u = torch.logaddexp(F.logsigmoid(-z).unsqueeze(-1), F.logsigmoid(z).unsqueeze(-1) + price)
    log_u = torch.where(kept, log_u, torch.zeros_like(log_u))  # (B, m, C)
    joint = log_p + log_u.sum(1)  # (B, C)
    without = joint.unsqueeze(1) - log_u  # (B, m, C): all rules but j
    odds = z + torch.logsumexp(without + price, -1) - torch.logsumexp(without, -1)
    return F.log_softmax(joint, dim=-1), torch.sigmoid(odds)


def posterior_regularisation(
    logits: Tensor, z: Tensor, fired: Tensor, k: Tensor, strength: float
) -> Tensor:
    """``CE(q(y), p) + sum_j BCE(q(r_j), w_j)`` with q a constant, as in the E-step of EM."""
    log_q, q_r = posterior_targets(logits.detach(), z.detach(), fired, k, strength)
    fit = -(log_q.exp() * F.log_softmax(logits, dim=-1)).sum(-1)
    rules = F.binary_cross_entropy_with_logits(z, q_r, reduction="none")
    return fit + torch.where(fired > 0, rules, torch.zeros_like(rules)).sum(1)


def log_scores(z: Tensor, fired: Tensor, k: Tensor, n_classes: int) -> Tensor:
    """Log of the classes' scores (B, C) by the rules that fired and are more likely right.

    Mean over rules with ``w_ij > 1/2`` of ``w_ij`` for the rule's class and ``1 - w_ij`` for the
    others, normalised over classes; uniform if no rule qualifies.
    """
    w = torch.sigmoid(z)
    on = ((fired > 0) & (w > 0.5)).to(w)
    agrees = F.one_hot(k, n_classes).to(w)  # (m, C)
    scores = (on * w) @ agrees + (on * (1 - w)) @ (1 - agrees)
    scores = torch.where(on.sum(1, keepdim=True) > 0, scores, torch.ones_like(scores))
    return torch.log((scores / scores.sum(1, keepdim=True)).clamp(min=SMALLEST))
