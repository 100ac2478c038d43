"""Runs in the background: found again, stopped, killed; their ends are written once."""

import json
import os
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("starlette")

from spear_amal.errors import InputError
from spear_amal.labeling.row_digests import digests_of_texts
from spear_amal.row_outputs import ModelOutputs, read_row_outputs, write_row_outputs
from spear_amal.workbench import jobs as jobs_module
from spear_amal.workbench import training_job
from spear_amal.workbench.jobs import TrainingJobs
from spear_amal.workbench.run_events import RunEvents
from spear_amal.workbench.training_job import JobRequest
from spear_amal.workbench.training_views import run_view

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes with names")

#: Stands in for the command line: writes what it is told, and waits where it is told to.
STUB = """
import json, os, pathlib, shutil, sys

words = sys.argv[1:]
path = words[words.index("--events") + 1]
here = pathlib.Path(__file__).parent
events = open(path, "ab", buffering=0)
environment = dict(os.environ) | {"cwd": os.getcwd()}
(here / "environment.json").write_text(json.dumps(environment))
for step in json.loads((here / "plan.json").read_text()):
    kind, value = next(iter(step.items()))
    if kind == "wait":
        open(value).read()
    elif kind == "event":
        events.write(json.dumps(value).encode() + b"\\n")
    elif kind == "bytes":
        events.write(value.encode())
    elif kind == "result":
        print(json.dumps(value))
    elif kind == "stderr":
        print(value, file=sys.stderr)
    elif kind == "copy":
        shutil.copy(value, words[words.index("--row-outputs") + 1])
    elif kind == "exit":
        sys.exit(value)
"""
STAGE = {"event": {"event": "stage", "seconds": 0.1, "name": "training"}}
EPOCH = {
    "event": {
        **{"event": "epoch", "seconds": 0.2, "name": ["fold 1 of 5, seed 0"], "epoch": 0, "of": 10},
        **{"last": False, "val_score": 0.75, "losses": {"gold": 1.0}, "weights": {"gold": 1.5}},
    }
}
DONE = {"event": {"event": "end", "seconds": 1.0, "status": "done"}}
ESTIMATE = {
    **{"metric": "accuracy", "score": 0.8, "low": 0.7, "high": 0.9, "rows": 20},
    "source": "outer folds",
}
RESULT = {"result": {"estimate": ESTIMATE, "lines": ["Estimated ..", "The votes tell something."]}}


class Stub:
    """The stand-in's plan, and the pipe that it waits at."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pipe = folder / "pipe"
        os.mkfifo(self.pipe)
        (folder / "stub.py").write_text(STUB, encoding="utf-8")
        self.program = (sys.executable, str(folder / "stub.py"))

    def plan(self, *steps) -> None:
        steps = [{"wait": str(self.pipe)} if step == "wait" else step for step in steps]
        (self.folder / "plan.json").write_text(json.dumps(steps), encoding="utf-8")

    def release(self) -> None:
        with open(self.pipe, "w"):  # opens once the stand-in reads
            pass

    @property
    def environment(self) -> dict:
        return json.loads((self.folder / "environment.json").read_text(encoding="utf-8"))


@pytest.fixture
def stub(tmp_path, monkeypatch):
    (tmp_path / "stub").mkdir()
    made = Stub(tmp_path / "stub")
    monkeypatch.setattr(training_job, "PROGRAM", made.program)
    return made


@pytest.fixture
def jobs(quiet_workspace, monkeypatch):
    """The runs of a project that nobody watches: tests look themselves."""
    monkeypatch.setattr(TrainingJobs, "watch", lambda self: None)
    made = TrainingJobs(quiet_workspace)
    yield made
    made.close()


def finish(jobs, job, seconds=30):
    """Wait for the process, and look once."""
    job.process.wait(seconds)
    jobs.look()
    return jobs.history.run(job.id)


def test_a_run_goes_from_files_at_its_start_to_scores_at_its_end(jobs, stub, quiet_workspace):
    stub.plan("wait", STAGE, EPOCH, RESULT, DONE)
    job = jobs.start(JobRequest(method="spear"))
    assert jobs.running is job and job.status == "running"
    assert jobs.history.run(job.id).status == "running"
    lfs = quiet_workspace.project.lfs
    before = lfs.read_bytes()
    lfs.write_bytes(before + b"\n# changed while it runs\n")
    stub.release()
    run = finish(jobs, job)
    assert run.status == job.status == "done" and jobs.running is None
    assert run.estimate["score"] == 0.8 and run.lines == ["The votes tell something."]
    assert run.gold == {"ham": 10, "spam": 10} and run.request["method"] == "spear"
    assert jobs.history.files(run.rules).lfs == before
    assert ("job", {"run": job.id, "status": "done"}) in quiet_workspace.published
    [stage] = job.events.stages
    assert stage.models["fold 1 of 5, seed 0",].scores == [(1, 0.75)]
    environment = stub.environment
    assert environment["OMP_NUM_THREADS"] == "1"
    assert Path(environment["cwd"]) == quiet_workspace.project.folder.resolve()


def test_the_words_of_the_command_line_are_those_that_were_asked_for(tmp_path):
    words = JobRequest(method="amal", estimate="none", max_epochs=3).words(tmp_path, False)
    assert words[:3] == ["train", "--json", "--force"]
    assert words[-2:] == ["--estimate", "none"] and "--row-outputs" in words
    assert words[words.index("--method") + 1] == "amal"
    assert words[words.index("--max-epochs") + 1] == "3"
    words = JobRequest("compare", folds=3, repeats=2).words(tmp_path, False)
    assert words[words.index("--folds") + 1] == "3" and words[-1] == "--in-folds"
    assert "--method" not in words and "--row-outputs" not in words


@pytest.mark.parametrize(
    ("request_", "said"),
    [
        (JobRequest("apply"), "not 'apply'"),
        (JobRequest("compare", estimate="none"), "by 'none'"),
        (JobRequest(estimate="test"), "no test rows"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_and_leaves_nothing(jobs, request_, said):
    with pytest.raises(InputError, match=said):
        jobs.start(request_)
    assert jobs.ids() == [] and jobs.history.runs() == []


def test_one_run_at_a_time(jobs, stub):
    stub.plan("wait", RESULT, DONE)
    job = jobs.start(JobRequest())
    with pytest.raises(InputError, match="under way already"):
        jobs.start(JobRequest())
    stub.release()
    finish(jobs, job)
    stub.plan(RESULT, DONE)
    assert finish(jobs, jobs.start(JobRequest())).status == "done"


def test_another_server_finds_a_run_and_its_end_is_written_once(jobs, stub, quiet_workspace):
    stub.plan(STAGE, "wait", RESULT, DONE)
    job = jobs.start(JobRequest())
    later = TrainingJobs(quiet_workspace)  # knows nothing but the folder
    found = later.running
    assert found is not None and found.id == job.id and found.process is None
    later.look()
    assert found.status == "running"
    with pytest.raises(InputError, match="under way already"):
        later.start(JobRequest())
    stub.release()
    job.process.wait(30)
    later.look()
    assert later.history.run(job.id).status == "done"
    jobs.look()
    text = (quiet_workspace.project.state / "history.jsonl").read_text(encoding="utf-8")
    assert text.count('"kind": "end"') == 1


def test_a_run_that_ended_while_no_server_was_there_is_finished(jobs, stub, quiet_workspace):
    stub.plan(RESULT, DONE)
    job = jobs.start(JobRequest())
    job.process.wait(30)
    later = TrainingJobs(quiet_workspace)
    later.find_former()
    assert later.history.run(job.id).estimate["score"] == 0.8


def test_a_killed_run_is_reported_as_such(jobs, stub, quiet_workspace):
    stub.plan(STAGE, EPOCH, {"bytes": '{"event": "epo'}, "wait")
    job = jobs.start(JobRequest())
    with open(stub.pipe, "w"):  # it waits: the half line is written
        job.process.kill()
        run = finish(jobs, job)
    assert run.status == "killed" and "SIGKILL" in run.outcome["message"]
    assert run.estimate is None
    assert [len(model.scores) for model in job.events.stages[0].models.values()] == [1]


def test_a_run_that_was_killed_with_its_server_is_reported_as_such(jobs, stub, quiet_workspace):
    stub.plan("wait")
    job = jobs.start(JobRequest())
    later = TrainingJobs(quiet_workspace)
    os.killpg(job.process.pid, signal.SIGKILL)
    job.process.wait(30)
    assert later.running is None
    later.find_former()
    run = later.history.run(job.id)
    assert run.status == "killed" and "killed" in run.outcome["message"]


def test_stopping_ends_the_process_and_says_so(jobs, stub):
    stub.plan(STAGE, "wait")
    job = jobs.start(JobRequest())
    jobs.stop(job.id)
    assert job.process.poll() == -signal.SIGTERM
    assert jobs.history.run(job.id).status == "stopped"
    jobs.stop(job.id)  # again, by another tab
    with pytest.raises(InputError, match="no run"):
        jobs.stop("20200101")


def test_a_failed_run_keeps_its_last_lines(jobs, stub):
    message = "data.csv: no row has a label"
    end = {"event": {"event": "end", "seconds": 1, "status": "failed", "message": message}}
    stub.plan(end, {"stderr": "reading\n\nError: <b>no</b>"}, {"exit": 2})
    job = jobs.start(JobRequest())
    run = finish(jobs, job)
    assert (run.status, run.outcome["message"]) == ("failed", message)
    assert job.last_lines() == ["reading", "Error: <b>no</b>"]
    stub.plan({"stderr": "Usage: no such option"}, {"exit": 2})  # before it could write an event
    run = finish(jobs, jobs.start(JobRequest()))
    assert (run.status, run.outcome["message"]) == ("failed", "Usage: no such option")


def test_outputs_are_handed_on_and_answers_on_unseen_rows_are_kept(jobs, stub, quiet_workspace):
    texts = quiet_workspace.snapshot.texts
    outputs = ModelOutputs(("ham", "spam"), np.full((len(texts), 2), 0.5), digests_of_texts(texts))
    write_row_outputs(stub.folder / "o.npz", outputs)
    stub.plan({"copy": str(stub.folder / "o.npz")}, RESULT, DONE)
    job = jobs.start(JobRequest())
    finish(jobs, job)
    assert quiet_workspace.taken == [job.folder / "outputs.npz"]


def test_a_model_is_named_as_seen_from_the_folder_of_the_project(
    jobs, stub, quiet_workspace, monkeypatch
):
    stub.plan(RESULT, DONE)
    job = jobs.start(JobRequest())
    finish(jobs, job)
    (job.folder / "model.safetensors").touch()
    folder = quiet_workspace.project.folder
    monkeypatch.chdir(folder.parent)
    for spelled in (folder, Path(folder.name)):  # as the command was given it
        view = run_view(job, None, spelled)
        assert view.model == f"{quiet_workspace.project.state.name}/runs/{job.id}/model.safetensors"


@pytest.mark.slow
def test_a_real_run_leaves_what_its_model_says_of_the_rows(jobs, quiet_workspace):
    job = jobs.start(JobRequest(method="amal", estimate="cv", max_epochs=3))
    run = finish(jobs, job, 120)
    assert run.status == "done", job.last_lines()
    assert run.estimate["rows"] == 20 and run.outcome["unseen"]
    [path] = quiet_workspace.taken
    outputs = read_row_outputs(path)
    assert outputs.classes == quiet_workspace.snapshot.classes
    assert (outputs.places_of(quiet_workspace.snapshot.texts) >= 0).all()
    assert {stage.name for stage in job.events.stages} == {"training", "estimating"}


def test_old_runs_lose_their_models_and_keep_their_scores(jobs, stub, monkeypatch):
    monkeypatch.setattr(jobs_module, "KEPT_RUNS", 1)
    stub.plan(STAGE, RESULT, DONE)
    first = jobs.start(JobRequest())
    finish(jobs, first)
    second = jobs.start(JobRequest())
    finish(jobs, second)
    assert [path.name for path in first.folder.iterdir()] == ["job.json"]
    assert (second.folder / "events.jsonl").exists()
    assert jobs.history.run(first.id).estimate["score"] == 0.8


def test_events_are_read_as_whole_lines_while_they_grow(tmp_path):
    path = tmp_path / "events.jsonl"
    events = RunEvents(path)
    assert not events.read()
    lines = [json.dumps(step["event"]).encode() + b"\n" for step in (STAGE, EPOCH)]
    path.write_bytes(lines[0] + lines[1][:20])
    assert events.read() and not events.stages[0].models
    path.write_bytes(lines[0] + lines[1])
    assert events.read() and len(events.stages[0].models) == 1
    assert not events.read() and events.stages[0].share == 0.1
