"""Class probabilities of many rows, written as Parquet while they are computed."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal.errors import InputError, MissingExtraError
from spear_amal.io.atomic import refuse_existing, write_aside


def write_proba_file(
    parts: Iterable[tuple[np.ndarray, np.ndarray]],
    classes: Sequence[Any],
    path: str | os.PathLike[str],
    overwrite: bool = False,
) -> Path:
    """Write row ids (k,) and probabilities (k, C) of each part as a row group of one file.

    Columns are ``row_id, p_0, .., p_{C-1}``; the names of the classes are metadata.

    Raises
    ------
    InputError
        If some parts have numbers for row ids and others texts.
    MissingExtraError
        Without pyarrow.
    OutputExistsError
        If the file exists and `overwrite` is False.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtraError("pyarrow", "parquet", "probabilities on disk") from error
    path = refuse_existing(path, overwrite)
    tables = (_table(pa, ids, p) for ids, p in parts if len(ids))
    first = next(tables, None)
    if first is None:
        first = _table(pa, np.empty(0, dtype=np.int64), np.empty((0, len(classes))))
    schema = first.schema.with_metadata({"classes": json.dumps([str(name) for name in classes])})
    with write_aside(path) as temporary, pq.ParquetWriter(temporary, schema) as writer:
        writer.write_table(first)
        for table in tables:
            if table.schema.field("row_id") != schema.field("row_id"):
                raise InputError(
                    f"row ids are {schema.field('row_id').type} in some parts of the votes and "
                    f"{table.schema.field('row_id').type} in others; give all rows ids of one kind"
                )
            writer.write_table(table)
    return path


def _table(pa: Any, ids: np.ndarray, p: np.ndarray) -> Any:
    columns = {f"p_{k}": pa.array(p[:, k]) for k in range(p.shape[1])}
    text = ids.dtype.kind == "U"
    return pa.table({"row_id": pa.array(ids.tolist(), pa.string()) if text else ids} | columns)
