"""A fitted estimator as one file: tensors in safetensors, everything else as JSON in its header."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.estimators.class_order import sort_loaded_classes
from spear_amal.estimators.validation import VoteSchema
from spear_amal.io.atomic import refuse_existing
from spear_amal.io.guard import guarded_reading
from spear_amal.io.safetensors import (
    Tensors,
    read_tensors,
    under_prefix,
    with_prefix,
    write_tensors,
)
from spear_amal.label_models import LABEL_MODELS, LabelModel
from spear_amal.mixers import MIXERS, Mixer
from spear_amal.params import option_places

if TYPE_CHECKING:
    import pandas as pd

KIND = "spear_amal model"
GUARD = (f"a {KIND}", "it cannot be used, make it again")
EXTRA = "extra"
MEMBER = "member-"
SETTINGS = "settings"
NOT_STORED = ("callbacks",)  # of a trainer: they watch training, a model does without
# Of a trainer, what changes nothing in the result: a run may go on with another value.
NO_MATTER = ("checkpoint", "checkpoint_every", "device", "distributed", "callbacks")
# Parameters of files of format 1, and how they are called today.
RENAMED = {
    "final": "fit_strategy",
    "ranks": "distributed",
    "rho": "weight_lr",
    "eta_look": "lookahead_lr",
    "share": "weight_sharing",
    "vote_form": "vote_schema",
}
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
    """Return the constructor parameters as JSON can hold them; objects become their own summary."""
    nested = getattr(estimator, "_nested", {})
    return {
        name: _options_to_json(value) if name in nested else _plain(value)
        for name, value in estimator.get_params(deep=False).items()
    }


def _options_to_json(options: Any) -> dict[str, Any] | None:
    """Parameters of an object of options; None where an estimator has the default one."""
    if options is None:
        return None
    params = options.get_params(deep=False)
    return {name: _plain(value) for name, value in params.items() if name not in NOT_STORED}


def fingerprint_config(estimator: Any) -> dict[str, Any]:
    """Return the parameters that a checkpoint is held to, those left to their defaults as well."""
    config = params_to_json(estimator)
    for name in estimator._nested:
        config[name] = _options_to_json(estimator._options_of(name))
    config["random_state"] = estimator.seed_
    config["trainer"] = {k: v for k, v in config["trainer"].items() if k not in NO_MATTER}
    return config


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
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
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
    tensors = _tensors_of(estimator) | with_prefix(EXTRA, extra_tensors or {})
    write_tensors(path, tensors, describe_model(estimator) | {EXTRA: extra or {}})


def _tensors_of(estimator: Any) -> Tensors:
    """Return models and weights; of a pool those of its members."""
    members = _members_of(estimator)
    dtype = np.float64 if members else np.float32  # few, and predictions are made with them
    tensors: Tensors = {"weights": torch.tensor(estimator.weights_.to_numpy(dtype=dtype))}
    for i, model in enumerate([] if members else estimator.models_):
        tensors |= with_prefix(f"model{i}", model.state_dict())
    for name, member in members.items():
        tensors |= with_prefix(f"{MEMBER}{name}", _tensors_of(member))
    return tensors


def _members_of(estimator: Any) -> dict[str, Any]:
    """Return the fitted estimators that an estimator is a pool of."""
    members: dict[str, Any] = getattr(estimator, "members_", {})
    return members


class StoredModel(NamedTuple):
    """A model file that was read, and the estimator in it not yet made.

    Attributes
    ----------
    path : path
    kind : str
        Name of the estimator's class.
    extra : dict
        What :func:`save` was given beside the estimator.
    extra_tensors : dict of Tensor
    tensors, config : dict
        All of the file.
    """

    path: PathLike
    kind: str
    extra: dict[str, Any]
    extra_tensors: Tensors
    tensors: Tensors
    config: dict[str, Any]

    def estimator(self, cls: Any, **objects: Any) -> Any:
        """Make the estimator, of class `cls`; errors as for :func:`load`."""
        with guarded_reading(self.path, *GUARD):
            return _estimator(cls, self.path, self.tensors, self.config, objects)


def read_stored(path: PathLike) -> StoredModel:
    """Read a model file; FileNotFoundError or FileFormatError if it is none."""
    tensors, config = read_tensors(path, KIND)
    with guarded_reading(path, *GUARD):
        extra = dict(config.get(EXTRA, {}))
        return StoredModel(
            path, str(config["class"]), extra, under_prefix(EXTRA, tensors), tensors, config
        )


def read_extra(path: PathLike) -> tuple[str, dict[str, Any], Tensors]:
    """Read the name of the estimator's class, and what :func:`save` was given as extra."""
    return read_stored(path)[1:4]


def holds_texts(extra: Mapping[str, Any]) -> bool:
    """Return whether a file has what a text classifier needs beside its estimator."""
    return "feature_settings" in extra


def describe_model(estimator: Any) -> dict[str, Any]:
    """Everything but the tensors."""
    params = params_to_json(estimator)
    if isinstance(params["random_state"], dict):  # a generator, which no file holds
        params["random_state"] = estimator.seed_
    return {
        "kind": KIND,
        "class": type(estimator).__name__,
        "params": {
            name: value for name, value in params.items() if name not in estimator._not_stored
        },
        "n_models": 0 if _members_of(estimator) else len(estimator.models_),
        "pooled": list(estimator.weights_.index) if _members_of(estimator) else None,
        "members": {
            name: describe_model(member) for name, member in _members_of(estimator).items()
        },
        "classes": estimator.classes_.tolist(),
        "n_features_in": estimator.n_features_in_,
        "plan": estimator.plan_,
        "vote_schema": None if estimator.vote_schema_ is None else asdict(estimator.vote_schema_),
        "feature_names": getattr(estimator, "feature_names_in_", np.array([])).tolist(),
        "exponent": estimator.exponent_,
        "val_score": estimator.val_score_,
        "best_epoch": estimator.best_epoch_,
        "validation_source": estimator.validation_source_,
        "validation_used": estimator.validation_used_,
        "own": estimator._get_extra_state(),
        "component_names": list(estimator.weights_.columns),
        "history": _history_to_json(estimator.history_),
    }


def _history_to_json(history: pd.DataFrame) -> dict[str, list[Any]]:
    """Columns without the times: the same training makes the same file, byte for byte."""
    kept = history.drop(columns="seconds", errors="ignore")
    # NaN is not JSON: a missing value is null.
    columns: dict[str, list[Any]] = (
        kept.astype(object).where(kept.notna(), None).to_dict(orient="list")
    )
    return columns


def load(cls: Any, path: str | os.PathLike[str], **objects: Any) -> Any:
    """Read an estimator of class `cls`; `objects` are parameters that only code can make again.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FileFormatError
        If the file is damaged, was altered, or holds another class.
    """
    stored = read_stored(path)
    if holds_texts(stored.extra):
        raise FileFormatError(
            f"{path} holds a text classifier: a {stored.kind} with its text features and class "
            "names; load it with spear_amal.TextClassifier.load, whose `estimator_` it is"
        )
    return stored.estimator(cls, **objects)


def _members(
    cls: Any, path: PathLike, tensors: Tensors, config: dict[str, Any], objects: dict[str, Any]
) -> dict[str, Any]:
    """Make the members of a pool, of the classes that their parts of the header name."""
    members = {}
    for name, part in config.get("members", {}).items():
        member_class = cls._member_classes[part["class"]]
        part = {"format": config["format"], **part}
        known = {key: value for key, value in objects.items() if key in part["params"]}
        of_member = under_prefix(f"{MEMBER}{name}", tensors)
        members[name] = _estimator(member_class, path, of_member, part, known)
    return members


def _estimator(
    cls: Any, path: PathLike, tensors: Tensors, config: dict[str, Any], objects: dict[str, Any]
) -> Any:
    import pandas as pd

    if config["class"] != cls.__name__:
        raise FileFormatError(
            f"{path} holds a {config['class']}; load it with {config['class']}.load"
        )
    if config["format"] < 2:
        config = _renamed(config) | {"params": _nested_params(cls, config["params"])}
    estimator = cls(**_params(cls, path, config["params"], objects))
    estimator.classes_ = np.asarray(config["classes"])
    estimator.n_features_in_ = config["n_features_in"]
    if config["feature_names"]:
        estimator.feature_names_in_ = np.asarray(config["feature_names"], dtype=object)
    estimator.plan_ = [(j, k) for j, k in config["plan"]]
    form = config["vote_schema"]
    estimator.vote_schema_ = None if form is None else VoteSchema(**_tuples(form))
    for name in ("exponent", "val_score", "best_epoch", "validation_source", "validation_used"):
        setattr(estimator, f"{name}_", config[name])
    members = _members(cls, path, tensors, config, objects)
    if members:
        estimator.members_ = members
    estimator._set_extra_state(config.get("own", {}))
    estimator.weights_ = pd.DataFrame(
        tensors["weights"].numpy(),
        columns=config["component_names"],
        index=config.get("pooled"),
    )
    estimator.history_ = pd.DataFrame(config["history"])
    estimator.models_ = [
        estimator._restore_model(under_prefix(f"model{i}", tensors))
        for i in range(config["n_models"])
    ]
    if members:
        estimator.models_ = [model for member in members.values() for model in member.models_]
    sort_loaded_classes(estimator)
    _check_answer(estimator)
    return estimator


def _check_answer(estimator: Any) -> None:
    """Predict a row of zeros without votes: what in a header does not fit the rest is seen here."""
    shape = getattr(estimator, "input_shape_", (estimator.n_features_in_,))
    dtype = np.uint8 if getattr(estimator, "pixels_", None) == "bytes" else np.float32
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names of features, which this row lacks
        p = estimator._predict_proba(np.zeros((1, *shape), dtype), None, estimator.exponent_)
    if p.shape != (1, len(estimator.classes_)):
        raise ValueError(f"it predicts {p.shape[1]} of {len(estimator.classes_)} classes")


def _renamed(value: Any) -> Any:
    """Return what a file of format 1 holds, by the names of today."""
    if isinstance(value, dict):
        return {RENAMED.get(key, key): _renamed(item) for key, item in value.items()}
    return value


def _nested_params(cls: Any, params: dict[str, Any]) -> dict[str, Any]:
    """Flat parameters of a file of format 1, each where it belongs today."""
    places = option_places(cls)
    nested: dict[str, Any] = {}
    for name, value in _renamed(params).items():
        if places.get(name):
            nested.setdefault(places[name], {})[name] = value
        elif name in places:
            nested[name] = value
    return nested


def _params(
    cls: Any, path: str | os.PathLike[str], stored: dict[str, Any], objects: dict[str, Any]
) -> dict[str, Any]:
    params, known = _tuples(stored), _registered()
    for name, value in stored.items():
        if name in objects or not isinstance(value, dict):
            continue
        if name in cls._nested:
            params[name] = type(cls._nested[name]())(**_tuples(value))
        elif name == "mixer_options":
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


def _tuples(stored: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists only; parameters are tuples."""
    return {name: tuple(v) if isinstance(v, list) else v for name, v in stored.items()}


def _options(stored: dict[str, Any]) -> dict[str, Any]:
    """Options of a mixer, with what no file holds marked as such."""
    return {name: _option(name, value) for name, value in _tuples(stored).items()}


def _option(name: str, value: Any) -> Any:
    lost = isinstance(value, dict) and set(value) == {CUSTOM} and isinstance(value[CUSTOM], str)
    return UnsavedCallable(name, value[CUSTOM]) if lost else value
