"""A WRENCH folder as a corpus: train and valid are the pool, test stays test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data import Corpus, WrenchPart, read_wrench
from spear_amal.errors import FileFormatError
from spear_amal.votes.label_matrix import LabelMatrix

_PARTS = {"train": "train", "valid": "validation", "test": "test"}
_MOST_LABELS, _SHARE = 100, 0.1  # default size of L and of V: so many rows, or a tenth of the pool


def wrench_corpus(folder: Path) -> Corpus:
    """Read a WRENCH folder with its votes; named after the folder, scored by accuracy.

    Features are the texts (field ``text``), or the published vectors (field ``feature``).

    Raises
    ------
    FileFormatError
        If a part is missing, empty or damaged, a row has no gold label, or rows have neither text
        nor feature vectors of one length.
    """
    held = read_wrench(folder)
    for part, rows in held.items():
        _check_gold(folder / f"{part}.json", rows)
    frames = [rows.frame.assign(part=_PARTS[part]) for part, rows in held.items()]
    ids = [f"{part}/{row}" for part, rows in held.items() for row in rows.frame.index]
    frame = pd.concat(frames).set_axis(ids)
    features = None if "text" in frame else _vectors(folder, frame)
    if features is None:
        _check_texts(folder, frame)
    classes = tuple(str(name) for name in held["train"].label_matrix.classes)
    n_pool = int((frame["part"] != "test").sum())
    size = max(len(classes), min(_MOST_LABELS, int(n_pool * _SHARE)))
    votes = np.concatenate([rows.label_matrix.to_dense() for rows in held.values()])
    return Corpus(
        name=folder.resolve().name,
        classes=classes,
        frame=frame,
        metric="accuracy",
        source=f"WRENCH folder {folder}",
        features=features,
        label_matrix=LabelMatrix.from_dense(
            votes, classes=classes, lf_names=held["train"].label_matrix.lf_names, row_ids=ids
        ),
        n_labelled=size,
        n_validation=size,
    )


def _check_gold(path: Path, part: WrenchPart) -> None:
    if not len(part.frame):
        raise FileFormatError(f"{path} holds no rows; a study needs rows in every part")
    without = part.frame.index[(part.frame["label"] < 0).to_numpy()]
    if len(without):
        raise FileFormatError(
            f"{path}, row {without[0]}: no gold label ({len(without)} rows lack one); a study "
            "draws its labelled rows and scores predictions, so every row needs gold"
        )


def _check_texts(folder: Path, frame: pd.DataFrame) -> None:
    wrong = [row for row, text in frame["text"].items() if not isinstance(text, str)]
    if wrong:
        raise FileFormatError(f"{folder}: row {wrong[0]} has no text, other rows have")


def _vectors(folder: Path, frame: pd.DataFrame) -> Any:
    try:
        vectors = np.asarray(frame["feature"].tolist(), dtype=np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(
            f"{folder}: the rows' data hold neither 'text' nor 'feature' vectors of one length"
        ) from error
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise FileFormatError(f"{folder}: 'feature' must be a vector of finite numbers per row")
    return vectors
