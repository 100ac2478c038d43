"""The command ``teacher-outputs``: a model's answers by row id, in a file."""

from __future__ import annotations

from typing import Any

import numpy as np

from spear_amal.cli.asking import Consent
from spear_amal.cli.console import print_result
from spear_amal.cli.distill import text_log_probabilities
from spear_amal.cli.model_files import ImagesModel, load_model
from spear_amal.cli.options.distillation import TeacherOutputsOptions
from spear_amal.cli.outputs import check_outputs
from spear_amal.cli.predict import lfs_for, read_model_rows
from spear_amal.cli.tables import read_ids
from spear_amal.cli.votes import vote
from spear_amal.data import load_images
from spear_amal.errors import InputError
from spear_amal.teachers import as_teacher, save_teacher_outputs
from spear_amal.text_classifier import TextClassifier


def teacher_outputs(options: TeacherOutputsOptions) -> None:
    """Write the logits of all rows.

    Raises
    ------
    InputError
        If rows are missing, or are not such as the model takes.
    """
    check_outputs(options.force, options.output, inputs=options.data)
    if bool(options.data) == (options.images is not None):
        raise InputError("give the rows: a table (--data) or images (--images), not both")
    model = load_model(options.model)
    if isinstance(model, TextClassifier) != bool(options.data):
        kind = (
            "texts: give --data" if isinstance(model, TextClassifier) else "images: give --images"
        )
        raise InputError(f"{options.model} is a model for {kind}")
    if isinstance(model, TextClassifier):
        ids, logits, classes = _of_texts(model, options)
    else:
        ids, logits, classes = _of_images(model, options)
    save_teacher_outputs(
        options.output, ids, logits, classes, name=options.model.stem, overwrite=options.force
    )
    print_result(f"Outputs for {len(ids)} rows written to {options.output}")


def _of_texts(
    model: TextClassifier, options: TeacherOutputsOptions
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    frame = read_model_rows(options, options.data, model)
    ids = read_ids(options, frame)
    if ids is None:
        raise InputError(
            "the rows have no ids: outputs are looked up by them, so that they fit a table that is "
            "sorted or cut in another way; name their column with --id-column"
        )
    votes = None
    if model.needs_votes:
        consent = Consent.of(options)
        votes = vote(frame, lfs_for(model, options), model.text_column_, consent=consent)
    return ids, text_log_probabilities(model, frame, votes), model.classes_.tolist()


def _of_images(
    model: ImagesModel, options: TeacherOutputsOptions
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    # Which rows are held out for validation makes no difference here: all of them are asked.
    data = load_images(
        options.images or "", options.data_dir, path=options.images_path, progress=True
    )
    logits = as_teacher(model.estimator).logits(data.x, data.row_ids)
    return data.row_ids, logits, model.estimator.classes_.tolist()
