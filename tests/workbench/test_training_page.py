"""The pages of training and of the report: what is shown, escaped, refused; files to take along."""

import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("starlette")

from spear_amal.labeling.row_digests import digests_of_texts
from spear_amal.workbench import training_job
from spear_amal.workbench.history import RecordedRun, RuleFiles, local_time
from spear_amal.workbench.jobs import TrainingJobs
from spear_amal.workbench.lf_list import LFView, lf_lines
from spear_amal.workbench.pages import training as training_module
from spear_amal.workbench.project_state import lf_records, project_state
from spear_amal.workbench.rule_table import rule_table
from spear_amal.workbench.since_training import random_score
from spear_amal.workbench.training_job import JobRequest

HX = {"hx-request": "true"}
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def workspace(voted, quiet_workspace):
    return quiet_workspace


@pytest.fixture
def jobs(workspace, monkeypatch):
    """The runs behind the client's pages; nobody watches them."""
    monkeypatch.setattr(TrainingJobs, "watch", lambda self: None)
    return TrainingJobs(workspace)


@pytest.fixture
def client(workspace, jobs, app, client_of):
    """A client of an application about the quiet workspace."""
    own = app.state.workspace, app.state.jobs
    app.state.workspace, app.state.jobs = workspace, jobs
    yield client_of(app)
    app.state.workspace, app.state.jobs = own


@pytest.fixture(scope="module")
def app(open_app_once, write_project, tmp_path_factory):
    return open_app_once(write_project(tmp_path_factory.mktemp("app") / "messages"))


@pytest.fixture
def started(jobs, monkeypatch):
    """What the pages asked to be started."""
    asked = []
    monkeypatch.setattr(jobs, "start", lambda request: asked.append(request))
    return asked


def add_run(jobs, workspace, name, files=None, score=0.8, status="done", message="", **outcome):
    files = jobs.rules.files() if files is None else files
    history, snapshot = jobs.history, workspace.snapshot
    rules, lfs = history.keep_files(files), history.keep_json(lf_records(snapshot))
    asked = {"command": "train", "method": "spear", "estimate": "cv", "folds": 5, "repeats": 1}
    history.begin(RecordedRun(name, local_time(), asked, rules, lfs, {"ham": 10, "spam": 10}))
    state = project_state(snapshot, workspace.project, files)
    history.set_state(name, history.keep_json(state))
    estimate = {"metric": "accuracy", "score": score, "low": score - 0.1, "high": score + 0.1}
    estimate |= {"rows": 20, "source": "outer folds", "gain": 0.01, "gain_low": -0.1}
    estimate |= {"gain_high": 0.12}
    done = {"estimate": estimate, "lines": ["The votes tell something."]}
    outcome = {"status": status, "message": message, "seconds": 3.0} | outcome
    history.end(name, outcome | (done if status == "done" else {}))
    return history.run(name)


def test_the_page_begins_empty_and_starts_what_its_form_says(client, started):
    text = client.get("/training").text
    assert "Nothing was trained here so far" in text and "20 labelled rows of 120" in text
    form = {"command": "compare", "method": "amal", "estimate": "cv", "folds": "3"}
    form |= {"repeats": "2", "max_epochs": ""}
    assert client.post("/training/start", data=form, headers=HX).status_code == 200
    assert started == [JobRequest("compare", "amal", "cv", 3, 2, None)]
    answer = client.post("/training/start", data=form | {"folds": "many"}, headers=HX)
    assert answer.status_code == 422 and "folds must be a whole number" in answer.text
    answer = client.post("/training/start", data=form, follow_redirects=False)  # without scripts
    assert (answer.status_code, answer.headers["location"]) == (303, "/training")


def test_scores_and_moves_are_shown(client, jobs, workspace):
    gold = [0, 1] * 10
    said = {"digests": list(range(20)), "gold": gold, "predicted": [1, 0, *gold[2:]]}
    digest = jobs.history.keep_json(said | {"overlap": 0.1, "positive": 1})
    other = RuleFiles(b"# other\n", None)
    add_run(jobs, workspace, "1", other, 0.7, unseen=digest)
    run = add_run(jobs, workspace, "2", unseen=digest)
    text = client.get("/training").text
    assert text.count("<circle cx=") >= 2 and 'class="change"' in text
    assert "How the score moved" in text and run.rules[:6] in text
    page = client.get("/training/runs/2").text
    assert "95% interval 70.0 to 90.0" in page and "The votes tell something." in page
    assert client.get("/training/runs/unknown").status_code == 422


def test_labels_and_rules_since_the_last_training_are_told(client, jobs, workspace, monkeypatch):
    job = SimpleNamespace(id="1", status="done")
    monkeypatch.setattr(TrainingJobs, "latest", property(lambda self: job))
    view = SimpleNamespace(is_running=False, status="done", message="", lines=[], stages=[])
    vars(view).update(id="1", title="Train", begun=local_time(), seconds=3.0, model=None)
    monkeypatch.setattr(training_module, "run_view", lambda *_: view)
    assert jobs.rules.changed_lfs(workspace.snapshot) is None
    add_run(jobs, workspace, "1")
    assert jobs.rules.changed_lfs(workspace.snapshot) == {}
    assert "labels-since" not in client.get("/training").text
    before = workspace.snapshot
    gold = before.gold.copy()
    gold[20:23] = 0
    prize, lunch, shouts = before.lfs
    votes = np.where(np.arange(120) == 3, -1, prize.votes)
    lfs = (replace(prize, votes=votes), replace(lunch, is_muted=True), replace(shouts, name="new"))
    workspace.snapshot = replace(before, gold=gold, lfs=lfs)
    assert "3 labels more now than the 20 with which it began" in client.get("/training").text
    since = jobs.rules.changed_lfs(workspace.snapshot)
    assert since == {"lunch": "muted", "prize": "changed", "new": "new", "shouts": "removed"}
    lines = lf_lines(workspace.snapshot, rule_table(before), LFView(show="since"), since)
    assert {line.lf.name for line in lines} == {"prize", "lunch"}  # the table knows no "new" here


def test_random_rows_are_scored_alone(workspace):
    snapshot = workspace.snapshot
    first = np.argsort(snapshot.order.ranks)[:40]
    gold = np.full(120, -1)
    gold[first] = first % 2
    drawn = replace(snapshot, gold=gold, chosen=dict.fromkeys(first.tolist(), "random"))
    digests = digests_of_texts(snapshot.texts).tolist()
    predicted = np.arange(120) % 2
    predicted[first[:4]] = 1 - predicted[first[:4]]
    answers = {"digests": digests, "gold": (np.arange(120) % 2).tolist()}
    answers |= {"predicted": predicted.tolist(), "overlap": 0.0}
    score = random_score(answers, drawn)
    assert (score.n, score.share) == (40, 0.9) and score.low < 0.9 < score.high
    wider = random_score(answers | {"overlap": 0.5}, drawn)
    assert wider.share == 0.9 and wider.low < score.low and wider.high > score.high
    few = {name: part[:25] for name, part in answers.items() if name != "overlap"}
    assert random_score(few | {"overlap": 0.0}, drawn) is None


def test_pages_say_how_the_labelled_rows_came_up(client, workspace):
    for address in ("/training", "/report", "/report/file"):
        assert "All 20 labels are the table&#39;s own" in client.get(address).text
    chosen = dict.fromkeys(range(20), "next")
    workspace.snapshot = replace(workspace.snapshot, chosen=chosen, revision=99)
    for address in ("/training", "/report"):
        text = client.get(address).text
        assert "0 of 20 labelled rows were drawn at random, 20 chosen here" in text
    assert 'href="/label?queue=random"' in client.get("/training").text


def test_what_a_run_wrote_is_shown_and_never_run(client, jobs, monkeypatch, tmp_path):
    (tmp_path / "stub.py").write_text(
        f"import sys\nprint({EVIL!r}, file=sys.stderr)\nsys.exit(2)\n", encoding="utf-8"
    )
    program = (training_job.PROGRAM[0], str(tmp_path / "stub.py"))
    monkeypatch.setattr(training_job, "PROGRAM", program)
    job = jobs.start(JobRequest())
    job.process.wait(30)
    jobs.look()
    text = client.get("/training").text
    assert "failed" in text and EVIL not in text and "&lt;script&gt;alert(1)" in text
    assert "The last lines that it wrote" in text


def test_a_rule_set_is_shown_with_its_difference_and_gone_back_to(client, jobs, workspace):
    lfs = workspace.project.lfs
    before = lfs.read_bytes()
    run = add_run(jobs, workspace, "1")
    lfs.write_bytes(before + f"# {EVIL}\n".encode())
    path = f"/training/rules/{run.rules}"
    page = client.get(path).text
    assert EVIL not in page and "&lt;script&gt;" in page and "lfs.py will be overwritten" in page
    seen = re.search(r'name="seen" value="(\w+)"', page)[1]
    answer = client.post(f"{path}/restore", data={"seen": seen}, headers=HX)
    assert answer.status_code == 422 and "overwritten" in answer.text
    given = {"seen": seen, "overwrite": "yes"}
    lfs.write_bytes(before + b"# another tab was quicker\n")
    answer = client.post(f"{path}/restore", data=given, headers=HX)
    assert answer.status_code == 409 and "changed on the disk" in answer.text
    given["seen"] = jobs.rules.files().digest
    assert client.post(f"{path}/restore", data=given, headers=HX).status_code == 200
    assert lfs.read_bytes() == before
    assert "These are the rules as they are now" in client.get(path).text
    text = client.get("/training").text
    assert "before going back to" in text
    assert client.get("/training/rules/nothing").status_code == 422


def test_the_report_is_one_file_that_needs_no_other(client, jobs, workspace):
    add_run(jobs, workspace, "1")
    answer = client.get("/report/file")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "attachment" in answer.headers["content-disposition"]
    text = answer.text
    assert not re.search(r"<script|<link|<img|<iframe|src=|url\(|@import|https?://", text)
    assert all(part in text for part in ("prize", "shouts", "<svg", "accuracy", "20 of them"))
    assert not re.search(r' href="(?!#)', text)
    page = client.get("/report").text
    assert "Download as one HTML file" in page and "What to mend next" in page


def test_the_report_of_a_past_state_shows_what_was(client, jobs, workspace):
    add_run(jobs, workspace, "1", score=0.7)
    add_run(jobs, workspace, "2", score=0.9)
    text = client.get("/report/file?run=1").text
    assert "70.0" in text and "90.0" not in re.sub(r"to 90.0", "", text)
    assert client.get("/report?run=unknown").status_code == 422


def test_a_report_of_a_project_without_runs_and_with_markup_in_names(
    open_app, project_folder, client_of
):
    lfs = project_folder / "lfs.py"
    text = lfs.read_text(encoding="utf-8").replace('"prize", [', '"<b>prize</b>", [')
    lfs.write_text(text, encoding="utf-8")
    app = open_app(project_folder)
    assert app.state.workspace.wait(lambda snapshot: snapshot.is_idle, 60)
    client = client_of(app)
    text = client.get("/report/file").text
    assert "<b>prize" not in text and "&lt;b&gt;prize" in text
    assert "No score was estimated" in text
