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
from functools import cached_property
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from spear_amal.batch import Batch, Outputs
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import InputError
from spear_amal.losses import ComponentSet
from spear_amal.maths import hypergradient
from spear_amal.maths.hypergradient import Parameters
from spear_amal.maths.losses import domain_counts, weighted_objective
from spear_amal.mixers import LookAheadOptions
from spear_amal.models import JointModel, RuleModel
from spear_amal.models.multi_task import main_answer
from spear_amal.tensors.layout import class_by_class
from spear_amal.tensors.sparse_rows import affine
from spear_amal.training.last_layer import (
    head_at,
    head_inputs,
    look_ahead_parameters,
    mean_squared_norm,
)
from spear_amal.training.last_layer_step import HeadRows, Hidden, LastLayerStep
from spear_amal.training.validation_loss import ValidationLoss

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
    group_hidden : Tensor, optional
        The head's input on the group's rows, where it is at hand.
    products : Tensor (B, V), optional
        Inner products of the head's input on the group's rows with that on the validation rows,
        where they are at hand: all that "closed" then needs of either.
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
        products: Tensor | None = None,
        group_hidden: Tensor | None = None,
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
        self.at = look_ahead_parameters(model, self.last_layer, self.outer.rules)
        if self.last_layer:
            # Whoever brings the validation rows' features has had the head checked.
            known = validation_hidden is not None
            if group_hidden is None:
                self._logits, self.hidden = head_inputs(model.feature, batch.x, check=not known)
            else:
                self._logits, self.hidden = affine(group_hidden, *head_at(self.at)), group_hidden
            if not known:
                self.validation_hidden = head_inputs(model.feature, validation.x)[1]
        self._closed = self._last_layer_step() if method == "closed" else None
        alone = self.outer.sees_group or self.outer.rules or shard.world > 1
        self._products = None if self._closed is None or alone else products

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
        products: Tensor | None = None,
        group_hidden: Tensor | None = None,
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
            products=products,
            group_hidden=group_hidden,
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

    def _last_layer_step(self) -> LastLayerStep:
        with torch.no_grad():
            answer = self._rule_side(self.at, self.batch)
        rules = self.model.rules if self.outer.rules else None
        return LastLayerStep(
            self.components,
            HeadRows(self.batch, self.hidden),
            Outputs(class_by_class(self._logits), self.hidden, *answer),
            self.applies,
            self.at,
            None if rules is None else cast(RuleModel, rules).beliefs(),
            self.outer,
        )

    # -- the step and the validation gradient after it ------------------------------------------

    def _gradient(self, value: Callable[[Parameters], Tensor], at: Parameters) -> Parameters:
        leaves = {name: p.detach().requires_grad_() for name, p in at.items()}
        with torch.enable_grad():
            total = value(leaves)
        gradients = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
        return {
            name: torch.zeros_like(p) if g is None else g
            for (name, p), g in zip(leaves.items(), gradients, strict=True)
        }

    def _step_direction(self, weights: Tensor) -> Parameters:
        """``grad L(w; Lambda)`` by name."""
        if self._closed is None:
            return self.shard.total_by_name(self._gradient(self._training_value(weights), self.at))
        step = self._closed.direction(weights / self.counts)
        for name, slope in self._penalty_gradient.items():
            step[name] = step[name].add(slope, alpha=1 / self.shard.world)
        return self.shard.total_by_name(step)

    @cached_property
    def _penalty_gradient(self) -> Parameters:
        """Gradient of the penalties by the rule model's parameters, if it takes the step."""
        closed = cast(LastLayerStep, self._closed)
        if closed.rules is None or not self.components.penalties:
            return {}
        guides = cast(RuleModel, self.model.rules).beliefs().guides
        by_theta = self.components.theta_slope(closed.rules.potentials, guides)
        if by_theta is not None:
            return {"rules.theta": by_theta}
        own = {name: p for name, p in self.at.items() if name.startswith("rules.")}
        return self._gradient(
            lambda at: cast(Tensor, penalty_at(self.model, self.components, at)), own
        )

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
        if self._closed is None:
            gradient = self._gradient(self._outer_value, ahead)
            return self.shard.total_by_name(gradient) if self.outer.sees_group else gradient
        seen = HeadRows(self.validation, cast(Hidden, self.validation_hidden))
        gradient = self._closed.outer_gradient(ahead, seen)
        if self.outer.sees_group:
            own = self._closed.outer_gradient(ahead, self._closed.rows, self.shard)
            group = self.shard.total_by_name(own)
            for name, g in gradient.items():
                g.add_(group[name], alpha=self.outer.beta)
        return gradient

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
        if self._closed is not None:
            return self.components.losses(self._closed.outputs, self.batch, self.applies)
        # Without no_grad(), in which models answer no auxiliary task; nothing asks for a graph.
        return self._losses(self.at).detach()

    def alignment(self, weights: Tensor) -> Tensor:
        """Inner products ``<V, grad l_ik>`` (B, K); exact zeros outside the domains."""
        if self._products is not None:
            return self._alignment_by_products(weights, self._products)
        tangent = self.validation_gradient(weights)
        if self._closed is not None:
            return self._closed.along(tangent)  # slopes are zeros outside the domains
        return torch.where(self.applies, self._along(tangent), 0.0).detach()

    @torch.no_grad()
    def _alignment_by_products(self, weights: Tensor, products: Tensor) -> Tensor:
        """Compute the same (B, K) without the head's inputs: all they do is be multiplied."""
        closed, bias = cast(LastLayerStep, self._closed), head_at(self.at)[1] is not None
        slope = closed.logit_gradients(weights / self.counts)  # (B, C)
        moved = products.mT @ slope  # of the validation rows' logits, along the gradient
        moved = moved.add_(slope.sum(0)) if bias else moved
        logits = torch.sub(self._validation_logits, moved, alpha=self.eta)
        outputs = Outputs(logits, logits)
        by_logits, _ = self.outer.slopes(outputs, self.validation)
        scores = products @ by_logits
        scores = scores.add_(by_logits.sum(0)) if bias else scores
        return hypergradient.tangent_closed_form(closed.slopes, scores)

    @cached_property
    def _validation_logits(self) -> Tensor:
        """Logits (V, C) of the validation rows before the step."""
        return affine(cast(Hidden, self.validation_hidden), *head_at(self.at))

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
        if self._closed is None:
            raise InputError("gradients by the head's input need a linear head and 'last-layer'")
        return self._closed.logit_gradients(weights) @ head_at(self.at)[0]

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
        return self.alignment(weights).mul_(-self.eta) / self.counts

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
