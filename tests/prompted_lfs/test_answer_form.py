"""What a model is told to answer, and what is made of what it answers."""

from __future__ import annotations

import enum
import json

import pytest

from spear_amal.errors import InputError
from spear_amal.prompted_lfs import Question
from spear_amal.prompted_lfs.answer_form import AnswerForm, Reading
from spear_amal.prompted_lfs.prompt_template import PromptTemplate

SPAM = Question("is_spam", "Is it spam?", {"spam": "an ad", "not_spam": "no ad"})
MOOD = Question("mood", "What mood?", ["good", "bad"])


def reason_of(reading: Reading) -> str | None:
    return None if reading.abstention is None else reading.abstention.reason


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('{"answer": "spam"}', "spam"),
        ('{"answer": "Not spam"}', "Not spam"),
        ('```json\n{"answer": "spam"}\n```', "spam"),
        (" Spam.\n", " Spam.\n"),
        ('"spam"', '"spam"'),
    ],
)
def test_answers_that_count(text: str, word: str) -> None:
    (row,) = AnswerForm((SPAM,)).read(text)
    assert row["is_spam"] == Reading(word)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"answer": "unknown"}', "unknown"),
        ("Unknown", "unknown"),
        ('{"answer": "eggs"}', "nonsense"),
        ('{"answer": null}', "nonsense"),
        ('{"answer": true}', "nonsense"),
        ('{"answer": ["spam"]}', "nonsense"),
        ('{"answer": "spam", "answer": "not_spam"}', "nonsense"),
        ('{"label": "spam"}', "nonsense"),
        ('{"answer": "sp', "nonsense"),
        ("This is not spam", "nonsense"),
        ("", "nonsense"),
        ("[" * 5000, "nonsense"),
        ("[1]", "nonsense"),
    ],
)
def test_answers_that_abstain(text: str, reason: str) -> None:
    (row,) = AnswerForm((SPAM,)).read(text)
    assert row["is_spam"].word is None
    assert reason_of(row["is_spam"]) == reason


def test_several_questions_are_read_by_name() -> None:
    (row,) = AnswerForm((SPAM, MOOD)).read('{"is_spam": "spam", "mood": "awful"}')
    assert row["is_spam"].word == "spam"
    assert reason_of(row["mood"]) == "nonsense"
    (row,) = AnswerForm((SPAM, MOOD)).read('{"mood": "good"}')
    assert reason_of(row["is_spam"]) == "left out"
    (row,) = AnswerForm((SPAM, MOOD)).read("spam")
    assert reason_of(row["is_spam"]) == "nonsense"


def test_several_rows_are_read_by_number() -> None:
    form = AnswerForm((SPAM,), 3)
    rows = form.read('{"1": "spam", "3": "not_spam"}')
    assert [row["is_spam"].word for row in rows] == ["spam", None, "not_spam"]
    assert reason_of(rows[1]["is_spam"]) == "left out"


@pytest.mark.parametrize("text", ['{"1": "spam", "2": "spam", "3": "spam", "4": "spam"}', "spam"])
def test_numbers_of_no_row_make_all_rows_doubtful(text: str) -> None:
    rows = AnswerForm((SPAM,), 3).read(text)
    assert [reason_of(row["is_spam"]) for row in rows] == ["left out"] * 3


def test_stated_confidence_is_a_share_and_is_needed() -> None:
    form = AnswerForm((SPAM,), states_confidence=True)
    (row,) = form.read('{"answer": "spam", "confidence": 80}')
    assert row["is_spam"] == Reading("spam", 0.8)
    for text in ('{"answer": "spam"}', '{"answer": "spam", "confidence": 101}', "spam"):
        assert reason_of(form.read(text)[0]["is_spam"]) == "nonsense"


@pytest.mark.parametrize("n_rows", [1, 3])
@pytest.mark.parametrize("questions", [(SPAM,), (SPAM, MOOD)])
@pytest.mark.parametrize("stated", [False, True])
def test_the_example_that_a_model_is_told_follows_the_form(
    n_rows: int, questions: tuple[Question, ...], stated: bool
) -> None:
    form = AnswerForm(questions, n_rows, stated)
    example = form._example()
    assert set(form.schema["properties"]) == set(example)
    rows = form.read(json.dumps(example))
    assert all(reading.word for row in rows for reading in row.values())
    assert json.dumps(example) in form.instruction


class Kind(enum.Enum):
    HAM = 0
    SPAM = 1


def test_classes_may_be_numbers_and_members() -> None:
    assert Question("a", "", Kind).class_of("spam") is Kind.SPAM
    numbers = Question("a", "", {0: "bad", 1: "good"})
    (row,) = AnswerForm((numbers,)).read('{"answer": 1}')
    assert numbers.class_of(row["a"].word or "") == 1


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({}, "at least one class"),
        ([], "at least one class"),
        ("spam", "a mapping of classes to descriptions"),
        (3, "a mapping of classes to descriptions"),
        ({"spam": ""}, "class 'spam' of LF 'a' is without description"),
        ({"spam": None}, "without description"),
        (["spam", "Unknown"], "none is called 'unknown'"),
        (["spam", "SPAM"], "told apart"),
        (["spam", " "], "told apart"),
        ([1.5], "names, numbers or members"),
        ([True], "names, numbers or members"),
    ],
)
def test_bad_classes_are_named(classes: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Question("a", "", classes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["{x.y}", "{x[0]}", "{0}", "{}", "{x!r}", "{x:>3}", "{x", "x}", "no field", "", " ", 3]
)
def test_prompts_that_are_no_templates(text: str) -> None:
    with pytest.raises(InputError, match="prompt"):
        PromptTemplate(text)


def test_a_cell_is_not_read_as_a_template() -> None:
    template = PromptTemplate("{a} {{b}} {video title}{a}")
    assert template.fields == ("a", "video title")
    assert template.fill({"a": "{b}", "video title": "}{"}) == "{b} {b} }{{b}"
