"""Reading what ``train`` and ``distill`` train on: the user's tables, and votes on them."""

from __future__ import annotations

from spear_amal.cli.apply import vote
from spear_amal.cli.console import warnings_as_notes
from spear_amal.cli.options import DistillOptions, TrainOptions
from spear_amal.cli.tables import read_frame
from spear_amal.data import require_columns
from spear_amal.data.table_features import uses_text
from spear_amal.training_rows import TrainingData, training_data
from spear_amal.votes.label_matrix import LabelMatrix


def read_training_data(settings: TrainOptions | DistillOptions, with_votes: bool) -> TrainingData:
    """Read the tables, apply the LFs and turn labels into class codes.

    Raises
    ------
    InputError
        If a column that was named is missing, or a validation row has no label.
    """
    paths = [settings.require("data")]
    if settings.validation is not None:
        paths.append((settings.validation,))
    text = settings.text_column
    label: str | None = settings.label_column
    needed = text if uses_text(getattr(settings, "features", "tfidf")) else None
    frames = [read_frame(settings, files, needed, label) for files in paths]
    names = [", ".join(str(path) for path in files) for files in paths]
    # A column that nobody named need not be there: then no row has a label.
    named = "label_column" in settings.model_fields_set
    if not named and not any(label in frame for frame in frames):
        label = None
    for frame, name in zip(frames, names, strict=True):  # before LFs run, which may take long
        require_columns(frame, [] if label is None else [label], name)
    votes: list[LabelMatrix | None] = [None for _ in frames]
    if with_votes:
        lfs = settings.require("lfs")
        votes = [vote(frame, lfs, text, settings.fault_tolerant) for frame in frames]
    with warnings_as_notes():
        return training_data(frames, votes, text, label, settings.id_column, names=names)
