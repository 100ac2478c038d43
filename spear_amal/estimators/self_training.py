"""Self-training: a classifier that learnt weak labels goes on to learn its own answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.base import BaseEstimator

from spear_amal.errors import InputError
from spear_amal.estimators.cross_fitting import FitPlan, FoldResult, fit_plan, joined_history, named
from spear_amal.estimators.label_model import LabelModelClassifier
from spear_amal.estimators.together import Steps
from spear_amal.estimators.validation import FitInputs, TrainingPool, make_pool
from spear_amal.losses import (
    AnchorContrast,
    Component,
    ComponentSet,
    GoldCrossEntropy,
    PseudoLabelDivergence,
    PseudoLabels,
    UniformDivergence,
)
from spear_amal.mixers import Fixed, Mixer, build_mixer
from spear_amal.params import Interval, check_parameters
from spear_amal.training import TrainerConfig

# How the models are made that learn weak labels, where that is not `fit_strategy` itself.
_FIRST_STRATEGY = {"refit": "single", "crossfit-weights": "crossfit"}


@dataclass(kw_only=True, repr=False)
class SelfTrainingConfig(BaseEstimator):
    """How a model learns from its own answers; ``self_training=``.

    Parameters
    ----------
    power : float
        Pseudo-labels are ``p^power`` over the frequency of the class, normalised by row.
    threshold : float
        From 0 up to 1: rows of lower confidence, ``1 - H / log C``, wait for the next
        pseudo-labels.
    pseudo_label_epochs : int
        Epochs that pseudo-labels are kept.
    contrast : float
        Factor of the loss that compares hidden states; 0 leaves it out, as does a linear model.
    margin : float
        Distance from which on rows of two classes are far enough from each other.
    n_anchors : int
        Rows of each class that others are compared with.
    uniform : float
        Factor of the divergence to the uniform distribution; 0 leaves it out.
    """

    power: float = 2.0
    threshold: float = 0.4
    pseudo_label_epochs: int = 1
    contrast: float = 1.0
    margin: float = 1.0
    n_anchors: int = 32
    uniform: float = 0.05

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "power": [Interval(Real, 0, None, closed="neither")],
        "threshold": [Interval(Real, 0, 1, closed="both")],
        "pseudo_label_epochs": [Interval(Integral, 1, None, closed="left")],
        "contrast": [Interval(Real, 0, None, closed="left")],
        "margin": [Interval(Real, 0, None, closed="neither")],
        "n_anchors": [Interval(Integral, 1, None, closed="left")],
        "uniform": [Interval(Real, 0, None, closed="left")],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used."""
        check_parameters(self)

    def make_losses(self, class_weights: np.ndarray | None, has_hidden: bool) -> ComponentSet:
        """Make the losses: of gold, of pseudo-labels, and what keeps these in bounds.

        Parameters
        ----------
        class_weights : ndarray (C,), optional
            Factors of gold rows by class.
        has_hidden : bool
            Whether the model has hidden states that it learns.
        """
        labels = PseudoLabels(self.power, self.threshold, self.pseudo_label_epochs, self.n_anchors)
        losses: list[Component] = [GoldCrossEntropy(class_weights), PseudoLabelDivergence(labels)]
        if self.contrast and has_hidden:
            losses.append(AnchorContrast(labels, self.contrast, self.margin))
        if self.uniform:
            losses.append(UniformDivergence(labels, self.uniform))
        return ComponentSet(losses, pseudo_labels=labels)


@dataclass(kw_only=True, eq=False, repr=False)
class SelfTrainedClassifier(LabelModelClassifier):
    """Classifier on weak labels that then trains itself, in the manner of COSINE [1]_.

    First it learns what :class:`LabelModelClassifier` does: gold, and a label model's answers on
    rows with votes; validation rows choose the epoch. From there on its own answers, sharpened and
    balanced by class, are the labels of all rows without gold, those without votes among them. The
    more certain an answer is the more it counts, and uncertain ones do not; networks also pull
    hidden states of one pseudo-class together and push those of two apart, and a divergence to the
    uniform distribution keeps answers from becoming too sure. Validation rows choose the epoch of
    this second part as well.

    The published method has no gold in training, takes one hard vote a row to begin with, and
    compares all pairs of a batch; see :mod:`spear_amal.losses.self_training`.

    Parameters
    ----------
    mixer : str or Mixer
        Of the second part; "amal" learns by row how much gold, pseudo-label and the other losses
        count.
    mixer_options : dict, optional
    self_training : SelfTrainingConfig, optional
        Pseudo-labels and losses of the second part; nested as ``self_training__threshold``.
    label_model, feature_model, ... : see :class:`LabelModelClassifier`
        The `trainer` is that of both parts.

    Attributes
    ----------
    history_ : DataFrame
        Epochs of the second part; ``pseudo_labelled`` is the share of the training rows that had
        gold or a pseudo-label. ``best_epoch_``, ``val_score_`` and ``weights_`` are its as well.
    weak_history_ : DataFrame
        Epochs of the first part. Not in files.

    References
    ----------
    .. [1] Yu et al., "Fine-Tuning Pre-trained Language Model with Weak Supervision: A
       Contrastive-Regularized Self-Training Approach", NAACL 2021.

    Examples
    --------
    >>> import numpy as np
    >>> from spear_amal import TrainerConfig
    >>> rng = np.random.default_rng(0)
    >>> gold = np.arange(300) % 2
    >>> X = rng.normal(size=(300, 4)) + 2 * gold[:, None]
    >>> L = np.where(rng.random((300, 3)) < 0.2, gold[:, None], -1)
    >>> y = np.where(np.arange(300) < 20, gold, -1)
    >>> trainer = TrainerConfig(max_epochs=30)
    >>> model = SelfTrainedClassifier(trainer=trainer).fit(X, y, L=L)
    >>> bool(model.score(X, gold) > 0.9), list(model.weights_.columns)
    (True, ['gold', 'pseudo-label', 'uniform'])
    """

    label_model: Any = "label-model"
    mixer: str | Mixer = "fixed"
    mixer_options: Mapping[str, Any] | None = None
    self_training: SelfTrainingConfig | None = None

    _nested: ClassVar[dict[str, Any]] = {
        **LabelModelClassifier._nested,
        "self_training": SelfTrainingConfig,
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **LabelModelClassifier._parameter_constraints,
        "self_training": [None, SelfTrainingConfig],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        if self._options_of("trainer").distributed is not None:
            raise InputError(
                "pseudo-labels are balanced over all rows, which several processes do not see: use "
                "distributed=None"
            )

    def _new_mixer(self) -> Mixer:
        return build_mixer(self.mixer, self.mixer_options)

    def _fit_steps(self, inputs: FitInputs, given: Any = None) -> Steps[None]:
        """Check, plan and train both parts."""
        self._begin()
        pool = make_pool(self, inputs)
        plan = self._plan(pool, given)
        plan = replace(plan, make_teachers=_once_for_the_same_gold(plan.make_teachers))
        weak = yield from fit_plan(pool, _first_part(plan))
        results = yield from fit_plan(pool, self._second_part(pool, plan, weak))
        self.weak_history_ = joined_history(weak)
        self._set_fitted_attributes(pool, results, plan)

    def _second_part(self, pool: TrainingPool, plan: FitPlan, weak: list[FoldResult]) -> FitPlan:
        """Plan self-training from the models that learnt weak labels."""
        config: SelfTrainingConfig = self._options_of("self_training")
        has_hidden = self.feature_model != "linear"
        return replace(
            plan,
            start_from=lambda validation: _of_the_same_fold(weak, validation).model,
            make_losses=lambda gold: config.make_losses(
                self._class_weights(pool, gold), has_hidden
            ),
            keep_uncovered=True,
            select_rows=None,
        )


def _first_part(plan: FitPlan) -> FitPlan:
    """Plan the learning of weak labels: as planned, with all losses alike."""
    strategy = _FIRST_STRATEGY.get(plan.fit_strategy, plan.fit_strategy)
    trainer: TrainerConfig = replace(
        plan.trainer, checkpoint=named(plan.trainer.checkpoint, "weak-labels")
    )
    return replace(plan, make_mixer=Fixed, fit_strategy=strategy, trainer=trainer)


def _of_the_same_fold(weak: list[FoldResult], validation: np.ndarray) -> FoldResult:
    """Return the result whose rows of V are these."""
    return next(first for first in weak if np.array_equal(first.validation, validation))


def _once_for_the_same_gold(
    make: Callable[[np.ndarray], np.ndarray | None],
) -> Callable[[np.ndarray], np.ndarray | None]:
    """Make teachers once for the gold of a fold: both parts see the same."""
    made: dict[bytes, np.ndarray | None] = {}

    def once(gold: np.ndarray) -> np.ndarray | None:
        key = gold.tobytes()
        if key not in made:
            made[key] = make(gold)
        return made[key]

    return once
