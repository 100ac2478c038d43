"""A classifier as an ONNX file: onnxruntime says what the classifier says, whatever it is fed."""

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from spear_amal import TextClassifier
from spear_amal.cli.app import app
from spear_amal.data import TextFeatures, load_corpus
from spear_amal.data.table_features import TableFeatures
from spear_amal.errors import DataUnavailableError, InputError, MissingExtraError, OutputExistsError
from spear_amal.export import export_onnx, onnx_check
from spear_amal.export.onnx_check import ODD_TEXTS, TOLERANCE, feed, open_session
from spear_amal.export.onnx_file import metadata, onnx_model
from spear_amal.labeling import keyword_lf

TEXTS = ["win a prize now", "see you at eight", "win win win", "see me, or see her"]
ODD_NAMES = ['comma, "quote"', "Ünï cödé 😀", " <b> "]


def table(n=36, classes=("ham", "spam")):
    """Rows of which half have a label, with a column of numbers and one of categories."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"text": [TEXTS[i % 4] + f" w{i % 5}" for i in range(n)]})
    frame["label"] = [classes[(i + 1) % len(classes)] if i % 4 < 3 else None for i in range(n)]
    frame["price"] = rng.normal(5, 2, n)
    frame.loc[::7, "price"] = np.nan
    frame["size"] = np.arange(n, dtype=float)
    frame["shop"] = [("north", " sea side", "7")[i % 3] for i in range(n)]
    return frame


def lfs(classes=("ham", "spam")):
    return [keyword_lf("win", ["win"], classes[1]), keyword_lf("see", ["see"], classes[0])]


def fitted(method="only-l", features="tfidf", frame=None, functions=None, **options):
    frame = table() if frame is None else frame
    with_rules = None if method.startswith("only") else functions or lfs()
    clf = TextClassifier(method, features=features, max_epochs=3, **options)
    return clf.fit(frame, lfs=with_rules)


def session_of(clf):
    return open_session(onnx_model(clf, metadata(clf, None, False)).SerializeToString())


def assert_equal(session, clf, rows):
    label, p = session.run(["label", "probabilities"], feed(clf.features_, rows))
    wanted = clf.predict_proba(rows)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p, wanted, rtol=0, atol=TOLERANCE)
    np.testing.assert_array_equal(label, clf.predict(rows).astype(str))


@pytest.mark.parametrize(
    ("method", "features"),
    [
        ("only-l", "tfidf"),
        ("only-l", "columns:price"),
        ("only-l", "columns:shop,size"),
        ("only-l:crossfit=3", "tfidf+columns:price,size,shop"),
        ("only-l:feature_model=mlp:7-5", "tfidf+columns:shop,price"),
        ("amal:crossfit=3,feature_model=mlp:6", "tfidf"),
        ("spear", "columns:size+tfidf"),
        ("recommended:inference=feature,crossfit=3", "tfidf+columns:shop"),
    ],
)
def test_file_predicts_what_the_model_predicts(method, features, tmp_path):
    clf = fitted(method, features)
    made = export_onnx(clf, tmp_path / "m.onnx", rows=table())
    assert made.n_bytes == (tmp_path / "m.onnx").stat().st_size
    assert made.largest_difference < 1e-6
    session = open_session((tmp_path / "m.onnx").read_bytes())
    rows = table(31)
    rows.loc[:3, "shop"] = ["", None, "nowhere", "\u2003north\n"]
    assert_equal(session, clf, rows)
    for n in (1, 0):
        label, p = session.run(None, {k: v[:n] for k, v in feed(clf.features_, rows).items()})
        assert label.shape == (n,) and p.shape == (n, 2)


def test_classes_of_odd_names_stand_in_the_order_of_the_model(tmp_path):
    frame = table(60, ODD_NAMES)
    clf = fitted(frame=frame)
    export_onnx(clf, tmp_path / "m.onnx")
    session = open_session((tmp_path / "m.onnx").read_bytes())
    assert_equal(session, clf, frame)
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == clf.classes_.tolist()


def test_class_without_a_labelled_row_has_probability_zero():
    frame = table()
    clf = TextClassifier("only-l", max_epochs=2).fit(frame, classes=["spam", "ham", "other"])
    assert clf.classes_.tolist() == ["ham", "other", "spam"]
    assert_equal(session_of(clf), clf, frame)


# What words are made of: letters in which tools differ, and everything that UTF-8 can hold.
LETTERS = st.one_of(
    st.sampled_from("aAbB zZ_1.,'-\n\t\0\x1c\x85\xa0"),
    st.sampled_from("ΣσςΑαİıIſßẞÉéǅ\u0300\u0301\u00ad\u200d\u2028ﬁ①²中😀٣"),  # noqa: RUF001
    st.characters(exclude_categories=["Cs"]),
)
SETTINGS = [
    {},
    {"ngram_range": (1, 3), "stop_words": ["the", "win"]},
    {"ngram_range": (2, 2), "sublinear_tf": False},
    {"lowercase": False, "token_pattern": r"(?u)\b\w+\b"},
    {"strip_accents": "unicode"},
    {"strip_accents": "ascii", "stop_words": "english"},
    pytest.param({"strip_accents": "unicode", "lowercase": False}, marks=pytest.mark.slow),
]


@pytest.fixture(scope="module", params=SETTINGS, ids=str)
def odd_model(request):
    """A model whose words are those of odd texts, each of which has a weight of its own."""
    features = TextFeatures(min_df=1, **request.param)
    texts = [text for text in ODD_TEXTS if len(text) < 500] * 2 + TEXTS
    frame = pd.DataFrame({"text": texts, "label": [f"c{i % 3}" for i in range(len(texts))]})
    clf = TextClassifier("only-l", features=features, max_epochs=4).fit(frame)
    return clf, session_of(clf), st.sampled_from(clf.features_.parts_[0].vocabulary_)


@example(data=None)
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_texts_are_cut_into_the_same_words(odd_model, data):
    clf, session, words = odd_model
    if data is None:
        texts = [*ODD_TEXTS, "", "the win the"]
    else:
        piece = st.one_of(words, words.map(str.upper), st.text(LETTERS, max_size=8))
        texts = data.draw(st.lists(st.lists(piece, max_size=6).map(" ".join), max_size=5))
    if texts:
        assert_equal(session, clf, pd.DataFrame({"text": pd.Series(texts, dtype=object)}))


def test_number_too_large_has_no_label():
    clf = fitted(features="columns:price")
    label, p = session_of(clf).run(None, {"price": np.array([np.inf, 5.0, np.nan, 1e300])})
    assert (label == "").tolist() == [True, False, False, True]
    assert np.isnan(p[[0, 3]]).all() and np.isfinite(p[1:3]).all()


def test_metadata_say_what_it_is(tmp_path):
    clf = fitted("amal", "tfidf+columns:price")
    clf.save(tmp_path / "m.safetensors")
    made = export_onnx(clf, tmp_path / "m.onnx", source=tmp_path / "m.safetensors")
    assert made.inputs == {"text": "tensor(string)", "price": "tensor(double)"}
    told = open_session((tmp_path / "m.onnx").read_bytes()).get_modelmeta().custom_metadata_map
    assert json.loads(told["classes"]) == ["ham", "spam"]
    assert json.loads(told["lfs"]) == ["win", "see"]
    assert len(told["model_sha256"]) == len(told["gold_sha256"]) == 64
    assert [one["kind"] for one in json.loads(told["features"])] == ["tfidf", "columns"]
    training = json.loads(told["training"])
    rows = clf.parts_.record.train
    assert training["train"] == {"rows": 36, "labelled": 27, "sha256": rows.sha256}
    assert training["hashed"] == ["text", "price", "label"] and training["files"] == []


def test_model_with_rules_is_refused_or_exported_without_them(tmp_path):
    clf = fitted("recommended:crossfit=3")
    clf.estimator_.exponent_ = 0.7
    with pytest.raises(InputError, match="inference=feature"):
        export_onnx(clf, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())
    export_onnx(clf, tmp_path / "m.onnx", without_votes=True)
    session = open_session((tmp_path / "m.onnx").read_bytes())
    assert session.get_modelmeta().custom_metadata_map["rules"] == "left out"
    _, p = session.run(None, {"text": table()["text"].to_numpy(dtype=object)})
    x = clf.features_.transform(table())
    np.testing.assert_allclose(p, clf.estimator_._predict_proba(x, None, 0.0), atol=TOLERANCE)
    clf.save(tmp_path / "m.safetensors")
    model, target = str(tmp_path / "m.safetensors"), str(tmp_path / "again.onnx")
    done = CliRunner().invoke(app, ["export", model, "--onnx", target, "--without-votes"])
    assert done.exit_code == 0 and "without the rules, and any score" in done.stderr


def test_file_that_is_there_stays_unless_asked(tmp_path):
    clf, target = fitted(), tmp_path / "m.onnx"
    target.write_bytes(b"kept")
    with pytest.raises(OutputExistsError, match="already exists"):
        export_onnx(clf, target)
    assert target.read_bytes() == b"kept"
    export_onnx(clf, target, overwrite=True)
    first = target.read_bytes()
    export_onnx(clf, target, overwrite=True)
    assert target.read_bytes() == first


def test_file_that_predicts_something_else_is_not_written(tmp_path, monkeypatch):
    clf = fitted()
    monkeypatch.setattr(onnx_check, "TOLERANCE", -1.0)
    with pytest.raises(InputError, match=r"would not predict .*row 0 .*nothing was written"):
        export_onnx(clf, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_missing_package_is_named(package, tmp_path, monkeypatch):
    clf = fitted()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf"'{package}'.*spear-amal\[onnx\]"):
        export_onnx(clf, tmp_path / "m.onnx")
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_exported_is_said(tmp_path):
    features = TextFeatures(min_df=1, token_pattern=r"[a-z]+")
    with pytest.raises(InputError, match=r"pattern '\[a-z\]\+' cannot be exported"):
        export_onnx(fitted(features=features), tmp_path / "m.onnx")
    frame = table().rename(columns={"price": "probabilities"})
    with pytest.raises(InputError, match="'probabilities' has the name of an output"):
        export_onnx(fitted(features="columns:probabilities", frame=frame), tmp_path / "m.onnx")
    with pytest.raises(InputError, match="wordllama"):
        clf = fitted()
        clf.features_ = TableFeatures.of_fitted(
            TableFeatures("encoder:wordllama").fit(table()).parts_, "text"
        )
        onnx_model(clf, {})
    assert not list(tmp_path.iterdir())


def test_command_writes_a_file_and_says_how_it_was_checked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    fitted().save("model.safetensors")
    table().to_csv("data.csv", index=False)
    command = ["export", "model.safetensors", "--onnx", "m.onnx", "--data", "data.csv"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    assert "inputs: text (tensor(string))" in first.stdout
    assert re.search(r"Checked on \d+ rows: probabilities differ .* at most", first.stdout)
    again = CliRunner().invoke(app, command)
    assert again.exit_code == 2 and "already exists" in again.stderr
    told = json.loads(CliRunner().invoke(app, [*command, "--force", "--json"]).stdout)
    assert told["onnx"]["bytes"] == (tmp_path / "m.onnx").stat().st_size


def test_half_of_a_character_is_left_out_of_the_check_and_refused_in_a_class(tmp_path):
    rows = pd.DataFrame({"text": pd.Series(["win \ud800", "see"], dtype=object)})
    made = export_onnx(fitted(), tmp_path / "m.onnx", rows=rows)
    without = export_onnx(fitted(), tmp_path / "m.onnx", overwrite=True)
    assert made.n_checked == without.n_checked + 1
    clf = fitted()
    clf.classes_ = np.array(["ham", "spam\ud800"])
    clf.class_names_ = clf.classes_.tolist()
    clf.names_of = lambda labels: clf.classes_.tolist()
    with pytest.raises(InputError, match="half of a character"):
        onnx_model(clf, {})


@pytest.mark.slow
@pytest.mark.parametrize("corpus", ["youtube", "sms", "plots", "imdb", "census", "mushroom"])
def test_file_predicts_real_rows_as_the_model(corpus):
    try:
        loaded = load_corpus(corpus, progress=False, offline=True)
    except DataUnavailableError as error:
        pytest.skip(str(error))
    frame = loaded.frame.assign(label=[loaded.classes[code] for code in loaded.frame["label"]])
    features = "tfidf"
    if loaded.features is not None:
        x = loaded.features if isinstance(loaded.features, np.ndarray) else None
        x = loaded.features.toarray() if x is None else x
        used = np.flatnonzero(np.ptp(x[:500], axis=0) > 0)[:40]
        names = [f"f{k}" for k in used]
        frame = frame.join(pd.DataFrame(x[:, used], index=frame.index, columns=names))
        features = f"columns:{','.join(names)}"
    clf = TextClassifier("only-l:crossfit=3", features=features, max_epochs=2).fit(frame[:1500])
    session = session_of(clf)
    for start in range(0, len(frame[:6000]), 500):
        assert_equal(session, clf, frame[start : start + 500])
