"""The work on one block of a Parquet file: its rows in, parts of votes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spear_amal.errors import InputError, LabelingError
from spear_amal.labeling.classes import ClassSet
from spear_amal.labeling.faults import ApplierMetadata, Fault
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.labeling.parallel import label
from spear_amal.labeling.parquet_blocks import Block, read_tables
from spear_amal.labeling.sources import FrameSource
from spear_amal.votes.parquet import Part, kept_part, write_part


class PartRecord(NamedTuple):
    """A part that is on disk, and what went wrong while it was made."""

    part: Part
    meta: ApplierMetadata


@dataclass(frozen=True)
class BlockWork:
    """Applies LFs to a block and writes its parts; can be sent to other processes.

    Attributes
    ----------
    lfs, classes
        As of the applier.
    folder : str
        Of the votes.
    columns : list of str or None
        What is read; None for all columns.
    row_id : str or None
        Column with row ids; None for the number of the row.
    batch_rows : int
        Rows of a part.
    tolerant : bool
    made_by : str
        Fingerprint of all that votes depend on beside the rows; empty if it is not known, so that
        every part is made anew.
    """

    lfs: list[LabelingFunction]
    classes: ClassSet
    folder: str
    columns: Sequence[str] | None
    row_id: str | None
    batch_rows: int
    tolerant: bool
    made_by: str

    def __call__(self, block: Block) -> list[PartRecord]:
        """Make the parts that are not there yet."""
        starts = range(0, block.rows, self.batch_rows)
        kept = [self._kept(block, k) for k in range(len(starts))]
        if all(kept):
            return [record for record in kept if record is not None]
        records = []
        for k, table in enumerate(read_tables(block, self.columns, self.batch_rows)):
            records.append(kept[k] or self._make(block, k, table))
        return records

    def _note(self, block: Block, k: int) -> str:
        return f"{self.made_by} {block.stamp} {block.groups} {k}" if self.made_by else ""

    def _kept(self, block: Block, k: int) -> PartRecord | None:
        note = self._note(block, k)
        found = kept_part(self.folder, block.first_part + k, note) if note else None
        if found is None or (found[1]["faults"] and not self.tolerant):
            return None
        return PartRecord(found[0], meta_of(found[1]))

    def _make(self, block: Block, k: int, table: Any) -> PartRecord:
        frame = table.to_pandas(ignore_metadata=True)
        frame.index = self._ids(block, k, frame)
        try:
            votes, meta = label(
                self.lfs, self.classes, FrameSource(frame), self.tolerant, _nothing, None
            )
        except LabelingError as error:
            raise LabelingError(f"{block.file}: {error}") from error.__cause__
        part = write_part(
            self.folder, block.first_part + k, votes, self._note(block, k), meta._asdict()
        )
        return PartRecord(part, meta)

    def _ids(self, block: Block, k: int, frame: pd.DataFrame) -> pd.Index:
        if self.row_id is None:
            start = block.first_row + k * self.batch_rows
            return pd.RangeIndex(start, start + len(frame))
        ids = frame[self.row_id]
        if ids.isna().any():
            row = block.first_row + k * self.batch_rows + int(np.argmax(ids.isna()))
            raise InputError(f"{block.file}: row {row} (counted over all files) has no row id")
        return pd.Index(ids)


def meta_of(held: dict[str, Any]) -> ApplierMetadata:
    """Read what went wrong, as it was noted in a part."""
    tracebacks = {n: [Fault(*fault) for fault in f] for n, f in held["tracebacks"].items()}
    return ApplierMetadata(held["faults"], tracebacks, held["clipped"])


def _nothing(steps: int) -> None:
    """Take the place of a progress bar."""
