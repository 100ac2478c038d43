"""Votes of other tools: read, written, and read again."""

import numpy as np
import pandas as pd
from hypothesis import strategies as st
from registry import door
from values import CLASSES, arrays, contained, mostly, odd, votes

from spear_amal.data import (
    crowd_label_matrix,
    flyingsquid_label_matrix,
    metal_label_matrix,
    named_label_matrix,
    to_crowd,
    to_flyingsquid,
    to_metal,
    to_names,
)

fields = mostly(st.just({}), st.fixed_dictionaries({}, optional={"classes": odd, "row_ids": odd}))


@st.composite
def tables(draw, low, high):
    """Draw a table of whole numbers, in some container, or anything."""
    row = st.lists(st.integers(low, high), min_size=3, max_size=3)
    array = np.array(draw(st.lists(row, min_size=1, max_size=5)))
    return draw(mostly(contained(array), arrays((0, 3)), 3))


def numbers(table):
    """Return a table as lists of whole numbers, in plain Python."""
    dense = table.toarray() if hasattr(table, "toarray") else np.asarray(table)
    return [[int(cell) for cell in row] for row in dense]


@door("data.flyingsquid_label_matrix", "data.to_flyingsquid")
def signed_votes(draw, folder):
    table = draw(tables(-1, 1))
    L = flyingsquid_label_matrix(table, **draw(fields))
    want = [[{0: -1, -1: 0, 1: 1}[cell] for cell in row] for row in numbers(table)]
    assert np.asarray(L).tolist() == want
    assert to_flyingsquid(L).tolist() == numbers(table)


@door("data.metal_label_matrix", "data.to_metal")
def votes_from_one(draw, folder):
    table = draw(tables(0, 3))
    L = metal_label_matrix(table, **draw(fields))
    assert np.asarray(L).tolist() == [[cell - 1 for cell in row] for row in numbers(table)]
    assert to_metal(L).toarray().tolist() == numbers(table)


@door("data.crowd_label_matrix", "data.to_crowd")
def answers(draw, folder):
    one = st.tuples(st.integers(0, 3), st.sampled_from(["ann", "bob", "eve"]))
    pairs = draw(mostly(st.lists(one, unique=True), st.lists(one, max_size=6)))
    names = st.lists(
        st.sampled_from(["cat", "dog", None]), min_size=len(pairs), max_size=len(pairs)
    )
    table = {"task": [a for a, _ in pairs], "worker": [b for _, b in pairs], "label": draw(names)}
    right = dict(table)
    if draw(st.sampled_from([False, False, True])):
        table[draw(st.sampled_from(sorted(table)))] = draw(st.one_of(odd, arrays((0, 2))))
    if draw(st.booleans()) and len({len(column) for column in right.values()}) == 1:
        try:
            table = pd.DataFrame(table)
        except (ValueError, TypeError, IndexError):
            return  # pandas itself refuses them
    L = crowd_label_matrix(table, classes=draw(mostly(st.just(["cat", "dog"]), odd, 4)))
    given = to_crowd(L)
    found = sorted(zip(given["task"], given["worker"], map(str, given["label"]), strict=True))
    if all(list(table[name]) == right[name] for name in right):
        rows = zip(right["task"], right["worker"], right["label"], strict=True)
        assert found == sorted(row for row in rows if row[2] is not None)


@door("data.named_label_matrix", "data.to_names")
def names_of_votes(draw, folder):
    classes = draw(st.sampled_from([names for names in CLASSES[1:4] if names]))
    row = st.lists(st.sampled_from([*classes, None]), min_size=3, max_size=3)
    right = st.lists(row, min_size=1, max_size=5)
    table = draw(mostly(st.one_of(right, right.map(pd.DataFrame)), st.one_of(odd, arrays((0, 3)))))
    L = named_label_matrix(table, classes=draw(mostly(st.just(classes), odd)))
    back = to_names(L)
    assert back.shape == L.shape
    if isinstance(table, list):
        assert [[cell or None for cell in row] for row in back.to_numpy().tolist()] == [
            [cell or None for cell in row] for row in table
        ]


@door("data.to_metal", "data.to_names", "data.to_crowd", "data.to_flyingsquid")
def votes_to_others(draw, folder):
    L = draw(mostly(votes(), st.one_of(odd, arrays((0, 3)))))
    how = draw(st.integers(0, 3))
    if how == 0:
        assert (to_metal(L).toarray() - 1 == np.asarray(L, dtype=float)).all()
    elif how == 1:
        assert to_names(L).notna().to_numpy().sum() == (np.asarray(L, dtype=float) >= 0).sum()
    elif how == 2:
        assert len(to_crowd(L)) == (np.asarray(L, dtype=float) >= 0).sum()
    else:
        assert (np.abs(to_flyingsquid(L)) == (np.asarray(L, dtype=float) >= 0)).all()
