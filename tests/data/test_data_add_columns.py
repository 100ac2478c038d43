"""Columns are added; what the user wrote comes back byte for byte, or by type."""

import csv
import io
import json
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.data import read_table
from spear_amal.data.add_columns import add_columns
from spear_amal.errors import InputError, OutputExistsError

CELLS = st.text(st.sampled_from('ab,";\n\r\t 0.é\u2028'), max_size=7)
ADDED = {"predicted": ["ham", "a,b"], "p_ham": np.array([0.75, 0.1]), "p_a,b": [0.25, None]}


def saved(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def added_to(tmp_path, contents, target="out.csv", added=ADDED):
    """Bytes that come of files by name."""
    paths = [saved(tmp_path, name, content) for name, content in contents.items()]
    add_columns(paths, added, tmp_path / target)
    return (tmp_path / target).read_bytes()


CSV_HEAD, CSV_ROWS = ',predicted,p_ham,"p_a,b"', [",ham,0.75,0.25", ',"a,b",0.1,']


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("id,x\n00000,1.10\n01234,-0\n", "id,x{}\n00000,1.10{}\n01234,-0{}\n"),
        ("\ufeffid,x\r\n 1,2 \r\n3,\r\n", "\ufeffid,x{}\r\n 1,2 {}\r\n3,{}\r\n"),
        ('"id","x"\n"1","NA"\n\n2,""', '"id","x"{}\n"1","NA"{}\n\n2,""{}'),
        ("id,x\na\rb,2\n3,1e3\n", "id,x{}\na\rb,2{}\n3,1e3{}\n"),
        (',x\n"two\r\nlines",2\n3,"say ""hi"""\n', ',x{}\n"two\r\nlines",2{}\n3,"say ""hi"""{}\n'),
        ("x\na\r\nb", "x{}\na{}\r\nb{}"),
    ],
)
def test_csv_comes_back_byte_for_byte(tmp_path, before, after):
    found = added_to(tmp_path, {"a.csv": before}).decode()
    assert found == after.format(CSV_HEAD, *CSV_ROWS)


def test_tsv_comes_back_byte_for_byte(tmp_path):
    added = {"predicted": ["tab\there", "a,b"]}
    found = added_to(tmp_path, {"a.tsv": "id\tx, y\n007\t\n1.10\t2\n"}, "out.tsv", added)
    assert found == b'id\tx, y\tpredicted\n007\t\t"tab\there"\n1.10\t2\ta,b\n'


@settings(max_examples=70)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_other_readers_find_the_same_cells(tmp_path_factory, rows, end):
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL, lineterminator=end)
    writer.writerows([("a", "b"), *rows])
    folder = tmp_path_factory.mktemp("added")
    words = [f"w,{row}" for row in range(len(rows))]
    found = added_to(folder, {"a.csv": stream.getvalue()}, added={"word": words})
    read = list(csv.reader(io.StringIO(found.decode(), newline="")))
    assert read == [["a", "b", "word"], *([*row, w] for row, w in zip(rows, words, strict=True))]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '{"id": 00000.5e1, "when": "2024-01-01"}\n'.replace("00000", "0") + '{"x":1.10}\n',
            '{"id": 0.5e1, "when": "2024-01-01"%}\n{"x":1.10%}\n',
        ),
        ('\ufeff{"a": {"b": 1} }\r\n\n{ }', '\ufeff{"a": {"b": 1} %}\r\n\n{ @}'),
        ('{"\\u00e9": "\\/ }"}  \n{"n": 12345678901234567890}\n',) * 2,
    ],
)
def test_json_lines_come_back_byte_for_byte(tmp_path, before, after):
    found = added_to(tmp_path, {"a.jsonl": before}, "out.ndjson").decode()
    fields = ['"predicted": "ham", "p_ham": 0.75, "p_a,b": 0.25']
    fields += ['"predicted": "a,b", "p_ham": 0.1, "p_a,b": null']
    if "%" in after:
        expected = iter(fields)
        after = re.sub("[%@]", lambda m: ", " * (m[0] == "%") + next(expected), after)
        assert found == after
    lines = [line for line in found.removeprefix("\ufeff").split("\n") if line.strip()]
    before_rows = [json.loads(x) for x in before.removeprefix("\ufeff").split("\n") if x.strip()]
    for line, row, more in zip(lines, before_rows, fields, strict=True):
        assert json.loads(line) == row | json.loads(f"{{{more}}}")


def test_parquet_comes_back_by_type(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pa.table(
        {
            "id": pa.array([2**62 + 1, None], pa.int64()),
            "small": pa.array([1, 2], pa.uint8()),
            "when": pa.array([1, None], pa.timestamp("us", "UTC")),
            "day": pa.array([19000, 1], pa.date32()),
            "price": pa.array([1, None], pa.int32()).cast(pa.decimal128(12, 2)),
            "tags": pa.array([["a"], None], pa.list_(pa.string())),
            "kind": pa.array(["x", "x"]).dictionary_encode(),
        }
    ).replace_schema_metadata({"mine": "kept"})
    parquet.write_table(table, tmp_path / "a.parquet")
    add_columns([tmp_path / "a.parquet"], ADDED, tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.select(table.column_names).equals(table)
    assert found.schema.metadata[b"mine"] == b"kept"
    assert {name: found[name].to_pylist() for name in ADDED} == {
        name: list(values) for name, values in ADDED.items()
    }


def test_several_files_become_one(tmp_path):
    files = {"a.csv": "id,x\n01,2", "b.csv": "\ufeffid,x\r\n3,1.10\r\n"}
    found = added_to(tmp_path, files).decode()
    assert found == f"id,x{CSV_HEAD}\n01,2{CSV_ROWS[0]}\n3,1.10{CSV_ROWS[1]}\r\n"


@pytest.mark.parametrize(
    ("files", "target", "cells"),
    [
        ({"a.csv": "id,x\n01,1.10\n", "b.csv": "y,id\n2,\n"}, "out.csv", "id,x,y\n01,1.10,\n,,2\n"),
        ({"a.csv": "id,x\n01,a\tb\n2,\n"}, "out.tsv", 'id\tx\n01\t"a\tb"\n2\t\n'),
        (
            {"a.jsonl": '{"n": 1.10, "t": [1.0, {"k": "\\u00e9"}], "b": true}\n{"n": 12e0}\n'},
            "out.csv",
            'n,t,b\n1.10,"[1.0, {""k"": ""é""}]",true\n12e0,,\n',
        ),
    ],
)
def test_cells_of_another_kind_of_file_stay_as_written(tmp_path, files, target, cells):
    found = added_to(tmp_path, files, target).decode()
    delimiter = "\t" if target.endswith("tsv") else ","
    read = list(csv.reader(io.StringIO(found), delimiter=delimiter))
    expected = list(csv.reader(io.StringIO(cells), delimiter=delimiter))
    assert [row[:-3] for row in read] == expected


def test_cells_of_csv_are_texts_in_json_and_parquet(tmp_path):
    content = {"a.csv": "id,x\n007,1.10\n8,\n"}
    rows = [json.loads(x) for x in added_to(tmp_path, content, "out.jsonl").splitlines()]
    assert [(row["id"], row["x"]) for row in rows] == [("007", "1.10"), ("8", None)]
    added_to(tmp_path, content, "out.parquet")
    frame = pd.read_parquet(tmp_path / "out.parquet")
    assert frame["id"].tolist() == ["007", "8"] and frame["x"][0] == "1.10"


def test_dates_of_parquet_become_no_epoch_numbers(tmp_path):
    frame = pd.DataFrame({"when": pd.to_datetime(["2024-01-31 12:00", None]), "n": [1.5, 2]})
    frame.to_parquet(tmp_path / "a.parquet")
    add_columns([tmp_path / "a.parquet"], ADDED, tmp_path / "out.jsonl")
    first, second = map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())
    assert (first["when"], second["when"]) == ("2024-01-31T12:00:00", None)


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "b.csv"])
@pytest.mark.parametrize("n_rows", [1, 3])
def test_rows_that_changed_since_they_were_read(tmp_path, name, n_rows):
    frame = pd.DataFrame({"x": ["a"] * n_rows})
    paths = [tmp_path / name]
    write = {"csv": frame.to_csv, "jsonl": frame.to_json, "parquet": frame.to_parquet}
    options = {"csv": {"index": False}, "jsonl": {"orient": "records", "lines": True}}
    kind = name.partition(".")[2]
    write[kind](paths[0], **options.get(kind, {}))
    target = tmp_path / ("out.jsonl" if name == "b.csv" else f"out.{kind}")
    with pytest.raises(InputError, match="number of rows changed"):
        add_columns(paths, ADDED, target)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_nothing_is_overwritten_unasked(tmp_path):
    path = saved(tmp_path, "a.csv", "x\na\nb\n")
    with pytest.raises(OutputExistsError):
        add_columns([path], ADDED, path)
    add_columns([path], ADDED, path, overwrite=True)
    assert read_table(path)["x"].tolist() == ["a", "b"]
