"""SPEAR's seven losses, addressed by number or by name.

Maheshwari et al., "Semi-Supervised Data Programming with Subset Selection", Findings of ACL 2021.
Notation: p feature model, q rule posterior, L labelled and U unlabelled rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from numbers import Integral
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor

from spear_amal._typing import VectorLike
from spear_amal.batch import Batch, Outputs
from spear_amal.checks import check_name
from spear_amal.errors import InputError
from spear_amal.losses.base import (
    ClosedForm,
    Component,
    ComponentSet,
    Penalty,
    add_in_closed_form,
)
from spear_amal.losses.slopes import Slopes
from spear_amal.maths import losses
from spear_amal.registration import check_registration

if TYPE_CHECKING:
    from torch import nn

    from spear_amal.maths.cage import Guides, Potentials


def _factors(class_weights: VectorLike) -> Tensor:
    """Check factors by class, and return them as a tensor (C,)."""
    try:
        factors = torch.as_tensor(class_weights)
        usable = factors.ndim == 1 and bool((factors.isfinite() & (factors >= 0)).all())
    except (TypeError, ValueError, RuntimeError, LookupError):
        usable = False
    if not usable:
        raise InputError(
            "class_weights must be a finite number of at least 0 for each class, found "
            f"{class_weights!r}"
        )
    return factors


class GoldCrossEntropy(ClosedForm):
    """L1: ``-log p_i[y_i]`` on L.

    Parameters
    ----------
    class_weights : array (C,), optional
        Factors by gold class, such as ``p_V(y) / p_L(y)`` where L was not drawn at random.
    """

    name = "gold"

    def __init__(self, class_weights: VectorLike | None = None) -> None:
        self.class_weights = None if class_weights is None else _factors(class_weights)

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy to the gold class."""
        value = losses.negative_log(outputs.log_p, batch.y)
        return value if self.class_weights is None else value * self._factor(value, batch)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``p - e_y``, times the factor of the class."""
        if self.class_weights is not None:
            weight = weight * self._factor(weight, batch).unsqueeze(1)
        slopes.pull_p.scatter_add_(1, batch.gold_column, weight)
        return True

    def _factor(self, like: Tensor, batch: Batch) -> Tensor:
        """Factor (B,) of the class of each row."""
        return cast(Tensor, self.class_weights).to(like)[batch.gold_column.squeeze(1)]

    def applies(self, batch: Batch) -> Tensor:
        """Labelled rows."""
        return batch.labelled


class PredictionEntropy(ClosedForm):
    """L2: entropy of p_i on U; small entropy means confident predictions."""

    name = "entropy"

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``-sum_c p_c log p_c``."""
        return -self._terms(outputs).sum(1)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``-p_c (log p_c + H(p))``."""
        slopes.pull_p.addcmul_(self._terms(slopes.outputs), weight)
        return True

    def _terms(self, outputs: Outputs) -> Tensor:
        return outputs.shared("p log p", lambda: outputs.p * outputs.log_p)

    def applies(self, batch: Batch) -> Tensor:
        """Unlabelled rows."""
        return ~batch.labelled


class RuleConsensus(ClosedForm):
    """L3: cross-entropy of p_i to the rule model's answer on U; no gradient to the rule model.

    Parameters
    ----------
    target : {"hard", "soft", "joint"}
        ``argmax_y q_i`` (the paper), q_i itself, or the normalised product ``p_i q_i``: what both
        models together believe, again without gradient.
    """

    name = "consensus"
    needs_rules = True

    def __init__(self, target: str = "hard") -> None:
        if target not in ("hard", "soft", "joint"):
            raise InputError(f"consensus must be 'hard', 'soft' or 'joint', found {target!r}")
        self.target = target

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy to the rule model's class or posterior."""
        if self.target == "hard":
            return losses.negative_log(outputs.log_p, _favourites(outputs).squeeze(1))
        return -(self._posterior(outputs) * outputs.log_p).sum(1)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``p`` less the target."""
        if self.target == "hard":
            slopes.pull_p.scatter_add_(1, _favourites(slopes.outputs), weight)
        else:
            slopes.pull_p.addcmul_(self._posterior(slopes.outputs), weight)
        return True

    def _posterior(self, outputs: Outputs) -> Tensor:
        """Target (B, C) of the soft forms."""
        if self.target == "soft":
            return outputs.q.detach()
        return (outputs.log_q + outputs.log_p).detach().softmax(1)

    def applies(self, batch: Batch) -> Tensor:
        """Unlabelled rows on which a rule fired; without one the posterior is a tie."""
        return batch.covered & ~batch.labelled


def _favourites(outputs: Outputs) -> Tensor:
    """Most probable classes (B, 1) of the rule model."""
    # By rows: along any other layout torch's argmax is ten times as slow.
    rules = _rules(outputs).detach()
    return outputs.shared("favourites", lambda: rules.contiguous().argmax(1, keepdim=True))


def _rules(outputs: Outputs) -> Tensor:
    return cast(Tensor, outputs.rule_logits)


class RuleGold(ClosedForm):
    """L4 on L: ``-log q_i[y_i]`` (form "conditional", as coded) or ``-log P(l_i, y_i)`` ("joint").

    Touches the rule model only: under ``outer="feature"`` its weights have zero gradient.
    """

    name = "rule-gold"
    needs_rules = True

    def __init__(self, form: str = "conditional") -> None:
        if form not in ("conditional", "joint"):
            raise InputError(f"rule_gold must be 'conditional' or 'joint', found {form!r}")
        self.form = form

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Cross-entropy of the rule posterior, or negative joint log-likelihood."""
        log_q = outputs.log_q if self.form == "conditional" else _rules(outputs)
        return losses.negative_log(log_q, batch.y)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``q - e_y`` by the rule model's logits, or ``-e_y``."""
        if self.form == "conditional":
            slopes.pull_q.scatter_add_(1, batch.gold_column, weight)
        else:
            slopes.by_rule_logits.scatter_add_(1, batch.gold_column, -weight)
        return True

    def applies(self, batch: Batch) -> Tensor:
        """Labelled rows."""
        return batch.labelled


class RuleLikelihood(ClosedForm):
    """L5: ``-log P(l_i)`` on U, the marginal likelihood of the votes (CAGE's objective)."""

    name = "rule-likelihood"
    needs_rules = True

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``-log sum_y P(l_i, y)``."""
        # P(l) is P(l, y) over P(y | l), for any class y; torch's logsumexp is many small steps.
        return outputs.log_q[:, 0] - _rules(outputs)[:, 0]

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``-q`` by the rule model's logits."""
        slopes.by_rule_logits.addcmul_(slopes.outputs.q, weight, value=-1)
        return True

    def applies(self, batch: Batch) -> Tensor:
        """Unlabelled rows."""
        return ~batch.labelled


class Agreement(ClosedForm):
    """L6: KL divergence between both models on all rows, with gradients into both.

    Parameters
    ----------
    direction : {"feature-rules", "rules-feature"}
        ``KL(p || q)`` (the generic public code, default) or ``KL(q || p)``.
    """

    name = "agreement"
    needs_rules = True

    def __init__(self, direction: str = "feature-rules") -> None:
        if direction not in ("feature-rules", "rules-feature"):
            raise InputError(
                f"agreement must be 'feature-rules' or 'rules-feature', found {direction!r}"
            )
        self.direction = direction

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """KL divergence of the two posteriors of the same row."""
        return self._terms(outputs).sum(1)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``p_c (log(p_c / q_c) - KL)`` and ``q - p``; or the other way round."""
        outputs = slopes.outputs
        if self.direction == "feature-rules":
            slopes.pull_p.addcmul_(self._terms(outputs), weight, value=-1)
            slopes.pull_q.addcmul_(outputs.p, weight)
        else:
            slopes.pull_q.addcmul_(self._terms(outputs), weight, value=-1)
            slopes.pull_p.addcmul_(outputs.q, weight)
        return True

    def _terms(self, outputs: Outputs) -> Tensor:
        """``p_c log(p_c / q_c)``, or ``q_c log(q_c / p_c)``."""
        if self.direction == "feature-rules":
            return outputs.shared("p log p/q", lambda: outputs.p * (outputs.log_p - outputs.log_q))
        return outputs.shared("q log q/p", lambda: outputs.q * (outputs.log_q - outputs.log_p))

    def applies(self, batch: Batch) -> Tensor:
        """All rows."""
        return torch.ones_like(batch.labelled)


class QualityGuide(Penalty):
    """L7 (R): keeps each LF's precision under the model near the guide that was given for it."""

    name = "quality-guide"

    def value(self, model: nn.Module) -> Tensor:
        """Sum over LFs of the cross-entropy between guide and model precision."""
        return cast(Any, model).rules.quality_penalty()

    def theta_slope(self, potentials: Potentials, guides: Guides) -> Tensor:
        """Derive it by theta (.., C, m)."""
        return potentials.quality_slope(guides)


#: SPEAR's seven losses by name, and those that users have registered.
LOSSES: dict[str, type[Component | Penalty]] = {
    "gold": GoldCrossEntropy,
    "entropy": PredictionEntropy,
    "consensus": RuleConsensus,
    "rule-gold": RuleGold,
    "rule-likelihood": RuleLikelihood,
    "agreement": Agreement,
    "quality-guide": QualityGuide,
}
#: Names of SPEAR's seven losses, in the order of their numbers.
NAMES = tuple(LOSSES)
#: Numbers of SPEAR's seven losses.
EVERY_LOSS = (1, 2, 3, 4, 5, 6, 7)


def register_loss(name: str, loss: type[Component]) -> None:
    """Register a loss of your own, to be chosen by name beside SPEAR's seven.

    Parameters
    ----------
    name : str
        Becomes the name of the component, by which weights and histories are told.
    loss : type of Component
        Is made without arguments.

    Raises
    ------
    InputError
        If the name or the class' name is taken by another class, or it is no Component.
    """
    check_registration(LOSSES, name, loss, Component)
    LOSSES[name] = loss


def resolve(chosen: Iterable[int | str]) -> tuple[str, ...]:
    """Return the names of chosen losses, given by numbers 1 to 7 or names.

    SPEAR's come first, in their order; then registered ones, as they were registered.

    Examples
    --------
    >>> resolve([1, "agreement", 3])
    ('gold', 'consensus', 'agreement')
    >>> resolve("13")
    ('gold', 'consensus')
    """
    if not isinstance(chosen, Iterable):
        raise InputError(f"losses are several numbers or names, found {chosen!r}")
    names = set()
    for choice in chosen:
        numbered = isinstance(choice, Integral) or str(choice).isdecimal()
        if numbered and 1 <= int(choice) <= len(NAMES):
            names.add(NAMES[int(choice) - 1])
        else:
            check_name(f"loss (a number from 1 to {len(NAMES)}, or a name)", choice, LOSSES)
            names.add(str(choice))
    return tuple(name for name in LOSSES if name in names)


def spear_components(
    chosen: Iterable[int | str] = EVERY_LOSS,
    *,
    with_rules: bool = True,
    consensus: str = "hard",
    rule_gold: str = "conditional",
    agreement: str = "feature-rules",
    class_weights: VectorLike | None = None,
) -> ComponentSet:
    """Make SPEAR's losses as a component set.

    Parameters
    ----------
    chosen : iterable of int or str
        Which of the seven, the published ``loss_func_mask`` in numbers or names, and names of
        registered losses.
    with_rules : bool
        False (no LFs at hand) leaves out what needs them.
    consensus, rule_gold, agreement : str
        Options of L3, L4 and L6.
    class_weights : array (C,), optional
        Factors of L1 by gold class.
    """
    built: dict[str, Component] = {
        "gold": GoldCrossEntropy(class_weights),
        "entropy": PredictionEntropy(),
        "consensus": RuleConsensus(consensus),
        "rule-gold": RuleGold(rule_gold),
        "rule-likelihood": RuleLikelihood(),
        "agreement": Agreement(agreement),
    }
    names = resolve(chosen)
    built |= {name: _registered(name) for name in names if name not in NAMES}
    kept = [built[n] for n in names if n in built and (with_rules or not built[n].needs_rules)]
    if not kept:
        raise InputError(f"of the chosen losses {names} none can be trained without votes (L)")
    penalties = [QualityGuide()] if "quality-guide" in names and with_rules else []
    return ComponentSet(kept, penalties)


def _registered(name: str) -> Component:
    """Make a loss of a user's own."""
    component = cast(Component, LOSSES[name]())
    component.name = name
    return component


class OnCovered(ClosedForm):
    """A loss on labelled rows and on unlabelled ones where a rule fired, and on no others.

    Where no rule fires the rule model's posterior says nothing, so that agreement with it pulls
    the feature model to the middle. SPEAR leaves such rows out of training; a teacher speaks on
    them, so that they stay in, and this keeps the losses of the rules off them.

    Parameters
    ----------
    component : Component
    """

    def __init__(self, component: Component) -> None:
        self.component = component
        self.name = component.name
        self.mixable = component.mixable
        self.needs_rules = component.needs_rules

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Loss of the component."""
        return self.component.loss(outputs, batch)

    def has_closed_form(self) -> bool:
        """Return whether the component has its slopes in closed form."""
        return self.component.has_closed_form()

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """Slopes of the component, if it has a closed form."""
        return add_in_closed_form(self.component, slopes, batch, weight)

    def applies(self, batch: Batch) -> Tensor:
        """Rows of the component that are labelled or covered."""
        return self.component.applies(batch) & (batch.labelled | batch.covered)
