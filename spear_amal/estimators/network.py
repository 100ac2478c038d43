"""Networks as feature models: images at the door, SGD with a schedule, augmentation, snapshots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import torch

from spear_amal.errors import InputError
from spear_amal.estimators import defaults
from spear_amal.estimators.cross_fitting import FitPlan, FoldResult, weights_frame
from spear_amal.estimators.spear import SpearClassifier
from spear_amal.estimators.validation import TrainingPool, check_images, is_image_like
from spear_amal.models import build_feature_model, channel_statistics
from spear_amal.models.image_model import check_pixels, pixel_kind
from spear_amal.params import Interval, StrOptions
from spear_amal.training import Callback
from spear_amal.training.augment import AUGMENTATIONS, Augmentation
from spear_amal.training.optimizers import OPTIMISERS, SCHEDULES

IMAGE_BATCH, BATCH = 128, 64


@dataclass(kw_only=True, eq=False, repr=False)
class NetworkClassifier(SpearClassifier):
    """SPEAR under any mixer, with any network as the feature model and images as features.

    A base for :class:`DistilledClassifier`, which documents the parameters.
    """

    optimiser: str = "adam"
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "constant"
    milestones: Sequence[int] = ()
    gamma: float = 0.1
    augment: str | None = None
    keep_epochs: Sequence[int] = ()
    callbacks: Sequence[Callback] = ()
    patience: int | None = None  # type: ignore[assignment]

    _streams = False
    _not_stored: ClassVar[tuple[str, ...]] = ("callbacks",)
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **SpearClassifier._parameter_constraints,
        "optimiser": [StrOptions(set(OPTIMISERS))],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "schedule": [StrOptions(set(SCHEDULES))],
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "augment": [None, StrOptions(set(AUGMENTATIONS))],
        "patience": [None, Interval(Integral, 1, None, closed="left")],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        if self.nesterov and (self.optimiser != "sgd" or not self.momentum):
            raise InputError("nesterov=True needs optimiser='sgd' and a momentum above 0")
        for name in ("milestones", "keep_epochs"):
            epochs = getattr(self, name)
            listed = isinstance(epochs, list | tuple | np.ndarray)
            if not (listed and all(isinstance(one, Integral) and int(one) > 0 for one in epochs)):
                raise InputError(
                    f"{name} must be a list of epochs (whole numbers from 1 on), found {epochs!r}"
                )
        if len(self.keep_epochs) and max(self.keep_epochs) > self.max_epochs:
            raise InputError(
                f"keep_epochs holds {max(self.keep_epochs)}, but training ends after "
                f"max_epochs={self.max_epochs}"
            )

    def _checked(self, X: Any, reset: bool) -> Any:
        if not reset and is_image_like(X) != (len(self.input_shape_) > 1):
            raise InputError(
                f"the model was trained on rows of shape {tuple(self.input_shape_)}, found "
                f"{type(X).__name__} of shape {getattr(X, 'shape', '(rows, features)')}; rows must "
                "be of one kind, all images or all features"
            )
        if not is_image_like(X):
            checked = super()._checked(X, reset)
            if reset:
                self.input_shape_: tuple[int, ...] = checked.shape[1:]
                self.pixels_: str | None = None
            return checked
        images = check_images(X, None if reset else self.input_shape_)
        if reset:
            self.input_shape_, self.pixels_ = images.shape[1:], pixel_kind(images)
            self.n_features_in_ = int(np.prod(self.input_shape_))
        check_pixels(images, self.pixels_)
        return images

    # -- what the base asks -----------------------------------------------------------------------

    def _default_batch(self, pool: TrainingPool) -> int:
        return IMAGE_BATCH if pool.x.ndim > 2 else BATCH

    def _default_rate(self, pool: TrainingPool) -> float:
        return defaults.default_rate(pool.x, self.feature_model, self.optimiser)

    def _own_settings(self) -> dict[str, Any]:
        names = ("optimiser", "momentum", "nesterov", "schedule", "gamma")
        tuples = ("milestones", "keep_epochs")
        return {name: getattr(self, name) for name in names} | {
            name: tuple(int(epoch) for epoch in getattr(self, name)) for name in tuples
        }

    def _callbacks(self) -> tuple[Callback, ...]:
        return (*super()._callbacks(), *self.callbacks)

    def _title(self) -> str:
        return network_name(self.feature_model)

    def _augment(self) -> Augmentation | None:
        if self.augment is None:
            return None
        if len(self.input_shape_) < 2:
            raise InputError(f"augment={self.augment!r} changes images; X holds plain features")
        return AUGMENTATIONS[self.augment]

    # -- the network ------------------------------------------------------------------------------

    def _feature(self, pool: TrainingPool, generator: torch.Generator) -> torch.nn.Module:
        statistics = channel_statistics(pool.x[: pool.n_train]) if pool.x.ndim > 2 else None
        return self._network(statistics, generator)

    def _empty_feature(self) -> torch.nn.Module:
        channels = self.input_shape_[0]
        blank = (np.zeros(channels), np.ones(channels)) if len(self.input_shape_) > 1 else None
        return self._network(blank)

    def _network(self, statistics: Any, generator: torch.Generator | None = None) -> Any:
        return build_feature_model(
            self.feature_model,
            self.n_features_in_,
            len(self.classes_),
            self.hidden,
            generator,
            input_shape=None if statistics is None else tuple(self.input_shape_),
            statistics=statistics,
        )

    def _set_fitted_attributes(
        self, pool: TrainingPool, members: list[FoldResult], recipe: FitPlan
    ) -> None:
        super()._set_fitted_attributes(pool, members, recipe)
        self.last_weights_ = weights_frame(members, last=True)
        self.snapshots_ = {}
        for epoch, held in members[0].result.kept.items():
            # Of the run's type before its numbers go in: they would be rounded on the way.
            network = self._empty_feature().to(recipe.device, recipe.dtype)
            network.load_state_dict(held)
            self.snapshots_[epoch] = network.eval()

    def _get_extra_state(self) -> dict[str, Any]:
        own = {"input_shape": list(self.input_shape_), "pixels": self.pixels_}
        return super()._get_extra_state() | own

    def _set_extra_state(self, record: dict[str, Any]) -> None:
        super()._set_extra_state(record)
        self.input_shape_ = tuple(record["input_shape"])
        self.pixels_ = record.get("pixels")  # None in files of earlier versions


def network_name(network: Any) -> str:
    """Give the name of a network, or that of the function or class.

    Examples
    --------
    >>> network_name("mlp:50"), network_name(torch.nn.Linear(2, 2))
    ('mlp:50', 'Linear')
    """
    if isinstance(network, str):
        return network
    return str(getattr(network, "__name__", type(network).__name__))
