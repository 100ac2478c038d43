"""Self-training in COSINE's manner: the model's own answers, sharpened, as labels of single rows.

Yu et al., "Fine-Tuning Pre-trained Language Model with Weak Supervision: A Contrastive-Regularized
Self-Training Approach", NAACL 2021. What differs: all pairs of a batch are compared there, so that
a row's loss moves other rows and no weight of a row could be learnt; here a row is compared with
hidden states of other rows as they were when pseudo-labels were last made, without gradient to
them. Rows with gold keep their label, and are never left out.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.errors import InputError
from spear_amal.losses.base import ClosedForm, Component
from spear_amal.losses.slopes import Slopes
from spear_amal.params import check_not_negative, check_positive, check_whole, check_within

_SMALLEST = 1e-30


def sharpened(log_p: Tensor, power: float = 2.0) -> Tensor:
    """Compute soft pseudo-labels (n, C) ``t_ic ~ p_ic^power / sum_i p_ic``, normalised by row.

    The power makes sure rows surer; the division by how often a class is answered keeps a large
    one from taking all.

    Parameters
    ----------
    log_p : Tensor (n, C)
        Log-probabilities.
    power : float

    Examples
    --------
    >>> p = torch.tensor([[0.8, 0.2], [0.8, 0.2]])
    >>> sharpened(p.log())[0]
    tensor([0.8000, 0.2000])
    >>> sharpened(torch.tensor([[0.8, 0.2], [0.2, 0.8]]).log())[0]
    tensor([0.9412, 0.0588])
    """
    frequency = log_p.exp().sum(0).clamp(min=_SMALLEST)
    return (power * log_p - frequency.log()).softmax(1)


def confidence(targets: Tensor) -> Tensor:
    """Compute ``1 - H(t_i) / log C`` (n,) of distributions (n, C): 0 for uniform, 1 for certain.

    Examples
    --------
    >>> confidence(torch.tensor([[0.5, 0.5], [0.0, 1.0]]))
    tensor([0., 1.])
    """
    entropy = -torch.xlogy(targets, targets).sum(1)
    return (1 - entropy / math.log(targets.shape[1])).clamp(0, 1)


class PseudoLabels:
    """Soft labels of the training rows that a model gives itself, made anew every few epochs.

    Training asks for it before an epoch; losses look rows up by ``batch.index``.

    Parameters
    ----------
    power : float
        Of :func:`sharpened`.
    threshold : float
        From 0 up to 1: rows whose :func:`confidence` is lower have no pseudo-label for now.
    every : int
        Epochs that pseudo-labels are kept.
    n_anchors : int
        Rows of each class, at most, whose hidden states are kept to compare others with: spread
        evenly over those that are sure enough.

    Attributes
    ----------
    targets : Tensor (n, C) or None
        Pseudo-labels, one-hot where there is gold; None before they were made.
    weight : Tensor (n,) or None
        Confidence; 0 below the threshold, 1 where there is gold.
    anchors : Tensor (A, H), anchor_classes : Tensor (A,)
        None where no loss compares hidden states.
    """

    def __init__(
        self, power: float = 2.0, threshold: float = 0.4, every: int = 1, n_anchors: int = 32
    ) -> None:
        check_positive("power", power)
        check_within("threshold", threshold, 0, 1)
        check_whole("every", every, 1)
        check_whole("n_anchors", n_anchors, 1)
        self.power, self.threshold = power, threshold
        self.every, self.n_anchors = every, n_anchors
        self.keeps_anchors = False
        self.begin(0)

    def begin(self, n_rows: int) -> None:
        """Forget all, for a training table of `n_rows` rows."""
        self.n_rows = n_rows
        self.targets: Tensor | None = None
        self.weight: Tensor | None = None
        self.anchors: Tensor | None = None
        self.anchor_classes: Tensor | None = None

    def due(self, epoch: int) -> bool:
        """Return whether pseudo-labels are wanted before epoch `epoch` (from 0)."""
        return self.targets is None or epoch % self.every == 0

    def refresh(self, rows: Tensor, y: Tensor, logits: Tensor) -> None:
        """Make pseudo-labels of `rows`.

        Parameters
        ----------
        rows : Tensor (R,), int64
            Numbers in the training table.
        y : Tensor (R,)
            Gold classes, -1 where unknown.
        logits : Tensor (R, C)
            What the model says now, in evaluation mode and without graph.
        """
        log_p, unknown = logits.log_softmax(1), y < 0
        made = F.one_hot(y.clamp(min=0), log_p.shape[1]).to(log_p)
        made[unknown] = sharpened(log_p[unknown], self.power)
        sure = confidence(made)
        sure[unknown & (sure < self.threshold)] = 0
        self.targets = log_p.new_zeros(self.n_rows, log_p.shape[1])
        self.weight = log_p.new_zeros(self.n_rows)
        rows = rows.to(log_p.device)
        self.targets[rows], self.weight[rows] = made, sure

    def anchor_rows(self, rows: Tensor) -> Tensor:
        """Choose of `rows`, given in their order, those whose hidden states are to be kept."""
        targets, weight = self._made()
        rows = rows.to(weight.device)
        classes, sure = targets[rows].argmax(1), weight[rows] > 0
        places = []
        for code in range(targets.shape[1]):
            of_class = torch.nonzero((classes == code) & sure).squeeze(1)
            n = min(self.n_anchors, len(of_class))
            steps = torch.linspace(0, max(len(of_class) - 1, 0), n, device=of_class.device)
            places.append(of_class[steps.round().long()])
        return rows[torch.cat(places)]

    def keep_anchors(self, rows: Tensor, hidden: Any) -> None:
        """Keep the hidden states (A, H) of rows that :meth:`anchor_rows` chose.

        Raises
        ------
        InputError
            If they are sparse features: a linear model has no hidden states.
        """
        if not isinstance(hidden, Tensor):
            raise InputError(
                "hidden states are compared, and those of a linear model are the features "
                "themselves; use a network, or contrast=0"
            )
        self.anchors = hidden.detach().clone()
        self.anchor_classes = self._made()[0][rows].argmax(1)

    def share(self, rows: Tensor) -> float:
        """Return the share of `rows` that count: with gold, or sure enough."""
        weight = self._made()[1]
        return float((weight[rows.to(weight.device)] > 0).float().mean()) if len(rows) else 0.0

    def of(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return pseudo-labels (B, C) and weights (B,) of the rows of a batch."""
        targets, weight = self._made()
        return targets[batch.index], weight[batch.index]

    def counts(self, batch: Batch) -> Tensor:
        """Return which rows (B,) are sure enough; all before the first pseudo-labels."""
        if self.weight is None:
            return torch.ones_like(batch.y, dtype=torch.bool)
        return self.weight[batch.index] > 0

    def _made(self) -> tuple[Tensor, Tensor]:
        if self.targets is None or self.weight is None:
            raise InputError("there are no pseudo-labels yet; call refresh first, as training does")
        return self.targets, self.weight

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors from which :meth:`load_state_dict` continues."""
        names = ("targets", "weight", "anchors", "anchor_classes")
        parts = {name: getattr(self, name) for name in names}
        return {name: value for name, value in parts.items() if value is not None}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name, value in state.items():
            setattr(self, name, value)


class PseudoLabelDivergence(ClosedForm):
    """``w_i KL(t_i || p_i)`` on rows without gold whose pseudo-label t is sure enough.

    w is the confidence of the pseudo-label, which is a constant to the gradient.

    Parameters
    ----------
    labels : PseudoLabels
    """

    name = "pseudo-label"

    def __init__(self, labels: PseudoLabels) -> None:
        self.labels = labels

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Weighted divergence per row."""
        targets, weight = self.labels.of(batch)
        terms = torch.xlogy(targets, targets) - targets * outputs.log_p
        return weight * terms.sum(1)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``w (p - t)``."""
        targets, sure = self.labels.of(batch)
        slopes.pull_p.addcmul_(targets.to(slopes.pull_p), weight * sure.unsqueeze(1))
        return True

    def applies(self, batch: Batch) -> Tensor:
        """Unlabelled rows that are sure enough."""
        return ~batch.labelled & self.labels.counts(batch)


class UniformDivergence(ClosedForm):
    """``coefficient KL(u || p_i)`` to the uniform distribution u, against too much confidence.

    Parameters
    ----------
    labels : PseudoLabels
        Says which rows count.
    coefficient : float
    """

    name = "uniform"

    def __init__(self, labels: PseudoLabels, coefficient: float = 0.05) -> None:
        check_not_negative("coefficient", coefficient)
        self.labels, self.coefficient = labels, coefficient

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``-coefficient (log C + mean_c log p_c)`` per row."""
        n_classes = outputs.log_p.shape[1]
        return -self.coefficient * (math.log(n_classes) + outputs.log_p.mean(1))

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``coefficient (p - 1 / C)``."""
        slopes.pull_p.add_(weight, alpha=self.coefficient / slopes.pull_p.shape[1])
        return True

    def applies(self, batch: Batch) -> Tensor:
        """Unlabelled rows that are sure enough."""
        return ~batch.labelled & self.labels.counts(batch)


class AnchorContrast(Component):
    """Mean over anchors j of ``d_ij^2`` in one class, and of ``max(0, margin - d_ij)^2`` else.

    ``d_ij`` is the mean squared difference of the hidden states, those of anchors as they were when
    pseudo-labels were last made. The last layer has no part in it, so that weights which are learnt
    by look-aheads of the last layer alone stay as they are for this loss.

    Parameters
    ----------
    labels : PseudoLabels
        From now on it keeps anchors.
    coefficient : float
    margin : float
        Distance from which on rows of two classes are far enough from each other.
    """

    name = "contrast"

    def __init__(self, labels: PseudoLabels, coefficient: float = 1.0, margin: float = 1.0) -> None:
        check_not_negative("coefficient", coefficient)
        check_positive("margin", margin)
        self.labels, self.coefficient, self.margin = labels, coefficient, margin
        labels.keeps_anchors = True

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Contrast per row."""
        hidden, anchors = outputs.hidden, self.labels.anchors
        classes = self.labels.anchor_classes
        if anchors is None or classes is None or not len(anchors):
            return outputs.logits.new_zeros(len(batch))
        anchors = anchors.to(outputs.logits)
        # |v - a|^2 written out: (B, A, H) numbers would be many.
        squares = hidden.square().sum(1, keepdim=True) + anchors.square().sum(1)  # type: ignore[union-attr]
        distance = (squares - 2 * hidden @ anchors.T).clamp(min=0) / anchors.shape[1]  # type: ignore[operator]
        same = self.labels.of(batch)[0].argmax(1, keepdim=True) == classes
        apart = (self.margin - distance).clamp(min=0)
        return self.coefficient * torch.where(same, distance, apart).square().mean(1)

    def applies(self, batch: Batch) -> Tensor:
        """Rows that are sure enough, and those with gold."""
        return self.labels.counts(batch)
