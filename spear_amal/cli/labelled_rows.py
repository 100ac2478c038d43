"""The user's table with labels from further files filled in: what ``next`` wrote, when labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from spear_amal.cli.console import print_status
from spear_amal.cli.tables import read_frame
from spear_amal.data import read_rows, require_columns
from spear_amal.data.id_column import ids_of
from spear_amal.errors import InputError


class DataOptions(Protocol):
    """What the options of a command say of its table."""

    data: tuple[Path, ...]
    text_column: str
    label_column: str
    id_column: str | None
    sep: str | None
    encoding: str | None
    sheet: str | None
    gold: tuple[Path, ...]

    def require(self, name: str) -> Any:
        """Return the value of an option that the command cannot do without."""


def read_data(options: DataOptions, text_column: str | None = "") -> pd.DataFrame:
    """Read the data of a command, with the labels of the files of gold filled in.

    Parameters
    ----------
    options : options of a command
    text_column : str or None
        Column that must be there; default: that of the options.

    Raises
    ------
    InputError
        As :func:`~spear_amal.data.read_table` does; if a row of a file of gold is no row of the
        data, or has another label there.
    """
    text = options.text_column if text_column == "" else text_column
    frame = read_frame(options, options.require("data"), text, options.label_column)
    for path in options.gold:
        frame = fill_labels(frame, path, options)
    return frame


def fill_labels(frame: pd.DataFrame, path: Path, options: DataOptions) -> pd.DataFrame:
    """Return the table with the labels of one file filled in, where it has none.

    Rows are known by their ids if both have a column of them, else by their texts.

    Raises
    ------
    InputError
        If a labelled row is no row of the data, its text is another one there, or its label.
    """
    label = options.label_column
    further = read_frame(options, [path], None, label)
    require_columns(further, [label], str(path))
    values = read_rows.label_values(further, label, str(path))
    filled = np.flatnonzero([value is not None for value in values])
    present: list[str | None] = [None] * len(frame)
    if label in frame:
        present = read_rows.label_values(frame, label, "the data")
    rows_of = _rows_of(frame, further, filled, path, options)
    for row, places in zip(filled.tolist(), rows_of, strict=True):
        for place in places:
            if present[place] not in (None, values[row]):
                raise InputError(
                    f"{path}: row {row} (counted from 0) has the label {values[row]!r}, but that "
                    f"row of the data (row {place}) has {present[place]!r}; mend one of the two"
                )
            present[place] = values[row]
    waiting = len(further) - len(filled)
    still = f", {waiting} rows are not labelled yet" if waiting else ""
    print_status(f"{path}: {len(filled)} labels for rows of the data{still}")
    column = pd.Series(present, index=frame.index, dtype=object, name=label)
    return frame.assign(**{label: column})


def _rows_of(
    frame: pd.DataFrame,
    further: pd.DataFrame,
    filled: np.ndarray,
    path: Path,
    options: DataOptions,
) -> list[Sequence[int]]:
    """Return the rows of the data that each labelled row of a file is."""
    text, id_column = options.text_column, options.id_column
    ids, others = ids_of(frame, id_column, "the data"), ids_of(further, id_column, str(path))
    has_texts = text in frame and text in further
    if ids is not None and others is not None:
        keys, known = others.astype(np.str_).tolist(), ids.astype(np.str_).tolist()
        what = "id"
    elif has_texts:
        keys, known = ([_squeezed(cell) for cell in table[text]] for table in (further, frame))
        what = "text"
    else:
        raise InputError(
            f"{path} needs the column of ids, or the column {text!r} of texts, that the data has: "
            f"else nobody knows which rows are labelled there; it has {list(further)}"
        )
    places: dict[str, list[int]] = {}
    for place, key in enumerate(known):
        places.setdefault(key, []).append(place)
    found: list[Sequence[int]] = []
    for row in filled.tolist():
        key = keys[row]
        if key not in places:
            raise InputError(
                f"{path}: row {row} (counted from 0) has the {what} {key[:60]!r}, which no row of "
                "the data has"
            )
        place = places[key][0]
        if has_texts and _squeezed(further[text].iloc[row]) != _squeezed(frame[text].iloc[place]):
            raise InputError(
                f"{path}: row {row} (counted from 0, {what} {key!r}) has another text than row "
                f"{place} of the data: {str(further[text].iloc[row])[:60]!r}; was one of the two "
                "changed?"
            )
        found.append(places[key])
    return found


def _squeezed(text: Any) -> str:
    """Return a text with single spaces: spreadsheets change line ends."""
    return " ".join(str(text).split()) if isinstance(text, str) else str(text)
