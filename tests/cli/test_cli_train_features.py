"""train, predict and evaluate are the TextClassifier: its features, ids and names go through."""

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from spear_amal import TextClassifier
from spear_amal.data import read_table, write_table

LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ("spam", "ham")
free = keyword_lf("free", ["free", "win"], label="spam")
greeting = keyword_lf("greeting", ["hello"], label="ham")
"""
QUICK = ("--max-epochs", 2, "--estimate", "none")


@pytest.fixture
def mail(tmp_path, monkeypatch):
    """A folder with 61 messages with string ids, 29 labelled, and LFs."""
    monkeypatch.chdir(tmp_path)
    rows = np.arange(61)
    words = np.where(rows % 2, "hello lunch", "free win")
    frame = pd.DataFrame(
        {
            "id": [f"m{i}" for i in rows],
            "text": [f"{word} word{i % 5}" for i, word in enumerate(words)],
            "label": np.where(rows < 29, np.where(rows % 2, "ham", "spam"), None),
            "length": np.where(rows % 7, rows * 1.5, np.nan),
            "shop": np.where(rows % 3, "north", "south"),
        }
    )
    frame.loc[[3, 50], "text"] = ""
    frame.to_csv("mail.csv", index=False)
    (tmp_path / "lfs.py").write_text(LFS, encoding="utf-8")
    return frame


def test_the_model_file_is_that_of_python(mail, ok):
    features = ("--features", "tfidf+columns:length,shop")
    given = ("--data", "mail.csv", "--lfs", "lfs.py", "--method", "amal")
    ok("train", *given, *features, *QUICK)
    clf = TextClassifier("amal", features="tfidf+columns:length,shop", max_epochs=2)
    clf.fit("mail.csv", lfs="lfs.py")
    loaded = TextClassifier.load("model.safetensors")
    assert loaded.class_names_ == clf.class_names_ == ("spam", "ham")
    assert (loaded.id_column_, loaded.features) == ("id", "tfidf+columns:length,shop")
    np.testing.assert_array_equal(loaded.predict_proba("mail.csv"), clf.predict_proba("mail.csv"))
    shown = ok("evaluate", "--data", "mail.csv").stdout
    assert f"{loaded.score('mail.csv'):.4f}" in shown


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    "process", ["same", pytest.param("another", marks=pytest.mark.slow)], ids=lambda p: p
)
def test_predict_keeps_ids_and_answers_bit_for_bit(mail, ok, suffix, process):
    ok("train", "--data", "mail.csv", "--method", "only-l", *QUICK)
    write_table(mail, f"new{suffix}")
    command = ["predict", "--data", f"new{suffix}", "--output", f"out{suffix}"]
    if process == "same":
        ok(*command)
    else:
        python = [sys.executable, "-m", "spear_amal"]
        ran = subprocess.run([*python, *command], capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    found = read_table(f"out{suffix}")
    p = TextClassifier.load("model.safetensors").predict_proba(mail)
    assert found["id"].tolist() == mail["id"].tolist()
    np.testing.assert_array_equal(found[["p_ham", "p_spam"]].to_numpy(), p)
    assert set(found["predicted"]) <= {"ham", "spam"}


def test_columns_alone_need_no_text(mail, ok):
    mail.drop(columns="text").to_csv("numbers.csv", index=False)
    given = ("--method", "only-l", "--features", "columns:length,shop")
    ok("train", "--data", "numbers.csv", *given, *QUICK)
    ok("predict", "--data", "numbers.csv", "--output", "out.csv")
    assert len(pd.read_csv("out.csv")) == 61


def test_columns_that_a_model_lacks(mail, ok, run):
    given = ("--method", "only-l", "--features", "columns:length")
    ok("train", "--data", "mail.csv", *given, *QUICK)
    mail.drop(columns="length").to_csv("less.csv", index=False)
    result = run("predict", "--data", "less.csv", "--output", "out.csv")
    assert result.exit_code == 2 and "no column 'length'" in result.stderr
    result = run("train", "--data", "mail.csv", "--features", "tfdif", "--force", *QUICK)
    assert result.exit_code == 2 and "did you mean 'tfidf'" in result.stderr


@pytest.mark.parametrize("column", ["label", None])
def test_without_labels_a_label_model_is_trained(mail, ok, run, column):
    frame = mail.assign(label=None) if column else mail.drop(columns="label")
    frame.to_csv("bare.csv", index=False)
    result = ok("train", "--data", "bare.csv", "--lfs", "lfs.py", "--max-epochs", 5)
    assert "no row has a label, so Label model + classifier is trained" in result.stderr
    clf = TextClassifier.load("model.safetensors")
    assert (clf.predict(mail[:29]) == mail["label"][:29]).mean() > 0.9
    misnamed = ("--label-column", "lable")
    result = run("train", "--data", "bare.csv", "--lfs", "lfs.py", *misnamed, "--force")
    assert result.exit_code == 2 and "no column 'lable'" in result.stderr
    result = run("compare", "--data", "bare.csv", "--lfs", "lfs.py")
    assert result.exit_code == 2 and "no row has a label" in result.stderr
