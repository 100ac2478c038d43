"""Learning to reweight (L2R): rows that help the validation loss count, others do not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.maths.losses import domain_counts
from spear_amal.mixers.base import LookAheadLike, LookAheadOptions, Mixer, check_look_ahead
from spear_amal.params import check_whole


class LearningToReweight(Mixer):
    """Weights of each batch from one look-ahead at weight zero.

    ``u_ik = -dL_val/d eps_ik`` at ``eps = 0``, where the look-ahead has not moved, so that u is
    the inner product of the gradients of row and validation loss; then
    ``w = relu(u) / sum relu(u)`` over the batch (Ren et al., "Learning to Reweight Examples for
    Robust Deep Learning", 2018, equations 7 to 9). Nothing is remembered between batches. Weights
    are 1 where there is no look-ahead, and for a loss that is not mixable.

    Parameters
    ----------
    meta_size : int or None
        Validation rows of a look-ahead, drawn with replacement; None takes all of V.
    look_ahead : {"last-layer", "network"}
        Gradients of the head only, or of all parameters as in the paper (the same for a linear
        model).
    """

    needs_look_ahead = True
    every_step = True
    _shares: Tensor | None = None

    def __init__(self, *, meta_size: int | None = None, look_ahead: str = "last-layer") -> None:
        self.meta_size = meta_size
        self.look_ahead = look_ahead
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_meta(self.meta_size, self.look_ahead)

    def look_ahead_options(self) -> LookAheadOptions:
        """Return the options of the look-ahead; at weight zero its step length does not matter."""
        return LookAheadOptions(parameters=self.look_ahead, meta_size=self.meta_size)

    def refresh(self, look_ahead: LookAheadLike, batch: Batch) -> None:
        """Weigh the rows of the batch that is trained next."""
        u = look_ahead.alignment(torch.zeros_like(look_ahead.losses()))
        self._shares = normalised(torch.where(self.mixable, u, torch.zeros_like(u)))

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Shares of the batch, times the rows that the objective divides by."""
        if self._shares is None:
            return torch.ones_like(losses)
        # The objective is sum_k (1/n_k) sum_i w_ik l_ik; L2R's is sum_ik share_ik l_ik. Rows
        # outside a domain have share 0, so the batch's own n_k is needed, not the share's support.
        weights = self._shares.to(losses) * domain_counts(self.domain[batch.index])
        return torch.where(self.mixable, weights, torch.ones_like(weights))

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Keep the domains, which say how many rows a batch's mean is over."""
        super().attach(n_rows, names, domain, mixable)
        self.domain = domain
        self._shares = None


def normalised(u: Tensor) -> Tensor:
    """``relu(u) / sum relu(u)`` (B, K); zeros if no entry is positive."""
    kept = u.clamp(min=0)
    return kept / kept.sum().clamp(min=torch.finfo(kept.dtype).tiny)


def check_meta(meta_size: int | None, look_ahead: str) -> None:
    """Raise unless the options of a per-batch look-ahead can be used."""
    if meta_size is not None:
        check_whole("meta_size", meta_size, 1)
    check_look_ahead(look_ahead)
