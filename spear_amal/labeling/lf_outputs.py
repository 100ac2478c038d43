"""Answers of labelling functions, checked and turned into class codes and scores."""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np
import pandas as pd

from spear_amal.errors import InputError, LabelingError
from spear_amal.labeling.cell_values import as_list, holds_nulls, is_missing
from spear_amal.labeling.data_points import is_column
from spear_amal.labeling.functions import LabelingFunction
from spear_amal.llm import BudgetError, ChatServerError
from spear_amal.votes.class_set import ClassSet
from spear_amal.votes.label_matrix import ABSTAIN

# Tracebacks kept for one LF; a function that fails everywhere fails alike everywhere.
KEPT_TRACEBACKS = 3


class LFFailure(NamedTuple):
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
    abstentions : dict of str to dict of str to int
        Of LFs that say why they abstain (:class:`Abstention`): rows by reason.
    """

    faults: dict[str, int]
    tracebacks: dict[str, list[LFFailure]]
    clipped: dict[str, int]
    abstentions: dict[str, dict[str, int]]

    @classmethod
    def empty(cls) -> ApplierMetadata:
        """Return that of an application in which nothing was noteworthy."""
        return cls({}, {}, {}, {})


class FailureLog:
    """Raises at the first fault, or counts faults if they are tolerated."""

    def __init__(self, ids: Any, tolerant: bool) -> None:
        self.tolerant = tolerant
        self._ids = ids
        self.meta = ApplierMetadata.empty()

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
            kept.append(LFFailure(self.row_id(row), text))

    def clip(self, lf_name: str, count: int) -> None:
        """Note that scores of an LF were clipped."""
        if count:
            self.meta.clipped[lf_name] = self.meta.clipped.get(lf_name, 0) + count

    def abstained(self, lf_name: str, reasons: Mapping[str, int]) -> None:
        """Note on how many rows an LF abstained, by reason."""
        if reasons:
            self.meta.abstentions[lf_name] = dict(sorted(reasons.items()))

    def row_id(self, row: int) -> Any:
        """Id of a row as the user knows it."""
        row_id = row if self._ids is None else self._ids[row]
        return row_id.item() if hasattr(row_id, "item") else row_id

    def _raise(self, lf_name: str, row: int, error: Exception) -> NoReturn:
        where = f"LF {lf_name!r}, row {self.row_id(row)!r}"
        if isinstance(error, InvalidOutput):
            raise LabelingError(f"{where}: {error}") from error.__cause__
        raise LabelingError(
            f"{where}: raised {type(error).__name__}: {error}; mend the LF, or apply with "
            "fault_tolerant=True (--fault-tolerant) to let it abstain there"
        ) from error


class StoppedError(LabelingError):
    """An LF that cannot go on, on any row: faults on rows may be tolerated, this is not."""


#: What ends an application whatever is tolerated; what was answered before is kept.
STOPS = (StoppedError, BudgetError, ChatServerError)


class InvalidOutput(Exception):
    """An LF or a scorer answered something that is no vote or no score.

    A vectorised LF that fails on some rows of a batch answers one of these there.
    """


class Abstention(NamedTuple):
    """An answer of an LF that abstains and says why; reasons are counted, so they are few."""

    reason: str


# Rows of a batch with answers that cannot be used, and why.
BadRows = dict[int, InvalidOutput]
# Every class number fits, and narrow columns are compared in less time.
CODE = np.int16


class Fired(NamedTuple):
    """Votes of one LF on a batch: the rows on which it fired, in order, and what it voted there.

    Attributes
    ----------
    rows : ndarray of int, shape (k,)
    codes : ndarray of int16, shape (k,)
    scores : ndarray of float, shape (k,), or None
        Of an LF that gives scores, not yet clipped.
    """

    rows: np.ndarray
    codes: np.ndarray
    scores: np.ndarray | None = None

    @classmethod
    def of_dense(cls, codes: np.ndarray, scores: np.ndarray | None = None) -> Fired:
        """Return the votes among codes (n,), -1 for abstain, and scores (n,)."""
        rows = np.flatnonzero(codes != ABSTAIN)
        votes = codes[rows].astype(CODE, copy=False)
        return cls(rows, votes, None if scores is None else scores[rows])

    def without(self, rows: BadRows) -> Fired:
        """Return the votes on all other rows."""
        if not rows:
            return self
        kept = ~np.isin(self.rows, list(rows))
        scores = None if self.scores is None else self.scores[kept]
        return Fired(self.rows[kept], self.codes[kept], scores)


class OutputParser:
    """Reads what one LF answers, given the classes and the label that the LF declares.

    Parameters
    ----------
    lf : LabelingFunction
    classes : ClassSet

    Attributes
    ----------
    declared : int
        Code of the declared class, -1 if none is declared.
    known : dict of int to int
        Codes of whole numbers that were found good. For answers of type int alone: True and 1.0
        are the same keys as 1.
    reasons : Counter of str
        How often the LF abstained for which reason, where it says so.
    """

    def __init__(self, lf: LabelingFunction, classes: ClassSet) -> None:
        self._classes = classes
        self._label = lf.label
        self._top = classes.numbered
        self.declared = self._declare(lf)
        self.known: dict[int, int] = {}
        self.reasons: Counter[str] = Counter()

    def _declare(self, lf: LabelingFunction) -> int:
        for answer in lf.possible_votes:
            try:
                self._classes.code(answer)
            except InputError as error:
                raise InputError(f"LF {lf.name!r} may vote {error}") from None
        if lf.label is None:
            return ABSTAIN
        try:
            code = self._classes.code(lf.label)
        except InputError as error:
            raise InputError(f"LF {lf.name!r} declares label {error}") from None
        if code == ABSTAIN:
            raise InputError(f"LF {lf.name!r} declares label {lf.label!r}, which means abstain")
        return code

    def code(self, answer: Any) -> int:
        """Class code of one answer, -1 for abstain.

        Raises
        ------
        InvalidOutput
            If the answer is no class, or another class than the declared one.
        """
        if answer is None or answer is pd.NA:
            return ABSTAIN
        if type(answer) is int and answer in self.known:
            return self.known[answer]
        if self.declared != ABSTAIN and isinstance(answer, bool | np.bool_):
            return self.declared if answer else ABSTAIN
        code = self._checked(answer)
        if type(answer) is int:
            self.known[answer] = code
        return code

    def _checked(self, answer: Any) -> int:
        try:
            code = self._classes.code(answer)
        except InputError as error:
            return self._without_vote(answer, error)
        if code != ABSTAIN and self.declared not in (ABSTAIN, code):
            raise InvalidOutput(
                f"answered {answer!r}, but declares label={self._label!r}; drop label= for an LF "
                "that votes for several classes"
            )
        return code

    def _without_vote(self, answer: Any, error: InputError) -> int:
        if isinstance(answer, Abstention):
            self.reasons[answer.reason] += 1
            return ABSTAIN
        if isinstance(answer, InvalidOutput):
            raise answer
        raise InvalidOutput(f"answered {error}") from None

    def fired(self, answers: Any, batch: Any, n: int) -> tuple[Fired, BadRows]:
        """Votes in the answers of a vectorised LF on n rows, and the rows with bad answers.

        Raises
        ------
        InvalidOutput
            If the answers have another length or order than the batch.
        """
        if isinstance(answers, pd.Series) and isinstance(batch, pd.DataFrame):
            if not answers.index.equals(batch.index):
                raise InvalidOutput("returned a Series whose index is not that of the batch")
        array = as_column(answers, n)
        if array.dtype.kind == "b" and self.declared != ABSTAIN:
            rows = array.nonzero()[0]
            return Fired(rows, np.full(len(rows), self.declared, CODE)), {}
        if not isinstance(answers, list | tuple):  # those are read as answers on rows
            array = _without_nulls(array)
        if array.dtype.kind not in "iub":
            codes, bad = _read(self.code, array.tolist(), np.int64(ABSTAIN))
            return Fired.of_dense(codes), bad
        if array.dtype.kind == "i":
            rows = (array != ABSTAIN).nonzero()[0]
            votes = array[rows]
            if self._all_good(votes):
                return Fired(rows, votes.astype(CODE)), {}
        # One check of each distinct value instead of one of each row.
        values, inverse = np.unique(array, return_inverse=True)
        codes, bad_values = _read(self.code, values.tolist(), np.int64(ABSTAIN))
        bad = {int(i): bad_values[k] for k in bad_values for i in np.flatnonzero(inverse == k)}
        return Fired.of_dense(codes[inverse]), dict(sorted(bad.items()))

    def _all_good(self, votes: np.ndarray) -> bool:
        """Return whether numbers, none of them -1, are codes as they stand; False if in doubt."""
        if not self._top or not len(votes):
            return not len(votes)
        if self.declared != ABSTAIN:
            return bool((votes == self.declared).all())
        return bool(votes.min() >= 0 and votes.max() < self._top)


def as_column(answers: Any, n: int) -> np.ndarray:
    """Answers of a vectorised function as an array (n,).

    Raises
    ------
    InvalidOutput
        If they have another shape.
    """
    if type(answers) is np.ndarray:
        array = answers
    else:
        if is_column(answers) and holds_nulls(answers):
            answers = as_list(answers)
        # A list is read one by one: as an array, [1, True] would lose what True means.
        listed = isinstance(answers, list | tuple)
        array = np.fromiter(answers, dtype=object) if listed else np.asarray(answers)
    if array.shape != (n,):
        raise InvalidOutput(
            f"returned shape {array.shape}; a vectorised function must return ({n},)"
        )
    return array


def _without_nulls(array: np.ndarray) -> np.ndarray:
    """Return a column of answers with None for nulls; whole floats, which nulls make, as integers.

    Where a float is no whole number, all stay floats, which are no classes.
    """
    if array.dtype.kind == "O":
        values = [None if is_missing(value) else value for value in array.tolist()]
        if not set(map(type, values)) <= {float, type(None)}:
            return np.fromiter(values, dtype=object)
        array = np.array(values, dtype=np.float64)
    if array.dtype.kind != "f":
        return array
    filled = np.where(np.isnan(array), ABSTAIN, array)
    with np.errstate(invalid="ignore"):
        whole = filled.astype(np.int64)
    if np.array_equal(whole, filled):
        return whole
    answers = array.astype(object)
    answers[np.isnan(array)] = None
    return answers


def evaluated(answers: Any, batch: Any) -> Any:
    """Return what a vectorised function answered; an expression of Polars evaluated on the batch.

    Raises
    ------
    InvalidOutput
        If an expression cannot be evaluated on the batch, or gives several columns.
    """
    polars = sys.modules.get("polars")
    if polars is not None and isinstance(answers, polars.Expr):
        if not isinstance(batch, polars.DataFrame):
            raise InvalidOutput(
                f"returned an expression of Polars for a batch of type {type(batch).__name__}; "
                "apply the LF to a polars DataFrame"
            )
        columns = batch.select(answers)
        if columns.width != 1:
            raise InvalidOutput(
                f"returned an expression that gives the columns {columns.columns}; needed one"
            )
        return columns.to_series()
    compute = sys.modules.get("pyarrow.compute")
    if compute is not None and isinstance(answers, compute.Expression):
        raise InvalidOutput(
            "returned an expression of Arrow, which has no values yet; call the functions of "
            'pyarrow.compute on the columns of the batch, such as batch["text"]'
        )
    return answers


def score_column(answers: Any, n: int) -> tuple[np.ndarray, BadRows]:
    """Scores (n,) of a vectorised scorer, not yet clipped, and the rows with bad scores."""
    array = as_column(answers, n)
    if array.dtype.kind in "iuf" and not np.isnan(array).any():
        return array.astype(float), {}
    return _read(score_of, array.tolist(), np.float64(0))


def _read(read: Callable[[Any], Any], answers: list[Any], empty: Any) -> tuple[np.ndarray, BadRows]:
    values, bad = np.full(len(answers), empty), {}
    for row, answer in enumerate(answers):
        try:
            values[row] = read(answer)
        except InvalidOutput as error:
            bad[row] = error
    return values, bad


def score_of(answer: Any) -> float:
    """One score as a float, not yet clipped.

    Raises
    ------
    InvalidOutput
        If it is no number or NaN.
    """
    try:
        score = float(answer)
    except (TypeError, ValueError):
        raise InvalidOutput(f"got the score {answer!r}; a scorer must return a number") from None
    if score != score:
        raise InvalidOutput("got the score NaN; a scorer must return a number in [0, 1]")
    return score
