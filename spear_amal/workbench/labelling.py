"""Labels that tabs give: each tab can undo its own, as long as nobody labelled the same since."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from spear_amal.errors import InputError, StaleError
from spear_amal.workbench.gold_file import GivenLabel, GoldFile, replaced_label

_MOST_UNDONE = 1_000  # acts of a tab

GivenByKey = Mapping[str, "GivenLabel | None"]


class _Act(NamedTuple):
    """What one act of labelling changed, by the keys of rows; None stands for no record."""

    before: GivenByKey
    after: GivenByKey


class Labelling:
    """Acts of labelling by tab. All methods are to be called while the file is kept for oneself.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> from spear_amal.workbench.gold_file import KnownRows
    >>> rows = KnownRows(["a", "b", "a"], None, [None, None, None], "text", "label", "id")
    >>> file = GoldFile(pathlib.Path(tempfile.mkdtemp()) / "gold.csv", rows)
    >>> labelling = Labelling()
    >>> labelling.label(file, [0], "spam", client="tab"), file.read().by_row
    ((0, 2), {0: 'spam', 2: 'spam'})
    >>> labelling.undo(file, "tab"), file.read().by_row
    ((0, 2), {})
    """

    def __init__(self) -> None:
        self._acts: dict[str, deque[_Act]] = defaultdict(lambda: deque(maxlen=_MOST_UNDONE))

    def label(
        self,
        file: GoldFile,
        rows: Sequence[int],
        label: str | None,
        client: str,
        chosen: Mapping[int, str] | None = None,
    ) -> tuple[int, ...]:
        """Write the label of rows, None takes back what was given; return all rows that changed.

        A row that has a record keeps what that says of how it came up, as `chosen` does of others.

        Raises
        ------
        InputError
            If what is to be taken back stands in the table itself, or one text has several labels
            there.
        """
        given, known = file.read(), file.rows
        after: dict[str, GivenLabel | None] = {}
        for row in rows:
            key = known.key(row, given.by_id)
            places = known.places(given.by_id)[key]
            if label is None:
                if key not in given.by_key and known.labels[row] is not None:
                    raise InputError(
                        "this label stands in the table itself: give the row another one, or "
                        "remove it there"
                    )
                after[key] = None
            elif all(known.labels[place] == label for place in places):
                after[key] = None  # the table says so already
            else:
                replaced = replaced_label(known, places, label)
                how = given.by_key[key].chosen if key in given.by_key else (chosen or {}).get(row)
                after[key] = GivenLabel(label, replaced, how)
        before = {key: given.by_key.get(key) for key in after}
        if before == after:
            return ()
        file.change(after)
        self._acts[client].append(_Act(before, after))
        return _rows(file, after, given.by_id)

    def undo(self, file: GoldFile, client: str) -> tuple[int, ...]:
        """Undo the last act of a tab; return all rows that changed, none if there is no act.

        Raises
        ------
        StaleError
            If somebody has labelled the same since; it is not tried again.
        """
        if not self._acts[client]:
            return ()
        act, given = self._acts[client].pop(), file.read()
        if any(given.by_key.get(key) != label for key, label in act.after.items()):
            raise StaleError("somebody has changed that label since; it stays as it is now")
        if unknown := act.before.keys() - file.rows.places(given.by_id).keys():
            raise StaleError(f"the table has no row {min(unknown)[:60]!r} any longer")
        file.change(act.before)
        return _rows(file, act.before, given.by_id)


def _rows(file: GoldFile, keys: Iterable[str], by_id: bool) -> tuple[int, ...]:
    places = file.rows.places(by_id)
    return tuple(row for key in keys for row in places[key])
