"""The history of rule sets: nothing is lost, going back is exact, noise is called noise."""

import json
from datetime import timedelta

import numpy as np
import pytest

pytest.importorskip("starlette")

from spear_amal.declared_lfs import read_rules_file
from spear_amal.errors import FileFormatError, InputError, StaleError
from spear_amal.workbench.history import RecordedRun, RuleFiles, RuleHistory, local_time
from spear_amal.workbench.jobs import TrainingJobs
from spear_amal.workbench.moves import move_between, move_since_change
from spear_amal.workbench.rule_diff import rule_diff
from spear_amal.workbench.training_views import rule_sets, scores_chart

OLD, NEW = RuleFiles(b"a = 1\nb = 2\n", None), RuleFiles(b"a = 1\nb = 3\n", b'muted = ["b"]\n')
REQUEST = {"command": "train", "method": "spear", "estimate": "cv"}


@pytest.fixture
def history(tmp_path):
    return RuleHistory(tmp_path / "state")


def add_run(history, name, files=OLD, score=0.8, half=0.1, unseen=None, request=REQUEST, n=10):
    rules, lfs = history.keep_files(files), history.keep_json([])
    begun = local_time() + timedelta(seconds=len(history.runs()))
    history.begin(RecordedRun(name, begun, request, rules, lfs, {"ham": n}))
    estimate = {"metric": "accuracy", "score": score, "low": score - half, "high": score + half}
    estimate |= {"rows": n, "source": "outer folds"}
    outcome = {"status": "done", "seconds": 1.0, "estimate": estimate}
    if unseen is not None:
        outcome["unseen"] = history.keep_json(unseen)
    history.end(name, outcome)
    return history.run(name)


def answers(right, digests=None, overlap=0.1):
    right = np.asarray(right)
    gold = np.arange(len(right)) % 2
    digests = np.arange(len(right)) if digests is None else digests
    return {
        **{"gold": gold.tolist(), "predicted": np.where(right, gold, 1 - gold).tolist()},
        **{"digests": [int(d) for d in digests], "overlap": overlap, "positive": 1},
    }


def test_contents_are_kept_once_and_held_against_their_digests(history):
    digest = history.keep_files(NEW)
    assert history.keep_files(NEW) == digest == NEW.digest != OLD.digest
    assert history.files(digest) == NEW
    [path] = [p for p in (history._folder / "contents").iterdir() if p.read_bytes() == NEW.lfs]
    path.write_bytes(b"a = 4\n")
    with pytest.raises(FileFormatError, match="changed since"):
        history.files(digest)
    for wrong in ("0" * 16, "../../lfs", "é"):
        with pytest.raises(InputError):
            history.files(wrong)
        with pytest.raises(InputError):
            history.content(wrong)


def test_comments_and_rejected_suggestions_make_no_other_rule_set():
    other = RuleFiles(NEW.lfs, b'# mine\nmuted = ["b"]\nrejected = ["x"]\n')
    assert other.digest == NEW.digest
    assert RuleFiles(NEW.lfs, b"muted = [").digest != NEW.digest  # no TOML: as it stands


def test_a_line_that_a_kill_cut_short_costs_no_other(history):
    add_run(history, "1")
    path = history._folder / "history.jsonl"
    with open(path, "ab") as handle:
        handle.write(b'{"kind": "begin", "run": "2", "ti')
    add_run(history, "3")
    assert [run.id for run in history.runs()] == ["1", "3"]
    assert len(path.read_bytes().splitlines()) == 5


def test_the_first_end_of_a_run_is_its_end(history):
    add_run(history, "1", score=0.8)
    history.end("1", {"status": "killed"})
    history.end("unknown", {"status": "killed"})
    assert history.run("1").status == "done"
    with pytest.raises(InputError, match="no run"):
        history.run("unknown")


# -- moves ---------------------------------------------------------------------------------------


def test_a_move_is_taken_row_by_row_where_both_runs_know_their_rows(history):
    right = np.ones(60, bool)
    right[:6] = False
    better = right.copy()
    better[:1] = True
    rows = np.arange(60)[::-1]  # in another order
    before = add_run(history, "1", OLD, unseen=answers(right))
    after = add_run(history, "2", NEW, unseen={k: v for k, v in answers(better).items()})
    move = move_since_change(history, history.runs(), after)
    assert (move.before, move.rows) == (before, 60)
    assert move.value == pytest.approx(1 / 60) and move.is_noise
    assert "within the noise" in move.verdict and "60 labelled rows" in move.text
    shuffled = {
        name: np.asarray(value)[rows].tolist() if isinstance(value, list) else value
        for name, value in answers(better).items()
    }
    again = add_run(history, "3", NEW, unseen=shuffled)
    moved = move_between(history, before, again)
    assert (moved.value, moved.low, moved.high) == pytest.approx((move.value, move.low, move.high))


def test_a_large_move_is_more_than_noise(history):
    right = np.arange(100) % 2 == 0
    before = add_run(history, "1", OLD, unseen=answers(right))
    after = add_run(history, "2", NEW, unseen=answers(np.ones(100, bool)))
    move = move_between(history, before, after)
    assert move.low > 0 and "more than noise: the score rose" in move.verdict
    assert "fell" in move_between(history, after, before).verdict


def test_without_rows_in_common_only_the_intervals_are_left(history):
    before = add_run(history, "1", OLD, 0.7, unseen=answers(np.ones(9, bool)))
    digests = np.arange(100, 109)
    after = add_run(history, "2", NEW, 0.8, unseen=answers(np.ones(9, bool), digests))
    move = move_between(history, before, after)
    assert move.rows == 0 and move.value == pytest.approx(0.1)
    assert move.high - move.value == pytest.approx(0.1 * np.sqrt(2))


def test_scores_of_other_kinds_and_of_the_same_rules_are_not_held_against_each_other(history):
    add_run(history, "1", OLD, request=REQUEST | {"method": "amal"})
    run = add_run(history, "2", NEW)
    assert move_since_change(history, history.runs(), run) is None
    run = add_run(history, "3", NEW)
    assert move_since_change(history, history.runs(), run) is None
    chart = scores_chart(history.runs(), run.kind)
    assert len(chart.marks) == 2 and not any(mark.is_new for mark in chart.marks)
    run = add_run(history, "4", OLD)
    assert move_since_change(history, history.runs(), run).before.id == "3"
    assert [m.is_new for m in scores_chart(history.runs(), run.kind).marks] == [False, False, True]


# -- rule sets -----------------------------------------------------------------------------------


def record(name, votes="1", muted=False, **changes):
    about = {"label": "ham", "kind": "python", "about": "", "table": "t", "error": None}
    return {"name": name, "votes": votes, "muted": muted} | about | changes


def test_a_difference_names_what_was_added_changed_and_removed():
    before = [record("a"), record("b"), record("gone"), record("quiet", muted=True)]
    after = [record("a"), record("b", "2", muted=True), record("new"), record("quiet")]
    diff = rule_diff(OLD, NEW, before, after)
    assert diff.named == [
        ("Added", ["new"]),
        ("Changed", ["b"]),
        ("Removed", ["gone"]),
        ("Muted", ["b"]),
        ("No longer muted", ["quiet"]),
    ]
    lines = {name: [(line.kind, line.text) for line in part] for name, part in diff.files.items()}
    assert lines["lfs.py"][1:] == [("", " a = 1"), ("removed", "-b = 2"), ("added", "+b = 3")]
    assert lines["rules.toml"][1:] == [("added", '+muted = ["b"]')]
    # Votes on another table say nothing of the LF.
    other = rule_diff(OLD, OLD, [record("a")], [record("a", "2", table="u")])
    assert not other.named and not other.files


def test_rule_sets_are_listed_with_their_scores(history):
    add_run(history, "1", OLD, 0.7)
    add_run(history, "2", NEW, 0.8)
    add_run(history, "3", OLD, 0.75)
    third = history.keep_files(RuleFiles(b"", None))
    history.add_kept(third, history.keep_json([]), "before going back")
    rows = {row.digest: row for row in rule_sets(history.runs(), history.kept(), NEW.digest)}
    assert len(rows) == 3 and rows[NEW.digest].is_present
    assert [run.id for run in rows[OLD.digest].runs] == ["3", "1"]
    assert rows[OLD.digest].best.estimate["score"] == 0.75
    assert rows[third].best is None and rows[third].note == "before going back"


@pytest.fixture
def jobs(quiet_workspace, monkeypatch):
    monkeypatch.setattr(TrainingJobs, "watch", lambda self: None)
    return TrainingJobs(quiet_workspace)


def test_going_back_restores_files_and_keeps_the_present_ones(jobs, quiet_workspace):
    project = quiet_workspace.project
    first = jobs.rules.files()
    jobs.history.keep_files(first)
    project.lfs.write_bytes(first.lfs + b"# more\n")
    project.rules.write_text('muted = ["prize"]\nrejected = ["x"]\n', encoding="utf-8")
    second = jobs.rules.files()
    jobs.rules.go_back(first.digest, second.digest)
    assert project.lfs.read_bytes() == first.lfs
    now = read_rules_file(project.rules)  # there was none: nothing but what was rejected
    assert (now.muted, now.rejected) == (frozenset(), {"x"})
    [kept] = jobs.history.kept()
    assert kept.rules == second.digest
    jobs.rules.go_back(second.digest, jobs.rules.files().digest)
    assert project.lfs.read_bytes() == second.lfs
    assert read_rules_file(project.rules).muted == {"prize"}


def test_going_back_from_a_stale_page_changes_nothing(jobs, quiet_workspace):
    project = quiet_workspace.project
    first = jobs.rules.files()
    jobs.history.keep_files(first)
    seen = first.digest
    project.lfs.write_bytes(first.lfs + b"# of another tab\n")
    with pytest.raises(StaleError, match="have changed on the disk"):
        jobs.rules.go_back(first.digest, seen)
    assert project.lfs.read_bytes().endswith(b"# of another tab\n")
    assert jobs.history.kept() == []
    with pytest.raises(InputError, match="no rule set"):
        jobs.rules.go_back("0" * 16, jobs.rules.files().digest)


def test_a_state_is_plain_json_and_says_what_the_project_was(jobs):
    state, rules = jobs.rules.state()
    assert json.loads(json.dumps(state, allow_nan=False)) == state
    assert rules == jobs.rules.files().digest
    assert state["gold"] == {"ham": 10, "spam": 10} and state["rows"] == 120
    prize = next(lf for lf in state["lfs"] if lf["name"] == "prize")
    assert prize["coverage"] > 0 and prize["gold votes"] > 0
