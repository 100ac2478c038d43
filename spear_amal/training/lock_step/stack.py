"""M joint models of one shape as one: parameters in a table, a row each, and a step in closed form.

Rows of a step are those of the members one after another, B each. A model's own parameters become
views of its row, so that look-aheads, predictions and files go on as if it were alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from spear_amal.batch import Outputs
from spear_amal.losses import ComponentSet
from spear_amal.maths.cage import LogScores
from spear_amal.models import MLP, JointModel, LinearModel, RuleModel
from spear_amal.models.cage import Beliefs, RulePass
from spear_amal.training.lock_step.features import Layer, StepFeatures

# From outputs to derivatives (M*B, C) of the objective by logits and by the rule model's.
SlopesOf = Callable[[Outputs], tuple[Tensor, Tensor | None]]


class ParameterTable:
    """Parameters of M models, a row each, and their gradients.

    Parameters
    ----------
    shapes : sequence of tuple
        Of the parameters, in their order within a row.
    n_members : int
    like : Tensor
        Of the wanted type, on the wanted device.

    Attributes
    ----------
    rows, gradients : Tensor (M, P)
    views, gradient_views : list of Tensor (M, ...)
        Parameters and gradients by parameter.
    """

    def __init__(self, shapes: Sequence[Sequence[int]], n_members: int, like: Tensor) -> None:
        sizes = [torch.Size(shape).numel() for shape in shapes]
        self.rows, self.gradients = like.new_zeros(2, n_members, sum(sizes))
        self.views, self.gradient_views = (
            [part.unflatten(1, list(shape)) for part, shape in zip(parts, shapes, strict=True)]
            for parts in (self.rows.split(sizes, 1), self.gradients.split(sizes, 1))
        )

    def row(self, member: int) -> Tensor:
        """Parameters (P,) of a member as a leaf whose `grad` each step sets."""
        row = self.rows[member]
        row.grad = self.gradients[member]
        return row


class Stack:
    """M models whose parameters lie in tables, a row each.

    Making it moves the models' parameters into the rows; :meth:`release` gives them storage of
    their own again.

    Parameters
    ----------
    models : sequence of JointModel
        With a linear model or an MLP, and CAGE or no rules. Linear models may differ in the number
        of features: weights of features that a model has not are zeros that nothing moves.
    n_features : int
        Columns of the first layer, at least those of the model that has most.
    """

    @torch.no_grad()
    def __init__(self, models: Sequence[JointModel], n_features: int) -> None:
        self.models = tuple(models)
        self._stack_layers([layers_of(model.feature) for model in models], n_features)
        self._rules: ParameterTable | None = None
        if models[0].rules is not None:
            self._stack_rules([cast(RuleModel, model.rules) for model in models])

    def __len__(self) -> int:
        return len(self.models)

    def _stack_layers(self, layers: Sequence[Sequence[nn.Linear]], n_features: int) -> None:
        """Lay out the layers of the feature models, `layers` by model."""
        widths = [n_features, *(layer.in_features for layer in layers[0][1:])]
        shapes = [
            shape
            for layer, width in zip(layers[0], widths, strict=True)
            for shape in ((layer.out_features, width), (layer.out_features,))
        ]
        table = ParameterTable(shapes, len(layers), layers[0][0].weight)
        self._features = table
        self._layers = [
            Layer(*table.views[i : i + 2], *table.gradient_views[i : i + 2])
            for i in range(0, len(shapes), 2)
        ]
        for m, own in enumerate(layers):
            for layer, stacked in zip(own, self._layers, strict=True):
                _move(layer.weight, stacked.weight[m, :, : layer.in_features])
                _move(layer.bias, stacked.bias[m])

    def _stack_rules(self, rules: Sequence[RuleModel]) -> None:
        shapes = (rules[0].theta.shape, rules[0].pi.shape)
        table = ParameterTable(shapes, len(rules), rules[0].theta)
        self._rules = table
        for m, model in enumerate(rules):
            _move(model.theta, table.views[0][m])
            _move(model.pi, table.views[1][m])
        self._beliefs = Beliefs.stack([model.beliefs() for model in rules])

    @property
    def first_layer(self) -> Layer:
        """Return the layer that takes features."""
        return self._layers[0]

    def parameters_of(self, member: int) -> tuple[Tensor, Tensor | None]:
        """Return the parameters (P,) and (R,) of a member: feature model, and rules if any."""
        return self._features.row(member), None if self._rules is None else self._rules.row(member)

    def release(self, member: int) -> None:
        """Move a member's parameters to storage of their own."""
        for parameter in self.models[member].parameters():
            parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)

    def log_scores(self, fired: Tensor, scores: Tensor, size: int) -> list[LogScores] | None:
        """Prepare votes and scores (S * `size`, m) of S steps; None without continuous LFs."""
        if self._rules is None:
            return None
        prepared = self._beliefs.log_scores(fired, scores)
        return None if prepared is None else [LogScores(p) for p in prepared.parts.split(size)]

    def step(
        self,
        x: StepFeatures,
        fired: Tensor,
        scores: LogScores | None,
        slopes: SlopesOf,
        components: ComponentSet,
    ) -> Outputs:
        """Set the gradients of one step, and return what the models say before it.

        Parameters
        ----------
        x : StepFeatures
            Of M x B rows.
        fired : Tensor (M*B, m)
        scores : LogScores or None
            What :meth:`log_scores` makes of the same rows.
        slopes : function
        components : ComponentSet
            Its penalties are added.
        """
        logits, inputs = self._logits(x)
        rules = self._rule_pass(fired, scores)
        rule_logits = None if rules is None else rules.log_joint.flatten(0, 1)
        outputs = Outputs(logits.flatten(0, 1), inputs[-1] if inputs else logits, rule_logits)
        by_logits, by_rule_logits = slopes(outputs)
        self._backward(x, inputs, by_logits.view(logits.shape))
        if rules is not None:
            self._rules_backward(rules, cast(Tensor, by_rule_logits).view(logits.shape), components)
        return outputs

    def _logits(self, x: StepFeatures) -> tuple[Tensor, list[Tensor]]:
        """Compute the logits (M, B, C), and the inputs (M, B, H) of all layers but the first."""
        first, *others = self._layers
        value = x.affine(first)
        inputs = []
        for layer in others:
            inputs.append(value.relu_())
            value = torch.baddbmm(layer.bias.unsqueeze(1), value, layer.weight.mT)
        return value, inputs

    def _backward(self, x: StepFeatures, inputs: list[Tensor], slope: Tensor) -> None:
        """Set the gradients of the feature models from the slope (M, B, C) by their logits."""
        for layer, value in zip(self._layers[:0:-1], inputs[::-1], strict=True):
            layer.weight_gradient.copy_(torch.bmm(slope.mT, value))
            torch.sum(slope, 1, out=layer.bias_gradient)
            slope = torch.bmm(slope, layer.weight).mul_(value > 0)
        first = self._layers[0]
        x.set_weight_gradient(slope, first)
        torch.sum(slope, 1, out=first.bias_gradient)

    def _rule_pass(self, fired: Tensor, scores: LogScores | None) -> RulePass | None:
        if self._rules is None:
            return None
        if scores is not None:
            scores = LogScores(self._by_member(scores.parts))
        theta, pi = self._rules.views
        return RulePass(theta, pi, self._beliefs, self._by_member(fired), scores)

    def _by_member(self, rows: Tensor) -> Tensor:
        return rows.view(len(self), -1, rows.shape[1])

    def _rules_backward(self, rules: RulePass, slope: Tensor, components: ComponentSet) -> None:
        by_theta, by_pi = rules.slopes(slope)
        penalty = components.theta_slope(rules.potentials, self._beliefs.guides)
        theta, pi = cast(ParameterTable, self._rules).gradient_views
        torch.add(by_theta, cast(Tensor, penalty), out=theta)
        if pi.numel():
            pi.copy_(by_pi)


def layers_of(feature: nn.Module) -> list[nn.Linear]:
    """Return the layers of a linear model or an MLP from first to last; none of other modules."""
    if type(feature) is LinearModel:
        return [feature.head]
    if type(feature) is MLP:
        return [*cast("list[nn.Linear]", list(feature.layers)), feature.head]
    return []


def _move(parameter: Tensor, place: Tensor) -> None:
    place.copy_(parameter)
    parameter.data = place
