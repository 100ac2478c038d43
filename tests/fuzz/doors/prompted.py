"""Prompted LFs: odd prompts, classes and answers; a vote is a class of the question, or none."""

import json
import math
from unittest import mock

from hypothesis import strategies as st
from registry import door
from values import mostly, odd, texts

from spear_amal.llm import ChatAnswer, TokenChoice
from spear_amal.prompted_lfs import (
    Calibration,
    Question,
    calibrate,
    fit_calibration,
    prompt_lf,
    prompt_lfs,
    spending_limit,
)

ROWS = {"text": ["a spam offer", "see you", "", None], "label": [1, 2, 3, 4]}
ANSWERS = st.one_of(
    st.sampled_from(['{"answer": "spam"}', "ham", '{"1": "spam"}', '{"x": "ham", "y": "spam"}']),
    texts,
    odd.map(lambda value: json.dumps({"answer": value}, default=str)),
)


class Client:
    """Answers what it is told to, with tokens or without."""

    def __init__(self, answer):
        self.answer, self.max_cost, self.spent = answer, None, 0.0

    def ask(self, requests):
        return [self.answer for _ in requests]


def answer_of(draw):
    text = draw(ANSWERS)
    tokens = draw(st.one_of(st.none(), st.lists(texts, max_size=4)))
    listed = draw(st.dictionaries(texts, st.floats(-9, 0), max_size=3))
    choices = (
        None if tokens is None else tuple(TokenChoice(t, math.log(0.5), listed) for t in tokens)
    )
    return ChatAnswer(text, draw(st.booleans()), draw(st.booleans()), choices)


@door(
    *("prompted_lfs.prompt_lf", "prompted_lfs.prompt_lfs", "prompted_lfs.Question"),
    *("prompted_lfs.PromptedLF", "prompted_lfs.calibrate", "prompted_lfs.spending_limit"),
)
def prompts(draw, folder):
    prompt = draw(mostly(st.sampled_from(["{text}", "{label}: {text}", "{{}}{text}"]), texts))
    classes = draw(mostly(st.sampled_from([{"spam": "ad", "ham": "no"}, ["spam", "ham"]]), odd, 4))
    options = {
        "score": draw(mostly(st.sampled_from(["auto", "none", "stated"]), odd)),
        "rows_per_call": draw(mostly(st.integers(1, 3), odd)),
        "at_least": draw(mostly(st.none(), st.one_of(st.floats(0, 1), odd))),
    }
    lf = prompt_lf("x", prompt, classes, model=draw(mostly(st.just("m"), odd)), **options)
    questions = [Question(name, draw(mostly(st.just("Is it?"), texts)), classes) for name in "xy"]
    options.pop("at_least")
    lfs = [lf, *prompt_lfs(prompt, questions, model="m", **options)]
    client = Client(answer_of(draw))
    client_of = "spear_amal.prompted_lfs.prompted_lf.client_of"
    with mock.patch(client_of, lambda *place: client), spending_limit(draw(st.none())):
        for asked in lfs:
            answers, scores = asked.evaluate(ROWS)
            known = asked.possible_votes
            assert all(hasattr(a, "reason") or a in known for a in answers)
            assert scores is None or ((scores >= 0) & (scores <= 1)).all()
        if lf.continuous:
            calibrate(lf, ROWS, draw(mostly(st.just(["spam", "ham", None, None]), odd)))


@door("prompted_lfs.fit_calibration", "prompted_lfs.Calibration")
def calibrations(draw, folder):
    n = draw(st.integers(0, 40))
    scores = draw(mostly(st.lists(st.floats(0, 1), min_size=n, max_size=n), odd))
    right = draw(mostly(st.lists(st.booleans(), min_size=n, max_size=n), odd))
    fitted = fit_calibration(scores, right)
    fitted.save(folder / "a.json")
    assert Calibration.load(folder / "a.json").apply([0.3]) == fitted.apply([0.3])
    assert ((fitted.apply(scores) >= 0) & (fitted.apply(scores) <= 1)).all()
    assert fitted.facts
