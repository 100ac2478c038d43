"""The public comparison: frames, arrays, test tables; the same training as TextClassifier's."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spear_amal import Comparison, TextClassifier
from spear_amal.errors import InputError
from spear_amal.labeling import keyword_lf

LFS = [keyword_lf("prize", ["prize"], "spam"), keyword_lf("lunch", ["lunch"], "ham")]


def messages(n=61, seed=0, n_gold=31):
    rng = np.random.default_rng(seed)
    spam = rng.random(n) < 0.4
    words = np.where(spam[:, None], ["prize", "winner", "call"], ["lunch", "home", "see"])
    texts = [
        " ".join([*rng.permutation(row)[:2], f"word{rng.integers(9)}", f"number{i}x{seed}"])
        for i, row in enumerate(words)
    ]
    labels = np.where(spam, "spam", "ham").astype(object)
    labels[n_gold:] = None
    ids = [f"m-{i}" for i in range(n)]
    return pd.DataFrame({"id": ids, "text": texts, "label": labels})


@pytest.fixture(scope="module")
def fitted():
    comparison = Comparison(methods=["majority", "amal:crossfit=2"], folds=3, max_epochs=3)
    return comparison.fit(messages(), lfs=LFS, id="id")


def test_every_gold_row_is_predicted_once_a_repeat_by_every_method(fitted):
    assert fitted.table_["method"].tolist() == [
        "only-lv:crossfit=2",
        "majority",
        "amal:crossfit=2",
    ]
    gold = messages().iloc[:31].set_index("id")["label"]
    for _, rows in fitted.scores_.groupby(["method", "repeat"]):
        assert sorted(rows["row"]) == sorted(gold.index)
        assert (rows["gold"].to_numpy() == gold[rows["row"]].to_numpy()).all()
    assert fitted.scores_["repeat"].nunique() == 2
    right = fitted.scores_["gold"] == fitted.scores_["predicted"]
    for row in fitted.table_.itertuples():
        assert right[fitted.scores_["method"] == row.method].mean() == pytest.approx(row.score)
        assert 0 <= row.low <= row.score <= row.high <= 1
    assert fitted.verdict_.split()[0] in ("The", "Too")
    assert fitted.notes_[0].startswith(
        "Each of the 31 labelled rows was scored only by models that never saw it: 3 folds, 2 times"
    )


def test_recall_by_class_is_that_of_the_predictions(fitted):
    spam = fitted.scores_[fitted.scores_["gold"] == "spam"]
    for row in fitted.per_class_[fitted.per_class_["class"] == "spam"].itertuples():
        predicted = spam.loc[spam["method"] == row.method, "predicted"]
        assert row.recall == pytest.approx((predicted == "spam").mean())


def test_a_notebook_shows_table_and_verdict(fitted):
    page = fitted._repr_html_()
    assert fitted.verdict_ in page and "Gold alone, 2 folds" in page and "<table" in page
    assert "Comparison(" in Comparison()._repr_html_()


@pytest.mark.parametrize("method", ["amal:crossfit=2", "only-lv", "majority"])
def test_a_fold_is_trained_as_a_text_classifier_on_the_rows_left(method):
    frame = messages()
    comparison = Comparison(methods=[method], folds=3, repeats=1, max_epochs=3)
    scores = comparison.fit(frame, lfs=LFS, id="id").scores_
    held_out = scores[(scores["method"] == method) & (scores["fold"] == 1)]
    rest = frame[~frame["id"].isin(held_out["row"])]
    classifier = TextClassifier(method, max_epochs=3).fit(rest, lfs=LFS, id="id")
    rows = frame.set_index("id").loc[held_out["row"]].reset_index()
    p = classifier.predict_proba(rows, lfs=LFS)
    assert classifier.classes_[p.argmax(1)].tolist() == held_out["predicted"].tolist()
    np.testing.assert_allclose(p.max(1), held_out["confidence"], atol=6e-4)


def test_a_test_table_is_scored_by_models_of_all_gold_rows():
    test = messages(29, seed=5, n_gold=29)
    comparison = Comparison(methods=["spear"], repeats=1, max_epochs=3)
    comparison.fit(messages(), lfs=LFS, test=test, id="id")
    scores = comparison.scores_[comparison.scores_["method"] == "spear"]
    classifier = TextClassifier("spear", max_epochs=3).fit(messages(), lfs=LFS, id="id")
    assert scores["row"].tolist() == test["id"].tolist()
    assert scores["predicted"].tolist() == classifier.predict(test, lfs=LFS).tolist()


def test_arrays_with_groups():
    rng = np.random.default_rng(3)
    x = np.concatenate([rng.normal(-1, 1, (40, 3)), rng.normal(1, 1, (40, 3))])
    y = np.where(np.arange(80) % 2, np.repeat([0, 1], 40), -1)
    L = np.where(x[:, :1] > 0.5, 1, -1)
    groups = np.arange(80) // 4
    comparison = Comparison(methods=["spear"], folds=4, repeats=1, max_epochs=3)
    scores = comparison.fit(x, y, L, groups=groups).scores_
    assert scores["row"].nunique() == 40
    folds = scores.groupby(groups[scores["row"].to_numpy()])["fold"].nunique()
    assert (folds == 1).all()
    with pytest.raises(InputError, match="groups has 3 rows, the features have 80"):
        comparison.fit(x, y, L, groups=[1, 2, 3])


def test_what_cannot_be_compared():
    with pytest.raises(InputError, match="gold rows of two classes at least"):
        frame = messages()
        frame.loc[(frame["label"] == "spam").cumsum() > 1, "label"] = None
        frame.loc[:20, "label"] = frame.loc[:20, "label"].fillna("ham")
        Comparison(methods=["spear"], folds=2, max_epochs=1).fit(frame, lfs=LFS)
    with pytest.raises(InputError, match="unknown method"):
        Comparison(methods=["amol"]).fit(messages(), lfs=LFS)


def test_arguments_of_the_other_form_are_refused():
    x, y = np.eye(6), np.arange(6) % 2
    with pytest.raises(InputError, match="test cannot be used with arrays"):
        Comparison().fit(x, y, test=messages(5))
    with pytest.raises(InputError, match="L, groups cannot be used with a table"):
        Comparison().fit(messages(), lfs=LFS, L=np.zeros((61, 1)), groups=np.arange(61))
