"""Explanations: words against coefficients by hand, votes, weights, rows of every kind."""

import numpy as np
import pandas as pd
import pytest

from spear_amal import TextClassifier
from spear_amal.data import TextEncoder
from spear_amal.errors import InputError
from spear_amal.explanation import Explanation, texts_without_words
from spear_amal.labeling import keyword_lf

LFS = [
    keyword_lf("money", ["refund"], "refund"),
    keyword_lf("courier", ["courier"], "delivery"),
    keyword_lf("nice", ["great", "refund"], "praise"),
]
SENTENCES = ["refund my money", "the courier is late", "great service <b>", "no word of it"]
NAMES = ["refund", "delivery", "praise", None]
FRAME = pd.DataFrame(
    {
        "id": [f"r{i}" for i in range(61)],
        "text": [f"{SENTENCES[i % 4]} word{i % 3}" for i in range(61)],
        "label": [NAMES[i % 4] for i in range(61)],
        "hour": [float(i % 5) for i in range(61)],
    }
)


@pytest.fixture(scope="module")
def clf():
    return TextClassifier("amal:crossfit=2", max_epochs=3).fit(FRAME, lfs=LFS)


def test_words_are_coefficients_times_features(clf):
    found = clf.explain("refund my money, nothing known")
    heads = [model.feature.head for model in clf.estimator_.models_]
    weights = np.mean([head.weight.detach().numpy() for head in heads], axis=0)
    bias = np.mean([head.bias.detach().numpy() for head in heads], axis=0)
    code = clf.classes_.tolist().index(found.predicted)
    others = [k for k in range(3) if k != code]
    margin = weights[code] - weights[others].mean(0)
    x = clf.features_.transform(pd.DataFrame({"text": ["refund my money, nothing known"]}))
    names = clf.features_.get_feature_names_out()
    expected = {names[d]: x.toarray()[0, d] * margin[d] for d in x.indices}
    assert dict(found.words) == pytest.approx(expected, rel=1e-5)
    assert found.constant == pytest.approx(bias[code] - bias[others].mean(), rel=1e-5, abs=1e-7)
    sizes = [abs(value) for _, value in found.words]
    assert sizes == sorted(sizes, reverse=True) and found.how == "coefficients"


def test_one_model_of_two_classes_sums_up_to_its_log_odds():
    frame = FRAME[FRAME["label"] != "praise"]
    model = TextClassifier("only-l", features="tfidf+columns:hour", max_epochs=3).fit(frame)
    row = frame.iloc[[5]]
    found = model.explain(row)
    p = model.predict_proba(row)[0].max()
    total = sum(value for _, value in found.words) + found.constant
    assert total == pytest.approx(np.log(p / (1 - p)), rel=1e-4)
    assert "hour" in dict(found.words) and not any("whole" in note for note in found.notes)


def test_a_pool_says_what_words_leave_open():
    model = TextClassifier("recommended:crossfit=3", max_epochs=3).fit(FRAME, lfs=LFS)
    row = FRAME.iloc[[4]]
    found = model.explain(row)
    code = model.classes_.tolist().index(found.predicted)
    others = [k for k in range(3) if k != code]
    constant = model.estimator_.by_class_.copy()
    for name, member in model.estimator_.members_.items():
        heads = [one.feature.head.bias.detach().numpy() for one in member.models_]
        constant += model.estimator_.weights_["weight"][name] * np.mean(heads, axis=0)
    expected = constant[code] - constant[others].mean()
    assert found.constant == pytest.approx(expected, rel=1e-4, abs=1e-6)
    log_p = np.log(model.predict_proba(row, votes=model.votes_on(row, None))[0])
    total = sum(value for _, value in found.words) + found.constant
    note = next(note for note in found.notes if "not the whole" in note)
    assert f"({total:+.3f} in all)" in note and "averaging" in note and "rules" in note
    assert f"are {log_p[code] - log_p[others].mean():+.3f}" in note


def test_training_row_by_id_and_by_position(clf):
    found = clf.explain("r2")
    assert found.text == FRAME["text"][2] and found.label == "praise"
    assert found.votes == {"money": None, "courier": None, "nice": "praise"}
    weights = clf.estimator_.weights_.iloc[2].dropna()
    assert found.weights == pytest.approx(dict(weights)) and len(weights)
    assert found.probabilities == pytest.approx(
        dict(zip(clf.classes_, clf.predict_proba(FRAME[2:3])[0], strict=True))
    )
    assert clf.explain("r3").label is None
    plain = TextClassifier("spear", max_epochs=2).fit(FRAME.drop(columns="id"), lfs=LFS)
    assert plain.explain(2).votes == found.votes and plain.explain(np.int64(2)).label == "praise"
    with pytest.raises(InputError, match="61 training rows, counted from 0; found 61"):
        plain.explain(61)


@pytest.mark.parametrize("kind", ["mapping", "series", "frame"])
def test_rows_that_are_given(clf, kind):
    row = {"id": "r0", "text": "refund, great", "hour": 3.0}
    given = {"mapping": row, "series": pd.Series(row), "frame": pd.DataFrame([row])}[kind]
    found = clf.explain(given)
    assert found.votes == {"money": "refund", "courier": None, "nice": "praise"}
    assert found.weights is not None  # of the training row of this id
    assert clf.explain({**row, "id": "new"}).weights is None


def test_after_loading(clf, tmp_path):
    clf.save(tmp_path / "m")
    loaded = TextClassifier.load(tmp_path / "m")
    found = loaded.explain({"id": "r2", "text": FRAME["text"][2]}, lfs=LFS)
    expected = clf.explain("r2")
    assert found.weights == expected.weights and found.votes == expected.votes
    assert found.words == expected.words and found.label is None
    with pytest.raises(InputError, match="holds no rows: give the row itself"):
        loaded.explain("r2")
    if not loaded.needs_votes:
        bare = loaded.explain("great service")
        assert bare.votes is None and "give lfs=" in bare.notes[0]


def test_rules_are_shown_where_the_prediction_uses_them():
    method = "amal:inference=product,max_epochs=1,lr=0.0001"
    model = TextClassifier(method).fit(FRAME, lfs=LFS)
    assert model.needs_votes
    found = model.explain("the courier")
    rules = model.estimator_.rule_predict_proba(model.votes_on(pd.DataFrame({"text": ["courier"]})))
    assert found.rules == pytest.approx(dict(zip(sorted(set(NAMES[:3])), rules[0], strict=True)))


def test_words_are_left_out_one_by_one_where_there_are_no_coefficients():
    def letters(texts):
        return [[text.count("r"), text.count("g"), len(text)] for text in texts]

    features = [TextEncoder(letters, normalize=False), "columns:hour"]
    model = TextClassifier("only-l", features=features, max_epochs=3).fit(FRAME)
    row = {"text": "Great courier, great", "hour": 2.0}
    found = model.explain(row)
    assert found.how == "occlusion"
    assert {word for word, _ in found.words} == {"courier", "great", "hour"}
    column = model.classes_.tolist().index(found.predicted)

    def log_odds(text, hour=2.0):
        p = model.predict_proba(pd.DataFrame({"text": [text], "hour": [hour]}))[0, column]
        return np.log(p / (1 - p))

    whole = log_odds(row["text"])
    expected = {
        "great": whole - log_odds(" courier, "),
        "courier": whole - log_odds("Great , great"),
        "hour": whole - log_odds(row["text"], None),
    }
    assert dict(found.words) == pytest.approx(expected, abs=1e-5)


def test_words_of_a_long_text_are_cut():
    without, is_cut = texts_without_words(" ".join(f"w{i}" for i in range(301)))
    assert len(without) == 200 and is_cut
    assert texts_without_words("") == ({}, False)


def test_what_is_printed_and_shown_in_a_notebook(clf):
    found = clf.explain({"id": "r2", "text": "great <b>service</b> \x1b[31m\nit is"})
    text, page = str(found), found._repr_html_()
    assert "Predicted: " in text and "great" in text and "(2 abstain)" in text
    assert "Weights of losses" in text and "\x1b" not in text
    assert "&lt;b&gt;service" in page and "<b>service" not in page and "<table>" in page
    assert repr(found).startswith("Explanation(predicted=")
    assert "trained without labelling functions" in str(
        TextClassifier("only-l", max_epochs=1).fit(FRAME).explain("great")
    )
    long = Explanation("x" * 999, "a", {"a": 1.0}, [("w", 0.1)] * 31, "coefficients")
    assert len(str(long).splitlines()[0]) == 300 and "(21 others)" in str(long)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (FRAME[:2], "one by one"),
        ([1, 2], "one by one"),
        (7, "no training row has the id 7"),
        ({"body": "x"}, "no column 'text'"),
    ],
)
def test_rows_that_cannot_be_explained(clf, row, said):
    with pytest.raises(InputError, match=said):
        clf.explain(row)
