"""ImplyLoss and posterior regularisation: a classifier and a network that judges the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import scipy.sparse as sp
import torch

from spear_amal._typing import MatrixLike, VectorLike, VotesLike
from spear_amal.errors import InputError
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import FitPlan, FoldResult, SeenGold
from spear_amal.estimators.together import Steps, finish
from spear_amal.estimators.validation import FitInputs, TrainingPool
from spear_amal.losses import (
    ComponentSet,
    GoldCrossEntropy,
    Implication,
    PosteriorRegularisation,
    RuleReliability,
)
from spear_amal.models import RuleNetwork
from spear_amal.params import Interval, StrOptions

LR_RULES = 1e-3  # Adam's rate for the rule network, where none is given
FLAT = 1e-9  # the rules' log scores differ by less where they say nothing


@dataclass(kw_only=True, eq=False, repr=False)
class RuleNetworkClassifier(BaseSpearEstimator):
    """Classifier trained with a network that says on which rows each rule is right [1]_.

    Three losses: cross-entropy on gold; what gold rows say about the rules that fired on them
    (exemplars count fully, other correct firings by a generalised cross-entropy); and on
    unlabelled rows either the implication "if the rule is right, the class is its class", or the
    posterior under soft rule constraints. Each is a mean over the rows it is defined on, where the
    published code divides all by the batch size.

    Parameters
    ----------
    form : {"implication", "posterior"}
    gamma : float
        Factor of the loss on unlabelled rows.
    strength : float
        Price of breaking a rule under ``form="posterior"``.
    rule_hidden : sequence of int
        Widths of the rule network.
    inference : {"sum", "feature", "product"}
        "sum" adds the scores of the rules, over classes made to sum to one, to the classifier's
        probabilities; where the rules are silent or level the classifier answers alone. Then
        `predict` takes ``L=``.
    feature_model, ... : see :class:`SpearClassifier`

    References
    ----------
    .. [1] Awasthi et al., "Learning from Rules Generalizing Labeled Exemplars", ICLR 2020.
    """

    _uses_rules = True
    _given_by_row = (*BaseSpearEstimator._given_by_row, "exemplars")
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "inference": [StrOptions({"feature", "product", "sum"})],
        "form": [StrOptions({"implication", "posterior"})],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "strength": [Interval(Real, 0, None, closed="left")],
        "rule_hidden": ["array-like"],
    }

    form: str = "implication"
    gamma: float = 0.3
    strength: float = 0.1
    rule_hidden: Sequence[int] = (32,)
    inference: str = "sum"

    def fit(
        self,
        X: MatrixLike,
        y: VectorLike | None = None,
        L: VotesLike | None = None,
        X_val: MatrixLike | None = None,
        y_val: VectorLike | None = None,
        L_val: VotesLike | None = None,
        exemplars: MatrixLike | None = None,
        *,
        sample_weight: VectorLike | None = None,
    ) -> Self:
        """Train; see :meth:`BaseSpearEstimator.fit`.

        Parameters
        ----------
        X, y, L, X_val, y_val, L_val
        exemplars : array or sparse matrix of shape (n, m), bool, optional
            True where LF j was written from row i.
        sample_weight : array (n,), optional
        """
        inputs = FitInputs(X, y, L, X_val, y_val, L_val, sample_weight)
        return finish(self.fit_steps(**inputs._asdict(), exemplars=exemplars))

    def fit_steps(self, **given: Any) -> Steps[Self]:
        """Fit in steps; see :meth:`BaseSpearEstimator.fit_steps`."""
        exemplars = given.get("exemplars")
        if exemplars is not None and given.get("L") is None:
            raise InputError("exemplars say which row an LF was written from; pass the votes as L=")
        matrix = None if exemplars is None else _matrix(exemplars)
        return (yield from super().fit_steps(**given | {"exemplars": matrix}))

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        widths = list(self.rule_hidden)
        if not widths or not all(isinstance(width, Integral) and width >= 1 for width in widths):
            raise InputError(
                f"rule_hidden must hold one width of at least 1 or more, found {self.rule_hidden!r}"
            )

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        exemplars: sp.csr_array | None = given["exemplars"]

        def config() -> dict[str, Any]:
            places = None if exemplars is None else np.transpose(exemplars.nonzero()).tolist()
            return {**self._config_for_fingerprint(), "exemplars": places and sorted(places)}

        classes = torch.as_tensor([k for _, k in pool.plan])
        marked = None if exemplars is None else self._exemplar_rows(pool, exemplars)

        def make_losses(class_weights: np.ndarray | None) -> ComponentSet:
            gold = GoldCrossEntropy(class_weights)
            if pool.votes is None:
                return ComponentSet([gold])
            if self.form == "posterior":
                unlabelled: Implication = PosteriorRegularisation(
                    classes, self.gamma, self.strength
                )
            else:
                unlabelled = Implication(classes, self.gamma)
            return ComponentSet([gold, RuleReliability(classes, marked), unlabelled])

        def make_rules(seen: SeenGold, generator: torch.Generator) -> RuleNetwork | None:
            if pool.votes is None:
                return None
            widths = tuple(self.rule_hidden)
            n_features = pool.x.shape[1]
            if self.encoder_name is not None:  # of what the encoder makes of the tokens
                n_features = self.encoder_plan_.width
            return RuleNetwork(n_features, len(pool.classes), classes, widths, generator)

        return self._new_plan(pool, make_losses, make_rules, lr_rules=LR_RULES, config=config)

    def _exemplar_rows(self, pool: TrainingPool, exemplars: sp.csr_array) -> np.ndarray:
        """Exemplars (rows of the pool, columns of the unipolar form)."""
        if exemplars.shape != (pool.n_train, self.n_lfs_):
            raise InputError(
                f"exemplars have shape {exemplars.shape}; needed one row per row of X and one "
                f"column per LF: {(pool.n_train, self.n_lfs_)}"
            )
        rows = np.zeros((len(pool.y), len(pool.plan)), dtype=bool)
        rows[: pool.n_train] = exemplars[:, [j for j, _ in pool.plan]].toarray()
        return rows

    def _restore_rules(self, tensors: dict[str, torch.Tensor]) -> RuleNetwork | None:
        return RuleNetwork.from_state(tensors, len(self.classes_)) if tensors else None

    def rule_predict_proba(self, L: VotesLike) -> np.ndarray:
        """Not defined: the rule network judges rules by the features of a row."""
        raise InputError("a rule network needs the features too; use predict_proba(X, L)")

    def _choose_exponent(
        self, pool: TrainingPool, results: list[FoldResult], plan: FitPlan
    ) -> float:
        if self.inference == "sum":
            return 0.0 if pool.votes is None else 1.0
        return super()._choose_exponent(pool, results, plan)

    def _combine(self, log_p: np.ndarray, log_q: np.ndarray | None, exponent: float) -> np.ndarray:
        if self.inference == "sum" and log_q is not None and exponent > 0:
            silent = np.ptp(log_q, axis=1, keepdims=True) < FLAT
            return np.where(silent, log_p, np.logaddexp(log_p, log_q) - np.log(2))
        return super()._combine(log_p, log_q, exponent)


def _matrix(exemplars: Any) -> sp.csr_array:
    try:
        return sp.csr_array(exemplars, dtype=bool)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"exemplars must be an array or a sparse matrix with a row per row of X: {error}"
        ) from error
