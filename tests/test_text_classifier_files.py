"""A text classifier in one file: it comes back as it was, and says what the file is where not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal import SpearClassifier, TextClassifier, TrainerConfig
from spear_amal.data import TextFeatures
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.votes.label_matrix import LabelMatrix

OLD = (
    Path(__file__).parent / "estimators" / "data" / "text-model-before-text-classifier.safetensors"
)
TEXTS = [f"{'love' if i % 2 else 'war'} story number{i % 7}" for i in range(31)]


@pytest.fixture(scope="module")
def model():
    y = np.where(np.arange(31) < 13, np.arange(31) % 2, -1)
    votes = np.stack([np.where(np.arange(31) % 2, 1, -1), np.where(np.arange(31) % 3, -1, 0)], 1)
    matrix = LabelMatrix.from_dense(votes, lf_names=["love", "third"], classes=["war", "love"])
    features = TextFeatures(min_df=1).fit(TEXTS)
    # A character outside ASCII must come back as well.
    classes = ("wär", "love")
    estimator = SpearClassifier(trainer=TrainerConfig(max_epochs=2), inference="product")
    estimator.fit(features.transform(TEXTS), y, L=matrix)
    names = ("love", "third")
    made = TextClassifier.from_fitted(
        estimator, features, classes, text="body", id="key", lf_names=names, method="amal"
    )
    return made, matrix


def test_comes_back_as_it_was(model, tmp_path):
    kept, matrix = model
    kept.save(tmp_path / "m")
    back = TextClassifier.load(tmp_path / "m")
    names = ("class_names_", "text_column_", "label_column_", "id_column_", "lf_names_", "method")
    assert [getattr(back, n) for n in names] == [getattr(kept, n) for n in names]
    assert back.needs_votes == kept.needs_votes and back.val_score_ == kept.val_score_
    assert back.classes_.tolist() == ["love", "wär"]
    words = [made.features_.get_feature_names_out().tolist() for made in (back, kept)]
    assert words[0] == words[1]
    np.testing.assert_array_equal(
        back.predict_proba(TEXTS, matrix), kept.predict_proba(TEXTS, matrix)
    )


def test_columns_of_probabilities_follow_the_sorted_classes(model):
    kept, matrix = model
    x = kept.features_.transform(kept.rows_of(TEXTS))
    by_code = kept.estimator_.predict_proba(x, matrix)  # wär, love
    np.testing.assert_array_equal(kept.predict_proba(TEXTS, matrix), by_code[:, ::-1])


def test_rows_of_no_text_and_unknown_words(model):
    kept, matrix = model
    if not kept.needs_votes:
        assert kept.predict_proba([]).shape == (0, 2)
    p = kept.predict_proba(["", "nothing known"], matrix[:2])
    np.testing.assert_allclose(p.sum(1), 1)


def test_votes_of_other_lfs_are_refused(model):
    kept, matrix = model
    other = LabelMatrix.from_dense(matrix.to_dense(), lf_names=["third", "love"])
    with pytest.raises(InputError, match=r"trained with the LFs \['love', 'third'\]"):
        kept.predict_proba(TEXTS, other)


def test_existing_file_is_kept(model, tmp_path):
    (tmp_path / "m").write_text("old")
    with pytest.raises(OutputExistsError):
        model[0].save(tmp_path / "m")
    assert (tmp_path / "m").read_text() == "old"


def test_each_file_names_what_loads_it(model, tmp_path):
    model[0].estimator_.save(tmp_path / "estimator")
    with pytest.raises(FileFormatError, match=r"load it with spear_amal\.SpearClassifier\.load"):
        TextClassifier.load(tmp_path / "estimator")
    model[0].save(tmp_path / "m")
    with pytest.raises(FileFormatError, match=r"load it with spear_amal\.TextClassifier\.load"):
        SpearClassifier.load(tmp_path / "m")


def test_file_of_the_version_before_is_read_as_it_was(tmp_path):
    """Written at version 0.1.0 by the command that then was `train`; classes in code order."""
    model = TextClassifier.load(OLD)
    assert model.class_names_ == ("spam", "ham") and model.classes_.tolist() == ["ham", "spam"]
    assert (model.text_column_, model.lf_names_, model.method) == ("body", ("win", "hello"), "amal")
    p = model.predict_proba(["win now", "hello you", ""])
    said = [
        0.593790236335017,
        0.3366565186855372,
        0.42744717307638824,
    ]  # by the build that wrote it
    np.testing.assert_allclose(p[:, 1], said, rtol=1e-6)
    assert model.predict(["win now", "hello you"]).tolist() == ["spam", "ham"]
    model.save(tmp_path / "again")
    again = TextClassifier.load(tmp_path / "again")
    np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert again.class_names_ == model.class_names_
    with pytest.raises(FileFormatError, match=r"TextClassifier\.load"):
        SpearClassifier.load(OLD)


@pytest.fixture(scope="module")
def wide():
    """A model on words and columns, with ids of rows."""
    rows = np.arange(31)
    frame = pd.DataFrame(
        {
            "id": [f"ü{i}" for i in rows],
            "text": TEXTS,
            "label": np.where(rows < 13, np.where(rows % 2, "yes", "no"), None),
            "price": np.where(rows % 5, rows, np.nan),
            "shop": np.where(rows % 3, "a", "b"),
        }
    )
    features = "tfidf+columns:price,shop"
    return TextClassifier("only-l", features=features, max_epochs=2).fit(frame), frame


def test_every_kind_of_feature_comes_back(wide, tmp_path):
    kept, frame = wide
    kept.save(tmp_path / "m")
    back = TextClassifier.load(tmp_path / "m")
    np.testing.assert_array_equal(back.predict_proba(frame), kept.predict_proba(frame))
    names = ("method", "features", "metric", "max_epochs", "random_state")
    assert [getattr(back, n) for n in names] == [getattr(kept, n) for n in names]
    assert back.parts_.row_ids.tolist() == frame["id"].tolist()
    unseen = frame.assign(shop="never seen", price=None)
    np.testing.assert_array_equal(back.predict_proba(unseen), kept.predict_proba(unseen))
    with pytest.raises(InputError, match="no column 'shop'"):
        back.predict(frame.drop(columns="shop"))
    with pytest.raises(InputError, match=r"needs the columns \['price', 'shop'\]"):
        back.predict(["a text alone"])
    with pytest.raises(InputError, match=r"row 2 .* holds 'dear' in the column 'price'"):
        back.predict(frame.assign(price=[1, 2, "dear", *[3] * 28]))


def test_model_of_a_fit_again_after_loading(wide, tmp_path):
    kept, frame = wide
    kept.save(tmp_path / "m")
    again = TextClassifier.load(tmp_path / "m").fit(frame)
    np.testing.assert_array_equal(again.predict_proba(frame), kept.predict_proba(frame))


def test_same_fit_same_file(wide, tmp_path):
    kept, frame = wide
    kept.save(tmp_path / "a")
    other = TextClassifier("only-l", features="tfidf+columns:price,shop", max_epochs=2).fit(frame)
    other.save(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("place", [0.02, 0.3, 0.6, 0.97])
def test_damaged_files_are_refused(wide, tmp_path, place):
    path = tmp_path / "m"
    wide[0].save(path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 16
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match="damaged"):
        TextClassifier.load(path)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(FileFormatError, match="damaged"):
        TextClassifier.load(path)


def test_there_is_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no file"):
        TextClassifier.load(tmp_path / "m")
