"""Suggestions of labelling functions."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import arrays, gold, mostly, odd, scalars, texts, votes

from spear_amal.suggest import mine_conditions, suggest_lfs

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
