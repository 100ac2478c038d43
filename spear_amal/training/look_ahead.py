"""One look-ahead step on a group of rows, and its derivative by every weight.

See :mod:`spear_amal.maths.hypergradient` for the identity. Two sets of parameters w can take the
step: ``"last-layer"`` (head of the feature model, and the rule model under
``outer="feature+rules"``), where the features are computed once and each further weight update
costs two thin products; and ``"network"`` (all parameters). Under ``outer="feature"`` the
validation loss does not see the rule model, so V is exactly zero there and losses that touch only
rules keep their start weight.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from spear_amal.batch import Batch, Outputs
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import InputError
from spear_amal.losses import ComponentSet
from spear_amal.maths import hypergradient
from spear_amal.maths.hypergradient import Parameters
from spear_amal.maths.losses import cross_entropy_slope, domain_counts, weighted_objective
from spear_amal.mixers import LookAheadOptions
from spear_amal.models import JointModel, RuleModel
from spear_amal.models.multi_task import main_answer
from spear_amal.tensors.sparse_rows import SparseRows, affine, outer_sum
from spear_amal.training.last_layer import (
    head_at,
    head_inputs,
    look_ahead_parameters,
    mean_squared_norm,
)

Hidden = Tensor | SparseRows  # the head's input (B, H)
METHODS = ("closed", "forward", "double-backward")


class LookAhead:
    """Derivatives of the validation loss after one plain-SGD step on a group.

    Parameters
    ----------
    model : JointModel
        Used in evaluation mode; its parameters are not changed.
    components : ComponentSet
    batch, validation : Batch
        The group (B rows) and the validation rows, all of them labelled.
    eta : float
        Step size of the look-ahead.
    outer : Outer
    parameters : {"last-layer", "network"}
    method : {"closed", "forward", "double-backward"}
        "closed" goes with "last-layer" only. All agree to rounding.
    validation_hidden : Tensor, optional
        The head's input on the validation rows, where another look-ahead at the same parameters
        has it already.
    shard : Shard
        Where the group is spread over processes: `batch` are the rows that are here.
    """

    def __init__(
        self,
        model: JointModel,
        components: ComponentSet,
        batch: Batch,
        validation: Batch,
        *,
        eta: float,
        outer: ValidationLoss | None = None,
        parameters: str = "last-layer",
        method: str = "closed",
        validation_hidden: Hidden | None = None,
        shard: Shard = WHOLE,
    ) -> None:
        if method not in METHODS or (method == "closed" and parameters != "last-layer"):
            raise InputError(f"method {method!r} cannot differentiate {parameters!r}")
        self.model, self.components, self.eta = model, components, eta
        self.batch, self.validation = batch, validation
        self.outer = outer or ValidationLoss()
        self.method, self.last_layer = method, parameters == "last-layer"
        self.shard, self.applies = shard, components.applies(batch)
        self.counts = domain_counts(self.applies, shard)  # (K,)
        self.validation_hidden = validation_hidden
        self._scale: float | None = None
        self._rule_constants: tuple[Tensor | None, Tensor | None] | None = None
        if self.outer.rules and not isinstance(model.rules, RuleModel | None):
            raise InputError("outer='feature+rules' needs the rule model CAGE; use outer='feature'")
        if self.last_layer:
            # Whoever brings the validation rows' features has had the head checked.
            known = validation_hidden is not None
            self._logits, self.hidden = head_inputs(model.feature, batch.x, check=not known)
            if not known:
                self.validation_hidden = head_inputs(model.feature, validation.x)[1]
        self.at = look_ahead_parameters(model, self.last_layer, self.outer.rules)
        if method == "closed":
            self._prepare_slopes()

    @classmethod
    def from_options(
        cls,
        model: JointModel,
        components: ComponentSet,
        batch: Batch,
        validation: Batch,
        options: LookAheadOptions,
        validation_hidden: Hidden | None = None,
        shard: Shard = WHOLE,
    ) -> LookAhead:
        """Make the look-ahead that a mixer asks for, by the cheapest exact method."""
        return cls(
            model,
            components,
            batch,
            validation,
            eta=options.eta,
            outer=ValidationLoss.of(options),
            parameters=options.parameters,
            method="closed" if options.parameters == "last-layer" else "forward",
            validation_hidden=validation_hidden,
            shard=shard,
        )

    def _outputs(self, at: Parameters, batch: Batch, hidden: object) -> Outputs:
        """Answer of the model with parameters `at`; on stored features for the last layer."""
        if not self.last_layer:
            return functional_call(self.model, at, (batch,))
        weight, bias = head_at(at)
        logits = affine(hidden, weight, bias)  # type: ignore[arg-type]
        return Outputs(logits, hidden, *self._rule_side(at, batch))  # type: ignore[arg-type]

    def _rule_side(self, at: Parameters, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        """Compute the rules' outputs; constants unless their parameters take the step."""
        if self.model.rules is None or (not self.outer.rules and batch is self.validation):
            return None, None  # the validation loss does not look at them
        if not self.outer.rules:
            if self._rule_constants is None:
                with torch.no_grad():
                    self._rule_constants = self.model.rules.answer(batch)
            return self._rule_constants
        return self._rule_logits(at, batch), None

    def _losses(self, at: Parameters) -> Tensor:
        hidden = self.hidden if self.last_layer else None
        return self.components.losses(self._outputs(at, self.batch, hidden), self.batch)

    def _prepare_slopes(self) -> None:
        """D_ikc of both models' scores: at unchanged parameters they serve every weight update."""
        with torch.no_grad():
            outputs = Outputs(self._logits, self.hidden, *self._rule_side(self.at, self.batch))
        # (B, K, C) each; rules that do not take the step need none
        self.slopes, rules = self.components.slopes(outputs, self.batch, self.applies)
        self.rule_slopes = rules if self.outer.rules else None

    # -- the step and the validation gradient after it ------------------------------------------

    def _gradient(self, value: Callable[[Parameters], Tensor], at: Parameters) -> Parameters:
        leaves = {name: p.detach().requires_grad_() for name, p in at.items()}
        gradients = torch.autograd.grad(value(leaves), list(leaves.values()), allow_unused=True)
        return {
            name: torch.zeros_like(p) if g is None else g
            for (name, p), g in zip(leaves.items(), gradients, strict=True)
        }

    def _step_direction(self, weights: Tensor) -> Parameters:
        """``grad L(w; Lambda)`` by name; from the stored slopes where they suffice."""
        if self.method != "closed" or self.rule_slopes is not None:
            return self.shard.total_by_name(self._gradient(self._training_value(weights), self.at))
        delta = self._logit_gradients(weights / self.counts)
        return self.shard.total_by_name(self._to_head(delta, self.hidden))

    def _logit_gradients(self, weights: Tensor) -> Tensor:
        """``sum_k Lambda_ik D_ikc`` (B, C), over the losses that are defined."""
        return hypergradient.weighted_slopes(self.slopes, weights, self.applies)

    def _training_value(self, weights: Tensor) -> Callable[[Parameters], Tensor]:
        def value(at: Parameters) -> Tensor:
            losses = self._losses(at)
            part = weighted_objective(losses, weights.to(losses), self.applies, self.shard)
            # Parts are summed over the processes, a penalty belongs to them all.
            return part + penalty_at(self.model, self.components, at) / self.shard.world

        return value

    def validation_gradient(self, weights: Tensor) -> Parameters:
        """V: gradient of the validation loss at ``w' = w - eta grad L(w; Lambda)``, by name."""
        step = self._step_direction(weights)
        ahead = {name: torch.sub(p, step[name], alpha=self.eta) for name, p in self.at.items()}
        if self.method != "closed" or self.rule_slopes is not None:
            gradient = self._gradient(self._outer_value, ahead)
            return self.shard.total_by_name(gradient) if self.outer.sees_group else gradient
        gradient = self._head_gradient(ahead, self.validation, cast(Hidden, self.validation_hidden))
        if self.outer.sees_group:
            group = self.shard.total_by_name(
                self._head_gradient(ahead, self.batch, self.hidden, self.shard)
            )
            for name, g in gradient.items():
                g.add_(group[name], alpha=self.outer.beta)
        return gradient

    def _head_gradient(
        self, at: Parameters, batch: Batch, hidden: Hidden, shard: Shard = WHOLE
    ) -> Parameters:
        """Gradient of the outer loss on stored features by the head's parameters."""
        slope = self.outer.slope(affine(hidden, *head_at(at)), batch, shard)
        return self._to_head(slope, hidden)

    def _to_head(self, delta: Tensor, hidden: Hidden) -> Parameters:
        """Sum over rows of the head's gradients, from those (B, C) of the logits."""
        return {
            name: delta.sum(0) if name.endswith("bias") else outer_sum(delta, hidden)
            for name in self.at
        }

    def _outer_value(self, at: Parameters) -> Tensor:
        hidden, seen = (self.hidden, self.validation_hidden) if self.last_layer else (None, None)
        with main_answer(self.model):
            answer = self._outputs(at, self.validation, seen)
        value = self.outer.loss(answer, self.validation)
        if self.outer.sees_group:
            outputs = self._outputs(at, self.batch, hidden)
            group = self.outer.loss(outputs, self.batch, self.shard)
            value = value / self.shard.world + self.outer.beta * group
        return value

    # -- what a mixer asks ----------------------------------------------------------------------

    def losses(self) -> Tensor:
        """Losses (B, K) at the parameters before the step; zeros outside the domains."""
        # Without no_grad(), in which models answer no auxiliary task; nothing asks for a graph.
        return self._losses(self.at).detach()

    def alignment(self, weights: Tensor) -> Tensor:
        """Inner products ``<V, grad l_ik>`` (B, K); exact zeros outside the domains."""
        tangent = self.validation_gradient(weights)
        if self.method == "closed":
            derivative = self._closed(tangent)
        else:
            derivative = self._along(tangent)
        return torch.where(self.applies, derivative, torch.zeros_like(derivative)).detach()

    def _along(self, tangent: Parameters) -> Tensor:
        """Differentiate along `tangent`; backwards twice where an operator has no forward mode."""
        if self.method == "forward":
            try:
                return hypergradient.tangent_forward(self._losses, self.at, tangent)
            except RuntimeError as error:
                if not hypergradient.lacks_forward_mode(error):
                    raise
                warnings.warn(
                    "look-aheads over the network go backwards twice, which takes longer and more "
                    f"memory: an operator has no forward mode ({str(error).splitlines()[0]})",
                    UserWarning,
                    stacklevel=2,
                )
                self.method = "double-backward"
        return hypergradient.tangent_double_backward(self._losses, self.at, tangent)

    def hidden_gradients(self, weights: Tensor) -> Tensor:
        """Gradient (B, H) of each row's own weighted losses by the head's input."""
        if self.method != "closed":
            raise InputError("gradients by the head's input need a linear head and 'last-layer'")
        return self._logit_gradients(weights) @ head_at(self.at)[0]

    def feature_scale(self) -> float:
        """Mean squared norm of the head's input over the group, with the bias' constant 1.

        Inner products of head gradients grow with it: bags of words and TF-IDF rows of the same
        texts differ by a factor of ten and more.
        """
        if self._scale is None:
            with torch.no_grad():
                hidden = self.hidden if self.last_layer else self.model.feature(self.batch.x)[1]
            self._scale = mean_squared_norm(hidden, self.shard) + 1.0
        return self._scale

    def hypergradient(self, weights: Tensor) -> Tensor:
        """``dL_val/dLambda_ik = -(eta/n_k) <V, grad l_ik>`` (B, K)."""
        return -self.eta * self.alignment(weights) / self.counts

    def _closed(self, tangent: Parameters) -> Tensor:
        weight, bias = head_at(tangent)
        along = affine(self.hidden, weight, bias)  # (B, C) tangent of the logits
        derivative = hypergradient.tangent_closed_form(self.slopes, along)
        if self.rule_slopes is None:
            return derivative
        rules = {n: t for n, t in tangent.items() if n.startswith("rules.")}
        along_rules = hypergradient.tangent_forward(
            lambda at: self._rule_logits(at, self.batch), {n: self.at[n] for n in rules}, rules
        )
        return derivative + hypergradient.tangent_closed_form(self.rule_slopes, along_rules)

    def _rule_logits(self, at: Parameters, batch: Batch) -> Tensor:
        """Joint log-probabilities (B, C) of the rule model with those parameters that `at` has."""
        inner = {n.removeprefix("rules."): p for n, p in at.items() if n.startswith("rules.")}
        return functional_call(self.model.rules, inner, (batch.fired, batch.scores))  # type: ignore[arg-type]


def penalty_at(model: JointModel, components: ComponentSet, at: Parameters) -> Tensor | float:
    """Sum of the penalties with those parameters of `model` that `at` names; 0.0 without rules."""
    if not any(name.startswith("rules.") for name in at):
        return 0.0  # penalties sit on the rule model; without it they are constants here
    named = {f"model.{name}": value for name, value in at.items()}
    return functional_call(_Penalised(model, components), named, ())


class _Penalised(nn.Module):
    """The penalties of a component set as a module, so that they can be called functionally."""

    def __init__(self, model: JointModel, components: ComponentSet) -> None:
        super().__init__()
        self.model = model
        self._components = components

    def forward(self) -> Tensor | float:
        return self._components.penalty(self.model)


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
        covered = batch.fired.sum(1) > 0
        losses = F.cross_entropy(outputs.rule_logits, batch.y, reduction="none")
        total = torch.where(covered, losses, torch.zeros_like(losses)).sum()
        return value + self.gamma * total / covered.sum().clamp(min=1)

    def slope(self, logits: Tensor, batch: Batch, shard: Shard = WHOLE) -> Tensor:
        """Derive :meth:`loss` by the feature model's logits (B, C), without a graph."""
        if not self.teacher:
            return cross_entropy_slope(logits.detach(), batch.y).div_(len(batch.y))
        leaf = logits.detach().requires_grad_()
        return torch.autograd.grad(self.loss(Outputs(leaf, leaf), batch, shard), leaf)[0]

    @property
    def sees_group(self) -> bool:
        """Whether the training group counts as well."""
        return self.teacher and self.beta > 0


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
    known = target.sum(1) > 0
    terms = torch.xlogy(target, target) - target * F.log_softmax(logits, dim=1)
    return terms.sum(1)[known].sum() / shard.total([known.sum()])[0].clamp(min=1)


def perturbed_target(teachers: Tensor, y: Tensor, alpha: float) -> Tensor:
    """Probabilities p' (B, C); zeros on a row with neither teacher nor label."""
    speaks = ~teachers.isnan().any(2)  # (B, T)
    p = torch.nan_to_num(teachers, nan=0.0).softmax(2) * speaks.unsqueeze(2)
    mean = p.sum(1) / speaks.sum(1).clamp(min=1).unsqueeze(1)  # (B, C)
    gold = F.one_hot(y.clamp(min=0), teachers.shape[2]).to(mean) * (y >= 0).unsqueeze(1)
    # Filled, not chosen between numbers: those would be float32, whatever the teachers are.
    share = torch.ones_like(mean[:, 0]).masked_fill(speaks.any(1), alpha) * (y >= 0)
    return (1 - share).unsqueeze(1) * mean + share.unsqueeze(1) * gold
