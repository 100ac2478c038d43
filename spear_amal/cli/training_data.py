"""Reading what ``train`` and ``distill`` train on: the user's tables, and votes on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spear_amal._typing import NamedFunction
from spear_amal.checks import check_metric
from spear_amal.cli.console import print_status, warnings_as_notes
from spear_amal.cli.labelled_rows import how_drawn, read_data
from spear_amal.cli.options.distillation import DistillOptions
from spear_amal.cli.options.project import CompareOptions, CrossoverOptions, TrainOptions
from spear_amal.cli.options.shared import TrainingConfig
from spear_amal.cli.tables import print_numbers, read_frame
from spear_amal.cli.votes import has_rules, votes_of_table
from spear_amal.data import read_rows, require_columns
from spear_amal.data.table_features import uses_text
from spear_amal.declared_lfs import read_rules_file
from spear_amal.errors import InputError
from spear_amal.training_rows import (
    DataOrigin,
    LabelledTable,
    TrainingData,
    texts_of,
    training_data,
)
from spear_amal.votes.label_matrix import LabelMatrix


def read_training_data(
    settings: TrainOptions | CompareOptions | CrossoverOptions | DistillOptions, with_votes: bool
) -> TrainingData:
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
    frames = [
        read_data(settings, needed),
        *(read_frame(settings, files, needed, label) for files in paths[1:]),
    ]
    names = [", ".join(str(path) for path in files) for files in paths]
    # A column that nobody named need not be there: then no row has a label.
    named = "label_column" in settings.model_fields_set
    if not named and not any(label in frame for frame in frames):
        print_status(f"{names[0]} has no column {label!r}: no row has a label")
        label = None
    for frame, name in zip(frames, names, strict=True):  # before LFs run, which may take long
        require_columns(frame, [] if label is None else [label], name)
    values = [] if label is None else read_rows.label_values(frames[0], label, names[0])
    check_metric(settings.metric, len(set(values) - {None}))
    votes: list[LabelMatrix | None] = [None for _ in frames]
    lfs: list[NamedFunction] = []
    if with_votes:
        cast = [votes_of_table(settings, frame) for frame in frames]
        votes, lfs = [votes.matrix for votes in cast], cast[0].loaded.lfs
    with warnings_as_notes():
        data = training_data(frames, votes, text, label, settings.id_column, names=names)
    data = replace(data, origin=_origin(settings, lfs))
    print_numbers(values, data.classes)
    return data


def _origin(settings: TrainingConfig, lfs: Sequence[NamedFunction]) -> DataOrigin:
    """Return where rows, labels and votes come from."""
    files: list[tuple[str, Path]] = [("data", path) for path in settings.data]
    gold = [path for path in settings.gold if path.exists()]
    files += [("gold", path) for path in gold]
    if isinstance(settings, TrainOptions) and settings.estimate in (None, "test"):
        files += [("test", path) for path in settings.test]
    named = {"validation": settings.validation}
    rules = settings.rules if lfs and has_rules(settings) else None
    if lfs:
        named |= {"lfs": settings.lfs, "rules": rules}
    files += [(role, path) for role, path in named.items() if path is not None]
    return DataOrigin(
        files=tuple(files),
        lfs=tuple(lfs),
        muted=() if rules is None else tuple(sorted(read_rules_file(rules).muted)),
        drawn=how_drawn(settings, gold),
    )


def require_gold(data: TrainingData) -> None:
    """Raise InputError if no training row has a label."""
    if not (data.train.y >= 0).any():
        column = data.label_column
        where = "" if column is None else f" in the column {column!r}"
        raise InputError(
            f"{data.name}: no row has a label{where}; a few labelled rows of every class are "
            "needed (`spear-amal next` says which to label first)"
        )


def read_test_rows(
    settings: TrainOptions | CompareOptions | CrossoverOptions,
    data: TrainingData,
    with_votes: bool,
) -> LabelledTable:
    """Read the test table of the settings, of which rows with a label are kept.

    Raises
    ------
    InputError
        If a label is none of the classes of the data, or no row has one.
    """
    text, label, files = settings.text_column, settings.label_column, settings.test
    name = ", ".join(str(path) for path in files)
    needed = text if uses_text(settings.features) else None
    frame = read_frame(settings, files, needed, label)
    codes = read_rows.class_codes(read_rows.label_values(frame, label, name), data.classes, name)
    known = np.flatnonzero(codes >= 0)
    if not len(known):
        raise InputError(f"{name}: no row has a label in the column {label!r}")
    votes = None
    if with_votes:
        votes = votes_of_table(settings, frame).matrix
    texts = texts_of(frame, text, name) if text in frame else []
    return LabelledTable(frame, texts, codes, votes).take(known)
