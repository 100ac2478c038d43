"""A fitted estimator as one file: tensors in safetensors, everything else as JSON in its header."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch

from spear_amal.errors import FileFormatError, InputError
from spear_amal.estimators.validation import VoteSchema
from spear_amal.io.atomic import refuse_existing
from spear_amal.io.safetensors import (
    Tensors,
    read_tensors,
    under_prefix,
    with_prefix,
    write_tensors,
)
from spear_amal.label_models import LABEL_MODELS, LabelModel
from spear_amal.mixers import MIXERS, Mixer

KIND = "spear_amal model"
EXTRA = "extra"
SETTINGS = "settings"
CUSTOM = "custom"  # stands in the file for what only code can make again


class UnsavedCallable:
    """Stands for a function among the options of a mixer, which no file can hold.

    Prediction does not ask for it; whoever calls it, as training does, gets a clear error.
    """

    def __init__(self, option: str, kind: str) -> None:
        self.option, self.kind = option, kind

    def __repr__(self) -> str:
        return f"<{self.kind} of the user's own>"

    def __call__(self, *arguments: Any) -> Any:
        """Raise InputError."""
        raise InputError(
            f"the option {self.option!r} was a {self.kind} of the user's own, which the file that "
            "this model was loaded from does not hold: it predicts, but cannot be trained again; "
            f"set the mixer anew with its {self.option}, or pass it to load"
        )


def params_to_json(estimator: Any) -> dict[str, Any]:
    """Give the constructor parameters as JSON can hold them; objects become their own summary."""
    return {name: _plain(value) for name, value in estimator.get_params(deep=False).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mixer):
        summary = value.summary()
        return {CUSTOM: summary.pop("mixer"), SETTINGS: _plain(summary)}
    if isinstance(value, LabelModel):
        return {CUSTOM: type(value).__name__, SETTINGS: params_to_json(value)}
    if isinstance(value, UnsavedCallable):
        return {CUSTOM: value.kind}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return {CUSTOM: type(value).__name__}


def save(
    estimator: Any,
    path: str | os.PathLike[str],
    overwrite: bool = False,
    extra: dict[str, Any] | None = None,
    extra_tensors: Tensors | None = None,
) -> None:
    """Write a fitted estimator, and with it what belongs to its inputs (JSON and tensors)."""
    refuse_existing(path, overwrite)
    tensors: Tensors = {}
    for i, model in enumerate(estimator.models_):
        tensors |= with_prefix(f"model{i}", model.state_dict())
    tensors["weights"] = torch.tensor(estimator.weights_.to_numpy(dtype=np.float32))
    tensors |= with_prefix(EXTRA, extra_tensors or {})
    write_tensors(path, tensors, describe_model(estimator) | {EXTRA: extra or {}})


def read_extra(path: str | os.PathLike[str]) -> tuple[str, dict[str, Any], Tensors]:
    """Read the name of the estimator's class, and what :func:`save` was given as extra."""
    tensors, config = read_tensors(path, KIND)
    return config["class"], config.get(EXTRA, {}), under_prefix(EXTRA, tensors)


def describe_model(estimator: Any) -> dict[str, Any]:
    """Everything but the tensors."""
    return {
        "kind": KIND,
        "class": type(estimator).__name__,
        "params": {
            name: value
            for name, value in params_to_json(estimator).items()
            if name not in estimator._not_stored
        },
        "n_models": len(estimator.models_),
        "classes": estimator.classes_.tolist(),
        "n_features_in": estimator.n_features_in_,
        "plan": estimator.plan_,
        "vote_form": None if estimator.vote_form_ is None else asdict(estimator.vote_form_),
        "feature_names": getattr(estimator, "feature_names_in_", np.array([])).tolist(),
        "exponent": estimator.exponent_,
        "val_score": estimator.val_score_,
        "best_epoch": estimator.best_epoch_,
        "validation_source": estimator.validation_source_,
        "validation_used": estimator.validation_used_,
        "own": estimator._get_extra_state(),
        "component_names": list(estimator.weights_.columns),
        # NaN is not JSON: a missing value is null.
        "history": estimator.history_.astype(object)
        .where(estimator.history_.notna(), None)
        .to_dict(orient="list"),
    }


def load(cls: type, path: str | os.PathLike[str], **objects: Any) -> Any:
    """Read an estimator of class `cls`; `objects` are parameters that only code can make again."""
    import pandas as pd

    tensors, config = read_tensors(path, KIND)
    if config["class"] != cls.__name__:
        raise FileFormatError(
            f"{path} holds a {config['class']}; load it with {config['class']}.load"
        )
    estimator = cls(**_params(path, config["params"], objects))
    estimator.classes_ = np.asarray(config["classes"])
    estimator.n_features_in_ = config["n_features_in"]
    if config["feature_names"]:
        estimator.feature_names_in_ = np.asarray(config["feature_names"], dtype=object)
    estimator.plan_ = [(j, k) for j, k in config["plan"]]
    form = config["vote_form"]
    estimator.vote_form_ = None if form is None else VoteSchema(**_tuples(form))
    for name in ("exponent", "val_score", "best_epoch", "validation_source", "validation_used"):
        setattr(estimator, f"{name}_", config[name])
    estimator._set_extra_state(config.get("own", {}))
    estimator.weights_ = pd.DataFrame(tensors["weights"].numpy(), columns=config["component_names"])
    estimator.history_ = pd.DataFrame(config["history"])
    estimator.models_ = [
        estimator._empty_model(under_prefix(f"model{i}", tensors))
        for i in range(config["n_models"])
    ]
    return estimator


def _params(
    path: str | os.PathLike[str], stored: dict[str, Any], objects: dict[str, Any]
) -> dict[str, Any]:
    params, known = _tuples(stored), _registered()
    for name, value in stored.items():
        if name in objects or not isinstance(value, dict):
            continue
        if name == "mixer_options":
            params[name] = _options(value)
        elif CUSTOM in value and value[CUSTOM] not in known:
            raise InputError(
                f"{path} was trained with {name}= an object of the user's own "
                f"({value[CUSTOM]}); pass it to load as {name}="
            )
        elif CUSTOM in value:
            params[name] = known[value[CUSTOM]](**_options(value[SETTINGS]))
    return params | objects


def _registered() -> dict[str, type]:
    """Classes that can be made again from their name and settings."""
    classes = [entry.mixer for entry in MIXERS.values()] + list(LABEL_MODELS.values())
    return {cls.__name__: cls for cls in classes}


def _tuples(held: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists only; parameters are tuples."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in held.items()}


def _options(held: dict[str, Any]) -> dict[str, Any]:
    """Options of a mixer, with what no file holds marked as such."""
    return {name: _option(name, value) for name, value in _tuples(held).items()}


def _option(name: str, value: Any) -> Any:
    lost = isinstance(value, dict) and set(value) == {CUSTOM} and isinstance(value[CUSTOM], str)
    return UnsavedCallable(name, value[CUSTOM]) if lost else value
