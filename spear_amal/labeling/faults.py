"""What went wrong while labelling functions ran: counted, with the first tracebacks."""

from __future__ import annotations

import traceback
from typing import Any, NamedTuple, NoReturn

from spear_amal.errors import LabelingError

# Tracebacks kept for one LF; a function that fails everywhere fails alike everywhere.
KEPT_TRACEBACKS = 3


class Fault(NamedTuple):
    """One failure of an LF: the id of the row and the traceback as text."""

    row_id: Any
    traceback: str


class ApplierMetadata(NamedTuple):
    """What an applier hands back beside the label matrix.

    Attributes
    ----------
    faults : dict of str to int
        Rows on which an LF failed and was made to abstain; LFs without faults are not listed.
    tracebacks : dict of str to list of Fault
        The first failures of each LF.
    clipped : dict of str to int
        Scores outside [0, 1] that were clipped.
    """

    faults: dict[str, int]
    tracebacks: dict[str, list[Fault]]
    clipped: dict[str, int]


class FaultBook:
    """Raises at the first fault, or counts faults if they are tolerated."""

    def __init__(self, ids: Any, tolerant: bool) -> None:
        self.tolerant = tolerant
        self._ids = ids
        self.meta = ApplierMetadata({}, {}, {})

    def report(self, lf_name: str, row: int, error: Exception) -> None:
        """Note that an LF failed on a row; raises unless faults are tolerated.

        Raises
        ------
        LabelingError
            Naming the LF and the row, with the cause chained.
        """
        if not self.tolerant:
            self._raise(lf_name, row, error)
        self.meta.faults[lf_name] = self.meta.faults.get(lf_name, 0) + 1
        kept = self.meta.tracebacks.setdefault(lf_name, [])
        if len(kept) < KEPT_TRACEBACKS:
            text = "".join(traceback.format_exception(error))
            kept.append(Fault(self.row_id(row), text))

    def clip(self, lf_name: str, count: int) -> None:
        """Note that scores of an LF were clipped."""
        if count:
            self.meta.clipped[lf_name] = self.meta.clipped.get(lf_name, 0) + count

    def row_id(self, row: int) -> Any:
        """Id of a row as the user knows it."""
        found = row if self._ids is None else self._ids[row]
        return found.item() if hasattr(found, "item") else found

    def _raise(self, lf_name: str, row: int, error: Exception) -> NoReturn:
        where = f"LF {lf_name!r}, row {self.row_id(row)!r}"
        if isinstance(error, BadAnswer):
            raise LabelingError(f"{where}: {error}") from error.__cause__
        raise LabelingError(
            f"{where}: raised {type(error).__name__}: {error}; mend the LF, or apply with "
            "fault_tolerant=True to let it abstain there"
        ) from error


class BadAnswer(Exception):
    """An LF or a scorer answered something that is no vote or no score."""
