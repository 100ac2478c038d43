"""The commands on tables as they come: the same from every kind of file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import read_table, write_table
from spear_amal.votes.label_matrix import LabelMatrix

LFS = """
from spear_amal.labeling import keyword_lf, labeling_function
CLASSES = ("billing", "refund", "other")
bill = keyword_lf("bill", ["invoice", "charge"], "billing")
refund = keyword_lf("refund", ["refund"], "refund")


@labeling_function(label="other")
def greets(x):
    return x.text.split()[0] == "hello,"  # fails on a row without words
"""
WORDS = {"billing": "invoice", "refund": "refund", "other": "hello"}
N, LABELLED = 61, 31
KINDS = [".csv", ".tsv", ".jsonl", ".parquet", ".xlsx"]


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """Tickets with ids such as 007; every tenth has no text."""
    monkeypatch.chdir(tmp_path)
    Path("lfs.py").write_text(LFS, encoding="utf-8")
    classes = [("billing", "refund", "other")[row % 3] for row in range(N)]
    texts = [f"{WORDS[c]}, please; word{row % 7} é" for row, c in enumerate(classes)]
    return pd.DataFrame(
        {
            "id": [f"{row:03}" for row in range(N)],
            "text": [None if row % 10 == 4 else text for row, text in enumerate(texts)],
            "label": [c if row < LABELLED else None for row, c in enumerate(classes)],
        }
    )


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_a_text(rows, kind, run, ok):
    write_table(rows, f"t{kind}", sep=";" if kind == ".csv" else None)
    found = run("apply", "--data", f"t{kind}", "--lfs", "lfs.py", "--output", "v.npz")
    assert found.exit_code == 0, found.output
    assert f"t{kind}: 6 of 61 rows have no text" in found.stderr
    votes = LabelMatrix.load("v.npz").to_dense()
    blank = np.arange(N) % 10 == 4
    expected = np.full((N, 3), -1)
    for row in np.flatnonzero(~blank):
        expected[row, row % 3] = row % 3
    assert votes.tolist() == expected.tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_predictions_keep_ids_and_rows(rows, kind, ok):
    write_table(rows, f"t{kind}", sep=";" if kind == ".csv" else None)
    ok(
        *("train", "--data", f"t{kind}", "--lfs", "lfs.py", "--method", "only-l"),
        *("--max-epochs", 3, "--estimate", "none"),
    )
    ok("predict", "--data", f"t{kind}", "--output", f"out{kind}")
    frame = read_table(f"out{kind}", "text")
    assert frame["id"].tolist() == rows["id"].tolist()
    assert frame["text"].tolist() == rows["text"].fillna("").tolist()
    p = frame[["p_billing", "p_other", "p_refund"]].to_numpy(dtype=float)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    blank = (frame["text"] == "").to_numpy()
    np.testing.assert_allclose(p[blank], np.repeat(p[blank][:1], 6, 0))  # one answer for them


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["billing", "refund", "1"], "is the number 1, where classes have names"),
        (["1", "2", "3"], "is the number 1, where classes have names"),
        (["billing", "Refund", "other"], "did you mean 'refund'?"),
        (["billing", "refund", "spam"], "none of the classes"),
    ],
)
def test_labels_that_are_no_classes(rows, kind, labels, said, run):
    rows["label"] = [labels[row % 3] if row < LABELLED else None for row in range(N)]
    write_table(rows, f"t{kind}")
    given = ("--data", f"t{kind}", "--lfs", "lfs.py")
    found = run("train", *given, "--output", "m.safetensors")
    assert found.exit_code == 2 and said in found.stderr, found.output
    found = run("apply", *given, "--output", "v.npz", "--label-column", "label")
    assert found.exit_code == 2 and said in found.stderr, found.output


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
def test_numbers_count_from_1(rows, kind, run):
    """LFs vote 0, 1, 2 and nobody named the classes; the labels are 1, 2, 3."""
    numbers = {"billing": 0, "refund": 1, "other": 2}
    text = LFS.replace('CLASSES = ("billing", "refund", "other")\n', "")
    for name, number in numbers.items():
        text = text.replace(f'"{name}")', f"{number})").replace(
            f'label="{name}"', f"label={number}"
        )
    Path("lfs.py").write_text(text.replace("keyword_lf(1)", 'keyword_lf("refund")'))
    rows["label"] = [str(row % 3 + 1) if row < LABELLED else None for row in range(N)]
    write_table(rows, f"t{kind}")
    found = run("train", "--data", f"t{kind}", "--lfs", "lfs.py", "--output", "m.safetensors")
    assert found.exit_code == 2 and "seem to count from 1" in found.stderr, found.output


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
def test_f1_of_three_classes_before_any_lf_runs(rows, kind, run):
    write_table(rows, f"t{kind}")
    Path("lfs.py").write_text("raise RuntimeError('it runs')\n", encoding="utf-8")
    given = ("--data", f"t{kind}", "--lfs", "lfs.py", "--metric", "f1")
    found = run("train", *given, "--output", "m.safetensors")
    assert found.exit_code == 2 and "take macro-f1" in found.stderr, found.output


def test_settings_say_how_tables_are_read(rows, run, ok):
    content = "".join(
        f"{key}|{'' if pd.isna(text) else text}|{'' if pd.isna(label) else label}\n"
        for key, text, label in [("key", "body", "kind"), *rows.itertuples(index=False)]
    )
    Path("t.csv").write_bytes(content.encode("cp1252"))
    settings = {"data": "t.csv", "sep": "|", "encoding": "cp1252", "id_column": "key"}
    settings |= {"text_column": "body", "label_column": "kind", "lfs": "lfs.py"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items()]
    Path("spear.toml").write_text("\n".join(lines), encoding="utf-8")
    ok("train", "--method", "only-l", "--max-epochs", 2, "--estimate", "none")
    ok("predict", "--output", "out.csv")
    written = Path("out.csv").read_bytes().decode("cp1252").splitlines()
    assert [line.rsplit("|", 4)[0] for line in written] == content.splitlines()
    Path("t.csv").write_bytes(content.replace("001|", "000|").encode("cp1252"))
    found = run("train", "--method", "only-l", "--force")
    assert found.exit_code == 2 and "rows 0 and 1 (counted from 0) both have" in found.stderr
