"""Features of tables: one source or several, by name or as objects, through arrays and back."""

import json

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone

from spear_amal.data import TextEncoder, TextFeatures
from spear_amal.data.column_features import ColumnFeatures
from spear_amal.data.table_features import TableFeatures, parse_features, uses_text
from spear_amal.errors import ChecksumError, FileFormatError, InputError

FRAME = pd.DataFrame(
    {
        "text": ["a spy saves a city", "two in love", "a spy in love", "two spies", ""],
        "price": [1.0, 2.0, None, 4.0, 5.0],
        "kind, of": ["x", "y", "x", "x", "y"],
    }
)


def length(texts):
    return [[len(text), 1] for text in texts]


def dense(features, frame=FRAME):
    found = features.transform(frame)
    return found.toarray() if sp.issparse(found) else found


def restored(features):
    content = features.to_arrays()
    settings = json.loads(json.dumps(content["settings"]))
    return TableFeatures.from_arrays({**content, "settings": settings})


def test_parts_stand_side_by_side():
    features = TableFeatures('tfidf+columns:price,"kind, of"').fit(FRAME)
    words = TextFeatures().fit(FRAME["text"])
    columns = ColumnFeatures(["price", "kind, of"]).fit(FRAME)
    expected = np.hstack(
        [words.transform(FRAME["text"]).toarray(), columns.transform(FRAME).toarray()]
    )
    np.testing.assert_array_equal(dense(features), expected)
    names = [*words.vocabulary_, "price", "price=missing", "kind, of=x", "kind, of=y"]
    assert features.get_feature_names_out().tolist() == names
    assert features.transform(FRAME).dtype == np.float32


@pytest.mark.parametrize("given", ["tfidf", "columns:price", 'tfidf+columns:price,"kind, of"'])
def test_features_of_the_rows_fitted_on_are_those_of_a_transform(given):
    at_once, later = TableFeatures(given), TableFeatures(given)
    found, expected = at_once.fit_transform(FRAME), later.fit(FRAME).transform(FRAME)
    for name in ("data", "indices", "indptr"):  # entry by entry: sums go in their order
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize(
    "given",
    [
        "columns:price+tfidf",
        ["columns:price", "tfidf"],
        [ColumnFeatures(["price"]), TextFeatures()],
        "columns: price + tfidf".replace(" + ", "+"),
    ],
)
def test_ways_to_say_the_same(given):
    expected = dense(TableFeatures("columns:price+tfidf").fit(FRAME))
    np.testing.assert_array_equal(dense(TableFeatures(given).fit(FRAME)), expected)


@pytest.mark.parametrize("given", ["tfidf", "columns:price", 'tfidf+columns:price,"kind, of"'])
def test_through_arrays_and_back_bit_for_bit(given):
    features = TableFeatures(given).fit(FRAME)
    np.testing.assert_array_equal(dense(restored(features)), dense(features))
    assert dense(restored(features), FRAME[:0]).shape == (0, dense(features).shape[1])


def test_an_object_keeps_its_settings_and_stays_unfitted():
    words = TextFeatures(min_df=1, ngram_range=(1, 1))
    features = TableFeatures(words).fit(FRAME)
    assert not hasattr(words, "vocabulary_")
    assert restored(features).get_feature_names_out().tolist() == [
        *("city", "in", "love", "saves", "spies", "spy", "two")
    ]
    assert clone(features).features.min_df == 1


def test_encoder_of_a_function_beside_columns_is_dense_and_cannot_be_stored():
    features = TableFeatures([TextEncoder(length, normalize=False), "columns:price"]).fit(FRAME)
    found = features.transform(FRAME)
    assert found[:, 0].tolist() == [18, 11, 13, 9, 0]
    assert not features.has_names
    with pytest.raises(InputError, match="have no names"):
        features.get_feature_names_out()
    with pytest.raises(InputError, match="function of your own cannot be stored"):
        features.to_arrays()


def test_stored_encoder_is_found_by_name_and_other_weights_are_refused(tmp_path):
    pytest.importorskip("wordllama")
    features = TableFeatures(TextEncoder("wordllama", cache_dir=tmp_path)).fit(FRAME)
    content = features.to_arrays()
    assert content["arrays"] == {}  # the name alone
    again = restored(features)
    again.parts_[0].cache_dir = tmp_path
    np.testing.assert_array_equal(dense(again), dense(features))
    content["settings"][0]["identity"] = "of other weights"
    with pytest.raises(ChecksumError, match="another one than that of the stored features"):
        TableFeatures.from_arrays(content).transform(FRAME)


def test_what_needs_texts():
    assert uses_text("tfidf") and uses_text("encoder:wordllama") and not uses_text("columns:a")
    assert uses_text("columns:a+tfidf")
    frame = FRAME.drop(columns="text")
    assert dense(TableFeatures("columns:price").fit(frame), frame).shape == (5, 2)
    with pytest.raises(InputError, match="no column 'text'"):
        TableFeatures("tfidf").fit(frame)


def test_names_that_hold_a_plus():
    assert parse_features("columns:a+b,c")[0].columns == ["a+b", "c"]
    encoder, columns = parse_features("encoder:my+folder+columns:a")
    assert encoder.encoder == "my+folder" and columns.columns == ["a"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tfdif", "did you mean 'tfidf'"),
        ("column:a", "or 'columns:a,b'"),
        ("", "found ''"),
        ([], "found none"),
        (3, "found 3"),
        ([3], "found 3"),
        ("columns:", "names of columns"),
        ("columns:a,,b", "names of columns"),
        ("encoder:", "features are"),
        ("tfidf+tfidf", "tfidf twice"),
        ("columns:a+columns:b,a", "column 'a' twice"),
        ("columns:a,a", "column 'a' twice"),
        ("columns:text", "holds the texts"),
        ("encoder:no such thing!", "no such thing"),
    ],
)
def test_features_that_cannot_be_made(given, said):
    frame = pd.DataFrame({"text": ["a b", "a b"], "a": [1, 2], "b": [1, 2]})
    with pytest.raises(InputError, match=said):
        TableFeatures(given).fit(frame)


@pytest.mark.parametrize(
    "change",
    [{"settings": [{"kind": "images"}]}, {"settings": [{}]}, {"settings": None}, {"arrays": {}}],
)
def test_altered_arrays_are_refused(change):
    content = TableFeatures("tfidf+columns:price").fit(FRAME).to_arrays()
    with pytest.raises(FileFormatError, match="no saved"):
        TableFeatures.from_arrays(content | change)
