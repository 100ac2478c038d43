"""ImplyLoss and posterior regularisation: a classifier and a network that judges the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import scipy.sparse as sp
import torch

from spear_amal.errors import InputError
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import FitPlan, FoldResult
from spear_amal.estimators.validation import TrainingPool
from spear_amal.losses import (
    ComponentSet,
    GoldCrossEntropy,
    Implication,
    PosteriorRegularisation,
    RuleReliability,
)
from spear_amal.models import RuleNetwork
from spear_amal.params import Interval, StrOptions

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
    lr_rules : float
        Adam's rate for the rule network.
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
    _uses_unlabelled = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "inference": [StrOptions({"feature", "product", "sum"})],
        "form": [StrOptions({"implication", "posterior"})],
        "gamma": [Interval(Real, 0, None, closed="left")],
        "strength": [Interval(Real, 0, None, closed="left")],
        "lr_rules": [Interval(Real, 0, None, closed="neither")],
        "rule_hidden": ["array-like"],
    }

    form: str = "implication"
    gamma: float = 0.3
    strength: float = 0.1
    rule_hidden: Sequence[int] = (32,)
    lr_rules: float = 1e-3
    inference: str = "sum"

    def fit(
        self,
        X: Any,
        y: Any,
        L: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        L_val: Any = None,
        exemplars: Any = None,
    ) -> Any:
        """Train; see :meth:`BaseSpearEstimator.fit`.

        Parameters
        ----------
        X, y, L, X_val, y_val, L_val
        exemplars : array or sparse matrix of shape (n, m), bool, optional
            True where LF j was written from row i.
        """
        if exemplars is not None and L is None:
            raise InputError("exemplars say which row an LF was written from; pass the votes as L=")
        self._exemplars = None if exemplars is None else _matrix(exemplars)
        try:
            return super().fit(X, y, L, X_val, y_val, L_val)
        finally:
            del self._exemplars

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        widths = list(self.rule_hidden)
        if not widths or not all(isinstance(one, Integral) and one >= 1 for one in widths):
            raise InputError(
                f"rule_hidden must hold one width of at least 1 or more, found {self.rule_hidden!r}"
            )

    def _config_for_fingerprint(self) -> dict[str, Any]:
        given = self._exemplars
        places = None if given is None else sorted(np.transpose(given.nonzero()).tolist())
        return {**super()._config_for_fingerprint(), "exemplars": places}

    def _components(self, pool: TrainingPool, class_weights: np.ndarray | None) -> ComponentSet:
        gold = GoldCrossEntropy(class_weights)
        if pool.labels is None:
            return ComponentSet([gold])
        k = torch.as_tensor([k for _, k in pool.plan])
        if self.form == "posterior":
            unlabelled: Implication = PosteriorRegularisation(k, self.gamma, self.strength)
        else:
            unlabelled = Implication(k, self.gamma)
        return ComponentSet([gold, RuleReliability(k, self._exemplar_rows(pool)), unlabelled])

    def _exemplar_rows(self, pool: TrainingPool) -> np.ndarray | None:
        """Exemplars (rows of the pool, columns of the unipolar form)."""
        given = self._exemplars
        if given is None:
            return None
        if given.shape != (pool.n_train, self.n_lfs_):
            raise InputError(
                f"exemplars have shape {given.shape}; needed one row per row of X and one column "
                f"per LF: {(pool.n_train, self.n_lfs_)}"
            )
        rows = np.zeros((len(pool.y), len(pool.plan)), dtype=bool)
        rows[: pool.n_train] = given[:, [j for j, _ in pool.plan]].toarray()
        return rows

    def _rules(
        self, pool: TrainingPool, y: np.ndarray, generator: torch.Generator
    ) -> RuleNetwork | None:
        if pool.labels is None:
            return None
        k = torch.as_tensor([k for _, k in pool.plan])
        return RuleNetwork(
            pool.x.shape[1], len(pool.classes), k, tuple(self.rule_hidden), generator
        )

    def _stored_rules(self, tensors: dict[str, torch.Tensor]) -> RuleNetwork | None:
        return RuleNetwork.from_state(tensors, len(self.classes_)) if tensors else None

    def rule_predict_proba(self, L: Any) -> np.ndarray:
        """Not defined: the rule network judges rules by the features of a row."""
        raise InputError("a rule network needs the features too; use predict_proba(X, L)")

    def _exponent(self, pool: TrainingPool, members: list[FoldResult], recipe: FitPlan) -> float:
        if self.inference == "sum":
            return 0.0 if pool.labels is None else 1.0
        return super()._exponent(pool, members, recipe)

    def _combined(self, log_p: np.ndarray, log_q: np.ndarray | None, exponent: float) -> np.ndarray:
        if self.inference == "sum" and log_q is not None and exponent > 0:
            silent = np.ptp(log_q, axis=1, keepdims=True) < FLAT
            return np.where(silent, log_p, np.logaddexp(log_p, log_q) - np.log(2))
        return super()._combined(log_p, log_q, exponent)


def _matrix(exemplars: Any) -> sp.csr_array:
    try:
        return sp.csr_array(exemplars, dtype=bool)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"exemplars must be an array or a sparse matrix with a row per row of X: {error}"
        ) from error
