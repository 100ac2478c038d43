"""Losses on class scores. All take scores (B, C) in log space and return one value per row (B,).

The one weighted sum that training minimises and that the meta-gradient differentiates.

L(w; Lambda) = sum_k (1/n_k) sum_{i in domain k} Lambda_ik * l_ik(w)
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.distributed.shard import WHOLE, Shard


def cross_entropy(logits: Tensor, y: Tensor) -> Tensor:
    """``-log softmax(logits)[y]`` per row; 0 where y = -1.

    SPEAR's L1 and, on rule scores, L4 in its conditional form. Gradient: ``p - e_y``.

    Examples
    --------
    >>> cross_entropy(torch.zeros(2, 4), torch.tensor([1, -1]))
    tensor([1.3863, 0.0000])
    """
    return negative_log(F.log_softmax(logits, dim=-1), y)


def negative_log(log_p: Tensor, y: Tensor) -> Tensor:
    """``-log_p[y]`` per row; 0 where y = -1."""
    return F.nll_loss(log_p, y, reduction="none", ignore_index=-1)


def soft_cross_entropy(logits: Tensor, log_target: Tensor) -> Tensor:
    """``-sum_c t_c log p_c`` for targets ``t = softmax(log_target)``. Gradient: ``p - t``."""
    return -(F.softmax(log_target, dim=-1) * F.log_softmax(logits, dim=-1)).sum(-1)


def kl_divergence(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """``KL(p || q) = sum_c p_c (log p_c - log q_c)`` with p, q the softmax of both scores.

    SPEAR's L6 with p the feature model and q the rule model. Gradients:
    ``p_c (log(p_c / q_c) - KL)`` for `logits_p`, ``q - p`` for `logits_q`.
    """
    return divergence(F.log_softmax(logits_p, dim=-1), F.log_softmax(logits_q, dim=-1))


def divergence(log_p: Tensor, log_q: Tensor) -> Tensor:
    """``KL(p || q)`` of log-probabilities (B, C)."""
    return (log_p.exp() * (log_p - log_q)).sum(-1)


def tempered_kl(logits: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """``tau^2 KL(t || s)`` with t, s the softmax of teacher's and student's logits over tau.

    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015; the square
    keeps the size of the gradient, ``tau (s - t)``, whatever the temperature. Sums over classes.

    Examples
    --------
    >>> tempered_kl(torch.zeros(1, 2), torch.zeros(1, 2), 4.0)
    tensor([0.])
    """
    return temperature**2 * kl_divergence(teacher / temperature, logits / temperature)


def domain_counts(applies: Tensor, shard: Shard = WHOLE) -> Tensor:
    """Rows n_k (K,) of the batch on which component k is defined; at least 1.

    The only place where the divisor is written: the training loss and the hypergradient share it.
    Where the batch is spread over processes, `shard` counts its rows on all of them.
    """
    return shard.total([applies.sum(0)])[0].clamp(min=1)


def weighted_objective(
    losses: Tensor, weights: Tensor, applies: Tensor, shard: Shard = WHOLE
) -> Tensor:
    """Weighted sum of losses (B, K) with weights (B, K) over domains (B, K), a scalar.

    An empty domain contributes 0. Weights of 1 give the unweighted objective bit for bit. Where the
    batch is spread over processes, this is the part of its rows that are here.
    """
    kept = torch.where(applies, weights * losses, torch.zeros_like(losses))
    return (kept.sum(0) / domain_counts(applies, shard)).sum()
