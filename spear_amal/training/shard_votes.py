"""Votes on disk beside rows on disk: those of any run of rows, in the unipolar form of training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles, stack_parts


class ShardVotes:
    """Votes by row number, with the last part that was read kept.

    Parameters
    ----------
    votes : VoteFiles
    plan : sequence of (LF, class)
        Columns of the unipolar form.
    """

    def __init__(self, votes: VoteFiles, plan: Sequence[tuple[int, int]]) -> None:
        self.votes, self.plan = votes, list(plan)
        self._starts = votes.starts
        self._last: tuple[int, LabelMatrix] | None = None

    def rows(self, first: int, count: int, ids: np.ndarray | None = None) -> LabelMatrix:
        """Votes of `count` rows from row `first` on, held against their ids if those are given.

        Raises
        ------
        InputError
            If votes and rows are of other ids.
        FileFormatError
            If a part is missing or damaged; names the file.
        """
        end = first + count
        low = int(np.searchsorted(self._starts, first, side="right")) - 1
        pieces = []
        for i in range(low, len(self.votes.files)):
            start, stop = self._starts[i : i + 2]
            if start >= end:
                break
            part = self._part(i)
            pieces.append(part[slice(max(first - start, 0), min(end, stop) - start)])
        held = pieces[0] if len(pieces) == 1 else stack_parts(pieces)
        check_ids(held.row_ids, ids, first, self.votes)
        return held.to_unipolar(self.plan)

    def _part(self, i: int) -> LabelMatrix:
        if self._last is None or self._last[0] != i:
            self._last = None  # two parts are never held at once
            self._last = (i, self.votes.part(i))
        return self._last[1]


def check_ids(found: np.ndarray, ids: np.ndarray | None, first: int, votes: VoteFiles) -> None:
    """Raise unless votes have the ids of their rows; where rows have none, their numbers."""
    if ids is None:
        if found.dtype.kind not in "iu":
            return  # votes under names of their own: the rows have none to hold against them
        ids = np.arange(first, first + len(found))
    same = found.astype(str) == ids.astype(str)
    if not same.all():
        row = int(np.argmin(same))
        raise InputError(
            f"row {first + row} has the id '{ids[row]}', its votes in {votes.folder} are those of "
            f"'{found[row]}'; votes and rows must be of the same rows in the same "
            "order, and row_id= must name the column of ids that the votes were written with"
        )
