"""The counterparts without joint training: gold only, and gold with a label model's answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.base import clone

from spear_amal.components import ComponentSet, GoldCrossEntropy, TeacherCrossEntropy
from spear_amal.errors import InputError
from spear_amal.estimators.base import TrainedClassifier
from spear_amal.estimators.door import Pool
from spear_amal.label_models import LABEL_MODELS, LabelModel

# A gold set of 69 rows in batches of 32 makes three Adam steps per epoch: under-trained at any
# usual number of epochs. Small batches keep the comparison with rule-trained models fair.
STEPS_PER_EPOCH = 16


class GoldClassifier(TrainedClassifier):
    """Classifier trained on gold labels only ("Only-L").

    With ``final="refit"`` the number of epochs is chosen on validation rows and training is then
    repeated on L+V: what the same gold labels are worth without any rules. AMAL sees V's labels,
    so this, not Only-L, is the fair comparison.

    Parameters
    ----------
    feature_model, hidden, final, n_folds, validation, validation_fraction, lr, batch_size, \
max_epochs, patience, metric, weight_decay, dtype, device, checkpoint, random_state, verbose
        As in :class:`SpearClassifier`. The default batch size gives about 16 steps per epoch.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> y = (X[:, 0] > 0).astype(int)
    >>> bool(GoldClassifier(final="refit").fit(X, y).score(X, y) > 0.9)
    True
    """

    def __init__(
        self,
        *,
        feature_model: Any = "linear",
        hidden: Sequence[int] = (512, 512),
        final: str = "single",
        n_folds: int = 5,
        validation: str = "shared",
        validation_fraction: float = 0.5,
        lr: float | None = None,
        batch_size: int | None = None,
        max_epochs: int = 100,
        patience: int = 10,
        metric: str = "accuracy",
        weight_decay: float = 0.0,
        dtype: str = "float32",
        device: str = "cpu",
        checkpoint: Any = None,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        self.feature_model = feature_model
        self.hidden = hidden
        self.final = final
        self.n_folds = n_folds
        self.validation = validation
        self.validation_fraction = validation_fraction
        self.lr = lr
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.patience = patience
        self.metric = metric
        self.weight_decay = weight_decay
        self.dtype = dtype
        self.device = device
        self.checkpoint = checkpoint
        self.random_state = random_state
        self.verbose = verbose

    def _components(self, pool: Pool) -> ComponentSet:
        return ComponentSet([GoldCrossEntropy()])

    def _default_batch(self, pool: Pool) -> int:
        trained = len(np.setdiff1d(pool.gold, pool.validation)) or len(pool.gold)
        if self.final == "crossfit":
            trained = len(pool.gold) * (self.n_folds - 1) // self.n_folds
        return int(np.clip(trained // STEPS_PER_EPOCH, 4, 32))


class LabelModelClassifier(GoldClassifier):
    """End model on gold labels and a label model's soft answers on covered unlabelled rows.

    Parameters
    ----------
    label_model : {"majority", "cage"} or LabelModel
        Fitted on the votes; its posterior is the target where a row has no gold label.
    feature_model, ... : see :class:`GoldClassifier`
    """

    _uses_rules = True
    _uses_unlabelled = True

    def __init__(
        self,
        *,
        label_model: str | LabelModel = "majority",
        feature_model: Any = "linear",
        hidden: Sequence[int] = (512, 512),
        final: str = "single",
        n_folds: int = 5,
        validation: str = "shared",
        validation_fraction: float = 0.5,
        lr: float | None = None,
        batch_size: int | None = None,
        max_epochs: int = 100,
        patience: int = 10,
        metric: str = "accuracy",
        weight_decay: float = 0.0,
        dtype: str = "float32",
        device: str = "cpu",
        checkpoint: Any = None,
        random_state: int = 0,
        verbose: int = 0,
    ) -> None:
        super().__init__(
            feature_model=feature_model,
            hidden=hidden,
            final=final,
            n_folds=n_folds,
            validation=validation,
            validation_fraction=validation_fraction,
            lr=lr,
            batch_size=batch_size,
            max_epochs=max_epochs,
            patience=patience,
            metric=metric,
            weight_decay=weight_decay,
            dtype=dtype,
            device=device,
            checkpoint=checkpoint,
            random_state=random_state,
            verbose=verbose,
        )
        self.label_model = label_model

    def _components(self, pool: Pool) -> ComponentSet:
        if pool.labels is None:
            return super()._components(pool)
        return ComponentSet([GoldCrossEntropy(), TeacherCrossEntropy(name="label-model")])

    def _default_batch(self, pool: Pool) -> int:
        return 32

    def _teachers(self, pool: Pool) -> np.ndarray | None:
        """Log posteriors (n, 1, C) of the label model; NaN where no LF fires."""
        if pool.labels is None:
            return None
        model = self.label_model
        if isinstance(model, str):
            if model not in LABEL_MODELS:
                raise InputError(
                    f"unknown label_model {model!r}; choose from {sorted(LABEL_MODELS)}"
                )
            model = LABEL_MODELS[model]()
        p = clone(model).fit(pool.labels).predict_proba(pool.labels)
        p[~pool.covered()] = np.nan
        return np.log(np.clip(p, 1e-12, None))[:, None, :]
