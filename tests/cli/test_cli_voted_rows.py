"""Votes in a file and data that were shuffled, filtered or edited since: joined, or refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

LFS = """
from spear_amal.labeling import keyword_lf
CLASSES = ["ham", "spam"]
LFS = [keyword_lf("free", ["free"], "spam"), keyword_lf("lunch", ["lunch"], "ham")]
"""
N = 40


@pytest.fixture
def table(ok):
    draw = np.random.default_rng(1)
    words = draw.choice(["free", "lunch"], N)
    frame = pd.DataFrame({"text": [f"{word} {i}" for i, word in enumerate(words)]})
    frame["label"] = draw.choice(["ham", "spam"], N)
    frame.to_csv("rows.csv", index=False)
    Path("lfs.py").write_text(LFS, encoding="utf-8")
    ok("apply", "--data", "rows.csv", "--lfs", "lfs.py", "--output", "l.npz")
    return frame


def analysed(ok, frame: pd.DataFrame) -> dict[str, tuple[int, float]]:
    """Labelled rows and accuracy that the command gives for each LF."""
    frame.to_csv("changed.csv", index=False)
    given = ("--votes", "l.npz", "--data", "changed.csv", "--output", "table.csv", "--force")
    ok("analyze", *given)
    shown = pd.read_csv("table.csv")
    return dict(
        zip(shown["LF"], zip(shown["gold votes"], shown["accuracy"], strict=True), strict=True)
    )


def by_hand(frame: pd.DataFrame) -> dict[str, tuple[int, float]]:
    right = {}
    for word, label in (("free", "spam"), ("lunch", "ham")):
        labels = [k for text, k in zip(frame["text"], frame["label"], strict=True) if word in text]
        right[word] = (len(labels), pytest.approx(np.mean([k == label for k in labels])))
    return right


def test_shuffled_and_filtered_rows_are_joined(table, ok):
    for changed in (table, table.sample(frac=1, random_state=0), table.iloc[::-1].head(25)):
        assert analysed(ok, changed) == by_hand(changed)


def test_other_rows_are_refused(table, run, ok):
    table.assign(
        text=table["text"].replace("free 0", "call 0").replace("lunch 0", "call 0")
    ).to_csv("edited.csv", index=False)
    result = run("analyze", "--votes", "l.npz", "--data", "edited.csv")
    assert result.exit_code == 2
    assert "no votes on row 0 (counted from 0)" in result.stderr.replace("\n", " ")
    double = pd.concat([table, table.head(3)])
    double.to_csv("rows.csv", index=False)
    ok("apply", "--data", "rows.csv", "--lfs", "lfs.py", "--output", "l.npz", "--force")
    assert analysed(ok, double) == by_hand(double)
    double.iloc[::-1].to_csv("turned.csv", index=False)
    result = run("analyze", "--votes", "l.npz", "--data", "turned.csv")
    assert result.exit_code == 2
    assert "rows cannot be told apart" in result.stderr.replace("\n", " ")


def test_a_table_of_labels_goes_by_position(table, ok):
    assert analysed(ok, table[["label"]]) == by_hand(table)


def test_votes_in_parts_are_held_against_the_texts(table, run, ok):
    pytest.importorskip("pyarrow")
    table.to_parquet("rows.parquet")
    ok("apply", "--data", "rows.parquet", "--lfs", "lfs.py", "--votes-folder", "parts")
    ok("analyze", "--votes", "parts", "--data", "rows.parquet")
    ok("analyze", "--votes", "parts", "--data", "rows.csv")  # the same rows in another file
    table.sample(frac=1, random_state=0).to_parquet("shuffled.parquet")
    result = run("analyze", "--votes", "parts", "--data", "shuffled.parquet")
    assert result.exit_code == 2 and "in another order" in result.stderr.replace("\n", " ")


def test_votes_in_parts_say_where_rows_differ(table, run, ok):
    pytest.importorskip("pyarrow")
    many = pd.concat([table] * 20, ignore_index=True)  # 800 rows
    many.to_parquet("rows.parquet")
    ok("apply", "--data", "rows.parquet", "--lfs", "lfs.py", "--votes-folder", "parts")
    for row, rows in ((0, "0 to 255"), (600, "512 to 767"), (799, "768 to 799")):
        edited = many.copy()
        edited.loc[row, "text"] = "another"
        edited.to_parquet("edited.parquet")
        result = run("analyze", "--votes", "parts", "--data", "edited.parquet")
        assert result.exit_code == 2
        assert f"among rows {rows} (counted from 0)" in " ".join(result.stderr.split())
