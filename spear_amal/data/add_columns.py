"""Tables written again with columns added: what the user wrote comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.data.column_types import column_of_values, stack_frames
from spear_amal.data.delimited import (
    DELIMITERS,
    column_names,
    delimiter_of,
    format_record,
    read_cells,
    read_records,
)
from spear_amal.data.json_lines import as_json
from spear_amal.data.read_table import (
    JSON_LINES,
    PARQUET,
    read_arrow,
    read_typed,
    suffix_of,
    write_table,
)
from spear_amal.data.text_lines import BOM, numbered_lines, split_line_end
from spear_amal.errors import InputError
from spear_amal.io.atomic import refuse_existing, write_aside

Columns = Mapping[str, Sequence[Any]]


def add_columns(
    paths: Sequence[PathLike], added: Columns, target: PathLike, overwrite: bool = False
) -> None:
    """Write tables one below the other, with columns added at the end.

    Where the target is of the kind of all the tables, and they have the same columns, everything
    in them is copied: CSV, TSV and JSON Lines byte for byte, Parquet by type. Otherwise values are
    written anew, and none of them changes: cells of CSV and TSV stay text.

    Parameters
    ----------
    paths : sequence of paths
        Tables that :func:`~spear_amal.data.read_table` has read.
    added : mapping of str to sequences (n,)
        Values of all the rows, in the order of the tables, under names that no table has.
    target : path
        Its suffix says how it is written, as for :func:`~spear_amal.data.write_table`.
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the target exists and `overwrite` is False.
    InputError
        If the tables have not as many rows as the columns: they changed since they were read.
    """
    files, target = [Path(path) for path in paths], Path(target)
    suffixes = {suffix_of(path) for path in (*files, target)}
    refuse_existing(target, overwrite)
    if suffixes <= set(JSON_LINES):
        lines = _json_lines(files, added)
    elif len(suffixes) == 1 and suffixes <= DELIMITERS.keys() and _have_one_header(files):
        lines = _delimited_lines(files, added)
    elif suffixes == set(PARQUET) and _write_by_type(files, added, target):
        return
    else:
        frame = stack_frames([_read_unchanged(path, target) for path in files])
        _check_length(files, len(frame) == len(next(iter(added.values()))))
        write_table(pd.concat([frame, pd.DataFrame(dict(added))], axis=1), target, overwrite)
        return
    with (
        write_aside(target) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as handle,
    ):
        handle.writelines(lines)


def _have_one_header(files: Sequence[Path]) -> bool:
    return len({tuple(column_names(next(read_records(path)))) for path in files}) == 1


def _delimited_lines(files: Sequence[Path], added: Columns) -> Iterator[str]:
    delimiter = delimiter_of(files[0])
    rows = _rows(added)
    yield _bom_of(files[0])
    end = "\n"
    for place, path in enumerate(files):
        if not end:
            yield "\n"  # the last line of the file before has no end
        records = read_records(path)
        header = next(records)
        content, end = split_line_end(header.raw)
        if not place:
            yield f"{content}{delimiter}{format_record(added, delimiter)}{end}"
        for record in records:
            if not record.cells:
                yield record.raw
                continue
            cells = map(_as_cell, _next_row(files, rows))
            content, end = split_line_end(record.raw)
            yield f"{content}{delimiter}{format_record(cells, delimiter)}{end}"
    _check_length(files, next(rows, None) is None)


def _json_lines(files: Sequence[Path], added: Columns) -> Iterator[str]:
    rows = _rows(added)
    yield _bom_of(files[0])
    end = "\n"
    for path in files:
        if not end:
            yield "\n"
        for _, line in numbered_lines(path):
            content, end = split_line_end(line)
            if not content or content.isspace():
                yield line
                continue
            row = dict(zip(added, _next_row(files, rows), strict=True))
            closing = content.rindex("}")
            is_empty = content[:closing].rstrip().endswith("{")
            new = as_json(row)[1:-1]
            yield f"{content[:closing]}{'' if is_empty else ', '}{new}{content[closing:]}{end}"
    _check_length(files, next(rows, None) is None)


def _rows(added: Columns) -> Iterator[tuple[Any, ...]]:
    return zip(*added.values(), strict=True)


def _next_row(files: Sequence[Path], rows: Iterator[tuple[Any, ...]]) -> tuple[Any, ...]:
    row = next(rows, None)
    _check_length(files, row is not None)
    return row or ()


def _check_length(files: Sequence[Path], is_right: bool) -> None:
    if not is_right:
        raise InputError(f"{', '.join(map(str, files))}: the number of rows changed; try again")


def _bom_of(path: Path) -> str:
    with open(path, "rb") as handle:
        return BOM if handle.read(3) == BOM.encode() else ""


def _as_cell(value: Any) -> str:
    return "" if value is None else str(value)


def _write_by_type(files: Sequence[Path], added: Columns, target: Path) -> bool:
    """Write Parquet from Parquet; return False where the files have not one schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = [read_arrow(path) for path in files]
    if any(not table.schema.equals(tables[0].schema) for table in tables):
        return False
    table = pa.concat_tables(tables)
    for name, values in added.items():
        _check_length(files, len(values) == len(table))
        table = table.append_column(name, pa.array(values))
    with write_aside(target) as temporary:
        pq.write_table(table, temporary)
    return True


def _read_unchanged(path: Path, target: Path) -> pd.DataFrame:
    """Read a table for another kind of file; cells, and what becomes cells, are text."""
    if suffix_of(path) not in DELIMITERS:
        return read_typed(path, as_cells=suffix_of(target) in DELIMITERS)
    columns = read_cells(path)
    return pd.DataFrame(
        {
            name: column_of_values([cell or None for cell in columns.pop(name)])
            for name in list(columns)
        }
    )
