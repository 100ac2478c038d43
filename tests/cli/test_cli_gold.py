"""Labels of tables where classes are called by numbers: counted by hand from the table."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from spear_amal import LabelMatrix

N = 60
LFS = """
from enum import Enum
from spear_amal.labeling import keyword_lf

class Stars(Enum):
    ONE = 1
    TWO = 2
    THREE = 3

CLASSES = {classes}
LFS = [keyword_lf(word, [word], k) for k, word in enumerate(["awful", "fine", "great"], 1)]
"""


@pytest.fixture
def table():
    generator = np.random.default_rng(3)
    stars = generator.integers(1, 4, N)
    said = np.where(generator.random(N) < 0.1, stars % 3 + 1, stars)
    frame = pd.DataFrame({"text": [f"{('awful', 'fine', 'great')[k - 1]} {k}" for k in said]})
    frame["label"] = pd.Series(stars, dtype="Int64").where(np.arange(N) % 4 > 0)
    frame.to_csv("rows.csv", index=False)
    frame["said"] = said
    return frame


@pytest.mark.parametrize("classes", ["[1, 2, 3]", "Stars", "{'bad': 1, 'so-so': 2, 'good': 3}"])
def test_classes_that_are_called_by_numbers(classes, table, ok, run):
    Path("lfs.py").write_text(LFS.format(classes=classes), encoding="utf-8")
    known = table["label"].notna()
    accuracies = [
        f"{(table['label'] == k)[known & (table['said'] == k)].mean():.2f}" for k in (1, 2, 3)
    ]
    given = ("--data", "rows.csv")
    shown = ok("apply", *given, "--lfs", "lfs.py", "--output", "l.npz").stdout
    again = ok("analyze", "--votes", "l.npz", *given).stdout
    for text in (shown, again):
        rows = text[text.index("Accuracy on labelled rows") :]
        found = [re.search(rf"{lf}\D+\d+\D+([\d.]+)", rows) for lf in ("awful", "fine", "great")]
        assert [match and match[1] for match in found] == accuracies
    assert (
        np.asarray(LabelMatrix.load("l.npz")).max(axis=1).tolist() == (table["said"] - 1).tolist()
    )

    ok("train", *given, "--lfs", "lfs.py", "--method", "amal", "--max-epochs", 2, "--output", "m")
    ok("predict", *given, "--model", "m", "--output", "p.csv")
    predicted = pd.read_csv("p.csv")["predicted"].astype(str)
    names = ["1", "2", "3"]
    if classes != "[1, 2, 3]":
        names = ["ONE", "TWO", "THREE"] if classes == "Stars" else ["bad", "so-so", "good"]
    assert set(predicted) <= set(names)
    right = predicted[known] == [names[k - 1] for k in table["label"][known]]
    scored = ok("evaluate", *given, "--model", "m").stdout
    assert f"{right.mean():.4f}" in scored

    table.assign(label=table["label"].fillna(0)).to_csv("zeros.csv", index=False)
    for command in (
        ("apply", "--lfs", "lfs.py", "--output", "x.npz", "--label-column", "label"),
        ("train", "--lfs", "lfs.py", "--output", "x", "--method", "amal"),
        ("evaluate", "--model", "m"),
    ):
        result = run(command[0], "--data", "zeros.csv", *command[1:])
        assert result.exit_code == 2
        assert "holds '0' in row 0" in result.stderr.replace("\n", " ")
