"""The counterpart without rules: gold labels only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import FitPlan
from spear_amal.estimators.validation import TrainingPool
from spear_amal.losses import ComponentSet, GoldCrossEntropy


@dataclass(kw_only=True, eq=False, repr=False)
class GoldClassifier(BaseSpearEstimator):
    """Classifier trained on gold labels only ("Only-L").

    With ``fit_strategy="refit"`` the number of epochs is chosen on validation rows and training is
    then repeated on L+V: what the same gold labels are worth without any rules. AMAL sees V's
    labels, so this, not Only-L, is the fair comparison.

    Parameters
    ----------
    feature_model, hidden, trainer, fit_strategy, n_folds, validation, validation_fraction, \
prior_correction, class_weight, metric, random_state, verbose
        As in :class:`SpearClassifier`. The default batch size gives about 16 steps per epoch.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> bool(GoldClassifier(fit_strategy="refit").fit(X, y).score(X, y) > 0.9)
    True
    """

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        return self._new_plan(
            pool,
            lambda class_weights: ComponentSet([GoldCrossEntropy(class_weights)]),
            batch_size=self._gold_batch(pool),
        )
