"""Batches and model outputs: the tensors that models, losses and mixers exchange."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, cast

from spear_amal.tensors.layout import class_by_class, log_softmax

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

    # Asked for by several losses; computed once.

    @cached_property
    def labelled(self) -> Tensor:
        """Rows (B,) bool with a gold class."""
        return self.y >= 0

    @cached_property
    def covered(self) -> Tensor:
        """Rows (B,) bool on which a rule fired."""
        return self.fired.sum(1) > 0

    @cached_property
    def gold_column(self) -> Tensor:
        """Gold classes (B, 1) as an index for ``gather``; 0 where unlabelled."""
        return self.y.clamp(min=0).unsqueeze(1)

    @cached_property
    def taught(self) -> Tensor:
        """Whether each teacher says something (B, T), bool."""
        return ~self.teachers.amax(2).isnan()

    def teacher_log_p(self, temperature: float = 1.0) -> Tensor:
        """Log-probabilities (T, B, C) of teachers at a temperature; of silent ones uniform."""

        def compute() -> Tensor:
            # NaN is replaced before the loss: behind an output mask it would reach the gradient.
            logits = class_by_class(self.teachers.transpose(0, 1)).nan_to_num(nan=0.0)
            return log_softmax(logits.div_(temperature))

        return self.kept(("log", temperature), compute)

    def teacher_p(self, temperature: float = 1.0) -> Tensor:
        """Probabilities (T, B, C) of teachers at a temperature; of silent ones uniform."""
        return self.kept(("p", temperature), lambda: self.teacher_log_p(temperature).exp())

    @cached_property
    def _kept(self) -> dict[Hashable, Tensor]:
        return {}

    def kept(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """Return what is computed of the rows alone, once for all that ask by the same key."""
        if key not in self._kept:
            self._kept[key] = compute()
        return self._kept[key]


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

    _shared: dict[Hashable, Tensor] = field(default_factory=dict, init=False, compare=False)

    @property
    def takes_gradients(self) -> bool:
        """Whether the scores of the feature model or of the rule model have a graph."""
        rules = self.rule_logits is not None and self.rule_logits.requires_grad
        return self.logits.requires_grad or rules

    def detached(self) -> Outputs:
        """Return the outputs with scores that have no graph: themselves, if so."""
        if not self.takes_gradients:
            return self
        rules = None if self.rule_logits is None else self.rule_logits.detach()
        return replace(self, logits=self.logits.detach(), rule_logits=rules)

    def shared(self, key: Hashable, compute: Callable[[], Tensor]) -> Tensor:
        """Return what is computed of the scores, once for all that ask for it by the same key.

        Nothing is kept whose graph is cut off (no_grad): a loss with a graph may come after.
        """
        value = self._shared.get(key)
        if value is None:
            value = compute()
            if value.requires_grad or not self.takes_gradients:
                self._shared[key] = value
        return value

    @property
    def log_p(self) -> Tensor:
        """Log-probabilities (B, C) of the feature model."""
        return self.shared("log_p", lambda: log_softmax(self.logits))

    @property
    def p(self) -> Tensor:
        """Probabilities (B, C) of the feature model."""
        return self.shared("p", lambda: self.log_p.exp())

    @property
    def log_q(self) -> Tensor:
        """Log posterior (B, C) of the rule model."""
        return self.shared("log_q", lambda: log_softmax(cast("Tensor", self.rule_logits)))

    @property
    def q(self) -> Tensor:
        """Posterior (B, C) of the rule model."""
        return self.shared("q", lambda: self.log_q.exp())
