"""The one weighted sum that training minimises and that the meta-gradient differentiates.

L(w; Lambda) = sum_k (1/n_k) sum_{i in domain k} Lambda_ik * l_ik(w)
"""

from __future__ import annotations

import torch
from torch import Tensor

from spear_amal.distributed.shard import WHOLE, Shard


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
