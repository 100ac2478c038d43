"""The command ``distill``: teachers, a student, one model file, and what the weights say."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd

from spear_amal.cli.console import print_result, print_status, warnings_as_notes
from spear_amal.cli.distill_data import DistillData, read_data
from spear_amal.cli.distill_report import (
    estimator_size,
    models_table,
    report_content,
    show_models,
    show_weights,
    weights_with_ids,
)
from spear_amal.cli.model_files import ImagesModel, load_model
from spear_amal.cli.options.distillation import MODEL_SUFFIX, DistillOptions, is_file_name
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.votes import has_lfs
from spear_amal.data import write_table
from spear_amal.errors import InputError
from spear_amal.estimators import DISTILLATION, DistilledClassifier, distiller
from spear_amal.io.atomic import written_together
from spear_amal.models import JointModel, build_feature_model, check_kind, n_parameters
from spear_amal.params import InvalidParameterError
from spear_amal.report import write_report
from spear_amal.studies import one_thread
from spear_amal.teachers import Teacher, as_teacher, early_stopped
from spear_amal.teachers.class_columns import log_probabilities
from spear_amal.text_classifier import TextClassifier
from spear_amal.votes.class_set import ClassNames

CHAINED = [name for name, (_, parameters) in DISTILLATION.items() if "chain" in parameters]
WITHOUT_TEACHER = ("ce", "superloss", "crust")
# Settings that are parameters of the estimator by the same name.
_SAME = (
    *("metric", "temperature", "max_epochs", "optimiser", "lr", "schedule", "milestones"),
    *("augment", "batch_size", "device", "checkpoint", "teacher_cache"),
)


def distill(settings: DistillOptions) -> None:
    """Train a student, and first those of its teachers that are not there yet."""
    check_method(settings)
    epochs = () if settings.early_stopped else settings.keep_epochs
    snapshots = [snapshot_path(settings.output, epoch) for epoch in epochs]
    check_outputs(
        settings.force,
        *(settings.output, settings.weights, *snapshots),
        report=settings.report,
        continued=settings.checkpoint,
        inputs=settings.data,
    )
    student = make_student(settings)
    data = read_data(settings)
    for name in (settings.student, *settings.assistant):
        network_size(str(name), data)
    teachers = ready_teachers(settings, data)
    print_status(f"{data}\n{settings.method}: {DISTILLATION[settings.method][0]}")
    with warnings_as_notes():
        if data.is_text:  # small matrices gain nothing from several threads
            with one_thread():
                _train(student, teachers, settings, data)
        else:
            _train(student, teachers, settings, data)
    _write(student, settings, data)


def check_method(settings: DistillOptions) -> None:
    """Check, before anything is read, that the method goes with the other options.

    Raises
    ------
    InputError
        For an unknown method, or teachers, assistants or kept epochs that it could not use.
    """
    name = settings.method
    if name not in DISTILLATION:
        known = "\n".join(f"  {method}: {what}" for method, (what, _) in DISTILLATION.items())
        raise InputError(f"unknown method {name!r}; choose one of\n{known}")
    if settings.assistant and name not in CHAINED:
        raise InputError(f"assistants are for {', '.join(CHAINED)}; {name} has none")
    if name == "ce" and settings.teacher:
        raise InputError("ce learns from labels alone: leave --teacher out, or choose kd or amal")
    if not settings.teacher and not has_lfs(settings) and name not in WITHOUT_TEACHER:
        raise InputError(
            f"{name} needs a teacher: --teacher with a network's name, a model file or a file of "
            "teacher outputs"
        )
    n_teachers = len(settings.teacher) + len(settings.assistant)
    if name == "dgkd-drop" and n_teachers < 2 and not settings.early_stopped:
        raise InputError("dgkd-drop leaves one teacher out at a time: give two or more, or dgkd")
    if name == "sskd" and settings.images is None:
        raise InputError("sskd turns images: it needs --images")
    _check_epochs(settings)


def _check_epochs(settings: DistillOptions) -> None:
    kept = settings.keep_epochs
    if kept and max(kept) > settings.max_epochs:
        raise InputError(f"keep_epochs holds {max(kept)}; training has {settings.max_epochs}")
    if not settings.early_stopped:
        return
    if not kept:
        raise InputError("--early-stopped needs --keep-epochs: at which epochs are teachers kept?")
    if settings.method == "takd":
        raise InputError("takd takes one teacher: --early-stopped makes several, as for amal or kd")
    if all(is_file_name(teacher) for teacher in settings.teacher):
        raise InputError("--early-stopped needs a --teacher that is trained here, by its name")


def snapshot_path(output: Path, epoch: int) -> Path:
    """Return the name of the model file of a kept epoch.

    Examples
    --------
    >>> snapshot_path(Path("model.safetensors"), 20).name
    'model-epoch20.safetensors'
    """
    return output.with_name(f"{output.stem}-epoch{epoch}{output.suffix}")


def make_student(settings: DistillOptions) -> DistilledClassifier:
    """Make the unfitted student.

    Raises
    ------
    InputError
        If a value cannot be used.
    """
    made = distiller(
        settings.method,
        cast(str, settings.student),  # its absence is refused when the options are read
        settings.teacher,  # as named, for the check; what they are comes later
        assistants=settings.assistant,
        keep_epochs=() if settings.early_stopped else settings.keep_epochs,
        mixer_options=settings.mixer_options or None,
        **_common(settings),
    )
    try:
        made.check_parameters()
    except InvalidParameterError as error:
        raise InputError(str(error)) from error
    return made


def _common(settings: DistillOptions) -> dict[str, Any]:
    """Return the parameters of student and teachers alike."""
    own = {"random_state": settings.seed, "verbose": 1}
    return {name: getattr(settings, name) for name in _SAME} | own


def _train(
    student: DistilledClassifier, teachers: list[Any], settings: DistillOptions, data: DistillData
) -> None:
    if settings.early_stopped:
        teachers = [
            state
            for i, teacher in enumerate(teachers)
            for state in _early_stopped(i, teacher, settings, data)
        ]
    student.teachers = tuple(teachers)
    train, validation = data.train, data.validation
    student.fit(
        train.x,
        train.y,
        train.votes,
        validation.x,
        validation.y,
        validation.votes,
        row_ids=train.ids,
        row_ids_val=validation.ids,
    )


def _early_stopped(i: int, teacher: Any, settings: DistillOptions, data: DistillData) -> list[Any]:
    """Train a teacher given by name and make one of each kept epoch; others stay as they are."""
    if not isinstance(teacher, str):
        return [teacher]
    path = settings.checkpoint
    if path is not None:
        path = path.with_name(f"{path.stem}-teacher{i}{path.suffix}")
    own = {"keep_epochs": settings.keep_epochs, "checkpoint": path}
    trained = distiller("ce", teacher, **_common(settings) | own)
    trained.fit(data.train.x, data.train.y, X_val=data.validation.x, y_val=data.validation.y)
    return list(early_stopped(trained.snapshots_, name=teacher, classes=trained.classes_))


def _write(student: DistilledClassifier, settings: DistillOptions, data: DistillData) -> None:
    """Print models and weights, and write the files, all or none."""
    force = settings.force
    models = models_table(student, settings, data)
    show_models(models, student, settings.method)
    show_weights(student, data, settings.method)
    lines = [f"Model written to {settings.output}"]
    with written_together():
        _packed(student, settings, data).save(settings.output, overwrite=force)
        for epoch, network in student.snapshots_.items():
            path = snapshot_path(settings.output, epoch)
            _packed(_at_epoch(student, epoch, network), settings, data).save(path, overwrite=force)
            lines.append(f"Model after epoch {epoch} written to {path}")
        if settings.weights is not None:
            write_table(weights_with_ids(student, data), settings.weights, overwrite=force)
            lines.append(f"Weights written to {settings.weights}")
        if settings.report is not None:
            write_report(settings.report, report_content(settings, data, student, models), force)
            lines.append(f"Report written to {settings.report}")
    for line in lines:
        print_result(line)


def _packed(
    student: DistilledClassifier, settings: DistillOptions, data: DistillData
) -> TextClassifier | ImagesModel:
    if data.features is None:
        return ImagesModel(student, data.classes, data.name)
    votes = data.train.votes
    return TextClassifier.from_fitted(
        student,
        data.features,
        ClassNames(data.classes),
        text=settings.text_column,
        label=settings.label_column,
        lf_names=() if votes is None else votes.lf_names,
        method=settings.method,
    )


def _at_epoch(student: DistilledClassifier, epoch: int, network: Any) -> DistilledClassifier:
    """Return the student as it was after an epoch."""
    past = copy.copy(student)
    past.models_ = [JointModel(network, student.models_[0].rules)]
    past.best_epoch_ = [epoch - 1]
    scores = student.history_["val_score"].to_numpy()
    past.val_score_ = float(scores[np.flatnonzero(student.history_["epoch"] == epoch - 1)[0]])
    return past


def ready_teachers(settings: DistillOptions, data: DistillData) -> list[Any]:
    """Return teachers in the order of the options: those in files read, networks by name.

    Raises
    ------
    InputError
        If one cannot teach these rows; names it.
    """
    return [_ready(i, name, settings, data) for i, name in enumerate(settings.teacher)]


def _ready(i: int, name: str, settings: DistillOptions, data: DistillData) -> Any:
    try:
        if not is_file_name(name):
            network_size(name, data)
            return name
        teacher = _from_file(Path(name), settings, data)
        _check_answers(teacher, data)
        return teacher
    except InputError as error:
        raise type(error)(f"teacher {i} ({name!r}): {error}") from error


def network_size(name: str, data: DistillData) -> int:
    """Return the number of parameters of a network for these rows.

    Raises
    ------
    InputError
        If there is no such network, or it is not for such rows.
    """
    check_kind(name, "a network")
    shape = data.train.x.shape[1:]
    n_features, n_classes = int(np.prod(shape)), len(data.classes)
    return n_parameters(build_feature_model(name, n_features, n_classes, input_shape=shape))


def _from_file(path: Path, settings: DistillOptions, data: DistillData) -> Teacher:
    if path.suffix.lower() == MODEL_SUFFIX:
        return _from_model(path, data)
    if data.is_text and not data.has_ids:
        raise InputError(
            "a file of outputs is matched by row id: say with --id-column which column of the data "
            "has the ids"
        )
    return as_teacher(path)


def _from_model(path: Path, data: DistillData) -> Teacher:
    model = load_model(path)
    if isinstance(model, TextClassifier) != data.is_text:
        kinds = ("images", "texts") if data.is_text else ("texts", "images")
        raise InputError("it is a model for {}, the student gets {}".format(*kinds))
    if isinstance(model, TextClassifier):
        return _from_texts(model, path.stem, data)
    return as_teacher(model.estimator, name=path.stem)


def _from_texts(model: TextClassifier, name: str, data: DistillData) -> Teacher:
    """Return a teacher that has answered already: its features are not the student's."""
    parts = (data.train, data.validation)
    values = np.concatenate([text_log_probabilities(model, part.texts or []) for part in parts])
    ids = np.concatenate([part.ids for part in parts])
    frame = pd.DataFrame(values, index=ids, columns=model.classes_.tolist())
    teacher = as_teacher(frame, name=name, kind="logits")
    teacher.n_parameters = estimator_size(model.estimator_)
    return teacher


def text_log_probabilities(model: TextClassifier, rows: Any, votes: Any = None) -> np.ndarray:
    """Return log-probabilities (n, C) of a text model for rows, in the order of `classes_`."""
    if model.needs_votes and votes is None:
        raise InputError(
            "this model predicts with its rules as well: write its outputs into a file with "
            "`spear-amal teacher-outputs --lfs ..` and give that file"
        )
    return log_probabilities(model.predict_proba(rows, votes))


def _check_answers(teacher: Teacher, data: DistillData) -> None:
    """Check that a teacher answers: one row where it computes, all where it looks them up."""
    for part in (data.train, data.validation):
        rows = slice(1 if teacher.n_parameters is not None and not data.is_text else None)
        teacher.logits(part.x[rows], part.ids[rows], data.labels)
