"""A rule that asks a language model, tried on a few rows before it is an LF."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from spear_amal.declared_lfs import PromptRule
from spear_amal.errors import SpearAmalError
from spear_amal.labeling.lf_outputs import Abstention, InvalidOutput
from spear_amal.prompted_lfs import PromptedLF, prompt_lf, spent
from spear_amal.workbench.pattern_search import scattered
from spear_amal.workbench.snapshot import Asking, Snapshot

N_ROWS = 10
_SAMPLE = 200  # rows by which the cost of all is estimated
_TIMEOUT, _TRIES = 30.0, 2  # somebody waits for the page


@dataclass(frozen=True)
class TriedRow:
    """A row that the model was asked about.

    Attributes
    ----------
    row : int
    text : str
        What the model read.
    votes : bool
        It says that the row is of the class.
    answer : str
        "" for a vote; else why there is none.
    gold : int
        Class code, -1 where unknown.
    """

    row: int
    text: str
    votes: bool
    answer: str
    gold: int


@dataclass(frozen=True)
class Trial:
    """What a model answered about a few rows, and what all would cost.

    Attributes
    ----------
    rows : tuple of TriedRow
    code : int
        Of the class that the rule votes for; -1 for one that is new.
    spent : float
        What these answers cost; 0 where prices are unknown, or answers were kept.
    plan : Asking
        What would be sent for all rows.
    """

    rows: tuple[TriedRow, ...]
    code: int
    spent: float
    plan: Asking


def try_rule(rule: PromptRule, snapshot: Snapshot, n_rows: int = N_ROWS) -> Trial:
    """Return what the model of a rule answers about a few rows, labelled ones among them.

    Raises
    ------
    SpearAmalError
        If the server is down or refuses, the key is missing, or a column is not there.
    """
    lf = _impatient(rule)
    before = spent()
    chosen = _rows(snapshot, n_rows)
    frame = _as_lfs_see(snapshot, rule)
    texts = lf.inquiry.texts(frame.iloc[chosen])
    answers = lf.evaluate(frame.iloc[chosen])[0]
    if all(isinstance(answer, InvalidOutput) for answer in answers):
        raise SpearAmalError(f"the model gave no answer: {answers[0]}")
    rows = tuple(
        TriedRow(row, text or "", not why, why, int(snapshot.gold[row]))
        for row, text, why in zip(chosen, texts, map(_why_not, answers), strict=True)
    )
    name = str(rule.label)
    code = snapshot.classes.index(name) if name in snapshot.classes else -1
    return Trial(rows, code, spent() - before, _plan(lf, snapshot, frame))


def _impatient(rule: PromptRule) -> PromptedLF:
    """Return the LF of a rule that gives up soon; its answers are those of the patient one."""
    return prompt_lf(
        *(rule.name, rule.prompt, {rule.label: rule.description}),
        model=replace(rule.chat_model(), timeout=_TIMEOUT, max_tries=_TRIES),
        score=rule.score,
        max_cost=rule.max_cost,
    )


def _rows(snapshot: Snapshot, n_rows: int) -> list[int]:
    """Return rows of all the table, up to half of them with a label; always the same ones."""
    known = [row for row, text in enumerate(snapshot.texts) if text.strip()]
    rows = np.array(known, dtype=np.int64)
    rows = rows[np.argsort(scattered(rows))]
    has_gold = snapshot.gold[rows] >= 0
    labelled = rows[has_gold][: n_rows // 2]
    others = rows[~has_gold][: n_rows - len(labelled)]
    more = rows[has_gold][len(labelled) : n_rows - len(others)]
    return sorted(int(row) for row in (*labelled, *others, *more))


def _as_lfs_see(snapshot: Snapshot, rule: PromptRule) -> Any:
    """Return the table with the texts under the name by which LFs know them as well."""
    frame = snapshot.frame
    return frame if "text" in frame else frame.assign(text=snapshot.texts)


def _why_not(answer: Any) -> str:
    """Return "" for a vote, else in words why there is none."""
    if isinstance(answer, InvalidOutput):
        return f"failed: {answer}"
    return answer.reason if isinstance(answer, Abstention) else ""


def _plan(lf: PromptedLF, snapshot: Snapshot, frame: Any) -> Asking:
    sample = frame.iloc[:: max(len(frame) // _SAMPLE, 1)]
    forecast = lf.inquiry.forecast(lf.inquiry.texts(sample), len(frame))
    return Asking.of(lf.inquiry.model, forecast)
