"""From what the command line says to teachers, all of them checked before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.cli.distill_data import DistillData
from spear_amal.cli.distill_settings import MODEL_SUFFIX, DistillSettings, is_file_name
from spear_amal.errors import InputError
from spear_amal.models import build_feature_model, check_kind, n_parameters
from spear_amal.pipeline import TextModel, load_model
from spear_amal.teachers import Teacher, as_teacher
from spear_amal.teachers.class_columns import log_probabilities


def ready_teachers(settings: DistillSettings, data: DistillData) -> list[Any]:
    """Teachers in the order in which they were given: those in files read, networks by name.

    Raises
    ------
    InputError
        If one cannot teach these rows; names it.
    """
    return [_ready(i, one, settings, data) for i, one in enumerate(settings.teacher)]


def _ready(i: int, given: str, settings: DistillSettings, data: DistillData) -> Any:
    try:
        if not is_file_name(given):
            network_size(given, data)
            return given
        made = _from_file(Path(given), settings, data)
        _check_answers(made, data)
        return made
    except InputError as error:
        raise type(error)(f"teacher {i} ({given!r}): {error}") from error


def network_size(name: str, data: DistillData) -> int:
    """Count the parameters of a network for these rows.

    Raises
    ------
    InputError
        If there is no such network, or it is not for such rows.
    """
    check_kind(name, "a network")
    shape = data.train.x.shape[1:]
    made = build_feature_model(name, int(np.prod(shape)), len(data.classes), input_shape=shape)
    return n_parameters(made)


def _from_file(path: Path, settings: DistillSettings, data: DistillData) -> Teacher:
    if path.suffix.lower() == MODEL_SUFFIX:
        return _from_model(path, data)
    if data.is_text and settings.row_id_column is None:
        raise InputError(
            "a file of outputs is matched by row id: say with --row-id-column which column of the "
            "data has the ids"
        )
    return as_teacher(path)


def _from_model(path: Path, data: DistillData) -> Teacher:
    model = load_model(path)
    if isinstance(model, TextModel) != data.is_text:
        kinds = ("images", "texts") if data.is_text else ("texts", "images")
        raise InputError("it is a model for {}, the student gets {}".format(*kinds))
    if isinstance(model, TextModel):
        return _from_texts(model, path.stem, data)
    return as_teacher(model.estimator, name=path.stem)


def _from_texts(model: TextModel, name: str, data: DistillData) -> Teacher:
    """Ask a text model now, about the texts themselves: its features are not the student's."""
    parts = (data.train, data.validation)
    values = np.concatenate([text_log_probabilities(model, part.texts or []) for part in parts])
    ids = np.concatenate([part.ids for part in parts])
    frame = pd.DataFrame(values, index=ids, columns=list(model.classes))
    teacher = as_teacher(frame, name=name, kind="logits")
    teacher.n_parameters = estimator_size(model.estimator)
    return teacher


def text_log_probabilities(model: TextModel, texts: Sequence[str], votes: Any = None) -> np.ndarray:
    """Log-probabilities (n, C) of a text model in the order of its classes."""
    if model.needs_votes and votes is None:
        raise InputError(
            "this model predicts with its rules as well: write its outputs into a file with "
            "`spear-amal teacher-outputs --lfs ..` and give that file"
        )
    return log_probabilities(model.predict_proba(texts, votes))


def estimator_size(estimator: Any) -> int:
    """Count the parameters that predict."""
    return sum(n_parameters(joint.feature) for joint in estimator.models_)


def _check_answers(teacher: Teacher, data: DistillData) -> None:
    """Ask about a few rows where answers are computed, about all where they are looked up."""
    for part in (data.train, data.validation):
        rows = slice(1 if teacher.n_parameters is not None and not data.is_text else None)
        teacher.logits(part.x[rows], part.ids[rows], data.labels)
