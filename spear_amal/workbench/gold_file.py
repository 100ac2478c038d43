"""Labels given in the workbench: on the disk before the page hears of them, whoever else writes.

New labels are appended to the file; corrections write it anew, aside. Both happen while other
processes are kept out, on what the file holds at that moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from spear_amal.data import read_rows
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.locks import exclusive
from spear_amal.workbench.gold_csv import GoldCsv, append_records, write_records

#: Column with the label of the table that a label deliberately takes the place of.
REPLACES = "replaces"
#: Column that says how a labelled row came up, see :mod:`.gold_origin`.
CHOSEN = "chosen"


class GivenLabel(NamedTuple):
    """A label of the file.

    Attributes
    ----------
    label : str
    replaces : str or None
        The table's own label that it takes the place of.
    chosen : str or None
        How the row came up; None where the file does not say.
    """

    label: str
    replaces: str | None = None
    chosen: str | None = None


@dataclass(frozen=True)
class KnownRows:
    """Rows of a table, and how files know them.

    Attributes
    ----------
    texts : list of str (n,)
    ids : list of str (n,) or None
    labels : list of (str or None) (n,)
        The table's own labels.
    text_column, label_column, id_column : str
    """

    texts: list[str]
    ids: list[str] | None
    labels: list[str | None]
    text_column: str
    label_column: str
    id_column: str

    def key(self, row: int, by_id: bool) -> str:
        """Return what a row is known by; rows with one text are one."""
        return self.ids[row] if by_id and self.ids is not None else squeezed(self.texts[row])

    def places(self, by_id: bool) -> Mapping[str, list[int]]:
        """Return the rows of each key."""
        return self._by_id if by_id else self._by_text

    @cached_property
    def _by_id(self) -> dict[str, list[int]]:
        return {key: [row] for row, key in enumerate(self.ids or [])}

    @cached_property
    def _by_text(self) -> dict[str, list[int]]:
        places: dict[str, list[int]] = {}
        for row, text in enumerate(self.texts):
            places.setdefault(squeezed(text), []).append(row)
        return places


@dataclass(frozen=True)
class GivenLabels:
    """What a file says of the rows of a table.

    Attributes
    ----------
    by_key : dict of str to GivenLabel
        By what the rows are known by.
    by_row : dict of int to str
        Labels by position of the row.
    by_id : bool
        Whether rows are known by ids, else by texts.
    chosen : dict of int to str
        How these rows came up; "" where the file does not say.
    problems : tuple of str
        Records that could not be used, and why.
    """

    by_key: dict[str, GivenLabel]
    by_row: dict[int, str]
    by_id: bool
    chosen: dict[int, str]
    problems: tuple[str, ...] = ()


class GoldFile:
    """The file of labels of a project.

    Parameters
    ----------
    path : path
        It need not exist.
    rows : KnownRows

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gold.csv"
    >>> rows = KnownRows(["a b", "c"], None, [None, "ham"], "text", "label", "id")
    >>> file = GoldFile(path, rows)
    >>> with file.exclusively():
    ...     file.change({"a b": GivenLabel("spam"), "c": GivenLabel("spam", "ham")})
    >>> file.read().by_row
    {0: 'spam', 1: 'spam'}
    >>> print(path.read_text(), end="")
    "text","label","replaces","chosen"
    "a b","spam","",""
    "c","spam","ham",""
    """

    def __init__(self, path: Path, rows: KnownRows) -> None:
        self.path, self.rows = path, rows
        self._read: tuple[bytes, GoldCsv, GivenLabels] | None = None

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Keep other processes from labelling during a block that reads and changes."""
        with exclusive(self.path):
            yield

    def read(self) -> GivenLabels:
        """Return what the file holds now.

        Raises
        ------
        FileFormatError
            If it is no table of labels for such rows.
        """
        return self._parts()[1]

    def change(self, labels: Mapping[str, GivenLabel | None]) -> None:
        """Write labels by key, None takes one away; on the disk when this returns.

        To be called within :meth:`exclusively`.
        """
        content, given = self._parts()
        if not content.columns:
            content = replace(content, columns=self._columns())
            write_records(self.path, content)
            content, given = self._parts()
        new = {key: label for key, label in labels.items() if label is not None}
        said = [(REPLACES, x.replaces) for x in new.values()]
        said += [(CHOSEN, x.chosen) for x in new.values()]
        needs_column = any(value and name not in content.columns for name, value in said)
        if needs_column or any(key in given.by_key or key not in new for key in labels):
            write_records(self.path, self._changed(content, given, labels))
        else:
            records = [self._record(content.columns, given.by_id, *item) for item in new.items()]
            append_records(self.path, content, records)

    def repair(self) -> None:
        """Remove a record that was cut off by a crash; whoever gave the label was never told so."""
        with self.exclusively():
            content, _ = self._parts()
            if self.path.is_file() and self.path.stat().st_size != content.size:
                append_records(self.path, content, [])

    # -- content ---------------------------------------------------------------------------------

    def _parts(self) -> tuple[GoldCsv, GivenLabels]:
        """Read the file, unless it holds what it held."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            raw = b""
        if self._read is None or self._read[0] != raw:
            content = GoldCsv.of(raw, self.path, self.rows.label_column)
            self._read = raw, content, self._given(content)
        return self._read[1:]

    def _given(self, content: GoldCsv) -> GivenLabels:
        rows = self.rows
        columns = content.columns or self._columns()
        by_id = rows.ids is not None and rows.id_column in columns
        if not by_id and rows.text_column not in columns:
            needed = [rows.id_column] if rows.ids is not None else []
            raise FileFormatError(
                f"{self.path} needs a column {' or '.join([*needed, rows.text_column])!r} that "
                f"tells which rows are labelled; it has {list(columns)}"
            )
        reading = _Reading(self.path.name, rows, by_id)
        texts = content.cells(rows.text_column)
        keys = content.cells(rows.id_column) if by_id else [squeezed(text) for text in texts]
        labels, replaced, chosen = (
            read_rows.label_values(pd.DataFrame({name: content.cells(name)}), name, str(self.path))
            for name in (rows.label_column, REPLACES, CHOSEN)
        )
        has_texts = rows.text_column in columns
        for i, (key, label) in enumerate(zip(keys, labels, strict=True)):
            if label is not None:
                text = texts[i] if has_texts else None
                reading.take(i, key, GivenLabel(label, replaced[i], chosen[i]), text)
        return reading.given()

    def _columns(self) -> tuple[str, ...]:
        """Return the columns of a new file."""
        rows = self.rows
        ids = () if rows.ids is None else (rows.id_column,)
        return (*ids, rows.text_column, rows.label_column, REPLACES, CHOSEN)

    def _record(
        self, columns: Sequence[str], by_id: bool, key: str, given: GivenLabel
    ) -> tuple[str, ...]:
        rows = self.rows
        row = rows.places(by_id)[key][0]
        cells: dict[str, Any] = {
            rows.text_column: rows.texts[row],
            rows.label_column: given.label,
            REPLACES: given.replaces or "",
            CHOSEN: given.chosen or "",
        }
        if rows.ids is not None:
            cells[rows.id_column] = rows.ids[row]
        return tuple(cells.get(column, "") for column in columns)

    def _changed(
        self, content: GoldCsv, given: GivenLabels, labels: Mapping[str, GivenLabel | None]
    ) -> GoldCsv:
        """Return the content with records of these keys changed in their places."""
        rows, columns = self.rows, content.columns
        columns = (*columns, *(name for name in (REPLACES, CHOSEN) if name not in columns))
        places = [columns.index(name) for name in (rows.label_column, REPLACES, CHOSEN)]
        known = columns.index(rows.id_column if given.by_id else rows.text_column)
        records, seen = [], set()
        for record in content.records:
            cells = [*record, "", ""][: len(columns)]
            key = cells[known] if given.by_id else squeezed(cells[known])
            if key in labels:
                label = labels[key]
                if label is None or key in seen:
                    continue
                for place, cell in zip(places, label, strict=True):
                    cells[place] = cell or ""
                seen.add(key)
            records.append(tuple(cells))
        for key, label in labels.items():
            if label is not None and key not in seen:
                records.append(self._record(columns, given.by_id, key, label))
        return replace(content, columns=columns, records=tuple(records))


class _Reading:
    """Records of a file, one by one, held against the rows of the table."""

    def __init__(self, name: str, rows: KnownRows, by_id: bool) -> None:
        self._name, self._rows = name, rows
        self._places, self._by_id = rows.places(by_id), by_id
        self._by_key: dict[str, GivenLabel] = {}
        self._problems: list[str] = []

    def take(self, record: int, key: str, given: GivenLabel, text: str | None) -> None:
        """Add one record, or the reason why it cannot be used."""
        fault = self._fault(key, given, text)
        if fault:
            self._problems.append(f"{self._name}: record {record + 1} {fault}")
        else:
            self._by_key[key] = given

    def given(self) -> GivenLabels:
        """Return what all records say that could be used."""
        by_row: dict[int, str] = {}
        chosen: dict[int, str] = {}
        for key, given in self._by_key.items():
            by_row |= dict.fromkeys(self._places[key], given.label)
            chosen |= dict.fromkeys(self._places[key], given.chosen or "")
        return GivenLabels(self._by_key, by_row, self._by_id, chosen, tuple(self._problems))

    def _fault(self, key: str, given: GivenLabel, text: str | None) -> str:
        places = self._places.get(key)
        if not places:
            what = "id" if self._by_id else "text"
            return f"has the {what} {key[:60]!r}, which no row of the table has"
        if text is not None and squeezed(text) != squeezed(self._rows.texts[places[0]]):
            return f"has another text than the row {key[:60]!r} of the table: {text[:60]!r}"
        if key in self._by_key and self._by_key[key].label != given.label:
            return f"has the label {given.label!r}, a record before it {self._by_key[key].label!r}"
        own = {self._rows.labels[place] for place in places}
        if other := own - {None, given.label, given.replaces}:
            return (
                f"has the label {given.label!r}, the table {other.pop()!r}: mend one of the two, "
                f"or write the table's label into the column {REPLACES!r}"
            )
        return ""


def squeezed(text: Any) -> str:
    """Return a text with single spaces: spreadsheets change line ends."""
    return " ".join(str(text).split())


def replaced_label(rows: KnownRows, places: Sequence[int], label: str) -> str | None:
    """Return the table's own label that a new one takes the place of, None if there is none.

    Raises
    ------
    InputError
        If rows with one text have several labels in the table: no file could correct both.
    """
    own = {rows.labels[place] for place in places} - {None}
    if len(own) > 1:
        raise InputError(
            f"rows with this text have the labels {', '.join(sorted(map(str, own)))} in the table; "
            "mend them there"
        )
    return next(iter(own - {label}), None)
