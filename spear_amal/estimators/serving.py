"""One model for serving: a single network that learns what an ensemble says, without votes."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from sklearn.base import clone

from spear_amal._typing import MatrixLike, VectorLike, VotesLike
from spear_amal.errors import InputError
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import FitPlan
from spear_amal.estimators.pool import PooledClassifier
from spear_amal.estimators.row_weights import read_weights, take_rows
from spear_amal.estimators.together import Steps, finish
from spear_amal.estimators.validation import (
    FitInputs,
    TrainingPool,
    known_codes,
    places_by_id,
    stack,
)
from spear_amal.losses import ComponentSet
from spear_amal.losses.teacher import TeacherDivergence
from spear_amal.models import LinearModel
from spear_amal.params import Interval, StrOptions

SMALLEST = 1e-6  # a probability below this counts as this: one of 0 asks for infinite scores


@dataclass(kw_only=True, eq=False, repr=False)
class SingleModelClassifier(BaseSpearEstimator):
    """One model that was taught by an ensemble: small to store, quick, and in need of no votes.

    First the ensemble is fitted; then it answers for every row, labelled or not, with its votes;
    and one model learns its answers from the features alone. What votes tell of a row beyond what
    its features tell is lost: how much that is, `compare` and `study` say.

    Parameters
    ----------
    ensemble : classifier of this package, optional
        Default: :class:`PooledClassifier` with `n_folds`, and with `trainer`, `metric`,
        `class_weight`, `random_state` and the others as here.
    temperature : float
        Above 1 the model learns more of what the ensemble says of its less favoured classes.
    gold_share : float
        What a row with gold is to be learnt as: so much gold, and for the rest the ensemble's
        answer, which has seen that gold. Half of each cost two points of F1 on SMS.
    feature_model, hidden
        Of the one model. An "encoder:NAME" is trained in the ensemble as well, which has the same
        rows of tokens.
    fit_strategy : {"crossfit"}
        Of the ensemble. Of the rows one in five chooses the epoch of the one model, which is then
        trained on all.
    trainer, n_folds, validation, validation_fraction, prior_correction, class_weight, metric, \
random_state, verbose
        As in :class:`SpearClassifier`.

    Attributes
    ----------
    ensemble_ : fitted classifier
        Not in files.
    val_score_ : float
        How often the one model agrees with the ensemble (by `metric`), on rows that it was not
        trained on; how often the ensemble is right, ``ensemble_`` says.
    validation_source_ : "teacher"
    models_ : list of one JointModel
    classes_, n_features_in_, history_, training_path_
        As in :class:`SpearClassifier`.

    Examples
    --------
    >>> from spear_amal.training import TrainerConfig
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 3))
    >>> gold = (X[:, 0] > 0).astype(int)
    >>> L = np.stack([np.where(X[:, 0] > 1, 1, -1), np.where(X[:, 0] < -1, 0, -1)], axis=1)
    >>> y = np.where(rng.random(300) < 0.2, gold, -1)
    >>> model = SingleModelClassifier(trainer=TrainerConfig(max_epochs=20)).fit(X, y, L)
    >>> len(model.ensemble_.models_), len(model.models_), bool(model.score(X, gold) > 0.85)
    (20, 1, True)
    """

    ensemble: Any = None
    temperature: float = 1.0
    gold_share: float = 0.0
    fit_strategy: str = "crossfit"

    _not_stored: ClassVar[tuple[str, ...]] = (*BaseSpearEstimator._not_stored, "ensemble")
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "gold_share": [Interval(Real, 0, 1, closed="both")],
        "fit_strategy": [StrOptions({"crossfit"})],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        ensemble = self.new_ensemble()
        ensemble.check_parameters()
        if ensemble.encoder_name != self.encoder_name:
            raise InputError(
                "the ensemble and the one model are trained on the same rows, token numbers of "
                f"one encoder or features: found feature_model={ensemble.feature_model!r} and "
                f"{self.feature_model!r}"
            )

    def new_ensemble(self) -> BaseSpearEstimator:
        """Make the ensemble, unfitted."""
        if self.ensemble is not None:
            ensemble: BaseSpearEstimator = clone(self.ensemble)
            return ensemble
        own = ["ensemble", "temperature", "gold_share", "hidden", "inference"]
        if self.encoder_name is None:
            own.append("feature_model")
        shared = {k: v for k, v in self.get_params(deep=False).items() if k not in own}
        shared["random_state"] = getattr(self, "seed_", self.random_state)
        return PooledClassifier(**shared)

    # -- fitting --------------------------------------------------------------------------------

    def fit_steps(self, **given: Any) -> Steps[Self]:
        """Fit in steps; see :meth:`BaseSpearEstimator.fit_steps`."""
        self._begin()
        ensemble = self.new_ensemble()
        yield from ensemble.fit_steps(**given)
        inputs = FitInputs(**{name: given.get(name) for name in FitInputs._fields})
        return (yield from self._learn_from(ensemble, inputs))

    def _learn_from(self, ensemble: Any, inputs: FitInputs) -> Steps[Self]:
        """Train the one model on what a fitted ensemble says of all rows."""
        self.ensemble_ = ensemble
        self.__dict__.pop("vote_schema_", None)
        parts = [(inputs.X, inputs.y, inputs.L)]
        if inputs.X_val is not None:
            parts.append((inputs.X_val, inputs.y_val, inputs.L_val))
        targets = np.concatenate([self._targets(*part) for part in parts])
        x = [self._check_features(X, reset=i == 0) for i, (X, _, _) in enumerate(parts)]
        weights = read_weights(inputs.sample_weight, inputs.X, inputs.y)
        # In the order of their ids, so that a table in another order gives the same model.
        n = x[0].shape[0]
        rows = np.argsort(places_by_id((inputs.L, inputs.X, inputs.y), n))
        rows = np.concatenate([rows, np.arange(n, len(targets))])
        if weights is not None:
            weights = np.concatenate([weights, np.ones(len(targets) - n)])
            rows = rows[weights[rows] > 0]
        one = FitInputs(take_rows(stack(x), rows), None, sample_weight=take_rows(weights, rows))
        yield from self._fit_steps(one, targets[rows])
        learnt = np.full((len(targets), self.weights_.shape[1]), np.nan)
        learnt[rows] = self.weights_
        self.weights_ = pd.DataFrame(learnt, columns=self.weights_.columns)
        # Labels are read, and the class that F1 is of, as the ensemble has them from its votes.
        for name in ("vote_schema_", "plan_", "feature_names_in_", "guarded_", "votes_test_"):
            if hasattr(ensemble, name):
                setattr(self, name, getattr(ensemble, name))
        return self

    def _targets(self, X: Any, y: Any, L: Any) -> np.ndarray:
        """Compute what is to be learnt of each row (n, C): the ensemble's answer, and gold."""
        ensemble = self.ensemble_
        p = np.array(ensemble._predict_proba(X, L, 0.0 if L is None else ensemble.exponent_))
        if y is not None:
            codes = known_codes(ensemble, y, strict=False)
            known = np.flatnonzero((codes >= 0) & (codes < p.shape[1]))
            p[known] *= 1 - self.gold_share
            p[known, codes[known]] += self.gold_share
        return np.clip(p, SMALLEST, None)

    def _feature_model(
        self, statistics: Any = None, generator: torch.Generator | None = None
    ) -> torch.nn.Module:
        """Build the one model; of linear models it begins with those of the ensemble, merged."""
        network = super()._feature_model(statistics, generator)
        merged = merged_coefficients(getattr(self, "ensemble_", None))
        if merged is not None and isinstance(network, LinearModel):
            with torch.no_grad():
                for parameter, values in zip(network.head.parameters(), merged, strict=True):
                    parameter.copy_(torch.as_tensor(values))
        return network

    def _classes_told(self) -> Any:
        return self.ensemble_.classes_.tolist()

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        targets = np.log(given)[:, None]
        return self._new_plan(
            pool,
            lambda class_weights: ComponentSet([TeacherDivergence(0, self.temperature)]),
            make_teachers=lambda gold: targets,
            fit_strategy="refit",
            use_unlabelled=True,
            keep_uncovered=True,
        )


def merged_coefficients(ensemble: Any) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the linear model that is nearest to an ensemble of linear ones, without the rules.

    Coefficients (C, D) and constants (C,): means over models, sums over the members of a pool by
    their weights. None where there is no ensemble, or one of other models.
    """
    if isinstance(ensemble, PooledClassifier):
        shares = ensemble.feature_weights()
        parts = [(w, merged_coefficients(ensemble.members_[n])) for n, w in shares.items()]
        known = [(share * part[0], share * part[1]) for share, part in parts if part is not None]
        if len(known) < len(parts):
            return None
        coefficients, constants = (np.sum(values, axis=0) for values in zip(*known, strict=True))
        return coefficients, constants + ensemble.by_class_
    networks = [model.feature for model in getattr(ensemble, "models_", ()) if model is not None]
    if not networks or not all(isinstance(network, LinearModel) for network in networks):
        return None
    weights = [network.head.weight.detach().double().cpu().numpy() for network in networks]
    constants = [network.head.bias.detach().double().cpu().numpy() for network in networks]
    return np.mean(weights, axis=0), np.mean(constants, axis=0)


def distilled(
    ensemble: BaseSpearEstimator,
    X: MatrixLike,
    L: VotesLike | None = None,
    y: VectorLike | None = None,
    **options: Any,
) -> SingleModelClassifier:
    """Return one model that was taught by an ensemble which is fitted already.

    Parameters
    ----------
    ensemble : fitted classifier of this package
    X : array or sparse matrix (n, D)
        All rows at hand, with gold or without.
    L : LabelMatrix or array (n, m), optional
        Votes on them, for an ensemble that predicts with the rules as well.
    y : array (n,), optional
        Gold, -1 where there is none.
    **options
        Of :class:`SingleModelClassifier` by name.

    Raises
    ------
    InputError
        If the ensemble is not fitted, or rows, votes or options do not go together.
    """
    if not hasattr(ensemble, "models_"):
        raise InputError(
            f"distilled needs a fitted ensemble, found {ensemble!r}: fit it first, or fit "
            "SingleModelClassifier(ensemble=..)"
        )
    settled = {"metric": ensemble.metric, "random_state": ensemble.random_state, **options}
    model = SingleModelClassifier.from_options(**settled)
    model._begin()
    return finish(model._learn_from(ensemble, FitInputs(X, y, L)))
