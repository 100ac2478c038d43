"""Row objects answer what scripts ask of a pandas row; a column wins over a method of its name."""

from __future__ import annotations

import copy
import pickle
from collections import UserDict, namedtuple

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.labeling import (
    ColumnLFApplier,
    LambdaPreprocessor,
    PandasLFApplier,
    Row,
    keyword_lf,
    labeling_function,
)
from spear_amal.labeling.rows import copy_row, field, set_field

FRAME = pd.DataFrame(
    {"text": ["win", "b", "c"], "n": [1, 2, 3], "score": [0.5, None, 1.5], "odd name": "o"},
    index=["r0", "r1", "r1"],
    dtype=object,
)
INDEXES = {
    "texts": ["r0", "r1", "r1"],
    "numbers": [3, 1, 2],
    "range": range(3),
    "pairs": pd.MultiIndex.from_tuples([(1, "a"), (1, "b"), (2, "a")]),
    "dates": pd.date_range("2020-01-01", periods=3),
}


def rows_seen(frame):
    seen = []
    lf = labeling_function("look")(lambda x: seen.append(x))
    PandasLFApplier([lf]).apply(frame, progress_bar=False)
    return seen


@pytest.mark.parametrize("index", sorted(INDEXES))
def test_a_row_answers_as_a_pandas_row(index):
    frame = FRAME.set_axis(INDEXES[index])
    for k, x in enumerate(rows_seen(frame)):
        row = frame.iloc[k]
        assert x.name == row.name
        assert x.index.equals(row.index) and list(x.keys()) == list(row.keys())
        assert len(x) == len(row) and repr(list(x)) == repr(list(row))
        assert repr(list(x.items())) == repr(list(row.items()))
        assert repr(x.to_dict()) == repr(row.to_dict()) == repr(dict(x))
        pd.testing.assert_series_equal(x.to_series(), row)
        for missing in ("isna", "isnull", "notna", "notnull"):
            pd.testing.assert_series_equal(getattr(x, missing)(), getattr(row, missing)())
        np.testing.assert_array_equal(x.values.astype(str), row.values.astype(str))
        pd.testing.assert_series_equal(x[["text", "n"]], row[["text", "n"]])
        for name in ("text", "n", "odd name", "gone", "r0", "win", 1):
            assert (name in x) == (name in row)
            assert x.get(name, "none") == row.get(name, "none")
        assert (x["text"], x.n) == (row["text"], row.n)
        for gone in ("gone", 1):
            with pytest.raises(KeyError):
                x[gone]
            with pytest.raises(KeyError):
                row[gone]
        with pytest.raises(AttributeError):
            _ = x.gone


def test_fields_are_set_and_removed_as_in_a_pandas_row():
    x, row = rows_seen(FRAME)[0], FRAME.iloc[0].copy()
    for changed in (x, row):
        changed["new"] = [1]
        changed.n = 5
        del changed["text"]
    pd.testing.assert_series_equal(x.to_series(), row)


def test_cells_that_are_lists_and_arrays_are_one_value_each():
    x = Row(tags=["a", None], array=np.zeros(2), none=None)
    assert x.isna().tolist() == [False, False, True]
    assert x.values.shape == (3,) and x.values[1] is x.array


METHODS = ["name", "index", "values", "get", "keys", "items", "to_dict", "to_series", "isna"]


def test_columns_win_over_methods_of_their_name():
    frame = pd.DataFrame([range(len(METHODS))], columns=METHODS)
    [x] = rows_seen(frame)
    for k, name in enumerate(METHODS):
        assert getattr(x, name) == x[name] == field(x, name) == k
    # What the package itself asks of a row goes past such columns.
    assert repr(copy_row(x)) == repr(x) and len(x) == len(METHODS) and name in x
    assert Row.to_series(x).tolist() == list(range(len(METHODS)))
    assert Row.isna(x).tolist() == [False] * len(METHODS)
    assert Row.values.__get__(x, Row).tolist() == list(range(len(METHODS)))


@pytest.mark.parametrize("name", [*METHODS, "count"])
def test_a_method_is_no_column(name):
    lf = keyword_lf("win", ["win"], 1, column=name)
    point = namedtuple("Point", "text")("win")
    for x in (Row(text="win"), rows_seen(FRAME)[0], pd.Series({"text": "win"}), point):
        with pytest.raises(InputError, match=f"no column '{name}'; the row has"):
            lf(x)


def test_copies_keep_the_index_label():
    [x, *_] = rows_seen(FRAME)
    for same in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x)), copy_row(x)):
        assert (same.name, repr(same)) == ("r0", repr(x))
    assert copy_row(FRAME.iloc[1]).name == "r1"
    prepared = LambdaPreprocessor("p", lambda x: x)(x)
    assert prepared.name == "r0"


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_index_labels_do_not_depend_on_the_processes(n_jobs):
    first = labeling_function("first")(lambda x: int(x.name == "r0"))
    votes = PandasLFApplier([first]).apply(FRAME, n_jobs=n_jobs, progress_bar=False)
    assert votes.to_dense()[:, 0].tolist() == [1, 0, 0]


def test_rows_without_an_index_say_so():
    lf = labeling_function()(lambda x: x.name)
    votes = ColumnLFApplier([lf]).apply({"name": [0, 1]}, progress_bar=False)
    assert votes.to_dense()[:, 0].tolist() == [0, 1]
    with pytest.raises(AttributeError, match="does not come from a pandas DataFrame"):
        lf(Row(text="a"))
    assert Row(text="a").to_series().name is None


def test_fields_of_any_kind_of_row_are_set():
    for x in ({}, UserDict(), Row()):
        set_field(x, "doc", 1)
        set_field(x, 5, 2)
        assert (field(x, "doc"), x[5]) == (1, 2)
