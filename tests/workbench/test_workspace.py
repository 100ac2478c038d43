"""The live state: LFs that fail, files that change, rules and labels of several at once."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal.cli.workbench import project_of
from spear_amal.declared_lfs import KeywordRule, RegexRule, change_rules, read_rules_file
from spear_amal.errors import InputError, StaleError
from spear_amal.labeling import LFAnalysis, lf_check, lf_grades, lf_values
from spear_amal.workbench import Workspace
from spear_amal.workbench.rule_table import effect_of_muting, rule_table, value_table

SECONDS = 60.0  # for a busy machine
ODD_LFS = """
import os
import time
from spear_amal.labeling import keyword_lf, labeling_function

CLASSES = ("ham", "spam")
prize = keyword_lf("prize", ["prize", "free"], label="spam")


@labeling_function(label="ham")
def fails(x):
    return x.length > 10 and 1 / (x.id - 7) > 0


@labeling_function(label="ham")
def crashes(x):
    os._exit(3)


@labeling_function(label="ham")
def hangs(x):
    time.sleep(3600)


@labeling_function(label="ham")
def home(x):
    "Somebody goes home."
    return "home" in x.text
"""


@pytest.fixture
def odd(write_project, tmp_path):
    """A workbench whose LFs fail, crash and hang."""
    folder = write_project(tmp_path / "odd", lfs=ODD_LFS)
    workspace = Workspace(project_of(folder), time_limit=1.0)
    assert idle(workspace)
    yield workspace
    workspace.close()


@pytest.fixture
def open_workspace():
    """Opens the workbench of a folder; closed in the end."""
    opened = []

    def open_it(folder: Path) -> Workspace:
        opened.append(Workspace(project_of(folder)))
        return opened[-1]

    yield open_it
    for workspace in opened:
        workspace.close()


@pytest.fixture
def workspace(open_workspace, project_folder):
    return open_workspace(project_folder)


def idle(workspace: Workspace) -> bool:
    return workspace.wait(lambda snapshot: snapshot.is_idle, SECONDS)


def edit(workspace: Workspace, *change: str) -> None:
    path = workspace.project.lfs
    path.write_text(path.read_text().replace(*change))


def test_what_hangs_crashes_and_fails_stops_no_other(odd):
    snapshot = odd.snapshot
    errors = {lf.name: lf.error for lf in snapshot.lfs}
    assert errors["prize"] is errors["home"] is None
    assert (errors["fails"].row, errors["fails"].n_rows) == (7, 1)
    assert "fails" in ODD_LFS.splitlines()[errors["fails"].line - 2]
    assert errors["crashes"].message == "ended the process that ran it"
    assert errors["hangs"].message == "took longer than 1 s and was stopped"
    assert [lf.name for lf in snapshot.active] == ["prize", "fails", "home"]
    assert (snapshot.named("home").votes >= 0).sum() == sum("home" in x for x in snapshot.texts)
    assert snapshot.named("home").about == "Somebody goes home."


def test_only_what_was_edited_runs_again(odd, monkeypatch):
    ran = []
    votes = odd._workers.votes
    monkeypatch.setattr(
        odd._workers, "votes", lambda lf, *about: (ran.append(lf.name), votes(lf, *about))[1]
    )
    before = {lf.name: lf for lf in odd.snapshot.lfs}
    edit(odd, '["prize", "free"]', '["prize"]')
    assert odd.wait(lambda s: s.is_idle and s.named("prize").key != before["prize"].key, SECONDS)
    assert ran == ["prize", "crashes", "hangs"]  # of two nobody can tell what they do
    after = {lf.name: lf for lf in odd.snapshot.lfs}
    assert after["prize"].changed > before["prize"].changed
    assert after["home"].changed == before["home"].changed
    assert all(after[name].votes is before[name].votes for name in ("fails", "home"))


def test_a_syntax_error_keeps_the_votes(odd):
    votes = odd.snapshot.named("prize").votes
    edit(odd, "import time", "import time (")
    assert odd.wait(lambda s: bool(s.problems), SECONDS)
    assert "line 3: raised SyntaxError" in odd.snapshot.problems[0]
    assert odd.snapshot.named("prize").votes is votes
    edit(odd, "import time (", "import time")
    assert odd.wait(lambda s: not s.problems and s.is_idle, SECONDS)
    assert odd.snapshot.named("prize").votes is votes


def test_a_module_beside_the_file_is_read_again(write_project, tmp_path, open_workspace):
    lfs = "from words import WORDS\nfrom spear_amal.labeling import keyword_lf\n"
    lfs += 'CLASSES = ("ham", "spam")\nprize = keyword_lf("prize", WORDS, label="spam")\n'
    folder = write_project(tmp_path / "modules", lfs=lfs)
    (folder / "words.py").write_text('WORDS = ["prize"]')
    workspace = open_workspace(folder)
    assert idle(workspace)
    key = workspace.snapshot.named("prize").key
    (folder / "words.py").write_text('WORDS = ["lunch"]')  # of the same size, within a second
    assert workspace.wait(lambda s: s.is_idle and s.named("prize").key != key, SECONDS)
    texts = np.array(workspace.snapshot.texts)
    assert set(texts[workspace.snapshot.named("prize").votes == 1]) == {
        t for t in texts if "lunch" in t
    }
    assert not (folder / "__pycache__").exists()


def test_an_lf_that_runs_is_stopped_and_run_again(write_project, tmp_path):
    folder = write_project(tmp_path / "slow", lfs=ODD_LFS.replace("os._exit(3)", "return False"))
    workspace = Workspace(project_of(folder))
    try:
        assert workspace.wait(lambda s: s.named("hangs") is not None, SECONDS)
        assert workspace.wait(lambda s: sum(lf.is_running for lf in s.lfs) <= 2, SECONDS)
        while workspace.snapshot.named("hangs").is_running:
            workspace.stop("hangs")
            workspace.wait(lambda s: not s.named("hangs").is_running, 0.1)
        assert workspace.snapshot.named("hangs").error.message == "was stopped"
        assert idle(workspace)
        assert workspace.snapshot.named("home").error is None
        edit(workspace, "time.sleep(3600)", "return True")
        assert workspace.wait(lambda s: s.is_idle and s.named("hangs").error is None, SECONDS)
        workspace.run_again("home")
        assert idle(workspace)
    finally:
        workspace.close()


# -- declared rules --------------------------------------------------------------------------------


def test_a_rule_becomes_an_lf_at_once(workspace):
    rule = KeywordRule(name="claims", label="spam", keywords=["claim"])
    lf = workspace.add_rule(rule)
    assert not lf.is_running
    assert (lf.votes >= 0).sum() == sum("claim" in text for text in workspace.snapshot.texts) > 0
    assert read_rules_file(workspace.project.rules).rules == (rule,)
    assert "rules" in workspace.project.settings_file.read_text()
    other = KeywordRule(name="claims", label="spam", keywords=["claim", "cash"])
    with pytest.raises(StaleError):
        workspace.add_rule(other, "claims", seen=other.model_dump())
    assert workspace.add_rule(other, "claims", seen=rule).about == "says 'cash', 'claim'"
    with pytest.raises(StaleError):
        workspace.remove_rule("claims", seen=rule)
    workspace.remove_rule("claims", seen=other.model_dump(mode="json"))
    assert workspace.snapshot.named("claims") is None


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"name": "prize"}, "already"), ({"label": "eggs"}, "eggs"), ({"column": "x"}, "no column")],
)
def test_rules_that_do_not_fit_are_refused(workspace, fields, told):
    assert idle(workspace)
    fields = {"name": "new", "label": "spam", "keywords": ["claim"]} | fields
    with pytest.raises(InputError, match=told):
        workspace.add_rule(KeywordRule(**fields))
    assert not workspace.project.rules.exists()


def test_a_rule_that_takes_too_long_is_refused(project_folder):
    workspace = Workspace(project_of(project_folder), rule_limit=0.0)
    try:
        with pytest.raises(InputError, match="took longer than 0 s"):
            workspace.add_rule(RegexRule(name="slow", label="spam", pattern="a"))
        assert not workspace.project.rules.exists()
    finally:
        workspace.close()


def test_muting_is_kept_in_the_file_and_undone_there(workspace):
    assert idle(workspace)
    workspace.mute("lunch", True)
    assert not workspace.snapshot.named("lunch").is_active
    assert np.isnan(workspace.rule_table().loc["lunch", "value"])
    change_rules(workspace.project.rules, lambda file: file.with_muted("lunch", False))
    assert workspace.wait(lambda s: s.named("lunch").is_active, SECONDS)


def test_another_workbench_on_the_same_folder_hears_of_rules_and_labels(
    workspace, project_folder, open_workspace
):
    other = open_workspace(project_folder)
    assert idle(workspace)
    assert idle(other)
    row = 50
    workspace.label([row], "spam")
    with pytest.raises(StaleError, match="'spam' by now"):
        other.label([row], "ham", seen={row: None})
    assert other.snapshot.label_of(row) == "spam"
    other.add_rule(KeywordRule(name="claims", label="spam", keywords=["claim"]))
    assert workspace.wait(lambda s: s.is_idle and s.named("claims") is not None, SECONDS)
    other.label([row], "ham", seen={row: "spam"})
    with pytest.raises(StaleError):
        workspace.undo("")
    assert workspace.snapshot.label_of(row) == "ham"


# -- rows ------------------------------------------------------------------------------------------


def test_labels_are_seen_by_the_commands(workspace):
    assert idle(workspace)
    workspace.label([0], "spam")  # ham in the table
    workspace.label([60, 61], "ham")
    frame = project_of(workspace.project.folder).read_table()
    assert frame["label"].tolist()[0] == "ham"  # those of the workbench are not the table's
    assert workspace.snapshot.label_of(0) == "spam"
    assert 'gold = "gold.csv"' in workspace.project.settings_file.read_text()
    assert workspace.undo("") == (60, 61)
    assert workspace.undo("") == (0,)
    assert workspace.snapshot.label_of(0) == "ham"


def test_a_changed_table_wins_over_a_stale_page(workspace):
    assert idle(workspace)
    table, path = workspace.snapshot.table, workspace.project.data[0]
    frame = pd.read_csv(path)
    frame.iloc[::-1].to_csv(path, index=False)
    assert workspace.wait(lambda s: s.is_idle and s.table != table, SECONDS)
    with pytest.raises(StaleError, match="table has changed"):
        workspace.label([50], "spam", table=table)
    snapshot = workspace.snapshot
    assert snapshot.texts == frame["text"].tolist()[::-1]
    fires = np.array(["lunch" in text or "home" in text for text in snapshot.texts])
    assert np.array_equal(snapshot.named("lunch").votes >= 0, fires)


def test_votes_on_a_table_that_was_edited_meanwhile_are_not_taken(workspace, monkeypatch):
    """As many rows, others: the LF had read the former ones when the file changed."""
    assert idle(workspace)
    path, votes, edits = workspace.project.data[0], workspace._workers.votes, []
    frame = pd.read_csv(path)

    def edited_meanwhile(lf, *about):
        said = votes(lf, *about)
        if lf.name == "lunch" and not edits:
            edits.append(True)
            frame.iloc[::-1].to_csv(path, index=False)
            workspace._read_table()
        return said

    monkeypatch.setattr(workspace._workers, "votes", edited_meanwhile)
    table = workspace.snapshot.table
    workspace.run_again("lunch")
    assert workspace.wait(lambda s: s.is_idle and s.table != table, SECONDS)
    snapshot = workspace.snapshot
    fires = np.array(["lunch" in text or "home" in text for text in snapshot.texts])
    assert snapshot.texts == frame["text"].tolist()[::-1]
    assert np.array_equal(snapshot.named("lunch").votes >= 0, fires)


def test_a_label_that_is_no_class_is_told_and_does_not_count(workspace):
    assert idle(workspace)
    known = (workspace.snapshot.gold >= 0).sum()
    text = workspace.snapshot.texts[70]
    workspace.project.gold.write_text(f"id,text,label\n70,{text},eggs\n")
    assert workspace.wait(lambda s: bool(s.problems), SECONDS)
    assert "eggs" in workspace.snapshot.problems[0]
    assert (workspace.snapshot.gold >= 0).sum() == known
    os.remove(workspace.project.gold)
    assert workspace.wait(lambda s: not s.problems, SECONDS)


def test_classes_without_a_python_file_grow_with_labels(write_project, tmp_path, open_workspace):
    folder = write_project(tmp_path / "bare")
    (folder / "lfs.py").unlink()
    settings = folder / "spear.toml"
    settings.write_text(settings.read_text().replace('lfs = "lfs.py"\n', ""))
    workspace = open_workspace(folder)
    assert workspace.snapshot.classes == ("ham", "spam")
    with pytest.raises(InputError, match="no class 'eggs'"):
        workspace.label([50], "eggs")
    workspace.add_rule(KeywordRule(name="claims", label="spam", keywords=["claim"]))
    workspace.label([50], "eggs", new_class=True)
    assert workspace.wait(lambda s: s.is_idle and len(s.classes) == 3, SECONDS)
    snapshot = workspace.snapshot
    assert snapshot.classes == ("eggs", "ham", "spam")
    assert set(snapshot.named("claims").votes) == {-1, 2}
    assert snapshot.label_of(50) == "eggs"
    labels = [snapshot.label_of(row) for row in range(120)]
    for name in ("bacon", "coffee"):  # in the order of names both come before the others
        workspace.add_rule(KeywordRule(name=name, label=name, keywords=[name]))
        snapshot = workspace.snapshot
        assert name in snapshot.classes and [snapshot.label_of(row) for row in range(120)] == labels


# -- the table of rules ----------------------------------------------------------------------------


def test_the_table_has_the_numbers_of_the_commands(workspace):
    assert idle(workspace)
    snapshot = workspace.snapshot
    lfs = tuple(dataclasses.replace(lf, is_muted=lf.name == "lunch") for lf in snapshot.lfs)
    for shown in (snapshot, dataclasses.replace(snapshot, lfs=lfs)):
        table, matrix, gold = rule_table(shown), shown.matrix(), shown.gold
        names = [lf.name for lf in shown.active]
        analysis = LFAnalysis(matrix)
        active = table.loc[names]
        assert np.array_equal(active["coverage"], analysis.lf_coverages())
        assert np.array_equal(active["overlaps"], analysis.lf_overlaps())
        assert np.array_equal(active["conflicts"], analysis.lf_conflicts())
        check = lf_check(matrix, gold)
        for mine, theirs in {"gold_votes": "votes", "low": "low", "chance": "chance"}.items():
            assert np.array_equal(active[mine], check[theirs], equal_nan=True)
        assert active["grade"].tolist() == lf_grades(matrix, gold)
        values = lf_values(matrix, gold).set_index("LF")
        assert np.array_equal(value_table(shown)["value"], values["value"])
    both = effect_of_muting(snapshot, "lunch"), effect_of_muting(shown, "lunch")
    assert both[0].is_muting
    assert (both[0].now, both[0].then) == (both[1].then, both[1].now)
    assert both[0].value == -both[1].value


def test_two_lfs_of_one_name_are_said(workspace):
    edit(workspace, 'keyword_lf("lunch"', 'keyword_lf("prize"')
    assert workspace.wait(lambda snapshot: bool(snapshot.problems) and snapshot.is_idle, SECONDS)
    (problem,) = workspace.snapshot.problems
    assert "several LFs are called ['prize']" in problem
    assert [lf.name for lf in workspace.snapshot.active] == ["prize", "lunch", "shouts"]


def test_a_rule_votes_once_the_lf_of_its_name_is_gone(workspace):
    rule = KeywordRule(name="lunch", label="ham", keywords=["see"])
    change_rules(workspace.project.rules, lambda file: file.with_rule(rule))
    assert workspace.wait(lambda s: any("the name of an LF" in x for x in s.problems), SECONDS)
    workspace.project.lfs.unlink()
    assert workspace.wait(lambda s: s.is_idle and not s.problems, SECONDS)
    (lf,) = workspace.snapshot.lfs
    assert (lf.votes >= 0).sum() == sum("see" in text for text in workspace.snapshot.texts)


def test_a_new_rule_is_not_muted_by_a_name_that_was(workspace):
    workspace.mute("lunch", True)
    edit(workspace, 'keyword_lf("lunch"', 'keyword_lf("other"')
    assert workspace.wait(lambda s: s.is_idle and s.named("lunch") is None, SECONDS)
    rule = KeywordRule(name="lunch", label="ham", keywords=["see"])
    assert not workspace.add_rule(rule).is_muted
    workspace.mute("lunch", True)
    assert workspace.add_rule(rule.model_copy(update={"keywords": ("you",)}), "lunch").is_muted
