"""What is known of the rows that were voted on, so that later tables can be held against it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class VotedRows:
    """Digests of the rows that were voted on, kept in files of votes.

    Attributes
    ----------
    columns : tuple of str
        The columns on which votes may depend.
    digests : ndarray of uint64 (n,)
        Of the cells of these columns, row by row.
    """

    columns: tuple[str, ...]
    digests: np.ndarray

    def take(self, rows: np.ndarray) -> VotedRows:
        """Return what is known of some rows, by their places (k,)."""
        return VotedRows(self.columns, self.digests[rows])
