"""Make a teacher of what the user has: a classifier, a module, an array, a table or a file."""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from torch import Tensor, nn

from spear_amal._typing import MatrixLike, PathLike, SupportsPredict
from spear_amal.errors import InputError
from spear_amal.teachers.arrays import ArrayTeacher, FrameTeacher
from spear_amal.teachers.base import Teacher
from spear_amal.teachers.ensemble import MeanTeacher
from spear_amal.teachers.files import TeacherFile
from spear_amal.teachers.networks import NetworkTeacher
from spear_amal.teachers.sklearn import FittedTeacher, check_fitted, estimator_kind

_TABLES = (".npz", ".csv", ".parquet", ".jsonl", ".ndjson")
_ADVICE = {
    ".pkl": "pickle.load",
    ".pickle": "pickle.load",
    ".dill": "dill.load",
    ".joblib": "joblib.load",
    ".skops": "skops.io.load",
    ".pt": "torch.load",
    ".pth": "torch.load",
    ".ckpt": "torch.load",
    ".bin": "torch.load",
}


# What a teacher can be made of, see :func:`as_teacher`; and several of them, named or not.
TeacherLike: TypeAlias = Teacher | nn.Module | MatrixLike | PathLike | SupportsPredict
TeachersLike: TypeAlias = TeacherLike | Sequence[TeacherLike] | Mapping[str, TeacherLike]


def as_teacher(thing: TeacherLike, name: str | None = None, **options: Any) -> Teacher:
    """Make a teacher of anything that gives logits or probabilities.

    Parameters
    ----------
    thing : object
        A fitted scikit-learn classifier or one of this package, a torch module, an array (n, C)
        in the order of X, a DataFrame indexed by row id, the path of a file of teacher outputs
        (.npz by :func:`save_teacher_outputs`, .csv, .jsonl, .parquet), or a :class:`Teacher`.
    name : str, optional
        What to call it; default its kind.
    **options
        What the kind of teacher takes: ``classes=`` (modules, arrays: labels of the columns),
        ``missing="low"``, ``kind="probabilities"`` and ``silent=True`` (arrays, tables, files),
        ``chunk=`` (modules), ``row_id=`` (files).

    Raises
    ------
    InputError
        If nothing can be made of it.
    MissingExtraError
        If Parquet is read without pyarrow.

    Examples
    --------
    >>> import numpy as np
    >>> teacher = as_teacher(np.array([[0.0, 2.0], [1.0, -1.0]]), name="by hand")
    >>> teacher.logits(np.zeros((2, 5))).tolist()
    [[0.0, 2.0], [1.0, -1.0]]
    """
    named = {} if name is None else {"name": name}
    try:
        return _kind(thing)(thing, **named, **options)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        raise InputError(f"a teacher made of {type(thing).__name__}: {error}") from error


def as_teachers(things: TeachersLike) -> list[Teacher]:
    """Make teachers of a list, of a dict name -> thing, or of one thing alone.

    Raises
    ------
    InputError
        Says which one cannot teach, and why.
    """
    if isinstance(things, Mapping):
        return [_numbered(i, thing, str(name)) for i, (name, thing) in enumerate(things.items())]
    listed = list(things) if isinstance(things, list | tuple) else [things]
    return [_numbered(i, thing) for i, thing in enumerate(listed)]


def mean_teacher(things: Sequence[TeacherLike], name: str = "mean") -> MeanTeacher:
    """Make one teacher that gives the mean probability of several."""
    return MeanTeacher(as_teachers(things), name)


def _numbered(i: int, thing: Any, name: str | None = None) -> Teacher:
    try:
        return as_teacher(thing, name)
    except InputError as error:
        named = "" if name is None else f" ({name!r})"
        raise type(error)(f"teacher {i}{named}: {error}") from error


def _kind(thing: Any) -> Any:
    """Find the function that makes a teacher of such a thing."""
    if isinstance(thing, Teacher):
        return _same
    if isinstance(thing, nn.Module):
        return _network
    if isinstance(thing, pd.DataFrame):
        return FrameTeacher
    if isinstance(thing, np.ndarray | Tensor) or _is_matrix(thing):
        return ArrayTeacher
    if isinstance(thing, str | os.PathLike):
        return _file
    if hasattr(thing, "models_") and all(hasattr(m, "feature") for m in thing.models_):
        return _own
    if not inspect.isclass(thing) and (hasattr(thing, "predict") or hasattr(thing, "fit")):
        return FittedTeacher
    raise InputError(_refusal(thing))


def _is_matrix(thing: Any) -> bool:
    return isinstance(thing, list) and bool(thing) and isinstance(thing[0], list | tuple)


def _same(teacher: Teacher, name: str | None = None, **options: Any) -> Teacher:
    if options or name not in (None, teacher.name):
        raise InputError(f"{teacher!r} is a teacher already; give name and options when making it")
    return teacher


def _network(module: nn.Module, name: str | None = None, **options: Any) -> NetworkTeacher:
    return NetworkTeacher(module, name or type(module).__name__, **options)


def _own(model: Any, name: str | None = None, **options: Any) -> NetworkTeacher:
    """Make a teacher of the feature side of one of this package's classifiers."""
    check_fitted(model)
    return NetworkTeacher(
        [joint.feature for joint in model.models_],
        name or estimator_kind(model),
        model.classes_,
        takes_sparse=True,
        n_features=getattr(model, "n_features_in_", None),
        pixels=getattr(model, "pixels_", None),
        **options,
    )


def _file(path: PathLike, name: str | None = None, **options: Any) -> Teacher:
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix in _TABLES:
        return TeacherFile(path, name, **options)
    if suffix in _ADVICE:
        raise InputError(
            f"{path} is not opened: reading a {suffix} file can run code hidden in it. If you "
            f"trust it, load it yourself with {_ADVICE[suffix]} and pass the object"
        )
    if suffix == ".safetensors":
        raise InputError(
            f"{path}: load a saved model with its class, e.g. SpearClassifier.load(path), and pass "
            "that; bare parameters need their network: load them into it and pass the module"
        )
    raise InputError(
        f"{path} is no file of teacher outputs ({', '.join(_TABLES)}); load it and pass the array"
    )


def _refusal(thing: Any) -> str:
    if inspect.isclass(thing):
        return f"{thing.__name__} is a class; a teacher must be a fitted object"
    if isinstance(thing, Mapping) and any(isinstance(v, Tensor) for v in thing.values()):
        return "a state dict has no network: load it into one and pass the module"
    return (
        f"nothing can be learnt from {type(thing).__name__}; a teacher is a fitted classifier, a "
        "torch module, an array (n, C), a DataFrame by row id, or a file of teacher outputs"
    )
