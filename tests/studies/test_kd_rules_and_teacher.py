"""Rules and a teacher: the partitions of ``study``, honest teachers, whole rows."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from spear_amal.data import encoders
from spear_amal.errors import InputError
from spear_amal.estimators import DistilledClassifier
from spear_amal.studies import corpus_run, load_study, run_grid_study, run_study
from spear_amal.studies.corpus_run import corpus_split, load_setup
from spear_amal.studies.distillation import rules_and_teacher
from spear_amal.studies.distillation.text_teacher import text_teacher
from spear_amal.studies.split import HeldOutScorer
from spear_amal.studies.split_comparison import fit_method

STUDY = load_study("rules-and-teacher")
TINY = {"corpus": "synthetic", "max_epochs": 2}
QUICK = ["only-lv", "teacher", "amal", "kd", "kd-amal", "both", "both-amal", "both-crossfit"]


@pytest.fixture
def held(source, monkeypatch):
    """Let the study find the small corpus, under whatever name."""
    monkeypatch.setattr(corpus_run, "load_corpus_votes", lambda corpus, data_dir=None: source)
    load_setup.cache_clear()
    yield source
    load_setup.cache_clear()
    corpus_split.cache_clear()


@pytest.fixture
def setup(held):
    return load_setup("synthetic", None, None)


def results(rows):
    return rows.drop(columns="seconds").to_dict("records")


def test_rows_are_whole_and_those_of_study(held, tmp_path):
    path = tmp_path / "runs.json"
    rows = run_grid_study(STUDY, path, 2, methods=QUICK, **TINY)
    assert rows["error"].isna().all()
    stored = json.loads(path.read_text())["rows"]
    assert len(stored) == len(rows) == 2 * len(QUICK)
    assert set(rows["metric"]) == {"f1"}
    assert set(rows["features"]) == {"tfidf"}
    assert set(rows["labels"]) == {23}
    # What `study` says of a method on a partition is what this study says.
    known = run_study(held, ["only-lv", "amal"], 2, only=True, max_epochs=2)
    for method in ("only-lv", "amal"):
        ours = rows.set_index("method")["score"][method].tolist()
        assert ours == known[known["method"] == method]["score"].tolist()
    weights = rows.set_index("method")["mean_weights"]
    assert {"gold", "consensus", "agreement", "teacher"} <= set(weights["both-amal"].iloc[0])
    assert set(weights["kd-amal"].iloc[0]) == {"label", "teacher"}


def test_a_killed_study_goes_on_where_it_was(held, tmp_path):
    chosen = {"methods": ["teacher", "kd", "both"], **TINY}
    whole = run_grid_study(STUDY, tmp_path / "whole.json", 2, **chosen)
    ran = []

    def killed(spec, folder):
        if len(ran) == 4:
            raise KeyboardInterrupt
        ran.append(spec.method)
        return STUDY.run(spec, folder)

    path = tmp_path / "killed.json"
    with pytest.raises(KeyboardInterrupt):
        run_grid_study(dataclasses.replace(STUDY, run=killed), path, 2, **chosen)
    assert results(run_grid_study(STUDY, path, 2, **chosen)) == results(whole)


def test_test_labels_reach_scores_only(held, tmp_path, monkeypatch):
    chosen = {"methods": ["teacher", "kd", "both-amal"], **TINY}
    clean = run_grid_study(STUDY, tmp_path / "clean.json", 2, **chosen)

    def poisoned(self, x, y, *others, start=HeldOutScorer.__init__):
        start(self, x, 1 - np.asarray(y), *others)

    monkeypatch.setattr(HeldOutScorer, "__init__", poisoned)
    corpus_split.cache_clear()
    rows = run_grid_study(STUDY, tmp_path / "poisoned.json", 2, **chosen)
    assert rows["val_score"].tolist() == clean["val_score"].tolist()
    told = rows["mean_weights"].dropna().tolist()
    assert told == clean["mean_weights"].dropna().tolist()
    np.testing.assert_allclose(rows["accuracy"], 1 - clean["accuracy"])


def test_weight_lr_reaches_every_amal_and_no_other(held, monkeypatch):
    seen = {}

    def watched(spec, task, seed, **settings):
        model, seconds = fit_method(spec, task, seed, **settings)
        seen["amal"] = model._new_mixer()
        return model, seconds

    class Watched(DistilledClassifier):
        def fit(self, X, y, **given):
            seen[self.mixer, "L" in given] = self._new_mixer()
            return super().fit(X, y, **given)

    monkeypatch.setattr(rules_and_teacher, "fit_method", watched)
    monkeypatch.setattr(rules_and_teacher, "DistilledClassifier", Watched)
    for spec in STUDY.run_specs([1], weight_lr=17.0, **TINY):
        if spec.method in ("amal", "kd", "kd-amal", "both-amal"):
            STUDY.run(spec, "")
    assert not hasattr(seen.pop(("kd", False)), "weight_lr")
    assert {key: mixer.weight_lr for key, mixer in seen.items()} == {
        "amal": 17.0,
        ("amal", False): 17.0,
        ("amal", True): 17.0,
    }


def test_a_teacher_learns_from_gold_of_l_alone(setup, monkeypatch):
    fitted = []

    class Watched(LogisticRegression):
        def fit(self, x, y):
            fitted.append((x, y))
            return super().fit(x, y)

    monkeypatch.setattr("spear_amal.studies.distillation.text_teacher.LogisticRegression", Watched)
    told = text_teacher(setup, 0, "same-gold", "")
    task, _ = corpus_split(setup, 0)
    np.testing.assert_array_equal(told.split.train_rows, task.train_rows)
    np.testing.assert_array_equal(told.split.y_train, task.y_train)
    gold = task.y_train >= 0
    whole, *parts = fitted
    np.testing.assert_array_equal(whole[0].toarray(), told.split.x_train[gold].toarray())
    np.testing.assert_array_equal(whole[1], task.y_train[gold])
    assert len(parts) == 5
    assert sum(len(y) for _, y in parts) == 4 * task.n_labelled
    assert told.p_train.shape == (len(task.y_train), 2)
    assert told.p_val.shape == (len(task.y_val), 2)


def test_a_teacher_does_not_echo_the_labels_of_l(setup):
    """On rows of L it answers by models that were fitted on the other rows."""
    told = text_teacher(setup, 0, "same-gold", "")
    gold = told.split.y_train >= 0
    x, y = told.split.x_train[gold], told.split.y_train[gold]
    echoed = told.estimator.predict_proba(x)[np.arange(len(y)), y]
    honest = told.p_train[gold][np.arange(len(y)), y]
    assert honest.mean() < echoed.mean()
    np.testing.assert_allclose(
        told.p_train[~gold], told.estimator.predict_proba(told.split.x_train[~gold]), atol=1e-6
    )


def test_the_encoder_teacher_reads_vectors(setup, monkeypatch):
    def lengths(texts):
        return [[len(text), text.count("e"), 1.0] for text in texts]

    made = encoders.TextEncoder(lengths, normalize=False)
    monkeypatch.setattr("spear_amal.studies.features.make_features", lambda name, progress: made)
    told = text_teacher(setup, 1, "encoder", "lengths")
    assert told.split.x_train.shape[1] == 3
    assert told.estimator.n_features_in_ == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"teacher": "oracle"}, "teacher must be one of same-gold, encoder"),
        ({"corpora": "sms"}, "no option 'corpora'; did you mean 'corpus'"),
    ],
)
def test_options_that_cannot_be_are_refused(held, options, message):
    with pytest.raises(InputError, match=message):
        STUDY.run_specs([0], **options)


def test_a_corpus_that_is_not_there_is_named(monkeypatch):
    load_setup.cache_clear()
    with pytest.raises(InputError, match="'plotz' is neither a corpus nor a folder"):
        STUDY.run_specs([0], corpus="plotz")
