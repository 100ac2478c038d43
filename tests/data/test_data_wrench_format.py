"""WRENCH folders: what is written is read back, and what does not fit is told."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.data import WrenchPart, read_wrench, write_wrench
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.votes.label_matrix import LabelMatrix


def part_of(votes, labels, texts, classes=("HAM", "SPAM")):
    frame = pd.DataFrame({"text": texts, "label": labels})
    return WrenchPart(frame, LabelMatrix.from_dense(votes, classes=classes))


@pytest.fixture
def folder(tmp_path):
    votes = np.array([[0, -1, 1], [-1, -1, -1]])
    parts = {
        part: part_of(votes, [0, -1], [f"{part} é", "b"]) for part in ("train", "valid", "test")
    }
    write_wrench(parts, tmp_path)
    return tmp_path


def change(path, **row):
    content = json.loads(path.read_text(encoding="utf-8"))
    content["1"].update(row)
    path.write_text(json.dumps(content), encoding="utf-8")


@settings(max_examples=30)
@given(st.data())
def test_written_and_read_back(tmp_path_factory, data):
    n, m, c = (data.draw(st.integers(low, high)) for low, high in ((0, 7), (1, 5), (2, 4)))
    cells = st.lists(st.integers(-1, c - 1), min_size=n, max_size=n)
    votes = np.array([data.draw(cells) for _ in range(m)]).reshape(m, n).T
    labels, texts = data.draw(cells), data.draw(st.lists(st.text(), min_size=n, max_size=n))
    target = tmp_path_factory.mktemp("wrench")
    classes = tuple(f"c{k}" for k in range(c))
    names = [f"rule {j}" for j in range(m)]
    write_wrench({"train": part_of(votes, labels, texts, classes)}, target)
    got = read_wrench(target, parts=["train"], lf_names=names)["train"]
    assert got.label_matrix.to_dense().tolist() == votes.tolist()
    assert got.label_matrix.classes == classes
    assert got.label_matrix.lf_names == tuple(names)
    assert got.frame["label"].tolist() == labels
    assert n == 0 or got.frame["text"].tolist() == texts
    assert got.frame.index.tolist() == [str(i) for i in range(n)]
    assert got.label_matrix.row_ids.tolist() == got.frame.index.tolist()


def test_further_columns_are_data(tmp_path):
    frame = pd.DataFrame({"a": [1, 2], "feature": [[0.5, 1.0], [2.0, 3.0]], "label": [0, 1]})
    votes = LabelMatrix.from_dense([[0], [1]])
    write_wrench({"train": WrenchPart(frame, votes)}, tmp_path)
    got = read_wrench(tmp_path, parts=["train"])["train"].frame
    assert got["feature"].tolist() == [[0.5, 1.0], [2.0, 3.0]]
    assert got["a"].tolist() == [1, 2]


def test_all_parts(folder):
    parts = read_wrench(folder)
    assert list(parts) == ["train", "valid", "test"]
    assert parts["valid"].frame["text"].tolist() == ["valid é", "b"]
    assert parts["test"].frame["label"].tolist() == [0, -1]


def test_missing_gold_is_minus_one(folder):
    change(folder / "train.json", label=None)
    assert read_wrench(folder)["train"].frame["label"].tolist() == [0, -1]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"weak_labels": [0, 2, -1]}, r"train\.json, row 1: 2 is no class; there are 2"),
        ({"weak_labels": [0, -2, -1]}, "row 1: -2 is no class"),
        ({"weak_labels": [0, 0.5, -1]}, "row 1: 0.5 is no class"),
        ({"weak_labels": [0, None, -1]}, "row 1: None is no class"),
        ({"weak_labels": [0, 1]}, "row 1: expected 3 votes"),
        ({"weak_labels": 3}, "row 1: expected 3 votes"),
        ({"label": 2}, "row 1: 2 is no class"),
        ({"label": "SPAM"}, "row 1: 'SPAM' is no class"),
    ],
)
def test_rows_that_cannot_be(folder, row, told):
    change(folder / "train.json", **row)
    with pytest.raises(FileFormatError, match=told):
        read_wrench(folder)


def test_files_that_cannot_be(folder):
    train = folder / "train.json"
    whole = train.read_text(encoding="utf-8")
    for content, told in (
        (whole[:-9], "not JSON or is damaged"),
        ("[1, 2]", "must hold one object, found list"),
        ('{"0": {"label": 0, "data": {}}}', "needs data, label and weak_labels"),
        ('{"0": 5}', "needs data, label and weak_labels"),
    ):
        train.write_text(content, encoding="utf-8")
        with pytest.raises(FileFormatError, match=told):
            read_wrench(folder)
    train.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileFormatError, match="damaged"):
        read_wrench(folder)


def test_missing_parts_and_classes(folder):
    (folder / "valid.json").unlink()
    with pytest.raises(FileFormatError, match=r"valid\.json is missing.*parts="):
        read_wrench(folder)
    assert set(read_wrench(folder, parts=["train", "test"])) == {"train", "test"}
    (folder / "label.json").write_text('{"1": "HAM", "2": "SPAM"}')
    with pytest.raises(FileFormatError, match=r"must number its classes 0, 1"):
        read_wrench(folder, parts=["train"])


def test_parts_of_differing_width(folder):
    content = {"0": {"label": 0, "weak_labels": [0], "data": {"text": "x"}}}
    (folder / "test.json").write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match="differing numbers of votes"):
        read_wrench(folder)


def test_wrong_number_of_names(folder):
    with pytest.raises(FileFormatError, match="lf_names has 2 entries"):
        read_wrench(folder, lf_names=["a", "b"])


def test_nothing_is_overwritten_unasked(folder, tmp_path):
    parts = read_wrench(folder)
    before = (folder / "train.json").read_bytes()
    with pytest.raises(OutputExistsError):
        write_wrench({"extra": parts["test"], "train": parts["test"]}, folder)
    assert (folder / "train.json").read_bytes() == before
    assert not (folder / "extra.json").exists()
    write_wrench({"train": parts["test"]}, folder, overwrite=True)
    assert (folder / "train.json").read_bytes() != before


def test_parts_that_cannot_be_written(tmp_path):
    one = part_of(np.array([[0]]), [0], ["x"])
    other = part_of(np.array([[0]]), [0], ["x"], classes=("A", "B"))
    with pytest.raises(InputError, match="same classes"):
        write_wrench({"train": one, "test": other}, tmp_path)
    with pytest.raises(InputError, match="same classes"):
        write_wrench({}, tmp_path)
    with pytest.raises(InputError, match="1 rows, the votes 2"):
        WrenchPart(one.frame, LabelMatrix.from_dense([[0], [1]]))
    with pytest.raises(InputError, match="column 'label'"):
        WrenchPart(one.frame.drop(columns="label"), one.label_matrix)


@pytest.mark.parametrize(
    "index",
    [[0, 1, 0, 1], [1, "1", 2, "2"], ["a", "b", "b", "c"], [1.0, "1.0", 2, 3]],
)
def test_rows_whose_ids_are_equal_as_text_are_not_lost(index, tmp_path):
    frame = pd.DataFrame({"text": list("abcd"), "label": [0, 1, 0, 1]}, pd.Index(index, dtype="O"))
    votes = LabelMatrix.from_dense([[0], [1], [0], [1]])
    with pytest.raises(InputError, match=r"not unique as texts.*reset_index"):
        write_wrench({"train": WrenchPart(frame, votes)}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    write_wrench({"train": WrenchPart(frame.reset_index(drop=True), votes)}, tmp_path)
    got = read_wrench(tmp_path, parts=["train"])["train"]
    assert got.frame["text"].tolist() == list("abcd")
    assert got.label_matrix.to_dense().ravel().tolist() == [0, 1, 0, 1]


def test_an_id_twice_in_a_file_is_an_error(folder):
    row = '{"label": 0, "weak_labels": [0, 1, -1], "data": {"text": "x"}}'
    (folder / "train.json").write_text(f'{{"7": {row}, "8": {row}, "7": {row}}}')
    with pytest.raises(FileFormatError, match=r"train\.json.*'7' is there twice"):
        read_wrench(folder)
    (folder / "train.json").write_text(f'{{"7": {row[:-1]}, "label": 1}}}}')
    with pytest.raises(FileFormatError, match="'label' is there twice"):
        read_wrench(folder)
    (folder / "label.json").write_text('{"0": "HAM", "1": "SPAM", "1": "EGGS"}')
    with pytest.raises(FileFormatError, match=r"label\.json.*'1' is there twice"):
        read_wrench(folder)


def test_a_short_first_row_is_blamed_itself(folder):
    row = {"label": 0, "weak_labels": [0, 1, -1], "data": {"text": "x"}}
    content = {"a": {**row, "weak_labels": [0, 1]}, "b": row, "c": row}
    (folder / "train.json").write_text(json.dumps(content))
    with pytest.raises(FileFormatError, match=r"row a: expected 3 votes, found \[0, 1\]"):
        read_wrench(folder)


@pytest.mark.parametrize("classes_file", ["label.json", "labels.json"])
def test_labels_as_boxwrench_writes_them(tmp_path, classes_file):
    rows = {
        "0": {"labels": 1, "weak_labels": [-1, 1], "data": {"text": "arbitration"}},
        "1": {"label": 0, "weak_labels": [0, -1], "data": {"text": "other"}},
        "2": {"labels": None, "weak_labels": [-1, -1], "data": {"text": "no gold"}},
    }
    (tmp_path / "valid.json").write_text(json.dumps(rows, indent=4))
    (tmp_path / classes_file).write_text('{"0": "Other", "1": "Arbitration"}')
    got = read_wrench(tmp_path, parts=["valid"])["valid"]
    assert got.frame["label"].tolist() == [1, 0, -1]
    assert got.label_matrix.classes == ("Other", "Arbitration")
    assert got.label_matrix.to_dense().tolist() == [[-1, 1], [0, -1], [-1, -1]]


@pytest.mark.parametrize(
    "row",
    [
        {"label": 0, "labels": 1, "weak_labels": [0], "data": {}},
        {"weak_labels": [0], "data": {}},
        {"label": 0, "weak_labels": [0], "data": ["x"]},
        [0],
    ],
)
def test_rows_of_another_shape_are_named(folder, row):
    (folder / "train.json").write_text(json.dumps({"r9": row}))
    with pytest.raises(FileFormatError, match=r"train\.json, row r9: "):
        read_wrench(folder)


def test_values_come_back_as_they_were(tmp_path):
    values = {
        "x": [0.1234567890123456, 1e-17],
        "n": [2**53 + 1, -1],
        "when": pd.to_datetime(["2024-01-31 10:00", None]),
        "list": [np.array([0.1, 1e-12]), [1, [2, None]]],
        "text": pd.Series(["caf\xe9 \ud800", None], ["p", "q"], dtype=object),
        "flag": [True, False],
        7: [{"a": np.int64(3)}, float("nan")],
    }
    frame = pd.DataFrame({**values, "label": [1, np.nan]}, index=["p", "q"])
    write_wrench({"train": WrenchPart(frame, LabelMatrix.from_dense([[0], [1]]))}, tmp_path)
    content = json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))
    assert content["p"]["data"] == {
        **{"x": 0.1234567890123456, "n": 2**53 + 1, "when": "2024-01-31T10:00:00"},
        **{"list": [0.1, 1e-12], "text": "caf\xe9 \ud800", "flag": True, "7": {"a": 3}},
    }
    assert content["q"]["data"] == {
        **{"x": 1e-17, "n": -1, "when": None, "list": [1, [2, None]]},
        **{"text": None, "flag": False, "7": None},
    }
    assert [content[row]["label"] for row in "pq"] == [1, -1]
    got = read_wrench(tmp_path, parts=["train"])["train"].frame
    assert got["x"].tolist() == values["x"] and got["text"].tolist() == ["caf\xe9 \ud800", None]


def nested(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("columns", "part", "told"),
    [
        ({"label": [2]}, "train", "label of part 'train' holds 2 in row 0"),
        ({"label": ["SPAM"]}, "train", "label of part 'train' holds 'SPAM' in row 0"),
        ({"label": [0.5]}, "train", "label of part 'train' holds 0.5 in row 0"),
        ({"label": [0], "x": [nested(sys.getrecursionlimit())]}, "train", "JSON cannot hold"),
        ({"label": [0]}, "label", "cannot be called 'label'"),
        ({"label": [0]}, "../train", "cannot be called"),
    ],
)
def test_what_a_folder_cannot_hold(tmp_path, columns, part, told):
    rows = WrenchPart(pd.DataFrame(columns), LabelMatrix.from_dense([[0]]))
    with pytest.raises(InputError, match=told):
        write_wrench({part: rows}, tmp_path)
    sound = part_of(np.array([[0]]), [0], ["x"], classes=(0, 1))
    for columns in (["a", "a", "label"], [7, "7", "label"]):
        twice = WrenchPart(pd.DataFrame([["x", "y", 0]], columns=columns), rows.label_matrix)
        with pytest.raises(InputError, match="has a column twice"):
            write_wrench({"train": sound, "test": twice}, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_real_folder(real_data, tmp_path):
    source = Path(real_data) / "wrench_youtube"
    parts = read_wrench(source)
    assert {part: len(rows.frame) for part, rows in parts.items()} == {
        "train": 1586,
        "valid": 120,
        "test": 250,
    }
    votes, gold = parts["train"].label_matrix, parts["train"].frame["label"].to_numpy()
    fired = votes.to_dense()
    lead = (fired == 1).sum(axis=1) - (fired == 0).sum(axis=1)
    assert votes.shape == (1586, 10)
    assert ((lead > 0) == gold)[lead != 0].mean() > 0.85
    write_wrench(parts, tmp_path / "again")
    for part in parts:
        assert json.loads((tmp_path / "again" / f"{part}.json").read_text("utf-8")) == json.loads(
            (source / f"{part}.json").read_text("utf-8")
        )


def test_values_are_written_without_a_guess(tmp_path):
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2024-01-31", None]),
            "share": [0.1234567890123456, np.nan],
            "label": [0, 1],
        },
        index=["a", "b"],
    )
    votes = LabelMatrix.from_dense(np.array([[0], [1]]), classes=("x", "y"), row_ids=frame.index)
    write_wrench({"train": WrenchPart(frame, votes)}, tmp_path)
    rows = json.loads((tmp_path / "train.json").read_text(encoding="utf-8"))
    assert rows["a"]["data"] == {"when": "2024-01-31T00:00:00", "share": 0.1234567890123456}
    assert rows["b"]["data"] == {"when": None, "share": None}


def test_nesting_without_end_is_a_damaged_file(tmp_path):
    (tmp_path / "label.json").write_text("[" * 100_000)
    with pytest.raises(FileFormatError, match=r"label\.json is not JSON or is damaged"):
        read_wrench(tmp_path)
