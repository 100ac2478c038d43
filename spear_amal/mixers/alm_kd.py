"""ALM-KD: label and teacher share each row convexly, with a weight learnt per row and teacher.

"Adaptive Mixing of Auxiliary Losses" in its first form (arXiv 2202.03250 v1). Row i minimises

    (1 - max_k lambda_ik) CE_i + sum_k lambda_ik KD_ik,        lambda_ik in [0, 1]

and lambda follows the gradient of ``KL(p' || p_student)`` after one step, on validation rows and
`beta` times on the training group, with p' the teacher's distribution moved to the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.maths.losses import domain_counts
from spear_amal.mixers.base import LookAheadLike, LookAheadOptions
from spear_amal.mixers.loss_roles import LABEL, TEACHER, in_role
from spear_amal.mixers.row_weights import LearnedRowWeights
from spear_amal.params import check_choice, check_not_negative, check_within

GRADIENTS = ("paper", "exact")
OUTERS = ("teacher", "feature")


class AlmKd(LearnedRowWeights):
    """Convex weights of label and teachers.

    A row that has only a label, or only teachers, has nothing to share: what it has counts fully.
    Losses that are neither keep weight 1, and so do those that are not mixable.

    Parameters
    ----------
    weight_lr : float
        Step of lambda per unit of gradient inner product, as AMAL's.
    start : float
        First lambda of every teacher, in [0, 1]. The paper names none; 0.9 is its later code's.
    label_aware : bool
        Begin with `start` times the probability that the teacher gives the row's label: less where
        it contradicts the label.
    gradient : {"paper", "exact"}
        With several teachers, subtract the label's gradient from every teacher's (Eq. 14); or from
        that of the largest lambda only (ties share it), which is the derivative of the objective.
        With one teacher they are the same.
    outer : {"teacher", "feature"}
        Validation loss: the divergence from the perturbed teacher; or cross-entropy on labels, for
        validation rows that no teacher speaks on.
    alpha : float
        Share of the label in the perturbed teacher, in [0, 1].
    beta : float
        Weight of the same divergence on the training group.
    refresh_every, warmup : int
        Epochs between refreshes, and epochs before the first.
    lookahead_lr : float
        Plain-SGD look-ahead step along the mean over the group.
    inner_repeats : int
        Weight updates per group at unchanged parameters.
    group_size : int or None
        Rows per look-ahead; None takes all rows at once.
    normalise : {"none", "features", "max-abs", "l2"}
        What gradients of a group are divided by, as for AMAL.
    look_ahead : {"last-layer", "network"}
    """

    def __init__(
        self,
        weight_lr: float = 1.2,
        *,
        start: float = 0.9,
        label_aware: bool = False,
        gradient: str = "paper",
        outer: str = "teacher",
        alpha: float = 0.2,
        beta: float = 0.1,
        refresh_every: int = 10,
        warmup: int = 10,
        lookahead_lr: float = 0.3,
        inner_repeats: int = 5,
        group_size: int | None = 3 * 128,
        normalise: str = "none",
        look_ahead: str = "last-layer",
    ) -> None:
        self.weight_lr = weight_lr
        self.start = start
        self.label_aware = label_aware
        self.gradient = gradient
        self.outer = outer
        self.alpha = alpha
        self.beta = beta
        self.refresh_every = refresh_every
        self.warmup = warmup
        self.lookahead_lr = lookahead_lr
        self.inner_repeats = inner_repeats
        self.group_size = group_size
        self.normalise = normalise
        self.look_ahead = look_ahead
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        super().check_settings()
        check_within("start", self.start, 0, 1)
        check_within("alpha", self.alpha, 0, 1)
        check_not_negative("beta", self.beta)
        check_choice("gradient", self.gradient, GRADIENTS)
        check_choice("outer", self.outer, OUTERS)

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Find the rows with label and teacher, and share them."""
        super().attach(n_rows, names, domain, mixable)
        self.domain = domain
        self.label = in_role(names, LABEL).to(domain.device)  # (K,)
        teacher = in_role(names, TEACHER).to(domain.device)
        learnt = domain & mixable.to(domain.device)
        both = (learnt & self.label).any(1) & (learnt & teacher).any(1)
        self.mixed = learnt & teacher & both.unsqueeze(1)  # (n_rows, K)
        every = torch.arange(n_rows, device=domain.device)
        begun = self.lambdas[every]  # 1, or what a teacher says of the label
        started = torch.where(self.mixed, self.start * begun, begun)
        self.lambdas[every] = self._completed(started, every)

    def _completed(self, weights: Tensor, rows: Tensor) -> Tensor:
        """Return weights (B, K) with labels of mixed rows at what the largest lambda leaves."""
        mixed = self.mixed[rows]
        rest = 1 - torch.where(mixed, weights, 0.0).amax(1, keepdim=True)  # (B, 1)
        shares = mixed.any(1, keepdim=True) & self.label & self.learnt[rows]
        return torch.where(shares, rest, weights)

    def refresh(self, look_ahead: LookAheadLike, batch: Batch) -> None:
        """Update lambda of a group `inner_repeats` times at unchanged parameters."""
        rows = batch.index
        weights, mixed = self.lambdas[rows], self.mixed[rows]
        for _ in range(self.inner_repeats):
            gain = self.gains(look_ahead.alignment(weights), weights, rows)
            moved = (weights + self.weight_lr * self._scaled(gain, look_ahead)).clamp(0, 1)
            weights = self._completed(torch.where(mixed, moved, weights), rows)
        self.lambdas[rows] = weights

    def gains(self, alignment: Tensor, weights: Tensor, rows: Tensor) -> Tensor:
        """``-(n_k / eta) dL_val / dlambda_ik`` (B, K) from ``<V, grad l_ik>`` (B, K).

        Zero where nothing is mixed. Means of label and teacher run over n_label and n_k rows of
        the group, hence their ratio.
        """
        counts, mixed = domain_counts(self.domain[rows], self.shard), self.mixed[rows]
        kept = torch.where(self.label & self.learnt[rows], alignment / counts, 0.0)
        label = kept.sum(1, keepdim=True) * counts  # (B, K)
        if self.gradient == "exact":
            lambdas = torch.where(mixed, weights, -1.0)
            largest = mixed & (lambdas == lambdas.amax(1, keepdim=True))
            label = label * largest / largest.sum(1, keepdim=True).clamp(min=1)
        return torch.where(mixed, alignment - label, 0.0)

    def look_ahead_options(self) -> LookAheadOptions:
        """Return the options of the look-ahead."""
        return replace(super().look_ahead_options(), alpha=self.alpha, beta=self.beta)
