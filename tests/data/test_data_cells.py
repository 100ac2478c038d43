"""Cells of the user's tables: read as they stand, typed by their whole column, told by line."""

import csv
import io
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.data import read_table, write_table
from spear_amal.errors import FileFormatError, InputError

CELLS = st.text(st.sampled_from('ab,";\n\t 0.é\u2028\x85'), max_size=7)


def written(tmp_path, content, name="a.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# -- a row with another number of cells -----------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "line", "found"),
    [
        ("text,label\nhello, you,ham\nbye,spam\n", 2, "3 cells, where the header has 2"),
        ("text,label\n" + "hello, you,ham\n" * 3, 2, "3 cells"),  # every row: no index either
        ("text,label\nbye,spam\nhello\n", 3, "1 cells, where the header has 2"),
        ('text,label\n"two\nlines",ham\n\nbye,spam,\n', 5, "3 cells"),
        ('text,label\n"say ""hi""",ham\n"hi" he said,ham\n', 3, "' he said,' follows the closing"),
        ('text,label\nbye,ham\n"hello,ham\nbye,spam\n', 3, "a quote is opened and never closed"),
        ("text,label\nbye,ham\nol\udcff,spam\n", 3, "not UTF-8"),
        ("text,text,n,n\nbye,ham,1,2\n", 1, r"\['text', 'n'\] are there more than once"),
    ],
)
def test_line_at_fault_is_named(tmp_path, content, line, found):
    path = written(tmp_path, content.encode(errors="surrogateescape"))
    with pytest.raises(FileFormatError, match=f"a.csv, line {line}: .*{found}"):
        read_table(path)


def test_utf_16_without_its_mark_is_told(tmp_path):
    with pytest.raises(FileFormatError, match=r"UTF-16.*save it as UTF-8.*--encoding utf-16"):
        read_table(written(tmp_path, "text,label\nhello,ham\n".encode("utf-16-le")))


def test_lines_that_end_with_carriage_returns_alone(tmp_path):
    with pytest.raises(FileFormatError, match="carriage returns alone"):
        read_table(written(tmp_path, "text,label\rhello,ham\rbye,spam\r"))


@pytest.mark.parametrize("content", ["\n\n", "\ufeff", "\r\n"])
def test_file_of_nothing(tmp_path, content):
    with pytest.raises(InputError, match="is empty; it needs a header or rows"):
        read_table(written(tmp_path, content))


@pytest.mark.parametrize(("suffix", "delimiter"), [(".csv", ","), (".tsv", "\t")])
@settings(max_examples=70)
@given(
    rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    end=st.sampled_from(["\n", "\r\n"]),
    bom=st.booleans(),
    is_cut=st.booleans(),
)
def test_cells_are_those_of_the_csv_module(
    tmp_path_factory, suffix, delimiter, rows, quoting, end, bom, is_cut
):
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=delimiter, quoting=quoting, lineterminator=end)
    writer.writerows([("text", "other"), *(("t" + text, "t" + other) for text, other in rows)])
    content = stream.getvalue()
    content = content.removesuffix(end) if is_cut else content
    path = tmp_path_factory.mktemp("cells") / f"a{suffix}"
    path.write_bytes(("\ufeff" * bom + content).encode())
    frame = read_table(path)
    assert frame["text"].tolist() == ["t" + text for text, _ in rows]
    assert frame["other"].tolist() == ["t" + other for _, other in rows]


def test_very_long_cell_of_many_lines(tmp_path):
    text = 'a "line"\r\n' * 50_000
    path = written(tmp_path, 'text,n\n"{}",1\n'.format(text.replace('"', '""')))
    assert read_table(path)["text"].tolist() == [text]


def test_carriage_return_is_part_of_the_text(tmp_path):
    path = written(tmp_path, 'text,n\nhello\ryou,1\n"bye\rbye",2\n')
    assert read_table(path)["text"].tolist() == ["hello\ryou", "bye\rbye"]


def test_columns_without_a_name_are_called_by_their_place(tmp_path):
    frame = read_table(written(tmp_path, ",text,\n0,a,x\n1,b,y\n"))
    assert frame.columns.tolist() == ["Unnamed: 0", "text", "Unnamed: 2"]


# -- types of columns -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["1", "-2", "+3"], [1, -2, 3]),
        (["1", "", "3"], [1, None, 3]),
        (["1", "2.5", ""], [1.0, 2.5, None]),
        ([" 4", ".5", "1e3"], [4.0, 0.5, 1000.0]),
        (["1.10", "1.1", "2"], [1.1, 1.1, 2.0]),
        (["00000", "12345", "7"], ["00000", "12345", "7"]),
        (["01.5", "2"], ["01.5", "2"]),
        (["1", "2", "x"], ["1", "2", "x"]),
        (["9007199254740993", ""], [9007199254740993, None]),
        (["9007199254740993", "0.5"], ["9007199254740993", "0.5"]),
        (["9223372036854775807", "1"], [2**63 - 1, 1]),
        (["9223372036854775808", "1"], ["9223372036854775808", "1"]),
        (["1e999", "1"], ["1e999", "1"]),
        (["1", "9" * 5000], ["1", "9" * 5000]),
        (["true", "FALSE", "True"], [True, False, True]),
        (["True", "", "False"], [True, None, False]),
        (["nan", "1"], ["nan", "1"]),
        (["NA", "null"], ["NA", "null"]),
        (["٣", "4"], ["٣", "4"]),
        (["1_000", "2"], ["1_000", "2"]),
        (["2024-01-01", ""], ["2024-01-01", None]),
        (["", ""], [None, None]),
    ],
)
@pytest.mark.parametrize("n_before", [0, 9_000])
def test_type_is_that_of_the_whole_column(tmp_path, cells, values, n_before):
    # Far more rows of the first cell than a reader would look at before it decides.
    rows = [cells[0]] * n_before + cells
    expected = [values[0]] * n_before + values
    frame = read_table(written(tmp_path, "c,d\n" + "".join(f"{cell},x\n" for cell in rows)))
    column = frame["c"]
    found = [
        None if gone else one for one, gone in zip(column.tolist(), column.isna(), strict=True)
    ]
    assert found == expected
    assert {type(one) for one in found} == {type(one) for one in expected}


def test_type_is_that_of_all_files(tmp_path):
    first = written(tmp_path, "text,n\na,01\n", "a.csv")
    second = written(tmp_path, "text\tn\tid\nb\t2\t9007199254740993\n", "b.tsv")
    frame = read_table([first, second])
    assert frame["n"].tolist() == ["01", "2"]
    assert frame["id"].isna().tolist() == [True, False] and frame["id"][1] == 9007199254740993
    assert frame.columns.tolist() == ["text", "n", "id"]


def test_files_of_several_kinds_keep_their_values(tmp_path):
    first = written(tmp_path, "text,n\na,1\n", "a.csv")
    second = written(tmp_path, '{"text": "b", "id": 9007199254740993}\n', "b.jsonl")
    frame = read_table([first, second], "text")
    assert frame["text"].tolist() == ["a", "b"]
    assert frame["n"][0] == 1 and frame["id"][1] == 9007199254740993
    assert frame[["n", "id"]].isna().to_numpy().tolist() == [[False, True], [True, False]]


def test_texts_are_cells_as_they_are(tmp_path):
    path = written(tmp_path, "text,n\n007,1\n1.10,2\n")
    assert read_table(path, "text")["text"].tolist() == ["007", "1.10"]
    path = written(tmp_path, "text,n\n12,1\n7,2\n")
    assert read_table(path, "text")["text"].tolist() == ["12", "7"]


@pytest.mark.parametrize("value", [b"bytes", ["a", "list"]])
def test_what_is_no_text_is_refused(tmp_path, value):
    pd.DataFrame({"text": [value]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"row 0 .* in the column 'text', which should hold texts"):
        read_table(tmp_path / "a.parquet", "text")


# -- JSON Lines and Parquet -----------------------------------------------------------------------


def test_json_values_stay_what_they_are(tmp_path):
    rows = [
        {"id": 2**62 + 1, "n": 1, "day": "2024-01-01", "tags": ["a"], "mixed": 1, "flag": True},
        {"id": None, "n": 2.5, "day": "1e5", "tags": {"k": [1]}, "mixed": "1", "flag": None},
    ]
    path = written(tmp_path, "\n".join(map(json.dumps, rows)), "a.jsonl")
    frame = read_table(path)
    assert frame["id"][0] == 2**62 + 1 and frame["id"].isna().tolist() == [False, True]
    for name in ("n", "day", "tags", "mixed"):
        assert frame[name].tolist() == [row[name] for row in rows]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"text": "\xff"}', "not UTF-8"),
        (b'{"text": "a" "b"}', "no JSON"),
        (b'{"text": "half \\ud83d"}', "half a character"),
        (b'{"text": ["\\uDC00"]}', "half a character"),
        (b'{"text": "a", "text": "b"}', r"no JSON \('text' is there twice"),
        (b'{"text": {"a": 1, "a": 2}}', r"no JSON \('a' is there twice"),
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b'{"text": ' + b"9" * 5000 + b"}", "no JSON"),
    ],
)
def test_json_line_at_fault_is_named(tmp_path, line, found):
    path = written(tmp_path, b'{"text": "smile \\ud83d\\ude00"}\n\n' + line + b"\n", "a.jsonl")
    with pytest.raises(FileFormatError, match=f"a.jsonl, line 3: {found}"):
        read_table(path)


def test_json_is_written_without_a_guess(tmp_path):
    frame = pd.DataFrame(
        {
            "when": pd.to_datetime(["2024-01-31", None]),
            "share": [0.1234567890123456, np.nan],
            "id": pd.array([2**62 + 1, None], dtype="Int64"),
            "tags": [["a", 1], {"k": np.float64(0.5)}],
        }
    )
    write_table(frame, tmp_path / "a.jsonl")
    rows = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert rows == [
        {"when": "2024-01-31T00:00:00", "share": 0.1234567890123456, "id": 2**62 + 1}
        | {"tags": ["a", 1]},
        {"when": None, "share": None, "id": None, "tags": {"k": 0.5}},
    ]


def test_whole_numbers_of_parquet_stay_whole(tmp_path):
    frame = pd.DataFrame({"id": pd.array([2**62 + 1, None], dtype="Int64"), "n": [1, 2]})
    frame.to_parquet(tmp_path / "a.parquet")
    write_table(read_table(tmp_path / "a.parquet"), tmp_path / "b.csv")
    assert (tmp_path / "b.csv").read_text() == f"id,n\n{2**62 + 1},1\n,2\n"


def test_parquet_with_a_column_twice(tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=r"\['a'\] are there more than once"):
        read_table(tmp_path / "a.parquet")


def test_parquet_has_no_type_for_a_mixture(tmp_path):
    with pytest.raises(InputError, match=r"Parquet has no type .* write \.jsonl"):
        write_table(pd.DataFrame({"a": [1, "x"]}), tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_carriage_returns_are_written_in_quotes(tmp_path):
    # So that programs that take one for the end of a row read the same table.
    frame = pd.DataFrame({"text": ["hello\ryou", "bye"], "n": [1, 2]})
    write_table(frame, tmp_path / "a.csv")
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a.csv"), frame)
    pd.testing.assert_frame_equal(read_table(tmp_path / "a.csv"), frame)
