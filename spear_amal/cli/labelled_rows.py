"""The user's table with labels from further files filled in: what ``next`` wrote, when labelled."""

from __future__ import annotations

from collections import Counter
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

#: Column of a file of gold with the label that a row has in the data, which is to be corrected.
REPLACES = "replaces"
#: Column of a file of gold that says how a row came up: "random" for one of a random sample.
DRAWN = "chosen"


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

    def has_flag(self, name: str) -> bool:
        """Return whether a value was given on the command line."""

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
        if path.exists() or options.has_flag("gold"):
            frame = fill_labels(frame, path, options)
        else:  # as long as nobody has labelled a row in the workbench
            print_status(f"{path} is not there yet: no labels from it")
    return frame


def how_drawn(options: DataOptions, files: Sequence[Path]) -> dict[str, int]:
    """Return how the labelled rows of files of gold came up, and of how many that is said.

    The workbench notes "random" for rows of its random sample, and "" for others; labels that
    another program wrote count as "".
    """
    counts: Counter[str] = Counter()
    for path in files:
        further = read_frame(options, [path], None, options.label_column)
        values = read_rows.label_values(further, options.label_column, str(path))
        drawn = read_rows.label_values(further, DRAWN, str(path)) if DRAWN in further else values
        counts.update(
            (how or "") if DRAWN in further else ""
            for how, value in zip(drawn, values, strict=True)
            if value is not None
        )
    return dict(counts)


def fill_labels(frame: pd.DataFrame, path: Path, options: DataOptions) -> pd.DataFrame:
    """Return the table with the labels of one file filled in, where it has none.

    Rows are known by their ids if both have a column of them, else by their texts. A label that the
    row has already is corrected if the file names it in the column ``replaces``.

    Raises
    ------
    InputError
        If a labelled row is no row of the data, its text is another one there, or its label is and
        the file does not say that it replaces that.
    """
    label = options.label_column
    further = read_frame(options, [path], None, label)
    require_columns(further, [label], str(path))
    values = read_rows.label_values(further, label, str(path))
    filled = np.flatnonzero([value is not None for value in values])
    replaced: list[str | None] = [None] * len(further)
    if REPLACES in further:
        as_labels = read_frame(options, [path], None, REPLACES)
        replaced = read_rows.label_values(as_labels, REPLACES, str(path))
    present: list[str | None] = [None] * len(frame)
    if label in frame:
        present = read_rows.label_values(frame, label, "the data")
    rows_of = _rows_of(frame, further, filled, path, options)
    n_corrected = 0
    for row, places in zip(filled.tolist(), rows_of, strict=True):
        for place in places:
            if present[place] not in (None, values[row], replaced[row]):
                raise InputError(
                    f"{path}: row {row} (counted from 0) has the label {values[row]!r}"
                    f"{f' in place of {replaced[row]!r}' if replaced[row] else ''}, but that "
                    f"row of the data (row {place}) has {present[place]!r}; mend one of the two, "
                    f"or say in a column {REPLACES!r} which label it is to replace"
                )
            n_corrected += present[place] not in (None, values[row])
            present[place] = values[row]
    waiting = len(further) - len(filled)
    still = f", {n_corrected} of them in place of others" if n_corrected else ""
    still += f", {waiting} rows are not labelled yet" if waiting else ""
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
