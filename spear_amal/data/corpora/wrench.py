"""Corpora in WRENCH's format: any folder or archive by its path, and two archives by name."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data.corpora.spec import CorpusSpec
from spear_amal.data.corpus import Corpus
from spear_amal.data.download.archives import ARCHIVES
from spear_amal.data.formats.wrench import WrenchPart, read_wrench
from spear_amal.errors import FileFormatError
from spear_amal.votes.label_matrix import LabelMatrix

_PARTS = {"train": "train", "valid": "validation", "test": "test"}
_MOST_LABELS, _SHARE = 100, 0.1  # default size of L and of V: so many rows, or a tenth of the pool


def wrench_corpus(
    path: Path, *, name: str | None = None, metric: str = "accuracy", source: str | None = None
) -> Corpus:
    """Read a WRENCH folder or archive with its votes.

    Features are the texts (field ``text``), or the published vectors (field ``feature``). Where
    rows have neither, their other fields are columns of the frame (features "columns").

    Parameters
    ----------
    path : Path
    name : str, optional
        Default: that of the folder, or of the archive without its ending.
    metric : str
    source : str, optional
        Where the rows came from, in words.

    Raises
    ------
    FileFormatError
        If a part is missing, empty or damaged, a row has no gold label, or rows have no field that
        features can be made of.
    """
    parts = read_wrench(path)
    for part, rows in parts.items():
        _check_gold(path / f"{part}.json", rows)
    frames = [rows.frame.assign(part=_PARTS[part]) for part, rows in parts.items()]
    ids = [f"{part}/{row}" for part, rows in parts.items() for row in rows.frame.index]
    frame = pd.concat(frames).set_axis(ids)
    features = None
    if "text" in frame:
        _check_texts(path, frame)
    elif "feature" in frame:
        features = _vectors(path, frame)
        frame = frame.drop(columns="feature")  # the same numbers, as objects
    elif set(frame) <= {"label", "part"}:
        raise FileFormatError(f"{path}: the rows' data hold no fields, so there are no features")
    classes = parts["train"].label_matrix.classes
    n_pool = int((frame["part"] != "test").sum())
    size = max(len(classes), min(_MOST_LABELS, int(n_pool * _SHARE)))
    votes = np.concatenate([rows.label_matrix.to_dense() for rows in parts.values()])
    return Corpus(
        name=_name_of(path) if name is None else name,
        classes=classes,
        frame=frame,
        metric=metric,
        source=source or f"WRENCH's format, {path}",
        features=features,
        label_matrix=LabelMatrix.from_dense(
            votes, classes=classes, lf_names=parts["train"].label_matrix.lf_names, row_ids=ids
        ),
        n_labelled=size,
        n_validation=size,
    )


def _name_of(path: Path) -> str:
    """Return the name of a folder, or of an archive without its ending."""
    name = path.resolve().name
    endings = () if path.is_dir() else sorted(ARCHIVES, key=len, reverse=True)
    ending = next((ending for ending in endings if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def _check_gold(path: Path, part: WrenchPart) -> None:
    if not len(part.frame):
        raise FileFormatError(f"{path} holds no rows; a study needs rows in every part")
    without = part.frame.index[(part.frame["label"] < 0).to_numpy()]
    if len(without):
        raise FileFormatError(
            f"{path}, row {without[0]}: no gold label ({len(without)} rows lack one); a study "
            "draws its labelled rows and scores predictions, so every row needs gold"
        )


def _check_texts(path: Path, frame: pd.DataFrame) -> None:
    wrong = [row for row, text in frame["text"].items() if not isinstance(text, str)]
    if wrong:
        raise FileFormatError(f"{path}: row {wrong[0]} has no text, other rows have")


def _vectors(path: Path, frame: pd.DataFrame) -> Any:
    try:
        vectors = np.asarray(frame["feature"].tolist(), dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise FileFormatError(
            f"{path}: the rows' data hold 'feature', but not vectors of one length"
        ) from error
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise FileFormatError(f"{path}: 'feature' must be a vector of finite numbers per row")
    return vectors


def _build(name: str, metric: str, folder: Path, source: str) -> Corpus:
    return wrench_corpus(folder / _archive(name), name=name, metric=metric, source=source)


def _archive(name: str) -> str:
    return f"wrench_{name}.tar.gz"


def _spec(name: str, title: str, metric: str, digest: str) -> CorpusSpec:
    return CorpusSpec(
        name=name,
        title=title,
        licence="CC BY 4.0",
        build=partial(_build, name, metric),
        files={_archive(name): digest},
        folder="",
    )


CENSUS = _spec(
    "census",
    "Census income, 83 rules, numbers and no text",
    "f1",
    "98e85da28be9b0a32f98fa7d73f4c58eec03035877155116893b4db9c3e6bd48",
)
MUSHROOM = _spec(
    "mushroom",
    "Mushrooms, edible or poisonous, 20 rules, codes and no text",
    "accuracy",
    "f7dfb1f6811ccf5f1d2815f1df81a57e94f41b1e113863973301778493a75f20",
)
