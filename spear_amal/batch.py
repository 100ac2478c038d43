"""Batches and model outputs: the tensors that models, losses and mixers exchange."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from spear_amal.tensors.sparse_rows import SparseRows

__all__ = ["Batch", "Outputs", "TaskAnswer", "Views"]


@dataclass(frozen=True)
class Batch:
    """B rows of a table, addressed by stable row numbers.

    Attributes
    ----------
    index : Tensor (B,), int64
        Row numbers in the training table; they survive shuffling.
    x : Tensor (B, D) or SparseRows
        Features.
    y : Tensor (B,), int64
        Gold class, -1 where unlabelled.
    fired : Tensor (B, m) of the feature dtype
        1 where (unipolar) LF j fired. m may be 0.
    scores : Tensor (B, m)
        Scores of continuous LFs where they fired, 0 elsewhere.
    teachers : Tensor (B, T, C)
        Logits of T teachers (a label model's log posterior is a teacher too). T may be 0.
    tasks : mapping of str to Tensor (B,)
        Targets of auxiliary tasks by name: class codes, -1 where unknown, or numbers, NaN where
        unknown.
    weights : Tensor (B,) or None
        What the losses of each row are multiplied by; None for 1.
    """

    index: Tensor
    x: Tensor | SparseRows
    y: Tensor
    fired: Tensor
    scores: Tensor
    teachers: Tensor
    tasks: Mapping[str, Tensor] = field(default_factory=dict)
    weights: Tensor | None = None

    def __len__(self) -> int:
        return len(self.index)


@dataclass(frozen=True)
class Views:
    """What one network says about an image turned by 0, 90, 180 and 270 degrees, in this order.

    Attributes
    ----------
    logits : Tensor (B, 4, C)
    projected : Tensor (B, 4, P)
        What a small head makes of the network's features, for comparing images with each other.
    """

    logits: Tensor
    projected: Tensor


@dataclass(frozen=True)
class TaskAnswer:
    """What the head of an auxiliary task says.

    Attributes
    ----------
    values : Tensor (B, C_t) or (B,)
        Scores of classes, or numbers.
    targets : Tensor (B,) or None
        Where the model made the task itself, as for a turned image; else the batch has them.
    """

    values: Tensor
    targets: Tensor | None = None


@dataclass(frozen=True)
class Outputs:
    """What a model says about a batch.

    Attributes
    ----------
    logits : Tensor (B, C)
        Scores of the feature model P_theta(y | x) before softmax.
    hidden : Tensor (B, H) or SparseRows
        Input of the last linear layer; the features themselves for a linear model.
    rule_logits : Tensor (B, C) or None
        log P_phi(l_i, s_i, y), the joint log-probability of the rule model; None without LFs.
    reliability : Tensor (B, m) or None
        Log odds that rule j is right about row i, where a rule network says so; 0 where not fired.
    views : Views or None
        Of the model, where it learns from turned images; in training mode only.
    teacher_views : Views or None
        Of its teacher, about the same turned images; without gradient.
    tasks : mapping of str to TaskAnswer
        Of a model with heads for auxiliary tasks; where a gradient may be asked for only.
    squared_norm : Tensor (), or None
        Sum of the squared trainable parameters of the feature model, where it is a loss.
    """

    logits: Tensor
    hidden: Tensor | SparseRows
    rule_logits: Tensor | None = None
    reliability: Tensor | None = None
    views: Views | None = None
    teacher_views: Views | None = None
    tasks: Mapping[str, TaskAnswer] = field(default_factory=dict)
    squared_norm: Tensor | None = None
