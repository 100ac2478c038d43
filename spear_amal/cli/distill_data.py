"""What ``distill`` trains on: rows of a table of texts, or images by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.cli.options.distillation import DistillOptions
from spear_amal.cli.tables import read_ids
from spear_amal.cli.training_data import read_training_data, require_gold
from spear_amal.cli.votes import has_lfs
from spear_amal.data import TextFeatures, load_images
from spear_amal.data.id_column import ID_COLUMN
from spear_amal.data.images import ImageData
from spear_amal.data.splits import draw_stratified
from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix


@dataclass(frozen=True)
class DistillSplit:
    """Rows of one role.

    Attributes
    ----------
    x : csr_array (n, D), ndarray (n, D) or images (n, channels, height, width)
    y : ndarray (n,)
        Classes as the student gets them; None or -1 where unlabelled.
    ids : ndarray (n,)
        Row ids.
    votes : LabelMatrix (n, m) or None
    texts : list of str, length n, or None
    """

    x: Any
    y: np.ndarray
    ids: np.ndarray
    votes: LabelMatrix | None = None
    texts: list[str] | None = None


class DistillScorer:
    """Keeps the test rows closed until a model is finished."""

    def __init__(self, part: DistillSplit) -> None:
        self._part = part

    def __len__(self) -> int:
        return len(self._part.y)

    def open(self) -> DistillSplit:
        """Return the test rows, after training."""
        return self._part


@dataclass(frozen=True)
class DistillData:
    """Everything that teachers and student are trained and judged on.

    Attributes
    ----------
    name : str
        For people.
    train, validation : DistillSplit
    classes : tuple
        Class names in code order.
    labels : tuple
        The same as the student gets them in `y`.
    features : TextFeatures or None
        Of texts.
    scorer : DistillScorer or None
        Test rows, if there are any.
    noisy : ndarray (n,) bool or None
        Training rows whose class is known to be wrong, for looking at the weights only.
    has_ids : bool
        False if rows are merely numbered.
    """

    name: str
    train: DistillSplit
    validation: DistillSplit
    classes: tuple[Any, ...]
    labels: tuple[Any, ...]
    features: TextFeatures | None = None
    scorer: DistillScorer | None = None
    noisy: np.ndarray | None = None
    has_ids: bool = True

    @property
    def is_text(self) -> bool:
        """Return whether the rows are texts of a table."""
        return self.features is not None

    def __str__(self) -> str:
        y = self.train.y
        labelled = int(pd.notna(y).sum() if y.dtype == object else (y >= 0).sum())
        parts = [f"{len(y)} training rows ({labelled} labelled)"]
        parts += [f"{len(self.validation.y)} validation rows"]
        parts += [f"{len(self.scorer)} test rows"] if self.scorer else []
        return f"{self.name}: {', '.join(parts)}, {len(self.classes)} classes"


def read_data(settings: DistillOptions) -> DistillData:
    """Read the images or tables that the settings name.

    Raises
    ------
    InputError
        If rows, columns or classes are not what training needs.
    DataUnavailableError
        If the images can be had nowhere.
    """
    return _texts(settings) if settings.images is None else _images(settings.images, settings)


def _images(name: str, settings: DistillOptions) -> DistillData:
    data = load_images(
        name,
        settings.data_dir,
        path=settings.images_path,
        validation=settings.validation_share,
        seed=settings.seed,
        progress=True,
    )
    if settings.subset is not None:
        data = _drawn(data, settings.subset, settings.seed)
    if settings.label_noise:
        data = data.with_noise(settings.label_noise, settings.seed)
    noisy = data.noisy[data.rows("train")]
    return DistillData(
        name=data.name,
        train=_image_part(data, "train"),
        validation=_image_part(data, "validation"),
        classes=data.classes,
        labels=tuple(range(data.n_classes)),
        scorer=DistillScorer(_image_part(data, "test")) if len(data.rows("test")) else None,
        noisy=noisy if noisy.any() else None,
    )


def _image_part(data: ImageData, part: str) -> DistillSplit:
    rows = data.rows(part)
    return DistillSplit(data.x[rows], data.y[rows], data.row_ids[rows])


def _drawn(data: ImageData, n_train: int, seed: int) -> ImageData:
    """Draw training rows, and validation rows in proportion; the test rows stay."""
    n_all, n_val = len(data.rows("train")), len(data.rows("validation"))
    if n_train > n_all:
        raise InputError(f"--subset asks for {n_train} training rows, {data.name} has {n_all}")
    share = max(data.n_classes, round(n_val * n_train / n_all))
    return data.subset(n_train=n_train, n_validation=min(share, n_val), seed=seed)


def _texts(settings: DistillOptions) -> DistillData:
    data = read_training_data(settings, has_lfs(settings))
    require_gold(data)
    frames = [table.frame for table in data.tables]
    known = None if data.id_column is None else _ids_of_tables(frames, settings)
    ids = _split(np.arange(sum(map(len, frames))) if known is None else known, frames)
    features = TextFeatures().fit([text for table in data.tables for text in table.texts])
    train, *validation = [
        DistillSplit(
            x=features.transform(table.texts),
            y=data.as_labels(table.y),
            ids=ids_of_table,
            votes=table.votes,
            texts=table.texts,
        )
        for table, ids_of_table in zip(data.tables, ids, strict=True)
    ]
    if not validation:
        train, *validation = _hold_out(train, data.train.y, settings)
    return DistillData(
        name=", ".join(path.name for path in settings.data),
        train=train,
        validation=validation[0],
        classes=data.classes,
        labels=data.classes,
        features=features,
        has_ids=known is not None,
    )


def _ids_of_tables(frames: list[pd.DataFrame], settings: DistillOptions) -> np.ndarray | None:
    """Return the ids of the rows of all tables, each there once; None if they have no ids.

    Raises
    ------
    InputError
        If a column was named and is not there, or an id is missing or there twice.
    """
    column = settings.id_column or ID_COLUMN
    lacking = [frame for frame in frames if column not in frame]
    if lacking:
        return read_ids(settings, lacking[0])
    columns = [frame[[column]] for frame in frames]
    return read_ids(settings, pd.concat(columns, ignore_index=True))


def _split(ids: np.ndarray, frames: list[pd.DataFrame]) -> list[np.ndarray]:
    return np.split(ids, np.cumsum([len(frame) for frame in frames])[:-1])


def _hold_out(
    split: DistillSplit, codes: np.ndarray, settings: DistillOptions
) -> tuple[DistillSplit, DistillSplit]:
    """Hold out a stratified share of the labelled rows; return the others and these."""
    labelled = np.flatnonzero(codes >= 0)
    labelled = labelled[np.argsort(split.ids[labelled], kind="stable")]  # whatever order they have
    generator = np.random.default_rng(settings.seed)
    size = round(settings.validation_share * len(labelled))
    try:
        chosen = draw_stratified(labelled, codes, size, generator, "the validation part")
        if not size:
            raise InputError("the validation part has no row")
    except InputError as error:
        raise InputError(
            f"{error} ({settings.validation_share:g} of {len(labelled)} labelled rows); label more "
            f"rows, give --validation, or a larger validation_share in {settings.FILE}"
        ) from error
    others = np.setdiff1d(np.arange(len(codes)), chosen)
    return _rows_of(split, others), _rows_of(split, chosen)


def _rows_of(split: DistillSplit, rows: np.ndarray) -> DistillSplit:
    return DistillSplit(
        split.x[rows],
        split.y[rows],
        split.ids[rows],
        None if split.votes is None else split.votes[rows],
        None if split.texts is None else [split.texts[row] for row in rows],
    )
