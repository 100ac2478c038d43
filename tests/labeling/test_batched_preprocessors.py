"""Preprocessors that get a list of rows: the same votes, and the row at fault named."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.errors import InputError, LabelingError
from spear_amal.labeling import (
    LabelingFunction,
    LFApplier,
    PandasLFApplier,
    Row,
    preprocessor,
)
from spear_amal.labeling.apply_lfs import CHUNK
from spear_amal.labeling.rows import copy_row


def fragile(x, factor=2):
    x.value = factor * int(x.text)
    x.seen.append(x.text)
    return x


@preprocessor(batched=True, resources={"factor": 2})
def doubled(rows, factor):
    return [fragile(x, factor) for x in rows]


def applied(pre, rows):
    lfs = [LabelingFunction(f"lf{j}", lambda x, j=j: x.value % (2 + j), pre=[pre]) for j in (0, 1)]
    return LFApplier(lfs, classes=3).apply(
        rows, progress_bar=False, fault_tolerant=True, return_meta=True
    )


def row_error(fault):
    return fault.row_id, fault.traceback.strip().splitlines()[-1]


@given(st.lists(st.sampled_from(["1", "2", "7", "x", "yy"]), max_size=40))
def test_votes_and_faults_equal_those_of_one_row_at_a_time(texts):
    rows = [Row(text=text, seen=[]) for text in texts]
    votes, meta = applied(doubled, rows)
    expected, expected_meta = applied(preprocessor("one")(fragile), rows)
    np.testing.assert_array_equal(votes.to_dense(), expected.to_dense())
    assert meta.faults == expected_meta.faults
    for name, faults in meta.tracebacks.items():
        assert [row_error(f) for f in faults] == [
            row_error(f) for f in expected_meta.tracebacks[name]
        ]
    assert all(row.seen == [] and not hasattr(row, "value") for row in rows)


def test_batches_are_bounded_and_run_once_for_all_lfs():
    sizes = []

    @preprocessor(batched=True)
    def noted(rows):
        sizes.append(len(rows))
        return [Row(value=1) for _ in rows]

    votes, _ = applied(noted, [Row(text="a")] * (CHUNK + 3))
    assert sizes == [CHUNK, 3]
    assert (votes.to_dense() == 1).all()


def test_one_bad_row_does_not_cost_a_call_for_each_of_the_others():
    sizes = Counter()

    @preprocessor(batched=True)
    def noted(rows):
        sizes["calls"] += 1
        return [fragile(x) for x in rows]

    rows = [Row(text="x" if i == 700 else "1", seen=[]) for i in range(CHUNK)]
    votes, meta = applied(noted, rows)
    assert meta.faults == {"lf0": 1, "lf1": 1}
    assert (votes.to_dense()[:, 1] == -1).nonzero()[0].tolist() == [700]
    assert sizes["calls"] == 2 * 10 + 1  # halves of halves


def test_rows_that_failed_before_are_left_out_of_the_batch():
    seen = []

    @preprocessor(batched=True, pre=[preprocessor("first")(fragile)])
    def second(rows):
        seen.append([x.text for x in rows])
        return rows

    _, meta = applied(second, [Row(text=text, seen=[]) for text in ["1", "x", "2"]])
    assert seen == [["1", "2"]]
    assert [fault.row_id for fault in meta.tracebacks["lf0"]] == [1]


def test_on_one_row_and_with_a_memory():
    sizes = []

    @preprocessor(batched=True, memoize=True)
    def lower(rows):
        sizes.append(len(rows))
        for x in rows:
            x.text = x.text.lower()
        return rows

    frame = pd.DataFrame({"text": ["A", "B", "A", "b"]}, index=list("wxyz"))
    lf = LabelingFunction("lf", lambda x: "ab".index(x.text), pre=[lower])
    for _ in range(2):
        votes = PandasLFApplier([lf], classes=2).apply(frame, progress_bar=False)
        assert votes.to_dense()[:, 0].tolist() == [0, 1, 0, 1]
    assert sizes == [3]
    assert lower(Row(text="C")).text == "c"
    assert frame["text"].tolist() == ["A", "B", "A", "b"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda rows: None, "returned NoneType; it must return a list"),
        (lambda rows: "ab", "returned str"),
        (lambda rows: dict.fromkeys(map(id, rows)), "returned dict"),
        (lambda rows: [*rows, rows[0]], "returned 2 rows for 1"),
        (lambda rows: [], "returned 0 rows for 1"),
        (lambda rows: [None for _ in rows], "returned None; it must return the row"),
    ],
)
def test_answers_that_are_no_rows(answer, said):
    pre = preprocessor("bad", batched=True)(answer)
    with pytest.raises(InputError, match=f"'bad' {said}"):
        pre(Row(text="a"))
    lf = LabelingFunction("lf", lambda x: 0, pre=[pre])
    frame = pd.DataFrame({"text": ["a"]}, index=["first"])
    with pytest.raises(LabelingError, match=f"LF 'lf', row 'first'.*{said}"):
        PandasLFApplier([lf]).apply(frame, progress_bar=False)


def test_a_generator_and_an_array_will_do():
    rows = [Row(text="4", seen=[])]
    assert preprocessor("lazy", batched=True)(lambda rows: map(fragile, rows))(rows[0]).value == 8
    assert preprocessor("array", batched=True)(np.asarray)(3) == 3


class Marked(Row):
    """A row of another class."""


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c"]),
        st.one_of(st.integers(), st.text(max_size=3), st.lists(st.integers(), max_size=2)),
    )
)
def test_copies_of_rows_share_nothing_that_can_change(fields):
    for kind in (Row, Marked):
        row = kind(**fields)
        copied = copy_row(row)
        assert type(copied) is kind
        assert copied == row
        for name, value in fields.items():
            assert (copied[name] is value) == (not isinstance(value, list))
        copied.new = 1
        assert "new" not in row
