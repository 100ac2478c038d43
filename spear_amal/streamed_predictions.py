"""Predictions on Parquet files of any size: read, predicted and written in batches, in flat memory.

A run that is stopped or killed leaves no file: the output is written aside and renamed at the end,
and the next run starts anew.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.checks import check_whole
from spear_amal.data.encoders import TextEncoder
from spear_amal.data.read_rows import for_lfs
from spear_amal.data.read_table import check_cells, frame_of_arrow
from spear_amal.data.table_kinds import PARQUET, need_package, suffix_of
from spear_amal.declared_lfs.classes_of_lfs import LFsLike, applier_of
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.labeling.parquet_files import SourceFile, source_files
from spear_amal.labeling.parquet_reader import Block, plan_blocks, read_tables
from spear_amal.progress import Progress
from spear_amal.text_classifier import TextClassifier
from spear_amal.votes.label_matrix import LabelMatrix

__all__ = ["PREDICTED", "predict_stream", "prediction_columns", "stream_predictions"]

#: Column of the predicted class.
PREDICTED = "predicted"
BATCH_ROWS = 16_384

VotesOf = Callable[[pd.DataFrame], LabelMatrix]


def predict_stream(
    model: TextClassifier,
    source: PathLike | Sequence[PathLike],
    target: PathLike,
    *,
    lfs: LFsLike | None = None,
    batch_rows: int = BATCH_ROWS,
    order: str | None = None,
    overwrite: bool = False,
    show_progress: bool = False,
) -> int:
    """Write Parquet files with predictions added, in the memory of a few batches.

    Rows keep their order and columns, and get ``predicted`` and a probability ``p_CLASS`` for each
    class, as ``spear-amal predict`` adds them.

    Parameters
    ----------
    model : TextClassifier
        Fitted.
    source : path, or sequence of paths
        Parquet files, or folders of them; columns that folders are named for (``year=2024``) are
        columns of their rows. All files have the same columns.
    target : path
        Parquet file to write, aside first.
    lfs : list of LFs, or paths of files of them, optional
        Where the model predicts with the rules as well.
    batch_rows : int
        Rows in memory at a time, and in a row group of the target.
    order : {"name", "number"}, optional
        How the files of a folder are sorted, where names and numbers in them differ.
    overwrite : bool
    show_progress : bool
        Show rows and rate.

    Returns
    -------
    int
        The number of rows.

    Raises
    ------
    InputError
        If there are no rows, columns are missing or differ between files, or votes are needed and
        no LFs are given.
    FileFormatError
        If a file is damaged or no Parquet file; names it.
    OutputExistsError
        If the target exists and `overwrite` is False.
    MissingExtraError
        If pyarrow is not installed.
    """
    votes_of = None
    if model.needs_votes and lfs is not None:
        votes_of = _votes_by(model, lfs)
    return stream_predictions(
        *(model, source, target, votes_of),
        batch_rows=batch_rows,
        order=order,
        overwrite=overwrite,
        show_progress=show_progress,
    )


def _votes_by(model: TextClassifier, lfs: LFsLike) -> VotesOf:
    text = model.needed_text_
    applier = applier_of(lfs, model.class_names_, text_column=text)
    model.check_lf_names([lf.name for lf in applier.lfs])

    def votes_of(frame: pd.DataFrame) -> LabelMatrix:
        return applier.apply(for_lfs(frame, model.text_column_), progress_bar=False)

    return votes_of


def prediction_columns(model: TextClassifier, p: np.ndarray) -> dict[str, Any]:
    """Return the columns that predictions add to a table: class names and probabilities (n, C)."""
    classes = model.classes_.tolist()
    columns: dict[str, Any] = {PREDICTED: [classes[code] for code in p.argmax(1)]}
    return columns | {f"p_{name}": column for name, column in zip(classes, p.T, strict=True)}


def check_clash(model: TextClassifier, names: Sequence[Any]) -> None:
    """Raise InputError if a table has one of the columns that are to be added."""
    added = prediction_columns(model, np.zeros((0, len(model.classes_))))
    if clash := [name for name in added if name in names]:
        raise InputError(f"the data already has the column {clash[0]!r}; rename or drop it")


def stream_predictions(
    model: TextClassifier,
    source: PathLike | Sequence[PathLike],
    target: PathLike,
    votes_of: VotesOf | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
    order: str | None = None,
    overwrite: bool = False,
    show_progress: bool = False,
) -> int:
    """Write predictions as :func:`predict_stream` does; `votes_of` casts the votes of a batch."""
    check_whole("batch_rows", batch_rows, 1)
    target = Path(target)
    if suffix_of(target) not in PARQUET:
        raise InputError(f"{target}: predictions are streamed into .parquet; choose such a name")
    need_package(target)
    refuse_existing(target, overwrite)
    files = _files(source, order, target)
    needed = [] if model.needed_text_ is None else [model.needed_text_]
    blocks = plan_blocks(files, [*needed, *model.features_.columns], batch_rows)
    if not blocks:
        names = ", ".join(file.path.name for file in files[:3])
        raise InputError(f"{names} has no rows, so there is nothing to predict")
    schema = _one_schema(files)
    check_clash(model, schema.names)
    # Votes may depend on any column, features on those that are named.
    seen = None if model.needs_votes else [*needed, *model.features_.columns]
    with (
        _encoders_loaded(model),
        write_aside(target) as temporary,
        Progress("predicting", blocks[-1].first_row + blocks[-1].rows, show=show_progress) as bar,
    ):
        tables = _predicted(model, blocks, seen, votes_of, batch_rows)
        return _write(tables, temporary, bar)


def _files(
    source: PathLike | Sequence[PathLike], order: str | None, target: Path
) -> list[SourceFile]:
    """Return the files of a source; the target is none of a folder that is read."""
    files = source_files(source, order)
    place = target.resolve()
    listed = [source] if not isinstance(source, list | tuple) else source
    for folder in map(Path, listed):
        if folder.is_dir() and folder.resolve() in place.parents:
            raise InputError(
                f"{target} lies in the folder {folder} that is read; write to another place"
            )
    return files


def _one_schema(files: Sequence[SourceFile]) -> Any:
    """Return the columns that all files have; raise InputError where they differ."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    first = pq.read_schema(files[0].path)
    names = first.names
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise FileFormatError(
            f"{files[0].path}: the columns {twice} are there more than once; rename them"
        )
    for file in files[1:]:
        schema = pq.read_schema(file.path)
        if not schema.equals(first):
            other = next(
                (field for field in [*schema, *first] if field not in schema or field not in first),
                "their order",
            )
            raise InputError(
                f"{file.path} has other columns than {files[0].path} (see {other}): a stream "
                "needs the same names and types, in one order, in all files; write them anew with "
                "the same columns, or leave out --stream"
            )
    for name, _ in files[0].partition:
        if name not in first.names:
            first = first.append(pa.field(name, pa.null()))
    return first


def _predicted(
    model: TextClassifier,
    blocks: Sequence[Block],
    seen: Sequence[str] | None,
    votes_of: VotesOf | None,
    batch_rows: int,
) -> Iterator[Any]:
    """Yield tables of Arrow with the predictions added, in the order of the rows."""
    import pyarrow as pa

    for block in blocks:
        row = block.first_row
        for table in read_tables(block, None, batch_rows):
            with _naming_rows(block.file, row, len(table)):
                check_cells(Path(block.file), table)
                frame = frame_of_arrow(table if seen is None else table.select(list(seen)))
                frame = model.rows_of(frame)
                votes = None if votes_of is None else votes_of(frame)
                p = model.predict_proba(frame, votes)
            row += len(table)
            for name, values in prediction_columns(model, p).items():
                table = table.append_column(name, pa.array(values))
            yield table


@contextmanager
def _naming_rows(file: str, first: int, count: int) -> Iterator[None]:
    """Make errors about a row say where the rows are counted from."""
    try:
        yield
    except (InputError, FileFormatError) as error:
        raise type(error)(
            f"{error} (in {file}, among the rows {first:,} to {first + count - 1:,} of all, whose "
            "first one is row 0 here); nothing was written"
        ) from error


def _write(tables: Iterator[Any], temporary: Path, bar: Progress) -> int:
    """Write tables as row groups of one file; return the number of rows."""
    import pyarrow.parquet as pq

    started, rows = time.monotonic(), 0
    first = next(tables)
    with pq.ParquetWriter(temporary, first.schema) as writer:
        for table in _chained(first, tables):
            writer.write_table(table)
            rows += len(table)
            rate = rows / max(time.monotonic() - started, 1e-9)
            bar.move_to(rows, f"{rows:,} rows, {rate:,.0f} rows/s")
    return rows


def _chained(first: Any, others: Iterator[Any]) -> Iterator[Any]:
    yield first
    yield from others


@contextmanager
def _encoders_loaded(model: TextClassifier) -> Iterator[None]:
    """Load encoders once, and keep no vectors: a file of all of them would grow with the rows."""
    parts = [part for part in model.features_.parts_ if isinstance(part, TextEncoder)]
    before = [(part.encoder, part.cache) for part in parts]
    for part in parts:
        if not callable(part.encoder):
            part.encoder = part.found().load(part.device)
        part.cache = False
    try:
        yield
    finally:
        for part, (encoder, cache) in zip(parts, before, strict=True):
            part.encoder, part.cache = encoder, cache
