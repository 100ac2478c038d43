"""The counterpart without rules: gold labels only."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from spear_amal.estimators.base import BaseSpearEstimator
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
    feature_model, hidden, fit_strategy, n_folds, validation, validation_fraction,
    prior_correction, lr, \
lr_scale, batch_size, max_epochs, patience, metric, weight_decay, dtype, device, checkpoint, \
random_state, verbose
        As in :class:`SpearClassifier`. The default batch size gives about 16 steps per epoch.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> bool(GoldClassifier(fit_strategy="refit").fit(X, y).score(X, y) > 0.9)
    True
    """

    def _components(self, pool: TrainingPool, class_weights: np.ndarray | None) -> ComponentSet:
        return ComponentSet([GoldCrossEntropy(class_weights)])

    def _default_batch(self, pool: TrainingPool) -> int:
        return self._gold_batch(pool)
