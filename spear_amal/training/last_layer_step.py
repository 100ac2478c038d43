"""The look-ahead step of the last layer, and maybe of the rule model, in a few thin products.

Features and slopes are computed once: at unchanged parameters they serve every weight update.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.losses import ComponentSet
from spear_amal.maths.hypergradient import Parameters, tangent_closed_form, weighted_slopes
from spear_amal.models.cage import Beliefs, RulePass
from spear_amal.tensors.sparse_rows import SparseRows, affine, outer_sum
from spear_amal.training.last_layer import head_at
from spear_amal.training.validation_loss import ValidationLoss

Hidden = Tensor | SparseRows  # the head's input (B, H)


@dataclass(frozen=True)
class HeadRows:
    """Rows of a table and the head's input on them."""

    batch: Batch
    hidden: Hidden


class LastLayerStep:
    """Derivatives along one plain-SGD step of the head, and of CAGE if it takes part.

    Parameters
    ----------
    components : ComponentSet
    rows : HeadRows
        The group.
    outputs : Outputs
        What the models say of the group, without a graph.
    applies : Tensor (B, K)
    at : dict of str to Tensor
        Parameters that take the step: the head's, and the rule model's by "rules.theta" and
        "rules.pi" if it takes part.
    beliefs : Beliefs, optional
        Of the rule model that takes part.
    outer : ValidationLoss
    """

    def __init__(
        self,
        components: ComponentSet,
        rows: HeadRows,
        outputs: Outputs,
        applies: Tensor,
        at: Parameters,
        beliefs: Beliefs | None,
        outer: ValidationLoss,
    ) -> None:
        self.rows, self.outputs, self.at, self.outer = rows, outputs, at, outer
        self._beliefs = beliefs
        self.rules = self._rule_pass(at, rows.batch)
        self.slopes, self.rule_slopes = components.slopes(outputs, rows.batch, applies)

    def _rule_pass(self, at: Parameters, batch: Batch) -> RulePass | None:
        if self._beliefs is None:
            return None
        theta, pi = at["rules.theta"], at["rules.pi"]
        log_scores = self._beliefs.log_scores(batch.fired, batch.scores)
        return RulePass(theta, pi, self._beliefs, batch.fired, log_scores)

    def logit_gradients(self, weights: Tensor) -> Tensor:
        """``sum_k Lambda_ik D_ikc`` (B, C), over the losses that are defined."""
        return weighted_slopes(self.slopes, weights)

    @torch.no_grad()  # products of sparse rows are faster then
    def direction(self, weights: Tensor) -> Parameters:
        """Sum over rows of gradients of losses with weights (B, K), by name; without penalties."""
        by_rules = None
        if self.rules is not None:
            by_rules = weighted_slopes(cast(Tensor, self.rule_slopes), weights)
        return self._to_parameters(
            self.logit_gradients(weights), by_rules, self.rows.hidden, self.rules
        )

    @torch.no_grad()
    def outer_gradient(self, at: Parameters, rows: HeadRows, shard: Shard = WHOLE) -> Parameters:
        """Gradient of the outer loss on rows by the parameters, where they are `at`."""
        rules = self._rule_pass(at, rows.batch)
        rule_logits = None if rules is None else rules.log_joint
        outputs = Outputs(affine(rows.hidden, *head_at(at)), rows.hidden, rule_logits)
        by_logits, by_rules = self.outer.slopes(outputs, rows.batch, shard)
        return self._to_parameters(by_logits, by_rules, rows.hidden, rules)

    def _to_parameters(
        self, by_logits: Tensor, by_rules: Tensor | None, hidden: Hidden, rules: RulePass | None
    ) -> Parameters:
        """Sum over rows of gradients by the parameters, from those (B, C) by the scores."""
        gradient = {}
        if rules is not None:
            by_theta, by_pi = rules.slopes(cast(Tensor, by_rules))
            gradient = {"rules.theta": by_theta, "rules.pi": by_pi}
        for name in self.at:
            if name not in gradient:
                bias = name.endswith("bias")
                gradient[name] = by_logits.sum(0) if bias else outer_sum(by_logits, hidden)
        return gradient

    @torch.no_grad()
    def along(self, tangent: Parameters) -> Tensor:
        """Derive all losses (B, K) in a direction of the parameters."""
        scores = affine(self.rows.hidden, *head_at(tangent))  # (B, C)
        derivative = tangent_closed_form(self.slopes, scores)
        if self.rules is None:
            return derivative
        scores = self.rules.along(tangent["rules.theta"], tangent["rules.pi"])
        return derivative + tangent_closed_form(cast(Tensor, self.rule_slopes), scores)
