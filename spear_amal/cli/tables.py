"""The user's tables, read as the options of a command say; what there is to say of them is said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from spear_amal.cli.console import print_status, warnings_as_notes
from spear_amal.data import ids_of, read_rows, read_table, write_table
from spear_amal.data.read_table import Layout
from spear_amal.data.separators import separator_of
from spear_amal.data.table_kinds import DELIMITED, suffix_of
from spear_amal.labeling.blank_texts import has_text


class ReadingOptions(Protocol):
    """How the options of a command say that tables are to be read."""

    data: tuple[Path, ...]
    id_column: str | None
    sep: str | None
    encoding: str | None
    sheet: str | None


def read_frame(
    options: ReadingOptions,
    files: Sequence[Path],
    text_column: str | None = None,
    label_column: str | None = None,
) -> pd.DataFrame:
    """Read files as one table, as the options say; print how many rows have no text.

    Texts are strings, "" where there is none; see :func:`~spear_amal.data.read_table` for errors.
    """
    with warnings_as_notes():
        frame = read_table(
            list(files),
            text_column,
            label_column,
            id_column=options.id_column,
            sep=options.sep,
            encoding=options.encoding,
            sheet=options.sheet,
        )
    if text_column is not None:
        print_blank(int((~has_text(frame[text_column])).sum()), len(frame), files)
    return frame


def print_blank(n_blank: int, n_rows: int, files: Sequence[Path]) -> None:
    """Print how many rows have no text, if any."""
    if n_blank:
        names = ", ".join(map(str, files))
        print_status(f"{names}: {n_blank:,} of {n_rows:,} rows have no text")


def print_numbers(values: Sequence[str | None], classes: Sequence[Any]) -> None:
    """Print which class a number stands for, where labels are numbers and classes have names."""
    if note := read_rows.numbers_note(values, classes):
        print_status(note)


def read_ids(
    options: ReadingOptions, frame: pd.DataFrame, where: str = "the data"
) -> np.ndarray | None:
    """Return the ids (n,) of the rows, None if there are none; say why a column `id` is not taken.

    Errors as of :func:`~spear_amal.data.ids_of`.
    """
    with warnings_as_notes():
        return ids_of(frame, options.id_column, where)


def layout_of(options: ReadingOptions) -> Layout:
    """Return how the options say that files are laid out."""
    return Layout(options.sep, options.encoding, options.sheet)


def write_as_data(
    options: ReadingOptions, frame: pd.DataFrame, target: Path, overwrite: bool
) -> None:
    """Write a table that the same options will read: separator, encoding and sheet of the data.

    Errors as of :func:`~spear_amal.data.write_table`.
    """
    layout = layout_of(options)
    kinds = {suffix_of(path) for path in (*options.data[:1], target)}
    sep = layout.sep
    if len(kinds) == 1 and kinds <= set(DELIMITED):
        sep = separator_of(options.data[0], sep, layout.encoding)
    write_table(frame, target, overwrite, sep=sep, encoding=layout.encoding, sheet=layout.sheet)
