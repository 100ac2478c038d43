"""AMAL: one weight per row and loss, learnt so that the next step lowers the validation loss.

Sivasubramanian et al., "Adaptive Mixing of Auxiliary Losses in Supervised Learning" (AAAI 2023).

    Lambda_ik <- clamp( Lambda_ik - eta_lambda * dL_val(w - eta grad L(w; Lambda)) / dLambda_ik )

With ``dL_val/dLambda_ik = -(eta/n_k) <V, grad l_ik>`` this is ``Lambda_ik + rho <V, grad l_ik>``,
rho (`weight_lr`) = eta_lambda eta / n_k: the parameter that does not depend on batch or step size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spear_amal._typing import PathLike
from spear_amal.batch import Batch
from spear_amal.checks import check_choice, check_name, check_not_negative
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import InputError
from spear_amal.mixers.base import LookAheadLike, LookAheadOptions
from spear_amal.mixers.loss_roles import HINTON, by_name, check_by_name
from spear_amal.mixers.row_weights import LearnedRowWeights

SHARES = ("row", "pattern", "pattern+row", "pooled", "loss")
#: Rows of a pattern at which "pooled" takes half of the pattern's mean and half of the row's own.
POOLED_ROWS = 10
#: Settings of AMAL by name.
PRESETS: dict[str, dict[str, Any]] = {
    # Published KD code (LearnMultiLambdaMeta.py): step 1500, eta 0.1, batch 128 -> rho 1.17;
    # weights within 1e-7 of 0 and 2; five repeats; every ten epochs after ten.
    "paper": {
        "weight_lr": 1.2,
        "normalise": "none",
        "clamp": (1e-7, 2 - 1e-7),
        "refresh_every": 10,
        "warmup": 10,
        "lookahead_lr": 0.5,
        "inner_repeats": 5,
        "weight_sharing": "row",
    },
    # The same code on images, 0.1 of the label and 0.9 of each teacher at the start. Its groups
    # are three batches of 128 whose mean gradients are summed: a step of 0.1 there is one of 0.3
    # along the mean over the group.
    "distillation": {
        "start": HINTON,
        "weight_lr": 1.2,
        "normalise": "none",
        "clamp": (1e-7, 2 - 1e-7),
        "refresh_every": 10,
        "warmup": 10,
        "lookahead_lr": 0.3,
        "inner_repeats": 5,
        "group_size": 3 * 128,
        "weight_sharing": "row",
    },
    # First study on text: a filter in [0, 1], refreshed often, since runs are short. There rho was
    # 4 on bags of words whose rows had a mean squared norm of 14; times that norm it is 60 in
    # units that do not depend on the features.
    "recommended": {
        "weight_lr": 60.0,
        "normalise": "features",
        "clamp": (0.0, 1.0),
        "refresh_every": 3,
        "warmup": 2,
        "lookahead_lr": 0.5,
        "inner_repeats": 5,
        # A row's own gradient over a hundred validation rows is noisy; its pattern's mean is less
        # so, and moves good and bad rules as a whole.
        "weight_sharing": "pattern+row",
    },
}


class Amal(LearnedRowWeights):
    """Adaptive mixing of auxiliary losses.

    Parameters
    ----------
    weight_lr : float
        Weight step per unit of gradient inner product; 0 leaves all weights at `start`.
    eta_lambda : float, optional
        Weight step per unit of the hypergradient itself (the paper's parameter); replaces
        `weight_lr`.
    clamp : (float, float)
        Box of the weights. (0, 1) makes AMAL a filter.
    start : float or mapping of str to float
        First weight of every loss on every row; 1 is SPEAR. Or first weights by loss name, where
        "label" stands for the loss on labels and "teacher" for every teacher's; losses that are
        not named start at 1, and so do those that are not mixable.
    label_aware : bool
        Begin with a teacher's `start` times the probability that it gives the row's label: less
        where it contradicts the label.
    refresh_every, warmup : int
        Epochs between refreshes, and epochs before the first.
    lookahead_lr : float
        Plain-SGD look-ahead step; never the training rate, since Adam's is no SGD step.
    inner_repeats : int
        Weight updates per group at unchanged parameters.
    group_size : int or None
        Rows per look-ahead; None takes all rows at once.
    normalise : {"none", "features", "max-abs", "l2"}
        Divide the gradients of a group by nothing (the paper); by the mean squared norm of the
        head's input, so that `weight_lr` means the same for bags of words, TF-IDF and embeddings;
        by their largest magnitude; or by their norm over rows.
    outer : {"feature", "feature+rules"}
        Validation loss: cross-entropy of the feature model (Variant A, the paper), or also
        `gamma` times that of the rule model on covered rows (Variant B).
    gamma : float
        Used by ``outer="feature+rules"``.
    weight_sharing : {"row", "pattern", "pattern+row", "pooled", "loss"}
        Who moves together: each row for itself; rows on which the same LFs fired and whose gold
        class, or lack of one, is the same; both, the row's gradient on top of its pattern's mean;
        a mixture of the two, the more of the mean the more rows n have the pattern, n / (n + 10)
        of it; or all rows. Means are over the rows of one look-ahead, so with more than
        `group_size` rows those of a pattern may come to differ a little.
    look_ahead : {"last-layer", "network"}
        Differentiate the head's step only (the paper) or all parameters'.
    reuse_states : bool
        Take the head's input of training rows as their last training steps gave it, dropout
        included, in place of a pass of all rows through the model for each refresh. A refresh then
        costs next to nothing, as it should where a pass is most of an epoch (encoders that are
        fine-tuned), and H numbers a row are kept. Linear models, several processes, tables on disk
        and `look_ahead="network"` know no such states.
    table_dtype : {"float32", "float16"}
        How the weights are kept. Half precision takes half the room; steps that it cannot hold
        are rounded at random, so that small ones add up.
    table_path : path, optional
        Folder in which the weights lie in a file that is mapped into memory, for more rows than
        memory holds. Each run has a subfolder of its own, which stays after it. A checkpoint
        names its file there and needs it.
    """

    def __init__(
        self,
        weight_lr: float = 60.0,
        *,
        eta_lambda: float | None = None,
        clamp: tuple[float, float] = (0.0, 1.0),
        start: float | Mapping[str, float] = 1.0,
        label_aware: bool = False,
        refresh_every: int = 3,
        warmup: int = 2,
        lookahead_lr: float = 0.5,
        inner_repeats: int = 5,
        group_size: int | None = 1024,
        normalise: str = "features",
        outer: str = "feature",
        gamma: float = 1.0,
        weight_sharing: str = "pattern+row",
        look_ahead: str = "last-layer",
        reuse_states: bool = False,
        table_dtype: str = "float32",
        table_path: PathLike | None = None,
    ) -> None:
        self.weight_lr = weight_lr
        self.eta_lambda = eta_lambda
        self.clamp = clamp
        self.start = start
        self.label_aware = label_aware
        self.refresh_every = refresh_every
        self.warmup = warmup
        self.lookahead_lr = lookahead_lr
        self.inner_repeats = inner_repeats
        self.group_size = group_size
        self.normalise = normalise
        self.outer = outer
        self.gamma = gamma
        self.weight_sharing = weight_sharing
        self.look_ahead = look_ahead
        self.reuse_states = reuse_states
        self.table_dtype = table_dtype
        self.table_path = table_path
        self.check_settings()

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Amal:
        """Make AMAL with the settings of a name in `PRESETS`, with changes by name."""
        check_name("preset", name, PRESETS)
        return cls(**{**PRESETS[name], **changes})

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        super().check_settings()
        check_choice("outer", self.outer, ("feature", "feature+rules"))
        check_choice("weight_sharing", self.weight_sharing, SHARES)
        check_not_negative("gamma", self.gamma)
        if self.eta_lambda is not None:
            check_not_negative("eta_lambda", self.eta_lambda)
        low, high = _bounds(self.clamp)
        if isinstance(self.start, Mapping):
            check_by_name("start", self.start)
            starts: Mapping[str, float] = self.start
        else:
            check_not_negative("start", self.start)
            starts = {"every loss": self.start}
        outside = {name: value for name, value in starts.items() if not low <= value <= high}
        if outside:
            raise InputError(f"start {outside} lies outside the clamp {self.clamp}")

    def _starts(self, names: Sequence[str], mixable: Tensor) -> Tensor:
        if not isinstance(self.start, Mapping):
            return torch.full((len(names),), float(self.start))
        return torch.where(mixable.cpu(), by_name("start", self.start, names), 1.0)

    def refresh(self, look_ahead: LookAheadLike, batch: Batch) -> None:
        """Update the weights of a group `inner_repeats` times at unchanged parameters."""
        rows = batch.index
        weights, learnt = self.lambdas[rows], self.learnt[rows]
        shared = self._sharing(batch, learnt)
        for _ in range(self.inner_repeats):
            step = shared(self._step(look_ahead, weights))
            weights = torch.where(learnt, (weights + step).clamp_(*self.clamp), weights)
        self.lambdas[rows] = weights

    def _sharing(self, batch: Batch, learnt: Tensor) -> Callable[[Tensor], Tensor]:
        """Make a function of steps (B, K) that averages over groups of rows."""
        if self.weight_sharing == "row":
            return lambda step: step
        if self.weight_sharing == "loss":
            mean = GroupMeans(torch.zeros_like(batch.index), 1, learnt, self.shard)
        else:
            mean = GroupMeans(*same_patterns(batch, self.shard), learnt, self.shard)
        if self.weight_sharing == "pattern+row":
            return lambda step: mean(step).add_(step)
        if self.weight_sharing == "pooled":
            rows = mean.counts.index_select(0, mean.group)
            return lambda step: torch.lerp(step, mean(step), rows / (rows + POOLED_ROWS))
        return mean

    def _step(self, look_ahead: LookAheadLike, weights: Tensor) -> Tensor:
        if self.eta_lambda is not None:
            return -self.eta_lambda * self._scaled(look_ahead.hypergradient(weights), look_ahead)
        return self.weight_lr * self._scaled(look_ahead.alignment(weights), look_ahead)

    def look_ahead_options(self) -> LookAheadOptions:
        """Return the options of the look-ahead."""
        return replace(super().look_ahead_options(), gamma=self.gamma)


def _bounds(clamp: Any) -> tuple[float, float]:
    """Check the box of the weights, and return it."""
    numbers = isinstance(clamp, Sequence) and len(clamp) == 2
    if numbers and all(isinstance(bound, Real) for bound in clamp) and 0 <= clamp[0] < clamp[1]:
        return clamp[0], clamp[1]
    raise InputError(f"clamp must be (low, high) with 0 <= low < high, found {clamp!r}")


def same_patterns(batch: Batch, shard: Shard = WHOLE) -> tuple[Tensor, int]:
    """Return the number of each row's group: rows on which the same LFs fired, of one gold class.

    Returns
    -------
    group : Tensor (B,), int64
    n : int
        Groups on all processes.
    """
    # Compared as strings of bytes, rows are told apart ten times as fast as rows of numbers.
    fired = np.packbits(batch.fired.cpu().numpy() > 0, axis=1)
    gold = batch.y.cpu().numpy().astype(np.int64)[:, None].view(np.uint8)
    kinds = torch.from_numpy(np.concatenate([fired, gold], axis=1))
    everywhere, here = shard.stacked(kinds.to(batch.y.device))
    strings = everywhere.cpu().numpy().view(f"S{kinds.shape[1]}").ravel()
    patterns, groups = np.unique(strings, return_inverse=True)
    return torch.from_numpy(groups).to(batch.y.device)[here], len(patterns)


class GroupMeans:
    """Means of values (B, K) over the learnt entries of each row's group, back on all rows.

    Parameters
    ----------
    group : Tensor (B,)
        Numbers below `n`; a group may have rows in other processes.
    n : int
    learnt : Tensor (B, K), bool
    """

    def __init__(self, group: Tensor, n: int, learnt: Tensor, shard: Shard = WHOLE) -> None:
        self.group, self.n, self.learnt, self.shard = group, n, learnt, shard
        self.counts = self._sums(learnt.float()).clamp(min=1)  # (n, K)

    def _sums(self, values: Tensor) -> Tensor:
        sums = values.new_zeros(self.n, values.shape[1]).index_add_(0, self.group, values)
        return self.shard.total([sums])[0]

    def __call__(self, values: Tensor) -> Tensor:
        """Average values (B, K)."""
        sums = self._sums(torch.where(self.learnt, values, 0.0))
        return sums.div_(self.counts).index_select(0, self.group)
