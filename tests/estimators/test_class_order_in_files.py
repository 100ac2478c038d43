"""A model with its texts, in one file: columns by name, whatever order the votes have."""

import numpy as np
import pytest

from spear_amal import GoldClassifier, LabelMatrix, SpearClassifier, TextClassifier, TrainerConfig
from spear_amal.data import TextFeatures

VOTED = ("romance", "drama", "action")
WORDS = {"romance": "love wedding heart", "drama": "tears family loss", "action": "gun car chase"}
T = TrainerConfig(max_epochs=15, lr=0.05)


@pytest.fixture(scope="module")
def texts():
    rng = np.random.default_rng(0)
    names = np.array(sorted(WORDS))[rng.integers(0, 3, 90)]
    return [" ".join(rng.choice(WORDS[name].split(), 3)) for name in names], names


@pytest.mark.parametrize("coded", [True, False])
@pytest.mark.parametrize("kind", [SpearClassifier, GoldClassifier])
def test_columns_of_a_stored_text_model_go_by_its_classes(texts, kind, coded, tmp_path):
    """Estimators are trained on codes (`train`) or on names (`distill`); the answer is the same."""
    lines, names = texts
    codes = np.array([VOTED.index(name) for name in names])
    rng = np.random.default_rng(1)
    V = np.where(rng.random((90, 3)) < 0.6, codes[:, None], -1)
    L = LabelMatrix.from_dense(V, classes=VOTED, lf_names=["a", "b", "c"])
    features = TextFeatures(min_df=1).fit(lines)
    y = codes if coded else names
    estimator = kind(trainer=T).fit(features.transform(lines), y, L=L)
    assert estimator.classes_.tolist() == ([0, 1, 2] if coded else sorted(VOTED))
    model = TextClassifier.from_fitted(estimator, features, VOTED, lf_names=("a", "b", "c"))
    model.save(tmp_path / "model.safetensors")
    loaded = TextClassifier.load(tmp_path / "model.safetensors")
    said = loaded.classes_[loaded.predict_proba(lines).argmax(1)]
    assert loaded.class_names_ == VOTED
    assert np.mean(np.array(said) == names) > 0.95
