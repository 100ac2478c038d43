"""Text features: the vectoriser's numbers, kept without pickle."""

import json

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from spear_amal.data import TextFeatures, synthetic_corpus
from spear_amal.errors import FileFormatError, InputError

TEXTS = synthetic_corpus(n=53, n_test=11).texts


def test_same_numbers_as_the_vectoriser():
    features = TextFeatures()
    got = features.fit_transform(TEXTS)
    wanted = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit_transform(TEXTS)
    assert got.dtype == np.float32
    assert got.format == "csr"
    np.testing.assert_allclose(got.toarray(), wanted.toarray(), atol=1e-6)
    assert (features.transform(TEXTS) != got).nnz == 0
    assert len(features.get_feature_names_out()) == got.shape[1]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"max_features": 31, "ngram_range": (1, 1), "max_df": 0.5},
        {"stop_words": "english", "strip_accents": "unicode", "sublinear_tf": False},
        {"stop_words": ["who", "the"], "lowercase": False, "token_pattern": r"\w+"},
    ],
)
def test_saved_as_json_and_an_array_gives_the_same_bits(settings):
    features = TextFeatures(**settings).fit(TEXTS[:37])
    held = features.to_arrays()
    idf = held.pop("idf")
    held = {**json.loads(json.dumps(held)), "idf": idf.copy()}
    again = TextFeatures.from_arrays(held)
    before, after = features.transform(TEXTS), again.transform(TEXTS)
    assert before.shape == after.shape
    assert (before != after).nnz == 0
    assert again.get_params() == features.get_params()
    assert again.to_arrays()["vocabulary"] == features.vocabulary_


def test_no_rows_and_one_row():
    features = TextFeatures(min_df=1).fit(["a single text"])
    assert features.transform([]).shape == (0, len(features.vocabulary_))
    assert features.transform(["nothing known"]).nnz == 0
    assert features.transform(["a single text"]).shape[0] == 1


def test_in_a_pipeline():
    y = synthetic_corpus(n=53, n_test=11).labels
    model = make_pipeline(clone(TextFeatures(max_features=97)), LogisticRegression()).fit(TEXTS, y)
    assert model.predict_proba(TEXTS).shape == (53, 2)


@pytest.mark.parametrize(
    ("texts", "told"),
    [
        ([], "no words are left of 0 texts"),
        (["alone here", "other words"], "min_df=2"),
        (["fine", None], "NoneType .* in row 1"),
        (["fine", "fine", float("nan")], "float .* in row 2"),
        ("one string", "put it in a list"),
    ],
)
def test_texts_that_cannot_be_used(texts, told):
    with pytest.raises(InputError, match=told):
        TextFeatures().fit(texts)


def test_not_fitted():
    for use in (lambda f: f.transform(["a"]), lambda f: f.to_arrays()):
        with pytest.raises(NotFittedError, match="fit TextFeatures"):
            use(TextFeatures())


@pytest.mark.parametrize("change", ["missing", "short", "setting"])
def test_damaged_arrays(change):
    held = TextFeatures().fit(TEXTS).to_arrays()
    if change == "missing":
        del held["vocabulary"]
    elif change == "short":
        held["idf"] = held["idf"][:-1]
    else:
        held["settings"] = {**held["settings"], "colour": "red"}
    with pytest.raises(FileFormatError, match="not saved text features"):
        TextFeatures.from_arrays(held)
