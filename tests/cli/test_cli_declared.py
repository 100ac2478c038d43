"""Declared rules, muting and corrected gold on the command line: all commands go by them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal import LabelMatrix, TextClassifier
from spear_amal.declared_lfs import KeywordRule, add_to_settings, change_rules

LFS = """
from spear_amal.labeling import keyword_lf, labeling_function
CLASSES = ("ham", "spam")
free = keyword_lf("free", ["free"], "spam")
lunch = keyword_lf("lunch", ["lunch"], "ham")

@labeling_function(label="spam")
def noise(x):
    return x.n % 3 == 0
"""
SETTINGS = """
data = "rows.csv"
lfs = "lfs.py"
rules = "rules.toml"
votes = "votes.npz"
method = "spear:inference=product,max_epochs=1"
output = "model.safetensors"
"""
WON = KeywordRule(name="won", label="spam", keywords=["won"])
LEFT = ["free", "lunch", "won"]


@pytest.fixture
def project():
    """A project in the working folder: three Python LFs, one of them muted, and a declared one."""
    words = ["free", "lunch", "won", "free lunch"]
    rows = pd.DataFrame(
        {
            "text": [f"{words[i % 4]} {i} words" for i in range(40)],
            "label": [["spam", "ham", "spam", "spam"][i % 4] if i % 2 else "" for i in range(40)],
            "n": range(40),
        }
    )
    rows.to_csv("rows.csv", index=False)
    Path("lfs.py").write_text(LFS, encoding="utf-8")
    Path("spear.toml").write_text(SETTINGS, encoding="utf-8")
    change_rules("rules.toml", lambda file: file.with_rule(WON).with_muted("noise", True))
    return rows


def test_every_command_goes_by_the_rules(project, ok):
    ok("apply")
    assert list(LabelMatrix.load("votes.npz").lf_names) == LEFT
    ok("analyze", "--output", "lfs.csv")
    assert pd.read_csv("lfs.csv").iloc[:, 0].tolist() == LEFT
    ok("label", "--label-model", "majority", "--lf-votes", "--output", "labelled.csv")
    labelled = pd.read_csv("labelled.csv")
    assert [name for name in labelled if any(lf in name for lf in (*LEFT, "noise"))] == [
        name for name in labelled if any(name.endswith(lf) for lf in LEFT)
    ]
    ok("next", "-n", 2)
    ok("train")
    model = TextClassifier.load("model.safetensors")
    assert model.needs_votes and list(model.lf_names_) == LEFT
    ok("predict", "--output", "predicted.csv")  # refused with other LFs than in training
    predicted = pd.read_csv("predicted.csv")["predicted"]
    assert (predicted[project["text"].str.contains("won")] == "spam").all()
    ok("evaluate", "--data", "rows.csv")
    ok("label", "--model", "model.safetensors", "--lf-votes", "--output", "by_model.csv")


def test_a_rule_that_changed_is_seen(project, ok, run):
    ok("train")
    change_rules("rules.toml", lambda file: file.with_muted("noise", False))
    for words in (("predict", "--output", "p.csv"), ("evaluate", "--data", "rows.csv")):
        result = run(*words)
        assert result.exit_code == 2 and "trained with the LFs" in result.stderr.replace("\n", " ")
    ok("apply")
    assert list(LabelMatrix.load("votes.npz").lf_names) == ["free", "lunch", "noise", "won"]
    more = KeywordRule(name="won", label="spam", keywords=["won", "words"])
    change_rules("rules.toml", lambda file: file.with_rule(more, replaces="won"))
    shown = ok("apply").stderr
    assert "Votes of 1 LF computed (won); those of 3 others read" in shown.replace("\n", " ")
    assert (np.asarray(LabelMatrix.load("votes.npz"))[:, 3] == 1).all()


@pytest.mark.slow
def test_comparisons_go_by_the_rules(project, ok):
    ok("compare", "--folds", 2, "--repeats", 1, "--max-epochs", 2, "--output", "with.json")
    change_rules("rules.toml", lambda file: file.with_muted("free", True).with_muted("won", True))
    ok("compare", "--folds", 2, "--repeats", 1, "--max-epochs", 2, "--output", "without.json")
    scores = [
        {row["method"]: row["score"] for row in json.loads(Path(name).read_text())["rows"]}
        for name in ("with.json", "without.json")
    ]
    assert scores[0]["majority"] != scores[1]["majority"]


def test_rules_without_a_python_file(project, ok, run):
    change_rules("rules.toml", lambda file: type(file)(file.rules))
    settings = SETTINGS.replace('lfs = "lfs.py"\n', "")
    Path("spear.toml").write_text(settings, encoding="utf-8")
    result = run("apply")
    assert result.exit_code == 2 and "the rules vote for 'spam' alone" in result.stderr
    lunch = KeywordRule(name="lunch", label="ham", keywords=["lunch"])
    change_rules("rules.toml", lambda file: file.with_rule(lunch))
    ok("apply")
    votes = LabelMatrix.load("votes.npz")
    assert list(votes.lf_names) == ["lunch", "won"] and list(votes.classes) == ["ham", "spam"]
    assert Path(".spear_amal_cache").is_dir()


def test_a_file_of_rules_that_is_missing(project, ok, run):
    Path("rules.toml").unlink()
    ok("apply")
    assert list(LabelMatrix.load("votes.npz").lf_names) == ["free", "lunch", "noise"]
    result = run("apply", "--rules", "rules.toml")
    assert result.exit_code == 2
    assert "no such file of declared rules: rules.toml" in result.stderr.replace("\n", " ")
    Path("rules.toml").write_text("[prize]\n")
    result = run("apply")
    assert result.exit_code == 2 and "unknown key 'prize'" in result.stderr.replace("\n", " ")


def test_init_names_the_file(ok, monkeypatch):
    ok("init", "new")
    monkeypatch.chdir("new")
    action = KeywordRule(name="action_words", label="action", keywords=["chase"])
    change_rules("rules.toml", lambda file: file.with_rule(action))
    ok("apply")
    assert "action_words" in LabelMatrix.load("votes.npz").lf_names
    assert add_to_settings("spear.toml", "gold", "gold.csv")
    assert "gold.csv is not there yet: no labels from it" in ok("apply").stderr


# -- gold that corrects ---------------------------------------------------------------------------


def gold(project, row, **cells):
    pd.DataFrame({"text": [project["text"][row]]} | {k: [v] for k, v in cells.items()}).to_csv(
        "gold.csv", index=False
    )


def test_gold_may_correct_what_it_names(project, ok, run):
    change_rules("rules.toml", lambda file: file.with_muted("noise", True))
    add_to_settings("spear.toml", "gold", "gold.csv")
    assert "gold.csv is not there yet" in ok("apply").stderr
    result = run("apply", "--gold", "gold.csv")
    assert result.exit_code == 2  # what a flag names must be there
    present = project["label"][1]
    gold(project, 1, label="spam")
    result = run("apply")
    assert result.exit_code == 2
    assert "a column 'replaces' which label it is to replace" in result.stderr.replace("\n", " ")
    gold(project, 1, label="spam", replaces="spam")
    result = run("apply")
    assert result.exit_code == 2
    gold(project, 1, label="spam", replaces=present)
    assert "1 labels for rows of the data, 1 of them in place of others" in ok("apply").stderr
    ok("label", "--label-model", "majority", "--output", "labelled.csv")


def test_a_later_line_corrects_an_earlier_one(project, ok):
    text = [project["text"][0]] * 3
    lines = {"text": text, "label": ["spam", "ham", "spam"], "replaces": ["", "spam", "ham"]}
    lines["chosen"] = ["random", "", "next"]  # for the workbench alone
    pd.DataFrame(lines).to_csv("gold.csv", index=False)
    assert "3 labels for rows of the data, 2 of them" in ok("apply", "--gold", "gold.csv").stderr


def test_replaced_labels_are_read_as_labels(ok):
    """Numbers beside an empty cell, and texts such as 01, are what the column of labels holds."""
    pd.DataFrame({"text": ["a", "b", "c"], "label": ["01", "0", ""]}).to_csv("t.csv", index=False)
    lines = {"text": ["a", "c"], "label": ["0", "0"], "replaces": ["01", ""]}
    pd.DataFrame(lines).to_csv("gold.csv", index=False)
    Path("lfs.py").write_text(
        LFS.replace('("ham", "spam")', '("0", "01")')
        .split("@")[0]
        .replace('"spam"', '"01"')
        .replace('"ham"', '"0"')
    )
    shown = ok(
        "apply", "--data", "t.csv", "--lfs", "lfs.py", "--gold", "gold.csv", "--output", "v.npz"
    )
    assert "2 labels for rows of the data, 1 of them in place of others" in shown.stderr
