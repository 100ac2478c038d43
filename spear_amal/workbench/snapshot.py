"""What a workbench shows at one moment; never changed, only replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from spear_amal.declared_lfs.rules import Rule
from spear_amal.llm import ChatModel, CostForecast
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.workbench.random_order import RandomOrder

if TYPE_CHECKING:
    from spear_amal.declared_lfs import Rule

#: Kinds of LFs: of the user's Python file, or declared in the file of rules.
PYTHON, DECLARED = "python", "declared"
#: LFs of either kind that ask a language model.
PROMPTED = "prompted"


@dataclass(frozen=True)
class LFError:
    """Why an LF has no votes, or too few.

    Attributes
    ----------
    message : str
    row : int or None
        Position of the first row that failed.
    line : int or None
        Line of the user's file.
    n_rows : int
        How many rows failed; 0 where the LF did not run at all.
    """

    message: str
    row: int | None = None
    line: int | None = None
    n_rows: int = 0

    def __str__(self) -> str:
        """Return the message with the place."""
        where = [f"row {self.row}"] * (self.row is not None)
        where += [f"line {self.line}"] * (self.line is not None)
        return f"{self.message} ({', '.join(where)})" if where else self.message


@dataclass(frozen=True)
class Asking:
    """What an LF that asks a language model has asked, and what it would have to ask.

    Attributes
    ----------
    model : str
        Its name, and where it is served.
    n_open : int
        Questions that would be sent; 0 where all answers are kept.
    cost : float or None
        What these are expected to cost, in the currency of the prices; None where they are unknown.
    outcomes : tuple of (str, int)
        What came of the rows when it was run last: "voted", "failed", or why it abstained.
    spent : float
        What that run cost.
    """

    model: str
    n_open: int
    cost: float | None = None
    outcomes: tuple[tuple[str, int], ...] = ()
    spent: float = 0.0

    @classmethod
    def of(cls, model: ChatModel, forecast: CostForecast | None) -> Asking:
        """Return what a forecast says; None is one of no question at all."""
        where = f"{model.name} at {model.base_url}"
        if forecast is None:
            return cls(where, 0)
        return cls(where, forecast.n_requests - forecast.n_cached, forecast.cost)

    @property
    def plan(self) -> str:
        """What would be sent, in words."""
        cost = "prices are not given" if self.cost is None else f"about {self.cost:.4g} in all"
        return f"{self.n_open:,} questions to {self.model} ({cost})"

    @property
    def result(self) -> str:
        """What came of the last run, in words; "" where that is not known."""
        said = ", ".join(f"{count:,} {what}" for what, count in self.outcomes)
        return f"{said}; that run cost {self.spent:.4g}" if said and self.spent else said


@dataclass(frozen=True)
class LFState:
    """One LF.

    Attributes
    ----------
    name : str
    kind : {"python", "declared"}
    votes : ndarray of int16 (n,)
        Class codes, -1 where it abstains; all -1 while it has not run.
    label : str or None
        The class it votes for, where there is one alone.
    about : str
        What it looks for, in words.
    rule : Rule or None
        The declared rule; None for Python LFs.
    is_muted, is_running : bool
        A muted LF is left out of votes and training; a running one has votes of its former self.
    error : LFError or None
    changed : datetime or None
        When the workbench first saw it as it is.
    line : int or None
        Where it stands in the Python file.
    key : str
        Another one as soon as the LF does something else.
    column, pattern : str or None
        Of a Python LF that a builder made: the regular expression of what it looks for, with its
        flags in it, and the column in which it does.
    is_prompted : bool
        It asks a language model: nothing is sent before somebody says so.
    may_ask : bool
        Somebody has said so, of the run that it waits for.
    asking : Asking or None
    """

    name: str
    kind: str
    votes: np.ndarray
    label: str | None = None
    about: str = ""
    rule: Rule | None = None
    is_muted: bool = False
    is_running: bool = False
    error: LFError | None = None
    changed: datetime | None = None
    line: int | None = None
    key: str = ""
    column: str | None = None
    pattern: str | None = None
    is_prompted: bool = False
    may_ask: bool = False
    asking: Asking | None = None

    @property
    def runs_among(self) -> str:
        """Which LFs it is run with, one after the other: of its kind, or those that ask."""
        return PROMPTED if self.is_prompted else self.kind

    @property
    def is_active(self) -> bool:
        """Whether it votes: neither muted nor without votes by an error."""
        return not self.is_muted and (self.error is None or self.error.n_rows > 0)


@dataclass(frozen=True)
class RowOutputs:
    """What the model that was trained last says of the rows.

    Attributes
    ----------
    proba : ndarray (n, C)
        Probabilities of the classifier, in the order of the classes.
    rule_proba : ndarray (n, C) or None
        Probabilities of the rule model.
    weights : DataFrame of n rows or None
        Learnt weight of each loss; NaN where a loss says nothing of a row.
    trained : datetime
    is_stale : bool
        Whether the table has rows that the model was never asked about; they are NaN here.
    """

    proba: np.ndarray
    rule_proba: np.ndarray | None
    weights: pd.DataFrame | None
    trained: datetime
    is_stale: bool = False


@dataclass(frozen=True)
class Snapshot:
    """Everything that a page may show.

    Attributes
    ----------
    revision : int
        Larger with every change.
    frame : DataFrame of n rows
        Rows by position; a changed table on disk is another frame.
    texts : list of str
        Of the text column.
    ids : ndarray (n,) or None
    classes : tuple of str
        In code order.
    gold : ndarray of int (n,)
        Codes, -1 where unknown: labels of the table and those given here. Another array after
        every change.
    lfs : tuple of LFState
        All LFs, muted ones and those with errors too, in file order.
    outputs : RowOutputs or None
    problems : tuple of str
        What is wrong with files of the project, each with what to do.
    table : str
        Another one as soon as rows of the table differ: positions of rows mean nothing then.
    is_loading : bool
        Whether the Python file of LFs is being run, so that there may be others in a moment.
    rejected : frozenset of str
        Signatures of suggestions that are not made again.
    chosen : dict of int to str
        How rows that were labelled here came up, see :mod:`.gold_origin`; "" where that is not
        known. Labelled rows that are not among them have their label from the table.
    order : RandomOrder
        In which rows are drawn at random.
    """

    revision: int
    frame: pd.DataFrame
    texts: list[str]
    ids: np.ndarray | None
    classes: tuple[str, ...]
    gold: np.ndarray
    lfs: tuple[LFState, ...] = ()
    outputs: RowOutputs | None = None
    problems: tuple[str, ...] = ()
    table: str = ""
    is_loading: bool = False
    rejected: frozenset[str] = frozenset()
    chosen: Mapping[int, str] = field(default_factory=dict)
    order: RandomOrder = field(default_factory=RandomOrder)

    @property
    def active(self) -> tuple[LFState, ...]:
        """LFs that vote: neither muted nor without votes by an error."""
        return tuple(lf for lf in self.lfs if lf.is_active)

    @property
    def is_idle(self) -> bool:
        """Whether no LF is being run, or waits to be."""
        return not (self.is_loading or any(lf.is_running for lf in self.lfs))

    def label_of(self, row: int) -> str | None:
        """Return the gold class of a row by name, None where it is not known."""
        code = int(self.gold[row])
        return None if code < 0 else self.classes[code]

    def matrix(self) -> LabelMatrix:
        """Return the votes (n, m) of the active LFs."""
        columns = [lf.votes for lf in self.active]
        votes = np.stack(columns, axis=1) if columns else np.empty((len(self.texts), 0), np.int64)
        names = [lf.name for lf in self.active]
        return LabelMatrix.from_dense(votes, lf_names=names, classes=self.classes)

    def named(self, name: str) -> LFState | None:
        """Return an LF by its name, None if there is none."""
        return next((lf for lf in self.lfs if lf.name == name), None)
