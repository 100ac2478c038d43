"""Where AMAL keeps its weights changes nothing but the room they take."""

from pathlib import Path

import numpy as np
import pytest

from spear_amal import RuleModelConfig, SpearClassifier, TrainerConfig
from spear_amal.data import load_corpus, synthetic_votes
from spear_amal.errors import DataUnavailableError
from spear_amal.labeling import PandasLFApplier, load_lfs
from spear_amal.studies import make_split

LFS = Path(__file__).parents[2] / "labeling_functions" / "youtube.py"


@pytest.mark.parametrize("final", ["refit", "crossfit-weights"])
def test_weights_on_disk_are_those_in_memory(tmp_path, final):
    votes, gold = synthetic_votes(151, 5, accuracies=0.8, coverages=0.5, seed=0)
    x = np.random.default_rng(0).normal(size=(151, 7)) + gold[:, None]
    y = np.where(np.arange(151) < 40, gold, -1)

    def fitted(**options):
        model = SpearClassifier(
            mixer_options=options,
            fit_strategy=final,
            n_folds=2,
            trainer=TrainerConfig(max_epochs=5),
            rule_model=RuleModelConfig(guard=False),
        )
        return model.fit(x, y, L=votes)

    plain, on_disk = fitted(), fitted(table_path=str(tmp_path))
    np.testing.assert_array_equal(plain.predict_proba(x), on_disk.predict_proba(x))
    np.testing.assert_array_equal(plain.weights_.to_numpy(), on_disk.weights_.to_numpy())
    on_disk.save(tmp_path / "model.safetensors")
    again = SpearClassifier.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(x), plain.predict_proba(x))


def test_half_precision_trains_the_same_classifier_on_real_comments():
    try:
        corpus = load_corpus("youtube", offline=True)
    except DataUnavailableError as error:
        pytest.skip(f"corpus youtube is not at hand: {error}")
    lfs = load_lfs(LFS).lfs
    votes = PandasLFApplier(lfs, corpus.classes).apply(corpus.frame, progress_bar=False)
    task, _ = make_split(corpus, votes, seed=0)
    fitted = {}
    for dtype in ("float32", "float16"):
        options = {"table_dtype": dtype, "warmup": 0, "refresh_every": 1}
        model = SpearClassifier(
            mixer_options=options,
            rule_model=RuleModelConfig(guard=False),
            trainer=TrainerConfig(max_epochs=6),
        )
        fitted[dtype] = model.fit(
            task.x_train,
            task.y_train,
            L=task.votes_train,
            X_val=task.x_val,
            y_val=task.y_val,
            L_val=task.votes_val,
        )
    single, half = fitted["float32"], fitted["float16"]
    apart = np.abs(single.weights_ - half.weights_).to_numpy()
    assert 0 < np.nanmax(apart) < 3e-3
    assert np.nanmean(apart) < 2e-4
    p, q = (model.predict_proba(task.x_train) for model in (single, half))
    assert np.abs(p - q).max() < 1e-3
    assert (single.weights_.min() < 0.1).any()  # weights were learnt
