import dataclasses
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

import spear_amal
from spear_amal.errors import FileFormatError, InputError
from spear_amal.estimators import GoldClassifier, SpearClassifier
from spear_amal.mixers import Amal
from spear_amal.package_build import package_build
from spear_amal.report.study_report import study_tables
from spear_amal.studies import (
    METHODS,
    CorpusVotes,
    Method,
    corpus_study,
    parse_method,
    read_study,
    register_method,
    run_study,
    study_methods,
)
from spear_amal.studies.corpus_run import corpus_split, make_setup
from spear_amal.studies.corpus_study import ALWAYS
from spear_amal.studies.results_file import StudyFile
from spear_amal.votes.label_matrix import LabelMatrix

NAMES = ["only-l", "majority", "spear"]
QUICK = {"max_epochs": 2}
COMPARED = ["method", "seed", "score", "val_score", "nll", "ece"]
KEYS = {
    *("corpus", "method", "title", "seed", "metric", "score", "val_score", "seconds"),
    *(
        "labels",
        "n_validation",
        "n_unlabelled",
        "n_test",
        "features",
        "protocol",
        "config",
        "given",
    ),
    *("accuracy", "f1", "macro-f1", "nll", "ece", "dedup", "n_test_dedup", "error", "warnings"),
    *("build", "path"),
}


class Broken(GoldClassifier):
    """Fails in training on seed 1."""

    def fit(self, *rows, **more):
        warnings.warn("feels unwell", UserWarning, stacklevel=2)
        if self.random_state == 1:
            raise ArithmeticError("the matrix is singular")
        return super().fit(*rows, **more)


def stored(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def whole(source):
    """An uninterrupted study of two seeds."""
    return run_study(source, NAMES, 2, only=True, **QUICK)


def test_row_holds_what_the_contract_names(source, tmp_path):
    path = tmp_path / "a.json"
    frame = run_study(source, ["majority"], [5, 6], n_labelled=13, output=path, **QUICK)
    content = stored(path)
    assert content["format"] == 1 and content["tuning"] == []
    assert [row["method"] for row in content["rows"]] == list(
        np.repeat([*ALWAYS, "majority"], 2)  # seeds of a method are trained together
    )
    assert sorted(frame["method"]) == sorted(2 * [*ALWAYS, "majority"])
    for row in content["rows"]:
        assert set(row) == KEYS and row["error"] is None
        assert (row["corpus"], row["labels"]) == ("generated", 13) and row["seed"] in (5, 6)
        assert (row["n_validation"], row["n_unlabelled"], row["n_test"]) == (13, 124, 61)
        assert row["score"] == row["f1"] and row["metric"] == "f1"
        assert row["n_test_dedup"] == 61 and row["dedup"]["f1"] == row["f1"]
        assert row["config"]["settings"] == QUICK and row["config"]["placebo"] is False
        assert row["build"].startswith(spear_amal.__version__) and row["path"]
    assert content["rows"][-1]["config"]["options"]["label_model"] == "majority"


def test_interrupted_study_goes_on_to_the_same_scores(source, whole, tmp_path, monkeypatch):
    path, run, calls = tmp_path / "a.json", corpus_study.run_method, []

    def stop_in_the_second_method(*unit):
        calls.append(unit)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return run(*unit)

    monkeypatch.setattr(corpus_study, "run_method", stop_in_the_second_method)
    with pytest.raises(KeyboardInterrupt):
        run_study(source, NAMES, 2, output=path, only=True, **QUICK)
    assert len(stored(path)["rows"]) == 2  # the seeds of the first one
    told = []
    resumed = run_study(
        source, NAMES, 2, output=path, only=True, progress=lambda *said: told.append(said), **QUICK
    )
    assert len(calls) == 4 + 4 and told[0] == (2, 6, "") and told[-1][:2] == (6, 6)
    assert resumed[COMPARED].equals(whole[COMPARED])
    again = run_study(source, NAMES, 2, output=path, only=True, **QUICK)
    assert len(calls) == 8 and again[COMPARED].equals(whole[COMPARED])


KILLED = """
import os, signal, sys
sys.path.insert(0, sys.argv[2])
from conftest import small_source
from spear_amal.studies import run_study

def die(done, total, what):
    if done == 2:
        os.kill(os.getpid(), signal.SIGKILL)

run_study(small_source(), {names}, 2, output=sys.argv[1], only=True, progress=die, max_epochs=2)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_study_goes_on_to_the_same_scores(source, whole, tmp_path):
    path = tmp_path / "a.json"
    code = KILLED.format(names=NAMES)
    command = [sys.executable, "-c", code, str(path), str(Path(__file__).parent)]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(stored(path)["rows"]) == 2
    resumed = run_study(source, NAMES, 2, output=path, only=True, **QUICK)
    assert resumed[COMPARED].equals(whole[COMPARED])
    assert [one.name for one in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.slow
def test_processes_change_nothing_but_the_order_in_the_file(source, whole, tmp_path):
    path = tmp_path / "a.json"
    parallel = run_study(source, NAMES, 2, output=path, only=True, jobs=2, **QUICK)
    assert parallel[COMPARED].equals(whole[COMPARED])
    assert len(stored(path)["rows"]) == 6


def test_other_settings_are_other_runs(source, tmp_path):
    path = tmp_path / "a.json"
    for labels, epochs in ((13, 1), (13, 2), (11, 1)):
        run_study(
            source, ["only-l"], 2, n_labelled=labels, output=path, only=True, max_epochs=epochs
        )
    assert len(stored(path)["rows"]) == 6


def test_failed_run_leaves_the_others_and_is_tried_again(source, methods, tmp_path, monkeypatch):
    register_method(Method("broken", "Broken", Broken, uses_votes=False))
    path = tmp_path / "a.json"
    frame = run_study(source, ["broken", "only-l"], 2, output=path, only=True, **QUICK)
    assert frame["error"].notna().tolist() == [False, True, False, False]
    failed = stored(path)["rows"][1]
    assert failed["error"] == "ArithmeticError: the matrix is singular"
    assert failed["score"] is None and failed["labels"] == 23
    assert [row["warnings"] for row in stored(path)["rows"]] == [
        ["feels unwell"],
        ["feels unwell"],
        [],
        [],
    ]
    monkeypatch.setattr(Broken, "fit", GoldClassifier.fit)
    mended = run_study(source, ["broken", "only-l"], 2, output=path, only=True, **QUICK)
    assert mended["error"].isna().all() and len(stored(path)["rows"]) == 4


def test_only_the_ceiling_gets_gold_of_unlabelled_rows(source):
    setup = make_setup(source)
    task, _ = corpus_split(setup, 7)
    ceiling, _ = corpus_split(setup, 7, supervised=True)
    assert task.n_labelled == 23 and task.n_unlabelled == 104
    assert np.array_equal(ceiling.y_train, source.corpus.labels[task.train_rows])
    known = task.y_train >= 0
    assert np.array_equal(task.y_train[known], ceiling.y_train[known])


def test_placebo_moves_votes_and_is_stored(source):
    real, placebo = (corpus_split(make_setup(source, placebo=on), 0)[0] for on in (False, True))
    assert (real.votes_train.to_dense() != placebo.votes_train.to_dense()).any()
    assert np.array_equal(real.y_train, placebo.y_train)
    frame = run_study(source, ["majority"], 2, only=True, placebo=True, **QUICK)
    assert frame["config"][0]["placebo"] is True


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"methods": ["ammal"]}, "did you mean 'amal'"),
        ({"methods": ["spear:crosfit=3"]}, "did you mean crossfit"),
        ({"methods": "spear"}, "must be a list"),
        ({"seeds": 0}, "at least two seeds, found 0"),
        ({"seeds": 1}, "at least two seeds, found 1"),
        ({"seeds": [7]}, "at least two seeds, found 1"),
        ({"seeds": [1, 1]}, "different whole numbers"),
        ({"seeds": [-1]}, "whole number of at least 0"),
        ({"n_labelled": 76}, "takes 76 rows for L and 76 for V.* has 150 rows; choose 1 to 75"),
        ({"n_labelled": 0}, "choose 1 to 75"),
        ({"n_labelled": 1}, "fewer than the 2 classes"),
        ({"protocol": "fixed"}, "protocol must be one of"),
        ({"protocol": "published"}, 'needs a corpus with a part "labelled"'),
        ({"protocol": "published", "n_labelled": 5}, "leave out --n-labelled"),
        ({"features": "published"}, "no published features"),
        ({"features": "bert"}, "features must be"),
        ({"features": "file:gone.npy"}, "no file of features gone.npy"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"max_epoch": 3}, "has the setting 'max_epoch'"),
        ({"max_epochs": 0}, "'only-l' cannot be run with.*max_epochs"),
        ({"metric": "f1"}, "metric cannot be set"),
        ({"methods": [METHODS["spear"]]}, "a method is a text"),
    ],
)
def test_bad_input_is_told_before_anything_is_written(source, tmp_path, change, message):
    path = tmp_path / "a.json"
    given = {"methods": ["only-l"], "seeds": 2, "output": path, **change}
    with pytest.raises(InputError, match=message):
        run_study(source, **given)
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    ["my notes", '{"format": 1}', '{"format": 9, "rows": []}', '{"format": 1, "rows": [{}]}', "[]"],
)
def test_foreign_file_is_refused_and_kept(source, tmp_path, content):
    path = tmp_path / "a.json"
    path.write_text(content)
    with pytest.raises(FileFormatError, match=r"a\.json"):
        run_study(source, ["only-l"], 2, output=path)
    assert path.read_text() == content


def test_votes_of_silent_rules_are_told_before_anything_is_written(source, tmp_path):
    corpus, path = source.corpus, tmp_path / "a.json"
    nothing = LabelMatrix.from_dense(np.full((len(corpus), 3), -1), classes=corpus.classes)
    silent = CorpusVotes(corpus, nothing, "silence")
    with pytest.raises(InputError, match=r"no LF votes on any row.*silence"):
        run_study(silent, ["spear"], 2, output=path, **QUICK)
    assert not path.exists()
    assert run_study(silent, ["only-l"], 2, only=True, **QUICK)["error"].isna().all()


def test_objects_with_other_settings_are_other_runs(source, methods, tmp_path):
    path, epochs = tmp_path / "a.json", {"max_epochs": 1}
    for mixer in (Amal(weight_lr=3.0), Amal(weight_lr=5.0), Amal(weight_lr=3.0)):
        methods.pop("mine", None)
        register_method(Method("mine", "Mine", SpearClassifier, {"mixer": mixer}))
        run_study(source, ["mine"], 2, output=path, only=True, **epochs)
    for guide in (0.7, 0.8):
        guides = np.full(7, guide)
        run_study(source, ["spear"], 2, output=path, only=True, quality_guides=guides, **epochs)
    held = [row["config"] for row in stored(path)["rows"]]
    assert [one["options"]["mixer"]["weight_lr"] for one in held[:4:2]] == [3.0, 5.0]
    assert [one["settings"]["quality_guides"] for one in held[4::2]] == [[0.7] * 7, [0.8] * 7]


def test_another_metric_or_size_of_v_is_another_run(source, tmp_path):
    path = tmp_path / "a.json"
    for change in ({}, {"n_validation": 29}, {"metric": "f1"}, {"metric": "accuracy"}, {}):
        corpus = dataclasses.replace(source.corpus, **change)
        changed = dataclasses.replace(source, corpus=corpus)
        run_study(changed, ["only-l"], 2, output=path, only=True, **QUICK)
    held = [(row["metric"], row["n_validation"]) for row in stored(path)["rows"]]
    own = source.corpus.metric
    assert own in ("f1", "accuracy") and len(held) == 6 and (own, 29) in held
    tables = list(study_tables(read_study(path)))
    assert sum("as many validation rows" in title for title, _, _ in tables) == 2
    assert sum("29 validation rows" in study for _, study, _ in tables) == 1
    assert sorted(study.partition("scored by ")[2] for _, study, _ in tables) == [
        "",
        "accuracy",
        "f1",
    ]


def test_exemplars_of_another_source_are_not_taken_for_these(source):
    given = sp.csr_array(np.eye(len(source.corpus), 7, dtype=bool))
    without, with_them = (
        corpus_split(make_setup(one), 0)[0].exemplars
        for one in (source, dataclasses.replace(source, exemplars=given))
    )
    assert without is None and with_them is not None


def test_two_studies_may_write_one_file(tmp_path, whole):
    path = tmp_path / "a.json"
    rows = whole.to_dict(orient="records")
    one, two = StudyFile(path), StudyFile(path)
    one.add(rows[0])
    two.add(rows[1])
    one.add(rows[2])
    assert [row["method"] for row in stored(path)["rows"]] == [row["method"] for row in rows[:3]]
    assert StudyFile(path).rows == one.rows


def test_methods_stand_once_in_the_order_given():
    specs = study_methods(["spear", parse_method("only-lv"), "spear"])
    assert [spec.text for spec in specs] == [*ALWAYS, "spear"]


def test_rows_say_how_they_were_trained(source):
    frame = run_study(source, ["only-l", "only-lv:crossfit=3", "l2r"], 2, only=True, **QUICK)
    paths = frame.groupby("method", sort=False)["path"].agg(list).to_dict()
    assert paths == {
        "only-l": 2 * ["lock step of 2"],
        "only-lv:crossfit=3": 2 * ["lock step of 6"],
        "l2r": 2 * ["alone"],
    }
    assert (frame["build"] == package_build()).all()
