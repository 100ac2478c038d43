from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.data import read_rows, read_table
from spear_amal.errors import InputError


def test_files_are_read_one_below_the_other():
    Path("a.csv").write_text("body,n\none,1\n", encoding="utf-8")
    Path("b.jsonl").write_text('{"body": "two", "n": 2}\n', encoding="utf-8")
    frame = read_table([Path("a.csv"), Path("b.jsonl")], "body")
    assert frame["body"].tolist() == ["one", "two"] and frame.index.tolist() == [0, 1]
    assert read_rows.for_lfs(frame, "body")["text"].tolist() == ["one", "two"]
    assert "text" not in frame


def test_column_named_text_is_left_alone():
    frame = pd.DataFrame({"text": ["kept"], "body": ["other"]})
    assert read_rows.for_lfs(frame, "body")["text"].tolist() == ["kept"]


def test_numbers_as_texts_become_strings():
    Path("a.csv").write_text("text\n12\n7\n", encoding="utf-8")
    assert read_table([Path("a.csv")], "text")["text"].tolist() == ["12", "7"]


def test_ways_to_be_unlabelled():
    held = pd.DataFrame({"label": [None, float("nan"), "", " ", -1, "-1", -1.0, "spam", 2.0, 3]})
    values = read_rows.label_values(held.astype(object), "label", "t.csv")
    assert values == [None] * 7 + ["spam", "2", "3"]


def test_whole_numbers_with_gaps(tmp_path):
    held = pd.DataFrame({"text": ["x"] * 3, "label": pd.array([1, None, 0], dtype="Int64")})
    held.to_parquet("rows.parquet")
    held.to_csv("rows.csv", index=False)
    for name in ("rows.parquet", "rows.csv"):
        frame = read_table([Path(name)], "text")
        assert read_rows.label_values(frame, "label", name) == ["1", None, "0"]


@given(st.lists(st.sampled_from(["ham", "spam", "egg", None]), max_size=23))
def test_names_and_codes_mean_the_same(values):
    classes = ("egg", "ham", "spam")
    values = ["egg", *values]  # numbers are codes for sure if one of them is 0
    codes = read_rows.class_codes(values, classes, "t.csv")
    as_codes = [None if code < 0 else str(code) for code in codes]
    assert read_rows.class_codes(as_codes, classes, "t.csv").tolist() == codes.tolist()
    assert [None if c < 0 else classes[c] for c in codes] == values


def test_names_go_before_codes():
    # Classes named by numbers in another order than their codes.
    assert read_rows.class_codes(["1", "2", "5"], ("5", "2", "1"), "t").tolist() == [2, 1, 0]


def test_label_that_is_no_class_is_named():
    with pytest.raises(InputError, match=r"t\.csv holds 'hma' in row 1 .* 'ham' \(0\), 'spam'"):
        read_rows.class_codes(["ham", "hma"], ("ham", "spam"), "t.csv")


@pytest.mark.parametrize(
    ("voted", "values", "classes"),
    [
        (None, ["b", None, "a"], ("a", "b")),
        (None, ["10", "9", None], ("9", "10")),
        (("ham", "spam"), ["spam"], ("ham", "spam")),
        ((0, 1), ["2", None], (0, 1, 2)),
        ((0, 1), [None], (0, 1)),
    ],
)
def test_classes_come_from_votes_or_labels(voted, values, classes):
    assert read_rows.classes_of_table(voted, values) == classes


def test_names_cannot_meet_mere_numbers():
    with pytest.raises(InputError, match=r"CLASSES = \('ham', 'spam'\)"):
        read_rows.classes_of_table((0, 1), ["spam", "ham", None])


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        (["true", "false", ""], ["true", "false", None]),
        (["1.10", "1.1", "2"], ["1.10", "1.1", "2"]),
        (["1.0", "0.0", "", "-1.0"], ["1", "0", None, None]),  # as pandas writes 1, 0, missing
        (["01", "1", " 2 "], ["01", "1", "2"]),
        (["1e5", "NA"], ["1e5", "NA"]),
        (["9007199254740993", "x"], ["9007199254740993", "x"]),
    ],
)
def test_labels_are_cells_as_they_are(cells, labels):
    Path("a.csv").write_text("text,label\n" + "".join(f"t,{cell}\n" for cell in cells))
    frame = read_table([Path("a.csv")], "text", "label")
    assert read_rows.label_values(frame, "label", "a.csv") == labels
