"""On which rows of a table a rule fires, at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.workbench.killable import always


@dataclass(frozen=True)
class RuleVotes:
    """On which rows a rule fires.

    Attributes
    ----------
    fires : ndarray of bool (n,)
        False also where a row was not tried.
    n_tried : int
        Rows that were tried, n unless the time limit stopped the search.
    remark : str
        How it was tried, where that is worth saying.
    """

    fires: np.ndarray = field(repr=False)
    n_tried: int
    remark: str = ""

    @property
    def is_partial(self) -> bool:
        """Whether the search was stopped before the last row."""
        return self.n_tried < len(self.fires)


class RuleSearch:
    """Rules on the rows of one table.

    Parameters
    ----------
    frame : DataFrame of n rows
    text_column : str
        Shown of rows that a rule on numbers finds.
    """

    def __init__(self, frame: pd.DataFrame, text_column: str) -> None:
        self.frame, self.text_column = frame, text_column

    def votes(self, rule: Any, seconds: float, wanted: Callable[[], bool] = always) -> RuleVotes:
        """Return on which rows a rule fires, as quickly as it can be known."""
        from spear_amal.declared_lfs import make_lf

        if rule.column not in self.frame:
            raise InputError(f"the table has no column {rule.column!r}")
        lf = make_lf(rule)
        fires = lf.decide(lf.reads(self.frame[rule.column]))
        return RuleVotes(np.asarray(fires, bool), len(self.frame))

    def votes_of_lf(self, rule: Any, seconds: float) -> RuleVotes:
        """Return on which rows the LF of a rule fires, as it will itself find."""
        return self.votes(rule, seconds)

    def shown(
        self, rule: Any, rows: list[int]
    ) -> tuple[list[str], list[tuple[tuple[int, int], ...]]]:
        """Return the texts of some rows, and what to mark in them."""
        texts = self.frame[self.text_column].iloc[rows].tolist()
        return texts, [() for _ in rows]

    def close(self) -> None:
        """End the processes and remove the files behind it."""
