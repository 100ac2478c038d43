"""A fitted label model as one file: arrays as safetensors, the rest as JSON in its header."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from functools import update_wrapper
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator

from spear_amal._typing import PathLike
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.atomic import refuse_existing
from spear_amal.votes.class_set import ClassNames

if TYPE_CHECKING:
    import torch

KIND = "spear_amal label model"
# What JSON has not: a dict of any keys, a tuple, and class names with the ids that go with them.
MAPPING, TUPLE, CLASSES = "mapping", "tuple", "classes"
PICKLE, PICKLE_PROTOCOLS = b"\x80", (b"\x02", b"\x03", b"\x04", b"\x05")  # a pickle's start


class class_or_object:
    """Decorator of a method that is called on its class or on an object, whichever it gets."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        update_wrapper(self, function)  # type: ignore[arg-type]

    def __get__(self, instance: Any, owner: type) -> Callable[..., Any]:
        """Return the method bound to the object, or else to the class."""
        return types.MethodType(self.function, owner if instance is None else instance)


def write_label_model(model: Any, path: PathLike, overwrite: bool = False) -> None:
    """Write a fitted label model aside, then rename the file.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    InputError
        If a parameter, or what ``fit`` learnt, is no number, text or array.
    """
    refuse_existing(path, overwrite)
    arrays: dict[str, np.ndarray] = {}
    header = {"kind": KIND} | _described(model, "", arrays)
    from spear_amal.io.safetensors import write_tensors  # imports torch, as reading does

    write_tensors(path, {name: _to_tensor(name, a) for name, a in arrays.items()}, header)


def _described(model: Any, prefix: str, arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return class, parameters and what was learnt; what are arrays goes to `arrays` by name.

    Label models within it, by name in a dict, are described alike, their arrays as
    ``DICT/NAME/ARRAY``.
    """
    learnt = {name: value for name, value in vars(model).items() if name.endswith("_")}
    own = {name: value for name, value in learnt.items() if isinstance(value, np.ndarray)}
    within = {name: value for name, value in learnt.items() if _holds_models(value)}
    arrays |= {prefix + name: value for name, value in own.items()}
    others = {k: _to_json(k, v) for k, v in learnt.items() if k not in own and k not in within}
    return {
        "class": type(model).__name__,
        "params": {k: _to_json(k, v) for k, v in model.get_params(deep=False).items()},
        "learnt": others,
        "within": {
            k: {name: _described(v, f"{prefix}{k}/{name}/", arrays) for name, v in models.items()}
            for k, models in within.items()
        },
    }


def _holds_models(value: Any) -> bool:
    models = list(value.values()) if isinstance(value, dict) else []
    return bool(models) and all(isinstance(model, BaseEstimator) for model in models)


def read_label_model(receiver: Any, path: PathLike, base: type) -> Any:
    """Read a label model; `receiver` is the class to make, or a model to fill.

    Label models within it are made by their classes, derived from `base`.

    Raises
    ------
    FileFormatError
        If the file is damaged, holds something else or a model of another class.
    """
    from spear_amal.io.safetensors import read_tensors

    try:
        tensors, header = read_tensors(path, KIND)
    except FileFormatError as error:
        raise _what_it_is(path, error) from error
    arrays = {key: tensor.numpy() for key, tensor in tensors.items()}
    try:
        return _made(receiver, header, arrays, path, base)
    except FileFormatError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FileFormatError(
            f"{path} is damaged or of another version ({error}); fit the label model again"
        ) from error


def _made(
    receiver: Any,
    header: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    path: PathLike,
    base: type,
) -> Any:
    """Return the model that :func:`_described` described, made or filled."""
    cls = receiver if isinstance(receiver, type) else type(receiver)
    known = {c.__name__: c for c in _with_subclasses(cls)}
    name = header.get("class")
    if name not in known:
        raise FileFormatError(
            f"{path} holds a {name}; load it with {name}.load, once its class is imported"
        )
    params = {key: _from_json(value) for key, value in header["params"].items()}
    learnt = {key: _from_json(value) for key, value in header["learnt"].items()}
    learnt["classes_"] = ClassNames(learnt["classes_"])  # older files hold a plain tuple
    learnt |= {key: array for key, array in arrays.items() if "/" not in key}
    for key, models in header.get("within", {}).items():
        learnt[key] = {}
        for inner, described in models.items():
            start = f"{key}/{inner}/"
            of_it = {k.removeprefix(start): a for k, a in arrays.items() if k.startswith(start)}
            learnt[key][inner] = _made(base, described, of_it, path, base)
    model = known[name]() if isinstance(receiver, type) else receiver
    model.set_params(**params)
    vars(model).update(learnt)
    return model


def _what_it_is(path: PathLike, error: FileFormatError) -> FileFormatError:
    """Return an error that says more of a file that is none of ours."""
    with open(path, "rb") as file:
        start = file.read(2)
    if not start.startswith(PICKLE) or start[1:] not in PICKLE_PROTOCOLS:
        return error
    return FileFormatError(
        f"{path} looks like a pickle, as Snorkel's LabelModel.save writes. Reading one can run "
        "code that is hidden in it, so it is never read: fit SnorkelLabelModel on the same votes, "
        "and save that"
    )


def _with_subclasses(cls: type) -> list[type]:
    children: list[type] = cls.__subclasses__()
    return [cls, *(c for child in children for c in _with_subclasses(child))]


def _to_tensor(name: str, values: np.ndarray) -> torch.Tensor:
    if values.dtype.kind not in "fiub":
        raise InputError(f"{name} holds {values.dtype}, which the file cannot hold")
    import torch

    return torch.from_numpy(np.ascontiguousarray(values))


def _to_json(name: str, value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, ClassNames):
        return {CLASSES: [_to_json(name, list(value)), _to_json(name, value.ids)]}
    if isinstance(value, Mapping):
        return {MAPPING: [[_to_json(name, k), _to_json(name, v)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [_to_json(name, item) for item in value]
        return {TUPLE: items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(
        f"{name} is a {type(value).__name__}, which the file cannot hold; it holds numbers, texts "
        "and arrays"
    )


def _from_json(value: Any) -> Any:
    """Return what :func:`_to_json` was given; of arrays among parameters a list."""
    if isinstance(value, list):
        return [_from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    if CLASSES in value:
        return ClassNames(*map(_from_json, value[CLASSES]))
    if TUPLE in value:
        return tuple(_from_json(value[TUPLE]))
    return {_from_json(key): _from_json(item) for key, item in value[MAPPING]}
