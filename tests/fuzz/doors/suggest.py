"""Suggestions of labelling functions."""

import json

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import arrays, gold, mostly, odd, scalars, texts, votes

from spear_amal.llm import ChatAnswer
from spear_amal.suggest import mine_conditions, suggest_lfs, write_rules

words = st.lists(st.sampled_from(["free", "prize", "5", "don't", "Ä", "!!"]), max_size=4)
cells = st.one_of(words.map(" ".join), texts, st.sampled_from([None, float("nan"), "free prize"]))


@door("suggest.suggest_lfs")
def suggestions(draw, folder):
    L = draw(mostly(st.none(), votes(rows=(6, 12)), 2))
    n = 12 if L is None else len(L)
    rows = draw(st.lists(st.sampled_from(["free prize 5", "lunch", "see you!", ""]), min_size=n))
    rows = draw(mostly(st.just(rows[:n]), odd))
    y = draw(mostly(gold(n, (0, 1) if L is None else L.classes), st.one_of(arrays((0, 2)), odd), 3))
    proba = draw(mostly(st.none(), arrays((0, 3)), 5))
    rejected = draw(mostly(st.just(()), st.lists(texts, max_size=2)))
    limit, seed = draw(mostly(st.integers(1, 5), scalars)), draw(mostly(st.just(0), scalars))
    made = suggest_lfs(rows, y, L, proba, rejected=rejected, n=limit, seed=seed)
    assert len(made.admitted) <= limit
    assert len(made.table) == len(made.admitted) + len(made.early)
    for one in (*made.admitted, *made.early):
        assert 0 <= one.low <= one.high <= 1 and 0 < one.p_value <= 1
        assert len(one.rows) == round(one.coverage * n)


@door("suggest.mine_conditions")
def conditions(draw, folder):
    n = draw(st.integers(0, 8))
    column = draw(st.lists(cells, min_size=n, max_size=n))
    frame = pd.DataFrame({"text": pd.Series(column, dtype=object), "n": np.arange(n) % 3})
    has_gold = np.arange(n) % 2 == 0
    pool = mine_conditions(frame, "text", has_gold, seed=draw(st.integers(0, 9)))
    assert sorted(pool.rows) == list(range(n)) and pool.n_gold == has_gold.sum()
    assert pool.holds.shape == (n, len(pool.conditions))


class Answers:
    """Stands for a language model that answers what it is told to."""

    def __init__(self, answer):
        self.answer = answer

    def ask(self, requests):
        return [ChatAnswer(self.answer) for _ in requests]


@door("suggest.write_rules")
def written(draw, folder):
    rule = st.fixed_dictionaries(
        {"label": mostly(st.sampled_from(["0", "1"]), odd)},
        optional={
            "keywords": mostly(st.lists(words.map(" ".join), max_size=3), odd),
            "pattern": st.one_of(texts, st.sampled_from(["free", r"\d{1,3}", "(", r"(\w+ )+x"])),
            "column": st.sampled_from(["n", "x"]),
            "at_least": scalars,
        },
    )
    kinds = ["keyword_rules", "regex_rules", "threshold_rules", "other"]
    content = draw(st.dictionaries(st.sampled_from(kinds), mostly(st.lists(rule, max_size=4), odd)))
    answer = draw(mostly(st.just(json.dumps(content, default=str)), texts))
    frame = pd.DataFrame({"text": draw(st.lists(cells, min_size=12, max_size=12))}, dtype=object)
    frame["n"] = np.arange(12) % 5
    y = draw(mostly(gold(12), odd, 5))
    made = write_rules(Answers(answer), frame, y, classes=[0, 1], n_rules=draw(st.integers(1, 5)))
    assert sum(made.reasons.values()) == len(made.refused)
    for one in (*made.suggestions.admitted, *made.suggestions.early):
        assert one.rule.label in (0, 1) and not set(one.right) & set(made.shown)
