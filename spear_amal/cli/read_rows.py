"""From the user's tables to texts, class names and class codes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from spear_amal.cli.console import print_status, warnings_as_notes
from spear_amal.data import ids_of, read_table, require_columns
from spear_amal.data.read_table import Layout
from spear_amal.errors import InputError
from spear_amal.labeling.blank_texts import has_text
from spear_amal.votes.class_set import ClassNames, class_names
from spear_amal.votes.gold import classes_with_gold, read_gold

UNLABELLED = -1
_WHOLE = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,14})(?:\.0*)?")
LF_COLUMN = "text"  # what labelling functions look at unless they say otherwise


class ReadingOptions(Protocol):
    """How the options of a command say that tables are to be read."""

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
        n_blank = len(frame) - int(has_text(frame[text_column]).sum())
        if n_blank:
            names = ", ".join(map(str, files))
            print_status(f"{names}: {n_blank:,} of {len(frame):,} rows have no text")
    return frame


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


def for_lfs(frame: pd.DataFrame, text_column: str) -> pd.DataFrame:
    """Add the text under the name that LFs expect, if the table does not use that name itself."""
    if LF_COLUMN in frame:
        return frame
    renamed = frame.copy()
    renamed[LF_COLUMN] = frame[text_column]
    return renamed


def label_values(frame: pd.DataFrame, column: str, where: str) -> list[str | None]:
    """Return labels as strings, None where unlabelled: an empty cell or -1.

    Raises
    ------
    InputError
        If there is no such column.
    """
    require_columns(frame, [column], where)
    return [_value(cell) for cell in frame[column].tolist()]


def _value(cell: Any) -> str | None:
    if pd.isna(cell):
        return None
    # Many tools make floats of whole numbers beside missing ones, and write 1.0.
    text = str(cell).strip()
    if _WHOLE.fullmatch(text):
        text = str(int(float(text)))
    return None if text in ("", str(UNLABELLED)) else text


def classes_of_table(voted: Sequence[Any] | None, values: Sequence[str | None]) -> ClassNames:
    """Return the classes in code order, from the votes' classes (None without LFs) and the labels.

    Raises
    ------
    InputError
        If labels are names, but the LFs vote with mere numbers.
    """
    seen = {value for value in values if value is not None}
    declared = class_names(voted)
    if declared is None:
        return ClassNames(sorted(seen, key=_by_number))
    names = sorted(value for value in seen if not value.isdecimal())
    if declared.mere_codes and names:
        raise InputError(
            f"the labels are names ({', '.join(names[:3])}), but the LFs vote with numbers: say "
            f"in the LF file which is which, e.g. CLASSES = {tuple(sorted(seen))!r}"
        )
    return classes_with_gold(values, declared, "the labels")


def _by_number(value: str) -> tuple[int, int, str]:
    return (0, int(value), "") if value.isdecimal() else (1, 0, value)


def class_codes(values: Sequence[str | None], classes: Sequence[Any], where: str) -> np.ndarray:
    """Return class codes (n,) of labels as texts, read as :func:`read_gold` reads them.

    Raises
    ------
    InputError
        If a label is no class; names row (counted from 0) and label.
    """
    return read_gold(values, classes, where).codes
