"""What train and compare say while they run, and of every row: --events and --row-outputs."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from spear_amal import TextClassifier
from spear_amal.data import read_table
from spear_amal.estimators import GoldClassifier
from spear_amal.estimators.together import fit_together
from spear_amal.row_outputs import read_row_outputs
from spear_amal.training.run import TrainingRun
from spear_amal.training.watching import watched_by

QUICK = ("--max-epochs", 3, "--force")


def events(path):
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_every_epoch_of_every_model_is_an_event(ok, project):
    ok("train", *QUICK, "--method", "amal:crossfit=3", "--events", "e.jsonl")
    lines = events(project / "e.jsonl")
    assert [line["event"] for line in lines[:2]] == ["begin", "stage"]
    assert lines[-1] | {"seconds": 0} == {"event": "end", "status": "done", "seconds": 0}
    epochs = [line for line in lines if line["event"] == "epoch"]
    folds = {tuple(line["name"]) for line in epochs}
    assert folds == {(f"fold {i} of 3, seed 0",) for i in (1, 2, 3)}
    for fold in folds:
        own = [line for line in epochs if tuple(line["name"]) == fold]
        assert [line["epoch"] for line in own] == [0, 1, 2]
        assert [line["last"] for line in own] == [False, False, True]
        assert {line["of"] for line in own} == {3}
        assert all(0 <= line["val_score"] <= 1 and line["losses"] for line in own)
        assert all(line["weights"] for line in own)
    seconds = [line["seconds"] for line in lines]
    assert seconds == sorted(seconds)


def test_the_estimate_is_a_stage_whose_models_say_what_they_are_for(ok, project):
    more = ("--estimate", "test", "--events", "e.jsonl", "--method", "spear")
    ok("train", *QUICK, *more)
    lines = events(project / "e.jsonl")
    at = next(i for i, line in enumerate(lines) if line.get("name") == "estimating")
    names = [line["name"] for line in lines[:at] if line["event"] == "epoch"]
    assert names == [["seed 0"]] * 3
    names = [line["name"] for line in lines[at:] if line["event"] == "epoch"]
    runs = {name[0] for name in names}
    parts = [line for line in lines[at:] if line["event"] == "part"]
    assert runs == {part["name"] for part in parts if part["name"]}
    assert [part["done"] for part in parts] == [0, 1, 2]


@pytest.mark.slow
def test_compare_writes_epochs_and_parts(ok, project):
    more = ("--in-folds", "--folds", 2, "--repeats", 1, "--max-epochs", 1, "--events", "e.jsonl")
    ok("compare", "--force", *more)
    lines = events(project / "e.jsonl")
    done = [line["done"] for line in lines if line["event"] == "part"]
    assert done == list(range(len(done)))
    names = [line["name"] for line in lines if line["event"] == "epoch"]
    assert len({name[0] for name in names}) == done[-1]
    pooled = {name[1] for name in names if name[0].startswith("Recommended")}
    assert pooled == {"gold", "label-model", "spear", "amal", "gold, all rows"}


def test_an_interrupted_command_says_so_in_whole_lines(run, project, monkeypatch):
    after_epoch = TrainingRun.after_epoch
    seen = []

    def interrupted(self, *given):
        after_epoch(self, *given)
        seen.append(self)
        if len(seen) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingRun, "after_epoch", interrupted)
    result = run("train", *QUICK, "--method", "amal:crossfit=3", "--events", "e.jsonl")
    assert result.exit_code == 130 and len(seen) == 4
    lines = events(project / "e.jsonl")
    assert lines[-1]["status"] == "stopped" and "interrupted" in lines[-1]["message"]
    assert sum(line["event"] == "epoch" for line in lines) == 4


def test_a_failed_command_ends_with_its_message(run, project):
    result = run("train", *QUICK, "--data", "missing.csv", "--events", "e.jsonl")
    end = events(project / "e.jsonl")[-1]
    assert result.exit_code == 2 and end["status"] == "failed" and "missing.csv" in end["message"]
    assert run("train", "--events", "e.jsonl").exit_code == 2  # it is there


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_command_leaves_whole_lines_and_no_end(project):
    words = ("train", "--force", "--events", "e.jsonl", "--estimate", "cv")
    process = subprocess.Popen(
        [sys.executable, "-m", "spear_amal", *words],
        cwd=project,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    path = project / "e.jsonl"
    while process.poll() is None:
        if path.exists() and path.read_bytes().count(b"\n") > 20:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert process.returncode == -signal.SIGKILL
    assert "end" not in {line["event"] for line in events(path)}


def test_watching_leaves_models_in_lock_step_and_their_results_alone():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(61, 5)), np.arange(61) % 2
    fits = [(GoldClassifier(random_state=seed), {"X": X, "y": y}) for seed in (0, 1, 2)]
    seen = []
    with watched_by(seen.append):
        watched = fit_together(fits)
    alone = fit_together(
        [(GoldClassifier(random_state=seed), {"X": X, "y": y}) for seed in (0, 1, 2)]
    )
    for one, other in zip(watched, alone, strict=True):
        assert one.training_path_ == other.training_path_ == "lock step of 3"
        np.testing.assert_array_equal(one.predict_proba(X), other.predict_proba(X))
    told = [epoch.record["epoch"] for epoch in seen if epoch.name == ("seed 1",)]
    assert told == watched[1].history_["epoch"].tolist()


# -- row outputs ---------------------------------------------------------------------------------


def test_row_outputs_are_what_the_model_says_of_the_rows(ok, project):
    ok("train", *QUICK, "--method", "amal", "--row-outputs", "o.npz")
    outputs = read_row_outputs(project / "o.npz")
    frame = read_table(project / "data.csv")
    model = TextClassifier.load(project / "model.safetensors")
    p = model.predict_proba(frame, lfs=project / "lfs.py")
    assert outputs.classes == tuple(model.class_names_)
    np.testing.assert_array_equal(outputs.proba, p[:, model.places_])
    assert outputs.places_of(frame["text"].tolist()).tolist() == list(range(len(frame)))
    assert outputs.rule_proba.shape == outputs.proba.shape
    np.testing.assert_allclose(outputs.rule_proba.sum(1), 1)
    assert len(outputs.weights) == len(frame) and outputs.weights.notna().any(axis=None)
    assert outputs.unseen is None


def test_row_outputs_say_how_unseen_rows_fared(ok, project):
    more = ("--method", "only-lv", "--estimate", "cv", "--row-outputs", "o.npz")
    document = json.loads(ok("train", *QUICK, *more, "--json", "--quiet").stdout)
    outputs = read_row_outputs(project / "o.npz")
    assert outputs.rule_proba is None
    unseen = outputs.unseen
    assert len(unseen.gold) == document["estimate"]["rows"]
    right = float((unseen.gold == unseen.predicted).mean())
    assert right == pytest.approx(document["estimate"]["score"])
    assert np.isin(unseen.digests, outputs.digests).all()


def test_row_outputs_need_texts(run, project):
    result = run("train", *QUICK, "--features", "columns:label", "--text-column", "words")
    assert result.exit_code == 2
