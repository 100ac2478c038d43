import numpy as np
import pytest

from spear_amal import TrainerConfig
from spear_amal.data import TextFeatures
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.estimators import SpearClassifier
from spear_amal.pipeline import TextModel
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
    return TextModel(estimator, features, classes, "body", ("love", "third"), "amal"), matrix


def test_comes_back_as_it_was(model, tmp_path):
    held, matrix = model
    held.save(tmp_path / "m")
    back = TextModel.load(tmp_path / "m")
    names = ("classes", "text_column", "lf_names", "method", "needs_votes")
    assert [getattr(back, n) for n in names] == [getattr(held, n) for n in names]
    assert back.features.vocabulary_ == held.features.vocabulary_
    np.testing.assert_array_equal(
        back.predict_proba(TEXTS, matrix), held.predict_proba(TEXTS, matrix)
    )


def test_rows_of_no_text_and_unknown_words(model):
    held, _ = model
    if not held.needs_votes:
        assert held.predict_proba([]).shape == (0, 2)
    p = held.predict_proba(["", "nothing known"], model[1][:2])
    np.testing.assert_allclose(p.sum(1), 1)


def test_votes_of_other_lfs_are_refused(model):
    held, matrix = model
    other = LabelMatrix.from_dense(matrix.to_dense(), lf_names=["third", "love"])
    with pytest.raises(InputError, match=r"trained with the LFs \['love', 'third'\]"):
        held.predict_proba(TEXTS, other)


def test_existing_file_is_kept(model, tmp_path):
    (tmp_path / "m").write_text("old")
    with pytest.raises(OutputExistsError):
        model[0].save(tmp_path / "m")
    assert (tmp_path / "m").read_text() == "old"


def test_estimator_alone_is_no_text_model(model, tmp_path):
    model[0].estimator.save(tmp_path / "m")
    with pytest.raises(FileFormatError, match="train again"):
        TextModel.load(tmp_path / "m")


def test_text_model_is_an_estimator_file_too(model, tmp_path):
    model[0].save(tmp_path / "m")
    back = SpearClassifier.load(tmp_path / "m")
    x = model[0].features.transform(TEXTS)
    np.testing.assert_array_equal(
        back.predict_proba(x, model[1]), model[0].estimator.predict_proba(x, model[1])
    )
