"""Labels that fits, scores and files read, against fits on plain codes."""

from enum import Enum

import numpy as np
import pandas as pd
import pytest

from spear_amal import (
    GoldClassifier,
    LabelMatrix,
    LabelModelClassifier,
    SpearClassifier,
)
from spear_amal.errors import InputError

N = 90
Stars = Enum("Stars", {"FEW": 1, "MANY": 2, "MOST": 3})
KNOWN = np.arange(N) < 45


@pytest.fixture(scope="module")
def made():
    """Features, votes as an array of codes, and gold codes."""
    generator = np.random.default_rng(5)
    codes = generator.integers(0, 3, N)
    X = generator.normal(size=(N, 4)) + 2 * np.eye(3, 4)[codes]
    votes = np.where(generator.random((N, 5)) < 0.6, codes[:, None], -1)
    return X, votes, codes


def fitted(X, y, L, cls=SpearClassifier):
    return cls.from_options(max_epochs=3).fit(X, y, L=L)


KINDS = {
    "numbers": ([1, 2, 3], [1, 2, 3]),
    "Enum": (Stars, [1, 2, 3]),
    "members": (Stars, list(Stars)),
    "members' names": (Stars, ["FEW", "MANY", "MOST"]),
    "texts of numbers": (["1", "2", "3"], ["1", "2", "3"]),
    "numbers of texts": (["1", "2", "3"], [1, 2, 3]),
    "ids": ({"bad": 7, "good": 9, "fair": 8}, [7, 8, 9]),
    "names": (["a", "b", "c"], ["a", "b", "c"]),
    "codes": (["a", "b", "c"], [0, 1, 2]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", [SpearClassifier, LabelModelClassifier])
def test_gold_by_any_name_gives_the_fit_on_codes(made, kind, cls, tmp_path):
    X, votes, codes = made
    classes, labels = KINDS[kind]
    L = LabelMatrix.from_dense(votes, classes=classes)
    y = pd.Series([labels[k] for k in codes], dtype=object).where(KNOWN, None)
    plain = fitted(X, np.where(KNOWN, codes, -1), votes, cls)
    model = fitted(X, y, L, cls)
    shown = [one.name if isinstance(one, Enum) else one for one in labels]
    assert model.classes_.tolist() == shown
    np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))
    assert model.predict(X).tolist() == [shown[k] for k in plain.predict(X)]
    model.save(tmp_path / "model")
    for known in (model, cls.load(tmp_path / "model")):
        assert known.score(X, [labels[k] for k in codes]) == plain.score(X, codes)


def test_only_one_class_is_named_by_its_name(made):
    X, votes, codes = made
    y = np.where(codes == 0, 0, -1)
    L = LabelMatrix.from_dense(votes, classes=["ham", "spam", "eggs"])
    with pytest.raises(InputError, match=r"only one class \('ham'\)"):
        fitted(X, y, L)
    signs = np.where(codes == 1, 1, -1)
    with pytest.raises(InputError, match=r"only one class \('spam'\); -1 means unlabelled"):
        fitted(X, signs, L)
    with pytest.raises(InputError, match=r"only one class \(1\); -1 means unlabelled"):
        GoldClassifier().fit(X, signs)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (255, "is it -1 in an unsigned type"),
        (1_000_000, "an id or an amount"),
        (20240131, "is it a date"),
        (9, "if it is a class, make L with classes="),
    ],
)
def test_large_codes_are_asked_about(made, wrong, message):
    X, votes, codes = made
    y = np.where(KNOWN, codes, -1)
    y[3] = wrong
    with pytest.raises(InputError, match=f"holds the class {wrong} in row 3 .*{message}"):
        fitted(X, y, votes)
    with pytest.raises(InputError, match=f"holds {wrong} in row 3"):
        fitted(X, y, LabelMatrix.from_dense(votes, classes=["a", "b", "c"]))
    with pytest.raises(InputError, match="different labels on 300 labelled rows"):
        GoldClassifier().fit(np.zeros((300, 2)), np.arange(300) + wrong)


def test_labels_in_another_order_than_the_rows_are_refused(made):
    X, votes, codes = made
    frame = pd.DataFrame(X, columns=list("abcd"), index=[f"r{i}" for i in range(N)])
    y = pd.Series(np.where(KNOWN, codes, -1), index=frame.index)
    turned = y.sample(frac=1, random_state=0)
    model = GoldClassifier.from_options(max_epochs=2).fit(frame, y)
    for call in (
        lambda: GoldClassifier().fit(frame, turned),
        lambda: GoldClassifier().fit(frame, y, X_val=frame, y_val=turned.abs()),
        lambda: model.score(frame, turned),
        lambda: fitted(X, turned, LabelMatrix.from_dense(votes, row_ids=frame.index)),
    ):
        with pytest.raises(InputError, match="in another order"):
            call()
    by_position = GoldClassifier.from_options(max_epochs=2).fit(frame, y.reset_index(drop=True))
    np.testing.assert_array_equal(by_position.predict_proba(frame), model.predict_proba(frame))


def test_unlabelled_rows_without_votes(made):
    X, _, codes = made
    names = np.array(["ham", "spam", "eggs"], dtype=object)[codes]
    plain = GoldClassifier.from_options(max_epochs=2).fit(X, np.where(KNOWN, names, None))
    for missing in (np.nan, pd.NA, -1, "-1", ""):
        y = names.copy()
        y[~KNOWN] = missing
        model = GoldClassifier.from_options(max_epochs=2).fit(X, y)
        assert model.classes_.tolist() == ["eggs", "ham", "spam"]
        np.testing.assert_array_equal(model.predict_proba(X), plain.predict_proba(X))


def test_gold_in_parquet_shards(made, tmp_path):
    pytest.importorskip("pyarrow")
    from spear_amal.training import ParquetRows
    from spear_amal.votes.parquet import finish_votes, write_part

    X, votes, codes = made
    L = LabelMatrix.from_dense(votes, classes=Stars)
    part = write_part(tmp_path, 0, L)
    stored = finish_votes(tmp_path, [part], lf_names=L.lf_names, classes=L.classes)
    frame = pd.DataFrame({"x": X.astype(np.float32).tolist()})
    answers = []
    for labels in ([1, 2, 3], ["FEW", "MANY", "MOST"]):
        gold = pd.Series([labels[k] for k in codes]).where(KNOWN, None)
        frame.assign(y=gold).to_parquet(tmp_path / "rows.parquet")
        rows = ParquetRows(tmp_path / "rows.parquet", features="x", y="y")
        model = SpearClassifier.from_options(max_epochs=2).fit_parquet(rows, stored)
        answers.append(model.predict_proba(X))
        assert model.classes_.tolist() == labels
    np.testing.assert_array_equal(*answers)
