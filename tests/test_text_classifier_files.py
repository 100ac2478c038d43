"""A text classifier in one file: it comes back as it was, and says what the file is where not."""

import numpy as np
import pytest

from spear_amal import SpearClassifier, TextClassifier, TrainerConfig
from spear_amal.data import TextFeatures
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.votes.label_matrix import LabelMatrix

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
