"""Tables written again with columns added: what the user wrote comes back as it was."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from spear_amal._typing import PathLike
from spear_amal.data.column_types import column_of_values, stack_frames
from spear_amal.data.delimited import column_names, format_record, read_records
from spear_amal.data.json_lines import json_text
from spear_amal.data.read_table import Layout, cells_of, read_arrow, read_typed
from spear_amal.data.separators import separator_of
from spear_amal.data.table_kinds import (
    DELIMITED,
    JSON_LINES,
    PARQUET,
    is_delimited,
    need_package,
    suffix_of,
)
from spear_amal.data.text_lines import (
    TextEncoding,
    comes_back,
    encoding_of,
    numbered_lines,
    open_to_write,
    split_line_end,
)
from spear_amal.data.write_table import write_table
from spear_amal.errors import InputError
from spear_amal.io.atomic import refuse_existing, write_aside

Columns = Mapping[str, Sequence[Any]]


def add_columns(
    paths: Sequence[PathLike],
    added: Columns,
    target: PathLike,
    overwrite: bool = False,
    layout: Layout | None = None,
) -> None:
    """Write tables one below the other, with columns added at the end.

    Where the target is of the kind of all the tables, and they have the same columns, everything
    in them is copied: CSV, TSV and JSON Lines byte for byte, with their separator and encoding,
    Parquet by type. Otherwise values are written anew, and none of them changes: cells of CSV and
    TSV stay text.

    Parameters
    ----------
    paths : sequence of paths
        Tables that :func:`~spear_amal.data.read_table` has read.
    added : mapping of str to sequences (n,)
        Values of all the rows, in the order of the tables, under names that no table has.
    target : path
        Its suffix says how it is written, as for :func:`~spear_amal.data.write_table`.
    overwrite : bool
    layout : Layout, optional
        How the tables were read.

    Raises
    ------
    OutputExistsError
        If the target exists and `overwrite` is False.
    InputError
        If the tables have not as many rows as the columns: they changed since they were read. If
        their encoding cannot hold what is added.
    """
    files, target = [Path(path) for path in paths], Path(target)
    layout = layout or Layout()
    need_package(target)
    refuse_existing(target, overwrite)
    form = _TextForm.of(files, target, layout)
    if form is not None and form.is_shared:
        with (
            write_aside(target) as temporary,
            open_to_write(temporary, target, form.encoding) as handle,
        ):
            handle.writelines(form.lines(files, added))
        return
    if suffix_of(target) in PARQUET and _write_by_type(files, added, target):
        return
    frame = stack_frames([_read_unchanged(path, target, layout) for path in files])
    _check_length(files, len(frame) == len(next(iter(added.values()))))
    frame = pd.concat([frame, pd.DataFrame(dict(added))], axis=1)
    sep = layout.sep if form is None else form.sep
    write_table(frame, target, overwrite, sep=sep, encoding=layout.encoding, sheet=layout.sheet)


@dataclass(frozen=True)
class _TextForm:
    """What text files of one kind have in common, so that their lines can be copied.

    Attributes
    ----------
    encoding : TextEncoding
        Of the first file.
    sep : str or None
        Between cells; None in JSON Lines, and where files differ.
    is_shared : bool
        False if lines of one file would mean something else in another.
    """

    encoding: TextEncoding
    sep: str | None
    is_shared: bool

    @classmethod
    def of(cls, files: Sequence[Path], target: Path, layout: Layout) -> _TextForm | None:
        """Return the form of text files; None unless all of them, and the target, are of a kind."""
        kinds = {suffix_of(path) for path in (*files, target)}
        encodings = [encoding_of(path, layout.encoding) for path in files]
        is_shared = len({encoding.codec for encoding in encodings}) == 1
        is_shared = is_shared and all(map(comes_back, files, encodings))
        if kinds <= set(JSON_LINES):
            return cls(encodings[0], None, is_shared)
        if len(kinds) > 1 or not kinds <= set(DELIMITED):
            return None
        seps = [separator_of(path, layout.sep, layout.encoding) for path in files]
        records = (
            next(read_records(path, sep, layout.encoding))
            for path, sep in zip(files, seps, strict=True)
        )
        headers = {tuple(column_names(header.cells)) for header in records}
        one_sep = seps[0] if len(set(seps)) == 1 else None
        return cls(encodings[0], one_sep, is_shared and one_sep is not None and len(headers) == 1)

    def lines(self, files: Sequence[Path], added: Columns) -> Iterator[str]:
        """Yield the lines of the files with the columns added."""
        if self.sep is None:
            return _json_lines(files, added, self.encoding.codec)
        return _delimited_lines(files, added, self.sep, self.encoding.codec)


def _delimited_lines(
    files: Sequence[Path], added: Columns, sep: str, encoding: str
) -> Iterator[str]:
    rows = _rows(added)
    end = "\n"
    for place, path in enumerate(files):
        if not end:
            yield "\n"  # the last line of the file before has no end
        records = read_records(path, sep, encoding)
        header = next(records)
        content, end = split_line_end(header.raw)
        if not place:
            yield f"{content}{sep}{format_record(added, sep)}{end}"
        for record in records:
            if not record.cells:
                yield record.raw
                continue
            cells = map(_as_cell, _next_row(files, rows))
            content, end = split_line_end(record.raw)
            yield f"{content}{sep}{format_record(cells, sep)}{end}"
    _check_length(files, next(rows, None) is None)


def _json_lines(files: Sequence[Path], added: Columns, encoding: str) -> Iterator[str]:
    rows = _rows(added)
    end = "\n"
    for path in files:
        if not end:
            yield "\n"
        for _, line in numbered_lines(path, encoding):
            content, end = split_line_end(line)
            if not content or content.isspace():
                yield line
                continue
            row = dict(zip(added, _next_row(files, rows), strict=True))
            closing = content.rindex("}")
            is_empty = content[:closing].rstrip().endswith("{")
            new = json_text(row, "a row", encoding)[1:-1]
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


def _as_cell(value: Any) -> str:
    return "" if value is None else str(value)


def _write_by_type(files: Sequence[Path], added: Columns, target: Path) -> bool:
    """Write Parquet from Parquet; return False where the files have not one schema."""
    if not {suffix_of(path) for path in files} <= set(PARQUET):
        return False
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


def _read_unchanged(path: Path, target: Path, layout: Layout) -> pd.DataFrame:
    """Read a table for another kind of file; cells, and what becomes cells, are text."""
    if not is_delimited(path):
        return read_typed(path, layout, as_cells=is_delimited(target))
    columns = cells_of(path, layout)
    return pd.DataFrame(
        {
            name: column_of_values([cell or None for cell in columns.pop(name)])
            for name in list(columns)
        }
    )
