"""Columns as features: against values computed by hand, through JSON and back, odd columns."""

import decimal
import json

import numpy as np
import pandas as pd
import pytest

from spear_amal.data.column_features import ColumnFeatures
from spear_amal.errors import FileFormatError, InputError

FRAME = pd.DataFrame(
    {
        "price": [1.0, 2.0, None, 6.0, 3.0],
        "count": [3, 1, 4, 1, 5],
        "shop": ["b", "a", None, "b", ""],
        "new": [True, False, True, True, False],
    }
)


def dense(features, frame):
    return features.transform(frame).toarray()


def test_values_are_those_computed_by_hand():
    found = dense(ColumnFeatures(["price", "count", "shop", "new"]).fit(FRAME), FRAME)
    price = np.array([1.0, 2.0, np.nan, 6.0, 3.0])
    expected = np.stack(
        [
            np.nan_to_num((price - 3.0) / np.sqrt(3.5)),  # mean 3, squares 4 1 9 0 over 4 rows
            (np.array([3, 1, 4, 1, 5]) - 2.8) / np.sqrt(2.56),
            (np.array([1, 0, 1, 1, 0]) - 0.6) / np.sqrt(0.24),
            [0, 0, 1, 0, 0],
            [0, 1, 0, 0, 0],
            [1, 0, 0, 1, 0],
        ],
        axis=1,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    names = ColumnFeatures(["price", "count", "shop", "new"]).fit(FRAME).get_feature_names_out()
    assert names.tolist() == ["price", "count", "new", "price=missing", "shop=a", "shop=b"]


def test_rows_of_prediction_use_the_statistics_of_training():
    features = ColumnFeatures(["price", "shop"]).fit(FRAME)
    new = pd.DataFrame({"price": [3.0, None], "shop": ["never seen", "a"], "other": [1, 2]})
    np.testing.assert_allclose(dense(features, new), [[0, 0, 0, 0], [0, 1, 1, 0]], atol=1e-7)
    # One row is scaled as it is among others: its own statistics play no part.
    np.testing.assert_array_equal(dense(features, new[1:]), dense(features, new)[1:])


def test_a_number_that_is_missing_for_the_first_time_gets_the_mean():
    features = ColumnFeatures(["count"]).fit(FRAME)
    assert dense(features, pd.DataFrame({"count": [None]})).tolist() == [[0.0]]


def test_constant_column_is_zero():
    features = ColumnFeatures("a").fit(pd.DataFrame({"a": [7, 7, 7]}))
    assert dense(features, pd.DataFrame({"a": [7, 8]})).tolist() == [[0.0], [1.0]]


def test_through_json_and_back_bit_for_bit():
    features = ColumnFeatures(["price", "count", "shop", "new"]).fit(FRAME)
    again = ColumnFeatures.from_json(json.loads(json.dumps(features.to_json())))
    np.testing.assert_array_equal(dense(again, FRAME), dense(features, FRAME))
    assert again.get_feature_names_out().tolist() == features.get_feature_names_out().tolist()
    assert dense(again, FRAME[:0]).shape == (0, 6)


@pytest.mark.parametrize(
    "column",
    [
        pd.array([1, None, 3], dtype="Int64"),
        pd.Series([1, None, 3], dtype=object),
        pd.Series([decimal.Decimal(1), None, decimal.Decimal(3)], dtype=object),
        pd.array([1.0, None, 3.0], dtype="Float32"),
    ],
    ids=["Int64", "object", "Decimal", "Float32"],
)
def test_numbers_of_every_type(column):
    frame = pd.DataFrame({"a": column})
    found = dense(ColumnFeatures(["a"]).fit(frame), frame)
    assert found.tolist() == [[-1, 0], [0, 1], [1, 0]]


def test_categories_of_every_type():
    for column in (["x", "y", None], pd.Categorical(["x", "y", None]), pd.array(["x", "y", None])):
        frame = pd.DataFrame({"a": column})
        found = dense(ColumnFeatures(["a"]).fit(frame), frame)
        assert found.tolist() == [[1, 0], [0, 1], [0, 0]]


def test_categories_that_look_like_numbers_are_found_again_when_all_do():
    features = ColumnFeatures(["a"]).fit(pd.DataFrame({"a": ["1", "2", "x"]}))
    for column in ([1, 2], [1.0, 2.0], ["1", "2"]):
        found = dense(features, pd.DataFrame({"a": column}))
        assert found.tolist() == [[1, 0, 0], [0, 1, 0]], column


MANY = [f"w{i}" for i in range(61)]


@pytest.mark.parametrize(
    ("columns", "frame", "said"),
    [
        (["b"], {"a": [1]}, "no column 'b'"),
        ([], {"a": [1]}, "at least one"),
        (["a", "a"], {"a": [1]}, "named twice"),
        (["a"], {"a": [None, None]}, "has no value in the training rows"),
        (["a"], {"a": ["", " "]}, "has no value in the training rows"),
        (["a"], {"a": [[1], [2]]}, "holds list, which is no feature"),
        (["a"], {"a": pd.to_datetime(["2020-01-01", "2020-01-02"])}, "is no feature"),
        (["a"], {"a": [1, "x"]}, r"mixes texts \('x'\) and numbers \(1\)"),
        (["a"], {"a": [1, np.inf]}, "row 1 .* infinite number in 'a'"),
        (["a"], {"a": [1e300, -1e300]}, "too large; divide them"),
        (["a"], {"a": MANY}, "holds 61 different texts on 61 rows"),
        (["a"], {"a": [*map(str, range(60)), "n/a"]}, "'n/a' beside numbers"),
    ],
)
def test_columns_that_are_no_features(columns, frame, said):
    with pytest.raises(InputError, match=said):
        ColumnFeatures(columns).fit(pd.DataFrame(frame))


def test_rows_that_do_not_fit_the_training():
    features = ColumnFeatures(["count"]).fit(FRAME)
    with pytest.raises(InputError, match=r"row 1 .* holds 'many' in the column 'count'"):
        features.transform(pd.DataFrame({"count": [3, "many"]}))
    with pytest.raises(InputError, match="no column 'count'"):
        features.transform(pd.DataFrame({"price": [3]}))
    with pytest.raises(InputError, match=r"row 0 .* too large beside the numbers of training"):
        features.transform(pd.DataFrame({"count": [1e300]}))


@pytest.mark.parametrize(
    "change",
    [
        {"kinds": {"price": "date"}},
        {"means": [1.0]},
        {"scales": [0.0, 1.0, 1.0]},
        {"categories": {}},
        {"missing": None},
    ],
)
def test_altered_json_is_refused(change):
    content = ColumnFeatures(["price", "count", "shop", "new"]).fit(FRAME).to_json()
    with pytest.raises(FileFormatError, match="no saved features of columns"):
        ColumnFeatures.from_json(content | change)
