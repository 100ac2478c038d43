"""Labelling functions from trained models of other packages."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from spear_amal._typing import ClassLike
from spear_amal.checks import check_whole, check_within
from spear_amal.data.encoders import TextEncoder
from spear_amal.errors import DataUnavailableError, InputError
from spear_amal.labeling.user_functions import checked, checked_name, checked_version
from spear_amal.model_lfs.named_model import KNOWS_NO_CLASSES, NamedModel
from spear_amal.model_lfs.network_models import CrossEncoderModel, EncoderHeadModel, PipelineModel
from spear_amal.model_lfs.probability_model import FunctionModel, ProbabilityModel
from spear_amal.model_lfs.sklearn_model import SklearnModel, is_estimator
from spear_amal.model_lfs.spacy_model import SpacyModel
from spear_amal.model_lfs.voting import (
    ModelLF,
    ModelVotes,
    TableModelLF,
    TaskProbabilities,
)
from spear_amal.votes.class_set import is_listed

_FORMS = (
    "a classifier of scikit-learn, a pipeline of spaCy, a CrossEncoder, a pipeline of "
    "transformers, a function from a batch to probabilities, or a folder"
)

_KINDS = (
    ("spacy", "Language"),
    ("sentence_transformers", "CrossEncoder"),
    ("sentence_transformers", "SentenceTransformer"),
    ("transformers", "TextClassificationPipeline"),
)


def model_lf(
    name: str,
    model: Any,
    *,
    classes: Mapping[Any, ClassLike | None] | Sequence[str] | None = None,
    label: ClassLike | None = None,
    at_least: float = 0.5,
    column: str = "text",
    columns: Sequence[str] | None = None,
    head: Any = None,
    pair: str | None = None,
    batch_size: int = 64,
    device: str = "cpu",
    version: str | int | None = None,
) -> ModelLF | TableModelLF:
    """LF that votes as a trained model says.

    It votes for the class that is most probable, if its probability is `at_least` so large; where
    two are equally probable, and on blank and missing texts, it abstains.

    Parameters
    ----------
    name : str
    model : object, str or path
        A fitted classifier or pipeline of scikit-learn, or whatever has ``predict_proba``,
        ``decision_function`` or ``predict``; a pipeline of spaCy with a text classifier; a
        CrossEncoder of sentence-transformers; a pipeline "text-classification" of transformers; a
        function from a list of texts (a DataFrame, with `columns`) to probabilities (b, K). A
        folder with a pipeline of spaCy or a classifier of transformers (weights as .safetensors),
        or the name of an installed pipeline of spaCy, is loaded once a process, when first needed.
        With `head`: an encoder as :class:`~spear_amal.data.TextEncoder` takes it, or a
        SentenceTransformer.
    classes : mapping of class to class or None, or sequence of str, optional
        What each class of the model is in the task; None: no class, there the LF abstains. All
        classes of the model must be named. It may be left out where the model's are named as the
        task's are. For a function: also a list of the task's classes, in the order of its columns.
    label : int, str or Enum member, optional
        The one class of the task that the LF votes for. The LF is then continuous: its score is the
        probability of that class. So it is if `classes` has but one class of the task; the method
        ``by_class()`` of the LF returns one such LF for each class.
    at_least : float, default=0.5
        From 0 to 1.
    column : str, default="text"
        The column of texts that the model reads.
    columns : sequence of str, optional
        For models of tables: columns that are handed over as a DataFrame. A model of pairs of
        texts reads two.
    head : object, optional
        A fitted classifier of the vectors of an encoder.
    pair : str, optional
        For models of pairs of texts: the second text of all pairs, such as a hypothesis.
    batch_size : int, default=64
    device : str, default="cpu"
        Where a model that is named computes; one that was handed over stays where it is.
    version : str or int, optional
        What the model is, for a cache of votes; another one, and they are computed anew. Files of a
        folder, and what a model of scikit-learn or spaCy has learnt, are looked at without it.

    Raises
    ------
    InputError
        If the model is of no such kind or not fitted, its classes are not those of `classes`, or a
        file would have to be unpickled.
    SpearAmalError
        If the model cannot be had.

    Examples
    --------
    >>> def length(texts):
    ...     return [[len(text) < 5, len(text) >= 5] for text in texts]
    >>> short = model_lf("short", length, classes=["short", "long"], label="short")
    >>> short("ok"), short.continuous
    ('short', True)
    """
    checked_name(name, "an LF")
    about = f"LF {name!r}"
    checked_version(version, about)
    check_whole(f"batch_size of {about}", batch_size, 1)
    check_within(f"at_least of {about}", at_least, 0, 1)
    try:
        read = _read(model, classes, head, pair, device, batch_size, version, columns is not None)
        mapping = _mapping(read, classes)
        votes = _votes(TaskProbabilities(read, mapping, batch_size), label, at_least)
    except (InputError, DataUnavailableError) as error:
        raise type(error)(f"{about}: {error}") from error
    if columns is None:
        return ModelLF(name, column, votes, version)
    return TableModelLF(name, checked_columns(about, columns), votes, version)


def checked_columns(about: str, columns: Any) -> tuple[str, ...]:
    """Return names of columns; InputError unless there are some. `about` names the LF."""
    listed = tuple(columns) if is_listed(columns) and not isinstance(columns, str) else ()
    if not listed or not all(isinstance(name, str) for name in listed):
        raise InputError(f"columns of {about} must be a list of names, found {columns!r}")
    return listed


def _read(
    model: Any,
    classes: Any,
    head: Any,
    pair: str | None,
    device: str,
    batch_size: int,
    version: str | int | None,
    is_table: bool,
) -> ProbabilityModel:
    """Return whatever was handed over as a model of probabilities."""
    kind = _kind_of(model)
    if pair is not None and kind not in ("name", "CrossEncoder", "TextClassificationPipeline"):
        raise InputError("pair= is for models of pairs of texts: a CrossEncoder or transformers")
    if head is not None or kind in ("SentenceTransformer", "TextEncoder"):
        return _with_head(model, kind, head, device, batch_size, version)
    if kind == "name":
        return NamedModel(os.fspath(model), device, pair, version)
    if kind == "CrossEncoder":
        return CrossEncoderModel(model, pair, version)
    if kind == "TextClassificationPipeline":
        return PipelineModel(model, pair, version)
    if kind == "Language":
        return SpacyModel(model, version)
    if kind == "estimator":
        return SklearnModel(model, version)
    names = list(classes) if is_listed(classes) else None
    if names is None:
        raise InputError("a function needs classes=, in the order of the columns that it returns")
    return FunctionModel(checked(model, "the model"), names, version)


def _kind_of(model: Any) -> str:
    """Return the kind of a model, whose package need not be imported for it."""
    if isinstance(model, str | os.PathLike):
        return "name"
    if isinstance(model, TextEncoder):
        return "TextEncoder"
    kinds = {(base.__module__.partition(".")[0], base.__name__) for base in type(model).__mro__}
    for package, name in _KINDS:
        if (package, name) in kinds:
            return name
    if ("transformers", "Pipeline") in kinds:
        raise InputError(
            f"{type(model).__name__} classifies no texts; needed a pipeline 'text-classification'"
        )
    if is_estimator(model):
        return "estimator"
    if isinstance(model, type) or not callable(model):
        raise InputError(f"model must be {_FORMS}; found {model!r}")
    return "function"


def _with_head(
    model: Any,
    kind: str,
    head: Any,
    device: str,
    batch_size: int,
    version: str | int | None,
) -> ProbabilityModel:
    if head is None:
        raise InputError(KNOWS_NO_CLASSES)
    if kind == "TextEncoder":
        encoder = model
    elif kind == "SentenceTransformer":
        encoder = TextEncoder(partial(_encode, model))
    elif kind in ("name", "function"):
        encoder = TextEncoder(model, batch_size=batch_size, device=device).fit([])
    else:
        raise InputError(f"head= goes with an encoder, found {type(model).__name__}")
    return EncoderHeadModel(encoder, head, version)


def _encode(model: Any, texts: list[str]) -> Any:
    return model.encode(texts, batch_size=len(texts), show_progress_bar=False)


def _mapping(model: ProbabilityModel, classes: Any) -> dict[Any, ClassLike | None]:
    """Return of each class of the model what it is in the task."""
    known = list(model.class_names)
    if classes is None or not isinstance(classes, Mapping):
        if numbers := [name for name in known if not isinstance(name, str)]:
            raise InputError(
                f"the classes of the model are {known}: say what each is in the task, such as "
                f"classes={{{numbers[0]!r}: 'NAME', ..}}"
            )
        given = known if classes is None else list(classes)
        mapping: dict[Any, Any] = dict(zip(given, given, strict=True))
    else:
        mapping = dict(classes)
    if set(mapping) != set(known):
        missing = [name for name in known if name not in mapping]
        unknown = [name for name in mapping if name not in known]
        raise InputError(
            f"the model knows the classes {known}, classes= names {list(mapping)}: "
            + "; ".join(
                f"{what} {names}"
                for what, names in (("missing", missing), ("unknown", unknown))
                if names
            )
            + ". Name all of the model's, with None for those that are no class of the task"
        )
    if all(target is None for target in mapping.values()):
        raise InputError(f"classes= gives none of {known} a class of the task")
    return mapping


def _votes(source: TaskProbabilities, label: ClassLike | None, at_least: float) -> ModelVotes:
    targets = [target for target in source.targets if target is not None]
    if label is not None and label not in targets:
        raise InputError(
            f"label is {label!r}, but the model's classes are read as {targets} of the task"
        )
    return ModelVotes(source, targets[0] if len(targets) == 1 else label, at_least)
