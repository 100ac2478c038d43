"""Whole journeys of a user at a small size."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from spear_amal import TextClassifier
from spear_amal.labeling import PandasLFApplier, load_lfs
from spear_amal.studies import METHODS
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles

LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("ham", "spam")
free = keyword_lf("free", ["free", "win"], label="spam")
greeting = keyword_lf("greeting", ["see you", "hello"], label="ham")
late = keyword_lf("late", ["tonight"], label="ham")
"""


def messages(n, n_labelled, seed=3):
    """Short messages of which the first few carry a label."""
    generator = np.random.default_rng(seed)
    words = {"ham": ["hello", "see you", "tonight", "lunch"], "spam": ["free", "win", "prize now"]}
    rows = []
    for i in range(n):
        label = "spam" if i % 2 else "ham"
        text = " ".join(generator.choice(words[label], 3)) + f" word{generator.integers(7)}"
        rows.append({"id": i, "body": text, "kind": label if i < n_labelled else ""})
    return pd.DataFrame(rows)


@pytest.fixture
def inbox(tmp_path, monkeypatch):
    """A folder with 61 messages in a column `body`, 23 of them labelled in `kind`, and LFs."""
    folder = tmp_path / "inbox"
    folder.mkdir()
    monkeypatch.chdir(folder)
    messages(61, 23).to_csv("mail.csv", index=False)
    (folder / "lfs.py").write_text(LFS, encoding="utf-8")
    return folder


COLUMNS = ("--text-column", "body", "--label-column", "kind")
QUICK = (*COLUMNS, "--max-epochs", 2)


def test_project_runs_as_it_is(project, ok):
    shown = ok("apply").stdout
    assert "violence_or_not" in shown and "romance, action" in shown and "95% interval" in shown
    assert "grade" in shown and "\ngood: the 95%" in shown and "All votes together" in shown
    matrix = LabelMatrix.load("votes.npz")
    assert matrix.shape == (500, 6) and matrix.classes == ("romance", "action")
    ok("analyze", "--output", "table.csv")
    assert pd.read_csv("table.csv")["LF"].tolist() == list(matrix.lf_names)
    shown = ok("evaluate").stdout
    for name in ("accuracy", "macro F1", "log-loss", "calibration error", "F1 of romance"):
        assert name in shown
    assert "200 rows, 200 of them labelled and scored" in shown
    ok("predict")
    found = pd.read_csv("predictions.csv")
    assert list(found) == ["text", "label", "predicted", "p_action", "p_romance"]
    np.testing.assert_allclose(found[["p_romance", "p_action"]].sum(axis=1), 1, atol=1e-6)
    names = np.array(["romance", "action"])
    best = names[found[["p_romance", "p_action"]].to_numpy().argmax(1)]
    assert found["predicted"].tolist() == best.tolist()


def test_apply_is_the_applier(project, ok):
    ok("apply")
    loaded = load_lfs("lfs.py")
    frame = pd.read_csv("data.csv")
    expected = PandasLFApplier(loaded.lfs, classes=loaded.classes).apply(frame, progress_bar=False)
    assert (LabelMatrix.load("votes.npz").to_dense() == expected.to_dense()).all()


def test_model_file_needs_nothing_else(project, ok, tmp_path, monkeypatch):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(project / "model.safetensors", alone / "m.safetensors")
    shutil.copy(project / "test.csv", alone / "t.csv")
    ok("predict", "--data", "test.csv", "--output", tmp_path / "there.csv")
    monkeypatch.chdir(alone)
    ok("predict", "--model", "m.safetensors", "--data", "t.csv", "--output", "here.csv")
    assert (alone / "here.csv").read_text() == (tmp_path / "there.csv").read_text()


def test_same_seed_same_model_file(project, ok):
    again = ("--method", "amal", "--output", "again.safetensors")
    ok("train", "--max-epochs", 3, *again)
    ok("predict", "--output", "a.csv")
    ok("predict", "--model", "again.safetensors", "--output", "b.csv")
    assert (project / "a.csv").read_text() == (project / "b.csv").read_text()


# The ceiling wants gold for every row, which these messages have not.
EVERY = (*(name for name in METHODS if name != "supervised"), "amal:crossfit=3,weight_lr=30")
QUICK_ONES = ("only-lv", "spear", "amal:crossfit=3,weight_lr=30")


@pytest.mark.parametrize(
    "method", [pytest.param(m, marks=() if m in QUICK_ONES else pytest.mark.slow) for m in EVERY]
)
def test_every_method_trains_predicts_and_scores(method, inbox, ok):
    ok("train", "--data", "mail.csv", "--lfs", "lfs.py", "--method", method, *QUICK)
    rules = ("--lfs", "lfs.py")  # cross-fitted AMAL may predict with them
    ok("predict", "--data", "mail.csv", "--output", "out.csv", *rules)
    assert set(pd.read_csv("out.csv")["predicted"]) <= {"ham", "spam"}
    shown = ok("evaluate", "--data", "mail.csv", "--label-column", "kind", *rules).stdout
    assert "61 rows, 23 of them labelled and scored" in shown


def test_gold_only_needs_no_lfs(inbox, ok):
    ok("train", "--data", "mail.csv", "--method", "only-l", *QUICK)
    ok("evaluate", "--data", "mail.csv", "--label-column", "kind")


def test_validation_file_and_json_lines(inbox, ok):
    held = messages(19, 19, seed=11)
    held.to_json("held.jsonl", orient="records", lines=True)
    messages(61, 13).to_json("mail.jsonl", orient="records", lines=True)
    given = ("--data", "mail.jsonl", "--validation", "held.jsonl", "--lfs", "lfs.py")
    result = ok("train", *given, *QUICK, "--method", "spear", "--report", "r.html")
    assert "61 rows, 13 of them labelled, 19 validation" in result.stderr
    assert "was not estimated (--estimate none)" in result.stdout
    assert "19 validation rows, which also chose the epoch" in (inbox / "r.html").read_text()
    ok("predict", "--data", "mail.jsonl", "--output", "out.jsonl")
    rows = [json.loads(line) for line in (inbox / "out.jsonl").read_text().splitlines()]
    assert len(rows) == 61 and rows[0]["id"] == 0 and "p_spam" in rows[0]


def test_several_files_are_one_table(inbox, ok):
    messages(17, 17).to_csv("more.csv", index=False)
    given = ("--data", "mail.csv", "--data", "more.csv", "--lfs", "lfs.py")
    result = ok("train", *given, *QUICK)
    assert "78 rows, 40 of them labelled" in result.stderr


def test_few_labels_are_too_few_for_an_estimate(inbox, ok):
    messages(61, 3).to_csv("few.csv", index=False)
    given = ("--data", "few.csv", "--lfs", "lfs.py", "--method", "amal")
    result = ok("train", *given, *QUICK, "--estimate", "cv")
    assert "cannot be estimated" in result.stderr
    assert "Estimated" not in result.stdout


def test_class_without_a_label_is_predicted_with_0(inbox, ok):
    lfs = (inbox / "lfs.py").read_text().replace('("ham", "spam")', '("egg", "ham", "spam")')
    (inbox / "lfs.py").write_text(lfs)
    ok("train", "--data", "mail.csv", "--lfs", "lfs.py", "--method", "only-l", *QUICK)
    ok("predict", "--data", "mail.csv", "--output", "out.csv")
    found = pd.read_csv("out.csv")
    assert "egg" not in set(found["predicted"])


def test_model_that_predicts_with_the_rules_asks_for_them(inbox, ok, run):
    # Rules that are always right, and features that hold little after one epoch.
    frame = messages(61, 41)
    frame["body"] = [f"word{i % 3} " + ("zfree" if i % 2 else "zhello") for i in range(61)]
    lfs = LFS.replace('"free", "win"', '"zfree"').replace('"see you", "hello"', '"zhello"')
    (inbox / "lfs.py").write_text(lfs)
    frame.to_csv("rules.csv", index=False)
    given = ("--data", "rules.csv", "--lfs", "lfs.py", "--method", "recommended")
    shown = ok("train", *given, *COLUMNS, "--max-epochs", 1).stdout
    assert "predicts with the rules as well" in shown
    refused = run("predict", "--data", "rules.csv", "--output", "p.csv")
    assert refused.exit_code == 2 and "give the LFs with --lfs" in refused.stderr
    ok("predict", "--data", "rules.csv", "--output", "p.csv", "--lfs", "lfs.py")
    assert pd.read_csv("p.csv")["predicted"].tolist() == ["ham", "spam"] * 30 + ["ham"]


def test_refitted_models_show_no_outcome_on_rows_they_trained_on(inbox, ok):
    messages(19, 19, seed=11).to_csv("held.csv", index=False)
    given = ("--data", "mail.csv", "--validation", "held.csv", "--method", "only-lv")
    ok("train", *given, *QUICK, "--report", "r.html")
    assert "Confusion matrix" not in (inbox / "r.html").read_text()


def test_checkpoint_and_report(inbox, ok):
    given = ("--data", "mail.csv", "--lfs", "lfs.py", *QUICK)
    ok("train", *given, "--checkpoint", "c.safetensors", "--report", "r.html")
    # One for all folds of a kind, which train in lock step.
    kinds = ("amal", "gold", "gold-final", "label-model", "spear")
    written = {path.name for path in inbox.glob("c*.safetensors")}
    assert written <= {f"c-{kind}-fold0.safetensors" for kind in kinds} and written
    page = (inbox / "r.html").read_text(encoding="utf-8")
    assert "Recommended pool, 5 folds on mail.csv" in page and "greeting" in page


def test_outputs_are_overwritten_on_request_only(project, run, ok):
    held = (project / "model.safetensors").read_bytes()
    refused = run("train", "--max-epochs", 2)
    assert refused.exit_code == 2 and "already exists" in refused.stderr
    assert (project / "model.safetensors").read_bytes() == held
    ok("train", "--max-epochs", 2, "--force")
    assert (project / "model.safetensors").read_bytes() != held
    ok("predict")
    assert run("predict").exit_code == 2
    ok("predict", "--force")
    ok("analyze", "--output", "t.csv")
    assert run("analyze", "--output", "t.csv").exit_code == 2
    ok("analyze", "--output", "t.csv", "--force")


def test_useless_votes_are_left_out_and_that_is_said(inbox, ok):
    # Votes that have nothing to do with the class: by the number that ends each message.
    lfs = LFS.replace('"free", "win"', '"word0", "word1", "word2"').replace(
        '"see you", "hello"', '"word3"'
    )
    (inbox / "lfs.py").write_text(lfs.replace('"tonight"', '"word4", "word5", "word6"'))
    messages(83, 67).to_csv("mail.csv", index=False)
    messages(41, 41, seed=11).to_csv("held.csv", index=False)
    given = ("--data", "mail.csv", "--validation", "held.csv", "--lfs", "lfs.py", *QUICK)
    result = ok("train", *given, "--method", "amal", "--report", "r.html")
    notes = [line for line in result.stderr.splitlines() if "no better than chance" in line]
    assert len(notes) == 1 and notes[0].startswith("Warning: on 108 gold rows the votes agree")
    assert "insist with guard=False" in notes[0] and ".py:" not in result.stderr
    assert "The votes are not told from blind ones" in result.stdout
    assert "so they were left out" in result.stdout
    page = (inbox / "r.html").read_text(encoding="utf-8")
    assert "so they were left out" in page
    assert "Confusion matrix" not in page  # refit on the validation rows as well
    unguarded = ok("train", *given, "--method", "majority", "--force")
    assert "The votes are not told from blind ones" in unguarded.stdout
    insisted = ok("train", *given, "--method", "amal:guard=false", "--force")
    assert "left out" not in insisted.stderr + insisted.stdout


@pytest.mark.slow
def test_apply_with_processes_and_cache(project, ok):
    ok("apply")
    plain = LabelMatrix.load("votes.npz").to_dense()
    for _ in range(2):
        ok("apply", "--jobs", 2, "--cache", "kept", "--force")
        assert (LabelMatrix.load("votes.npz").to_dense() == plain).all()
    assert len(list((project / "kept").iterdir())) > 0


def test_apply_in_parts(project, ok):
    pytest.importorskip("pyarrow")
    pd.read_csv("data.csv").to_parquet("data.parquet")
    ok("apply")
    how = ("--lfs", "lfs.py", "--votes-folder", "votes")
    shown = ok("apply", "--data", "data.parquet", *how).stdout
    votes = VoteFiles("votes").to_label_matrix()
    assert (votes.to_dense() == LabelMatrix.load("votes.npz").to_dense()).all()
    assert f"{votes.nnz} votes on 500 rows, 1 parts, written to votes" in shown
    for more in ([], ["--data", "data.parquet"]):
        tables = [ok("analyze", "--votes", at, *more).stdout for at in ("votes.npz", "votes")]
        assert tables[0] == tables[1]


def test_predict_gives_the_users_columns_back(project, ok):
    rows = ["00000,a fight,1.10", '01234,"guns, a kiss",2', '7,"say ""love""\r\n",', "8,a\rb,NaN"]
    content = "zip,text,price\r\n" + "".join(f"{row}\r\n" for row in rows)
    (project / "mine.csv").write_bytes(content.encode())
    ok("predict", "--data", "mine.csv", "--output", "out.csv")
    found = (project / "out.csv").read_bytes().decode()
    cut = re.sub(r",(romance|action),[0-9.e-]+,[0-9.e-]+(?=\r\n)", "", found)
    assert cut.replace(",predicted,p_action,p_romance", "") == content
    # The probabilities are those of the texts, and not of neighbouring rows.
    p = TextClassifier.load(project / "model.safetensors").predict_proba(
        ["a fight", "guns, a kiss", 'say "love"\r\n', "a\rb"]
    )
    assert pd.read_csv("out.csv", lineterminator="\n")["p_action"].tolist() == p[:, 0].tolist()


def test_lf_that_compares_numbers_of_a_csv(inbox, ok):
    body = """
from spear_amal.labeling import labeling_function
CLASSES = ("ham", "spam")
@labeling_function(label="spam")
def many(x):
    return x.links is not None and x.links > 9
@labeling_function(label="ham")
def northern(x):
    return x.zip.startswith("0")
"""
    (inbox / "lfs.py").write_text(body, encoding="utf-8")
    rows = ["00000,a,10", "12345,b,9", "01234,c,", "99999,d,1e3"]
    (inbox / "mine.csv").write_text("zip,body,links\n" + "\n".join(rows), encoding="utf-8")
    ok(
        "apply",
        "--data",
        "mine.csv",
        "--lfs",
        "lfs.py",
        "--text-column",
        "body",
        "--output",
        "v.npz",
    )
    votes = LabelMatrix.load("v.npz").to_dense().tolist()
    assert votes == [[1, 0], [-1, -1], [-1, 0], [1, -1]]
