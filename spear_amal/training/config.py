"""How to train: rates, batches, epochs, precision, device and checkpoints, as one object."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import torch
from sklearn.base import BaseEstimator

from spear_amal._typing import PathLike
from spear_amal.errors import InputError
from spear_amal.params import Interval, StrOptions, check_parameters
from spear_amal.training.augment import AUGMENTATIONS
from spear_amal.training.callbacks import Callback
from spear_amal.training.objective import PRECISIONS
from spear_amal.training.state import OPTIMISERS, SCHEDULES

DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(kw_only=True, repr=False)
class TrainerConfig(BaseEstimator):
    """How to train, whatever is trained; ``trainer=`` of every estimator.

    A parameter is reached from outside as ``trainer__lr``, in ``set_params`` and in scikit-learn's
    searches.

    Parameters
    ----------
    lr : float, optional
        Learning rate of the feature model. By default one that suits the scale of the features for
        a linear model, 0.00005 for an encoder (0.0005 for low-rank updates), and 0.001 otherwise;
        0.05 for SGD.
    lr_scale : float
        Factor of `lr`, given or not.
    lr_rules : float, optional
        Learning rate of the model of the rules. Default 0.01; 0.001 for rule networks.
    batch_size : int, optional
        Default 64; 128 for images; about 16 batches an epoch where gold rows are all there is.
    micro_batch : int, optional
        Rows whose graph is in memory at once: larger batches go through the feature model in parts
        and give the same gradient, in about a third more time.
    max_epochs : int
    patience : int, "auto" or None
        Training stops when `patience` epochs have brought no better validation score; None never
        stops before `max_epochs`. "auto" is 10, None for students and auxiliary tasks, and 3 for
        encoders.
    weight_decay : float
    optimiser : {"adam", "sgd"}
    momentum, nesterov
        Of SGD.
    schedule : {"constant", "cosine", "steps"}
        Learning rate over epochs; "steps" multiplies it by `gamma` at each of `milestones`.
    milestones : sequence of int
    gamma : float
    augment : {"crop", "crop-flip", "turn-crop-flip"} or None
        Random changes of training images. Teachers that are networks then answer anew for each
        changed image; others keep to what they say of the plain one.
    keep_epochs : sequence of int
        Epochs (from 1) whose models are kept in ``snapshots_``: early-stopped teachers.
    callbacks : sequence of Callback
        Told of every epoch. Not stored with a model.
    dtype : {"float32", "float64"}
    precision : {"fp32", "bf16", "fp16"}
        Of the feature model's matrix products and convolutions in training steps; parameters,
        losses, weights and validation stay in float32. "fp16" needs a GPU.
    compile : bool or str
        Run the feature model's training steps through ``torch.compile``; a str names a backend.
    device : str
        "cpu", "cuda", "auto", ...
    distributed : "auto" or None
        "auto": under ``torchrun``, or in a process group, all processes train one model together,
        each with a part of the rows; all call `fit` with the same data. None: each by itself.
    checkpoint : path, optional
        A run that is killed continues from here, to the same result bit for bit on a CPU.
    checkpoint_every : int
        Epochs between two checkpoints.

    Examples
    --------
    >>> TrainerConfig(lr=0.1, max_epochs=20)
    TrainerConfig(lr=0.1, max_epochs=20)
    """

    lr: float | None = None
    lr_scale: float = 1.0
    lr_rules: float | None = None
    batch_size: int | None = None
    micro_batch: int | None = None
    max_epochs: int = 100
    patience: int | str | None = "auto"
    weight_decay: float = 0.0
    optimiser: str = "adam"
    momentum: float = 0.9
    nesterov: bool = False
    schedule: str = "constant"
    milestones: Sequence[int] = ()
    gamma: float = 0.1
    augment: str | None = None
    keep_epochs: Sequence[int] = ()
    callbacks: Sequence[Callback] = ()
    dtype: str = "float32"
    precision: str = "fp32"
    compile: bool | str = False
    device: str = "cpu"
    distributed: str | None = None
    checkpoint: PathLike | None = None
    checkpoint_every: int = 1

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "lr": [None, Interval(Real, 0, None, closed="neither")],
        "lr_scale": [Interval(Real, 0, None, closed="neither")],
        "lr_rules": [None, Interval(Real, 0, None, closed="neither")],
        "batch_size": [None, Interval(Integral, 1, None, closed="left")],
        "micro_batch": [None, Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "patience": [None, StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
        "optimiser": [StrOptions(set(OPTIMISERS))],
        "momentum": [Interval(Real, 0, 1, closed="left")],
        "nesterov": ["boolean"],
        "schedule": [StrOptions(set(SCHEDULES))],
        "gamma": [Interval(Real, 0, None, closed="neither")],
        "augment": [None, StrOptions(set(AUGMENTATIONS))],
        "dtype": [StrOptions(set(DTYPES))],
        "precision": [StrOptions(set(PRECISIONS))],
        "compile": ["boolean", str],
        "device": [str],
        "distributed": [None, StrOptions({"auto"})],
        "callbacks": [list, tuple],
        "checkpoint": [None, str, os.PathLike],
        "checkpoint_every": [Interval(Integral, 1, None, closed="left")],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used."""
        check_parameters(self)
        if self.nesterov and (self.optimiser != "sgd" or not self.momentum):
            raise InputError("nesterov=True needs optimiser='sgd' and a momentum above 0")
        for callback in self.callbacks:
            if isinstance(callback, type) or not hasattr(callback, "watch"):
                raise InputError(
                    f"callbacks must be objects of classes on training.Callback, found {callback!r}"
                )
        for name in ("milestones", "keep_epochs"):
            epochs = getattr(self, name)
            listed = isinstance(epochs, list | tuple) or hasattr(epochs, "tolist")
            if not (listed and all(isinstance(e, Integral) and int(e) > 0 for e in epochs)):
                raise InputError(
                    f"{name} must be a list of epochs (whole numbers from 1 on), found {epochs!r}"
                )
        if len(self.keep_epochs) and max(self.keep_epochs) > self.max_epochs:
            raise InputError(
                f"keep_epochs holds {max(self.keep_epochs)}, but training ends after "
                f"max_epochs={self.max_epochs}"
            )
