"""The form of an answer: what a model is told to write, its JSON schema, and how it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spear_amal.labeling.lf_outputs import Abstention
from spear_amal.prompted_lfs.questions import UNKNOWN, Question

#: Why a prompted LF abstains.
REFUSED = Abstention("refused")
NONSENSE = Abstention("nonsense")
CUT_OFF = Abstention("cut off")
IS_UNKNOWN = Abstention("unknown")
NO_CELL = Abstention("nothing to read")
NO_LOGPROBS = Abstention("no log-probabilities")
UNSURE = Abstention("unsure")
MISSING = Abstention("left out")

ANSWER, CONFIDENCE = "answer", "confidence"


@dataclass(frozen=True)
class Reading:
    """What was read of an answer to one question about one row.

    Attributes
    ----------
    word : str or None
        None where there is no answer.
    confidence : float
        As stated, in [0, 1]; 1 where it was not asked for.
    abstention : Abstention or None
        Why there is no answer.
    """

    word: str | None
    confidence: float = 1.0
    abstention: Abstention | None = None


@dataclass(frozen=True)
class AnswerForm:
    """How answers to some questions about some rows are written, as one JSON object.

    Parameters
    ----------
    questions : tuple of Question
    n_rows : int
        Above 1 the object has a key for every row: its number, from 1.
    states_confidence : bool
        Whether each answer comes with how sure the model says it is.
    """

    questions: tuple[Question, ...]
    n_rows: int = 1
    states_confidence: bool = False

    @property
    def schema(self) -> dict[str, Any]:
        """JSON schema of the object."""
        if self.n_rows == 1:
            return self._row_schema()
        rows = [str(row + 1) for row in range(self.n_rows)]
        return _object({row: self._one_row() for row in rows})

    def _row_schema(self) -> dict[str, Any]:
        """Return the schema of the object about a row alone."""
        if len(self.questions) > 1:
            return self._one_row()
        cell = self._cell(self.questions[0])
        return cell if self.states_confidence else _object({ANSWER: cell})

    def _one_row(self) -> dict[str, Any]:
        if len(self.questions) == 1:
            return self._cell(self.questions[0])
        return _object({q.name: self._cell(q) for q in self.questions})

    def _cell(self, question: Question) -> dict[str, Any]:
        answer = {"type": "string", "enum": list(question.words)}
        if not self.states_confidence:
            return answer
        return _object(
            {ANSWER: answer, CONFIDENCE: {"type": "integer", "minimum": 0, "maximum": 100}}
        )

    @property
    def instruction(self) -> str:
        """What the model is told to answer, whatever the rows."""
        asked = [_classes_in_words(q, len(self.questions) > 1) for q in self.questions]
        ending = (
            f"Answer {UNKNOWN} where you cannot tell. Answer with JSON alone, like "
            f"{json.dumps(self._example(), ensure_ascii=False)}"
        )
        if self.n_rows > 1:
            ending += "; one key for the number of each text"
        if self.states_confidence:
            ending += f"; {CONFIDENCE} is how sure you are, from 0 to 100"
        return "\n\n".join([*asked, f"{ending}."])

    def _example(self) -> Any:
        def cell(question: Question) -> Any:
            word = question.words[0]
            return {ANSWER: word, CONFIDENCE: 80} if self.states_confidence else word

        first = self.questions[0]
        if len(self.questions) > 1:
            row: Any = {q.name: cell(q) for q in self.questions}
        else:
            row = cell(first)
        if self.n_rows > 1:
            return {str(number): row for number in range(1, self.n_rows + 1)}
        return row if isinstance(row, dict) else {ANSWER: row}

    def read(self, text: str) -> list[dict[str, Reading]]:
        """Return what an answer says, by row and by name of question."""
        content = _json_in(text)
        if content is None and self.n_rows == 1 and len(self.questions) == 1:
            content = text  # the bare word, of a model that was not held to the form
        rows = [content] if self.n_rows == 1 else _by_row(content, self.n_rows)
        return [{q.name: self._read_cell(q, row) for q in self.questions} for row in rows]

    def _read_cell(self, question: Question, row: Any) -> Reading:
        if row is MISSING:
            return _without_answer(MISSING)
        if len(self.questions) == 1:
            cell = row
        elif not isinstance(row, dict):
            return _without_answer(NONSENSE)
        elif question.name in row:
            cell = row[question.name]
        else:
            return _without_answer(MISSING)
        return self._read_answer(question, cell)

    def _read_answer(self, question: Question, cell: Any) -> Reading:
        word = cell.get(ANSWER) if isinstance(cell, dict) else cell
        if not self.states_confidence:
            return _known(question, word, 1.0)
        stated = cell.get(CONFIDENCE) if isinstance(cell, dict) else None
        is_number = isinstance(stated, int | float) and not isinstance(stated, bool)
        if stated is None or not is_number or not 0 <= stated <= 100:
            return _without_answer(NONSENSE)
        return _known(question, word, float(stated) / 100)


def _without_answer(why: Abstention) -> Reading:
    return Reading(None, abstention=why)


def _known(question: Question, word: Any, confidence: float) -> Reading:
    """Return a reading of a word, if it is one of those that the question allows."""
    if isinstance(word, int) and not isinstance(word, bool):
        word = str(word)
    if not isinstance(word, str) or not question.allows(word):
        return _without_answer(NONSENSE)
    if question.class_of(word) is None:
        return _without_answer(IS_UNKNOWN)
    return Reading(word, confidence)


def _classes_in_words(question: Question, is_named: bool) -> str:
    head = f"{question.name}: {question.text}" if is_named else question.text
    lines = [head] if head.strip() else []
    lines.append("The answer is one of:")
    lines += [f"- {word}{f': {about}' if about else ''}" for _, word, about in question.options]
    return "\n".join([*lines, f"- {UNKNOWN}"])


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    required = {"required": list(properties), "additionalProperties": False}
    return {"type": "object", "properties": properties, **required}


def _json_in(text: str) -> Any:
    """Return the JSON object of an answer, in a fenced block or not; None where there is none."""
    fenced = re.fullmatch(r"\s*```(?:json)?\s*(.*?)\s*```\s*", text, re.DOTALL)
    try:
        content = json.loads(fenced[1] if fenced else text, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs; what is said twice, and differently, is not JSON to rely on."""
    content: dict[str, Any] = {}
    for key, value in pairs:
        if content.setdefault(key, value) != value:
            raise ValueError(f"{key} twice")
    return content


def _by_row(content: Any, n_rows: int) -> Sequence[Any]:
    """Return the answers of rows in order; none is sure where there are numbers of no row."""
    if not isinstance(content, dict):
        return [MISSING] * n_rows
    numbers = [str(row + 1) for row in range(n_rows)]
    if set(content) - set(numbers):
        return [MISSING] * n_rows
    return [content.get(number, MISSING) for number in numbers]
