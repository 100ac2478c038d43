"""SSKD: the student also learns what its teacher says of turned images and of their likeness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator

from spear_amal.batch import Views
from spear_amal.errors import InputError
from spear_amal.estimators.cross_fitting import FitPlan, FoldResult, SeenGold, named
from spear_amal.estimators.distillation import DistilledClassifier
from spear_amal.estimators.plan_tables import run_mark
from spear_amal.estimators.validation import TrainingPool
from spear_amal.io.safetensors import under_prefix
from spear_amal.losses import ComponentSet, TeacherDivergence
from spear_amal.losses.self_supervised import (
    RotatedDivergence,
    SimilarityDivergence,
    UprightDivergence,
    ViewMatching,
)
from spear_amal.mixers import HINTON, Fixed, Mixer, build_mixer
from spear_amal.mixers.loss_roles import by_name, check_by_name
from spear_amal.models import JointModel
from spear_amal.models.feature_model import eval_mode
from spear_amal.models.rotations import RotationModel, check_turnable, projection_head
from spear_amal.params import Interval, check_parameters
from spear_amal.teachers.features import FrozenFeatures, check_feature_network
from spear_amal.training import Callback, ProgressBar, Table, Trainer, TrainerConfig

SSKD_WEIGHTS = {**HINTON, "rotated": 2.7, "similarity": 10.0}
SSKD_BATCH = 64


@dataclass(kw_only=True, repr=False)
class ViewConfig(BaseEstimator):
    """How a student learns from turned images; ``views=``.

    Parameters
    ----------
    head_epochs : int
        Epochs of the teacher's head.
    rotated_ratio, similarity_ratio : float
        Share, from 0 to 1, kept of the turned views that the teacher gets wrong.
    similarity_temperature : float
    """

    head_epochs: int = 60
    rotated_ratio: float = 1.0
    similarity_ratio: float = 0.75
    similarity_temperature: float = 0.5

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "head_epochs": [Interval(Integral, 1, None, closed="left")],
        "rotated_ratio": [Interval(Real, 0, 1, closed="both")],
        "similarity_ratio": [Interval(Real, 0, 1, closed="both")],
        "similarity_temperature": [Interval(Real, 0, None, closed="neither")],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used."""
        check_parameters(self)


@dataclass(kw_only=True, eq=False, repr=False)
class RotationDistiller(DistilledClassifier):
    """Self-supervised distillation (SSKD, Xu et al., 2020) [1]_ for square images.

    Each image is seen turned by 0, 90, 180 and 270 degrees. First a small head over the frozen
    teacher learns to match turned images with their upright ones. Then the student learns from the
    label and the teacher's answer to the upright image, from its answers to the turned ones, and
    from the similarities between turned and upright images of a batch. The published training is
    ``TrainerConfig(optimiser="sgd", lr=0.05, weight_decay=5e-4, max_epochs=240,
    schedule="steps", milestones=(150, 180, 210))``. Prediction is that of the upright image alone.

    Parameters
    ----------
    student
        As of :class:`DistilledClassifier`.
    teachers : sequence of one
        A torch module, a classifier of this package fitted on images, or a network's name: its
        features are needed.
    mixer : {"fixed", "ce"} or Fixed
        These losses have no weights per row to learn. "ce" without a teacher: labels alone.
    mixer_options : dict, optional
        ``{"per_loss": {..}}`` changes weights of the losses "label" (0.1), "teacher" (0.9),
        "rotated" (2.7) and "similarity" (10).
    temperature : float
        Of the answers to upright and turned images.
    direction : {"teacher-student", "student-teacher"}
        Of the divergence on upright images.
    views : ViewConfig, optional
        How turned images are learnt from; nested as ``views__head_epochs``.
    **parameters
        All others as of :class:`DistilledClassifier`. Batches have 64 images.

    Attributes
    ----------
    head_losses_ : list of float
        Mean loss of each epoch of the first stage.
    weights_, history_, ...
        As of :class:`DistilledClassifier`.

    References
    ----------
    .. [1] Xu, Liu, Li and Loy, "Knowledge Distillation Meets Self-Supervision", ECCV 2020.
    """

    _takes_teacher_X = False  # it asks the teacher about turned X
    mixer: str | Mixer = "fixed"
    views: ViewConfig | None = None

    _nested: ClassVar[dict[str, Any]] = {**DistilledClassifier._nested, "views": ViewConfig}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **DistilledClassifier._parameter_constraints,
        "views": [None, ViewConfig],
    }

    @property
    def _turns(self) -> bool:
        """Without a teacher this is a classifier of labels, such as a teacher that is trained."""
        return len(self.teachers) > 0

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        if self._options_of("trainer").distributed is not None:
            raise InputError("sskd compares the rows of a batch: use distributed=None")
        if self.chain is not None:
            raise InputError("sskd has one teacher and no chain; assistants go with 'takd', 'dgkd'")
        if self.mixer == "ce" and not self._turns:
            return
        if len(self.teachers) != 1:
            raise InputError(f"sskd needs one teacher, found {len(self.teachers)}")
        if self.mixer != "fixed" and not isinstance(self.mixer, Fixed):
            raise InputError(
                f"sskd cannot train with mixer={self.mixer!r}: its similarities see the whole "
                "batch, so no weight of a row can be learnt or judged; use 'fixed', with "
                "mixer_options={'per_loss': {..}} for other weights"
            )

    # -- fitting --------------------------------------------------------------------------------

    def _check_features(self, X: Any, reset: bool) -> Any:
        checked = super()._check_features(X, reset)
        check_turnable(checked.shape[1:])
        return checked

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        """Train the teacher's head; the student's models then learn from its views."""
        self.head_losses_: list[float] = []
        if not self._turns:
            return super()._plan(pool, given)
        check_feature_network(self.teachers_[0])
        # Now, not when the mixer gets its losses: the first stage may take hours.
        names = self._make_losses(pool, None).names
        by_name("per_loss", getattr(self._new_mixer(), "per_loss", {}), names)
        plan = super()._plan(pool, given)
        if self._options_of("trainer").batch_size is None:
            plan = replace(plan, trainer=replace(plan.trainer, batch_size=SSKD_BATCH))
        views = self._views_of_teacher(pool, plan)

        def make(seen: SeenGold, generator: torch.Generator) -> JointModel:
            model = plan.make_model(seen, generator)
            head = projection_head(_width(model.feature, pool.x), generator)
            model.feature = RotationModel(model.feature, head, views)
            return model

        return replace(plan, make_model=make)

    def _views_of_teacher(
        self, pool: TrainingPool, plan: FitPlan
    ) -> Callable[[torch.Tensor], Views]:
        """Train the teacher's head; return the function from images to its views."""
        features = FrozenFeatures(
            self.teachers_[0], self.classes_, device=plan.device, dtype=plan.dtype
        )
        bar = (ProgressBar("sskd: head of the teacher"),) if self.verbose else ()
        n_epochs = self._options_of("views").head_epochs
        mark = run_mark(pool, plan)
        model, self.head_losses_ = train_head(features, pool, plan, n_epochs, mark, bar)
        # The bound method, not the model, which would become a part of the student.
        return model.views

    def _make_losses(self, pool: TrainingPool, class_weights: Any) -> ComponentSet:
        plain = super()._make_losses(pool, class_weights)
        if not self._turns:
            return plain
        views: ViewConfig = self._options_of("views")
        others = [c for c in plain.components if not isinstance(c, TeacherDivergence)]
        of_views = [
            UprightDivergence(0, self.temperature, self.direction),
            RotatedDivergence(self.temperature, views.rotated_ratio),
            SimilarityDivergence(views.similarity_temperature, views.similarity_ratio),
        ]
        return ComponentSet([*others, *of_views], plain.penalties)

    def _new_mixer(self, with_rules: bool = False) -> Mixer:
        if self.mixer != "fixed":
            return super()._new_mixer(with_rules)
        options = {} if self.mixer_options is None else self.mixer_options
        if not isinstance(options, Mapping):
            return build_mixer("fixed", options)  # says what is wrong
        per_loss = options.get("per_loss")
        per_loss = {} if per_loss is None else per_loss
        check_by_name("per_loss", per_loss)
        return build_mixer("fixed", {**options, "per_loss": SSKD_WEIGHTS | dict(per_loss)})

    def _online_teachers(self) -> tuple[Any, ...]:
        # What the teacher says of a batch comes with the views: it need not be asked twice.
        return () if self._turns else super()._online_teachers()

    def _set_fitted_attributes(
        self, pool: TrainingPool, results: list[FoldResult], plan: FitPlan
    ) -> None:
        for result in results:
            for joint in (result.model, result.judge):
                _without_views(joint)
            if self._turns:
                kept = result.result.kept
                result.result.kept = {n: under_prefix("network", kept[n]) for n in kept}
        super()._set_fitted_attributes(pool, results, plan)

    def _get_extra_state(self) -> dict[str, Any]:
        return super()._get_extra_state() | {"head_losses": self.head_losses_}

    def _set_extra_state(self, state: dict[str, Any]) -> None:
        super()._set_extra_state(state)
        self.head_losses_ = state["head_losses"]


def _without_views(joint: JointModel) -> None:
    """Leave the network alone: what is kept predicts, and loads, as any other."""
    if isinstance(joint.feature, RotationModel):
        joint.feature = joint.feature.network  # type: ignore[assignment]


def _width(network: torch.nn.Module, images: np.ndarray) -> int:
    """H of a network that is not trained yet."""
    first = next(network.parameters())
    with eval_mode(network), torch.no_grad():
        hidden = network(Table(images[:1], dtype=first.dtype, device=first.device).x)[1]
    return int(hidden.shape[1])


HEAD_RATE, HEAD_DECAY = 0.05, 5e-4


def train_head(
    features: FrozenFeatures,
    pool: TrainingPool,
    plan: FitPlan,
    n_epochs: int,
    mark: str,
    callbacks: tuple[Callback, ...] = (),
) -> tuple[RotationModel, list[float]]:
    """Train the teacher's projection head on the images that are not validation rows.

    Labels are not looked at. Augmentation, batch size, seed and device are those of the plan;
    the checkpoint is its own, beside that of the plan.

    Returns
    -------
    model : RotationModel
        Frozen teacher and trained head; only the head has parameters.
    losses : list of float
        Mean loss of each epoch.
    """
    table = Table(pool.x, dtype=plan.dtype, device=plan.device)
    table.augment = plan.augment
    generator = torch.Generator().manual_seed(plan.seed)
    width = features(table.x[:1])[1].shape[1]
    model = RotationModel(features, projection_head(width, generator))
    joint = JointModel(model).to(plan.device, plan.dtype)
    result = Trainer(
        head_settings(plan.trainer, n_epochs), seed=plan.seed, callbacks=callbacks
    ).fit(
        joint,
        ComponentSet([ViewMatching()]),
        Fixed(),
        table,
        _rows(pool),
        fingerprint=f"{mark}-head-{n_epochs}",
    )
    return model.requires_grad_(False), [record["loss/matching"] for record in result.history]


def head_settings(student: TrainerConfig, n_epochs: int) -> TrainerConfig:
    """SGD at 0.05, a tenth of it from half and a hundredth from three quarters of the epochs."""
    return TrainerConfig(
        lr=HEAD_RATE,
        batch_size=student.batch_size,
        max_epochs=n_epochs,
        patience=n_epochs,
        weight_decay=HEAD_DECAY,
        optimiser="sgd",
        schedule="steps",
        milestones=(-(-n_epochs // 2), -(-3 * n_epochs // 4)),
        checkpoint=named(student.checkpoint, "head"),
        checkpoint_every=student.checkpoint_every,
    )


def _rows(pool: TrainingPool) -> np.ndarray:
    everything = np.arange(len(pool.y))
    rows = np.setdiff1d(everything, pool.validation)
    return pool.ordered(rows if len(rows) else everything)
