"""The command ``teacher-outputs``: a model's answers by row id, in a file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.cli.apply import vote
from spear_amal.cli.console import is_watched, print_result
from spear_amal.cli.distill import text_log_probabilities
from spear_amal.cli.distill_data import row_ids
from spear_amal.cli.read_rows import read_rows
from spear_amal.data import load_images
from spear_amal.errors import InputError
from spear_amal.io.atomic import refuse_existing
from spear_amal.pipeline import ImagesModel, TextModel, load_model
from spear_amal.teachers import as_teacher, save_teacher_outputs


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    model: Path
    output: Path
    data: tuple[Path, ...] = ()
    row_id_column: str | None = None
    images: str | None = None
    images_path: Path | None = None
    lfs: Path | None = None


def teacher_outputs(request: Request, data_dir: Path | None, force: bool) -> None:
    """Write logits of all rows.

    Raises
    ------
    InputError
        If rows are missing, or are not such as the model takes.
    """
    refuse_existing(request.output, force)
    if bool(request.data) == (request.images is not None):
        raise InputError("give the rows: a table (--data) or images (--images), not both")
    model = load_model(request.model)
    if isinstance(model, TextModel) != bool(request.data):
        kind = "texts: give --data" if isinstance(model, TextModel) else "images: give --images"
        raise InputError(f"{request.model} is a model for {kind}")
    if isinstance(model, TextModel):
        ids, logits, classes = _of_texts(model, request)
    else:
        ids, logits, classes = _of_images(model, request, data_dir)
    save_teacher_outputs(
        request.output, ids, logits, classes, name=request.model.stem, overwrite=force
    )
    print_result(f"Outputs for {len(ids)} rows written to {request.output}")


def _of_texts(model: TextModel, request: Request) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    if request.row_id_column is None:
        raise InputError(
            "--row-id-column is missing: outputs are looked up by the ids of the rows, so that "
            "they fit a table that is sorted or cut in another way"
        )
    frame = read_rows(request.data, model.text_column)
    (ids,) = row_ids([frame], request.row_id_column)
    votes = vote(frame, request.lfs, model.text_column) if model.needs_votes else None
    texts = frame[model.text_column].tolist()
    return ids, text_log_probabilities(model, texts, votes), list(model.classes)


def _of_images(
    model: ImagesModel, request: Request, data_dir: Path | None
) -> tuple[np.ndarray, np.ndarray, list[Any]]:
    # Which rows are held out for validation makes no difference here: all of them are asked.
    data = load_images(
        request.images or "", data_dir, path=request.images_path, progress=is_watched()
    )
    logits = as_teacher(model.estimator).logits(data.x, data.row_ids)
    return data.row_ids, logits, model.estimator.classes_.tolist()
