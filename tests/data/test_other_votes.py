"""Votes of other tools, there and back; right values are written out or made by pandas."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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
from spear_amal.errors import InputError
from spear_amal.votes.label_matrix import LabelMatrix

OURS = [[1, -1, 0], [-1, -1, -1], [0, 1, -1], [0, 0, 1]]
FLYING_SQUID = [[1, 0, -1], [0, 0, 0], [-1, 1, 0], [-1, -1, 1]]
METAL = [[2, 0, 1], [0, 0, 0], [1, 2, 0], [1, 1, 2]]
SHAPES = st.tuples(st.integers(0, 7), st.integers(1, 5))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, float])
@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, sp.csc_array, sp.coo_matrix, list])
@pytest.mark.parametrize(
    ("read", "theirs"),
    [(flyingsquid_label_matrix, FLYING_SQUID), (metal_label_matrix, METAL)],
)
def test_zero_is_abstain(read, theirs, form, dtype):
    made = read(form(np.array(theirs, dtype=dtype)), lf_names=list("abc"), classes=["no", "yes"])
    assert made.to_dense().tolist() == OURS
    assert made.lf_names == ("a", "b", "c") and made.classes == ("no", "yes")
    assert made.covered().tolist() == [True, False, True, True]


@given(hnp.arrays(np.int64, SHAPES, elements=st.integers(-1, 1)))
def test_flyingsquid_and_back(dense):
    ours = LabelMatrix.from_dense(dense)
    theirs = to_flyingsquid(ours)
    assert np.array_equal(theirs, np.select([dense == 1, dense == 0], [1, -1], 0))
    assert np.array_equal(flyingsquid_label_matrix(theirs), dense)


@given(hnp.arrays(np.int64, SHAPES, elements=st.integers(-1, 200)))
def test_metal_and_back(dense):
    theirs = to_metal(LabelMatrix.from_dense(dense))
    assert sp.issparse(theirs) and np.array_equal(theirs.toarray(), dense + 1)
    assert np.array_equal(metal_label_matrix(theirs), dense)
    assert np.array_equal(metal_label_matrix(dense + 1), dense)


def test_stored_zeros_abstain_and_a_cell_twice_is_an_error():
    stored = sp.csr_matrix((np.array([0, 2]), ([0, 0], [0, 1])), shape=(1, 2))
    assert metal_label_matrix(stored).to_dense().tolist() == [[-1, 1]]
    twice = sp.coo_matrix((np.array([1, 1]), ([0, 0], [1, 1])), shape=(1, 2))
    with pytest.raises(InputError, match="votes twice"):
        metal_label_matrix(twice)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: metal_label_matrix([[-1, 0]]), "MeTaL writes 0.*found the vote -1"),
        (lambda: metal_label_matrix([[0.5, 0]]), "whole numbers"),
        (lambda: metal_label_matrix([[1, 0], [1]]), "rows of one length"),
        (lambda: metal_label_matrix([1, 0]), r"shape \(n, m\)"),
        (lambda: metal_label_matrix([[3]], classes=["a", "b"]), "votes 2, but there are 2"),
        (lambda: flyingsquid_label_matrix([[2, 0]]), "FlyingSquid writes.*found the vote 2"),
        (lambda: to_flyingsquid(LabelMatrix.from_dense([[2, 0]])), "knows two classes"),
    ],
)
def test_votes_of_another_convention(call, told):
    with pytest.raises(InputError, match=told):
        call()


# -- lists of answers -----------------------------------------------------------------------------

ANSWERS = pd.DataFrame(
    {
        "task": ["t2", "t1", "t2", "t3", "t1"],
        "worker": ["bob", "bob", "ann", "cy", "ann"],
        "label": ["dog", "cat", "cat", None, "dog"],
    }
)


def test_a_list_of_answers_and_back():
    made = crowd_label_matrix(ANSWERS)
    assert made.to_dense().tolist() == [[1, 0, -1], [0, 1, -1], [-1, -1, -1]]
    assert made.lf_names == ("bob", "ann", "cy") and made.row_ids.tolist() == ["t2", "t1", "t3"]
    assert made.classes == ("cat", "dog")
    by_task = crowd_label_matrix(ANSWERS.to_dict("list"), classes=["dog", "cat", "eel"])
    assert by_task.to_dense().tolist() == [[0, 1, -1], [1, 0, -1], [-1, -1, -1]]
    order = ["task", "worker"]
    back = to_crowd(made).sort_values(order).values.tolist()
    assert back == ANSWERS.dropna().sort_values(order).values.tolist()


@given(st.dictionaries(st.tuples(st.integers(0, 7), st.integers(0, 5)), st.integers(1, 3)))
def test_answers_stand_where_pandas_puts_them(answers):
    table = pd.DataFrame(
        [(t, w, a) for (t, w), a in answers.items()], columns=["item", "who", "answer"]
    )
    made = crowd_label_matrix(table, task="item", worker="who", label="answer", classes=[1, 2, 3])
    wide = table.pivot(index="item", columns="who", values="answer")
    wide = wide.reindex(index=table["item"].unique(), columns=table["who"].unique())
    assert np.array_equal(made, wide.fillna(0).to_numpy(dtype=int) - 1)
    assert made.row_ids.tolist() == wide.index.tolist()
    assert made.lf_names == tuple(map(str, wide.columns)) and made.classes == (1, 2, 3)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"task": ["t1"] * 5}, "worker 'bob' answers task 't1' more than once.*drop_duplicates"),
        ({"task": ["t1", None, "t2", "t3", "t4"]}, "column 'task' holds missing values"),
        ({"worker": [1, "1", 2, 3, 4]}, "column 'worker' holds values that are equal as texts"),
        ({"label": ["cat"] * 5}, "only the class names.*pass classes="),
        ({"label": ["cat", 1, None, None, None]}, "cannot be sorted.*pass classes="),
    ],
)
def test_lists_that_are_no_answers(change, told):
    with pytest.raises(InputError, match=told):
        crowd_label_matrix(ANSWERS.assign(**change))
    with pytest.raises(InputError, match="no column 'item'"):
        crowd_label_matrix(ANSWERS, task="item")
    with pytest.raises(InputError, match="'dog' is none of the classes"):
        crowd_label_matrix(ANSWERS, classes=["cat", "eel"])
    with pytest.raises(InputError, match="different lengths"):
        crowd_label_matrix({"task": [1], "worker": [1, 2], "label": ["a", "b"]})


# -- tables of names ------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA])
@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_a_table_of_names_and_back(missing, dtype):
    table = pd.DataFrame(
        {"a": ["spam", missing, "ham"], "b": [missing, missing, "spam"]}, index=["x", "y", "z"]
    ).astype(dtype)
    made = named_label_matrix(table)
    assert made.to_dense().tolist() == [[1, -1], [-1, -1], [0, 1]]
    assert (made.classes, made.lf_names) == (("ham", "spam"), ("a", "b"))
    assert made.row_ids.tolist() == ["x", "y", "z"]
    back = to_names(made)
    assert back.to_dict("list") == {"a": ["spam", None, "ham"], "b": [None, None, "spam"]}
    assert back.index.tolist() == ["x", "y", "z"]
    other = named_label_matrix(table, classes=["spam", "eggs", "ham"], lf_names=["p", "q"])
    assert other.to_dense().tolist() == [[0, -1], [-1, -1], [2, 0]] and other.lf_names == ("p", "q")


def test_rows_of_names_of_any_kind():
    rows = [["spam", None], ["ham", "spam"]]
    for table in (rows, np.array(rows, dtype=object), [tuple(row) for row in rows]):
        assert named_label_matrix(table).to_dense().tolist() == [[1, -1], [0, 1]]


@given(hnp.arrays(np.int64, SHAPES, elements=st.integers(-1, 2)))
def test_names_there_and_back(dense):
    ours = LabelMatrix.from_dense(dense, classes=["red", "green", "blue"])
    back = named_label_matrix(to_names(ours), classes=ours.classes)
    assert np.array_equal(back, dense) and back.lf_names == ours.lf_names


def test_names_that_are_no_class():
    with pytest.raises(InputError, match="'eggs' is none of the classes"):
        named_label_matrix([["ham", "eggs"]], classes=["ham", "spam"])
    for table in ("ham", [], None, ["ham", "spam"], np.array("ham")):
        with pytest.raises(InputError, match="must have rows of names"):
            named_label_matrix(table)
    with pytest.raises(InputError, match="rows of one length"):
        named_label_matrix([["ham"], ["ham", "spam"]])
    with pytest.raises(InputError, match=r"class names must be single.*found \['ham'\]"):
        named_label_matrix([[["ham"], "spam"]])
    with pytest.raises(InputError, match="column 'task' must be single"):
        crowd_label_matrix({"task": [[1]], "worker": [1], "label": ["a"]})
    with pytest.raises(InputError, match="class names must be different"):
        named_label_matrix([["ham"]], classes=["ham", "ham"])
