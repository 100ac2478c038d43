"""Tables as they come: separators, encodings, compression, workbooks, ids and empty texts."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.data import ids_of, read_table, write_table
from spear_amal.data.add_columns import add_columns
from spear_amal.data.read_table import Layout
from spear_amal.errors import FileFormatError, InputError

KINDS = [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".jsonl", ".jsonl.gz", ".parquet", ".xlsx"]
TYPED = [".jsonl", ".parquet", ".xlsx"]


def store(folder: Path, kind: str, columns: dict[str, list]) -> Path:
    """Write columns as another program would, missing cells as None."""
    path = folder / f"t{kind}"
    bare = kind.removesuffix(".gz")
    rows = list(zip(*columns.values(), strict=True))
    if bare == ".parquet":
        pa = pytest.importorskip("pyarrow")
        from pyarrow import parquet

        parquet.write_table(pa.table(columns), path)
        return path
    if bare == ".xlsx":
        openpyxl = pytest.importorskip("openpyxl")
        book = openpyxl.Workbook()
        for row in [list(columns), *rows]:
            book.active.append(list(row))
        book.save(path)
        return path
    if bare == ".jsonl":
        lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    else:
        sep = "\t" if bare == ".tsv" else ","
        lines = [sep.join("" if c is None else str(c) for c in row) for row in [columns, *rows]]
    content = ("\n".join(lines) + "\n").encode()
    path.write_bytes(gzip.compress(content) if kind.endswith(".gz") else content)
    return path


# -- every kind alike ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_missing_texts_are_empty(tmp_path, kind):
    columns = {"n": [1, 2, 3], "text": ["hello", None, "bye"], "label": ["ham", None, None]}
    path = store(tmp_path, kind, columns)
    frame = read_table(path, "text", "label")
    assert frame["text"].tolist() == ["hello", "", "bye"]
    assert frame["label"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("kind", [".csv", ".jsonl", ".parquet"])
def test_empty_and_missing_texts_are_one(tmp_path, kind):
    path = store(tmp_path, kind, {"text": ["", None, " "], "n": [1, 2, 3]})
    assert read_table(path, "text")["text"].tolist() == ["", "", " "]


@pytest.mark.parametrize("kind", KINDS)
def test_string_ids_stay_strings(tmp_path, kind):
    path = store(tmp_path, kind, {"id": ["007", "8", "1e5"], "text": ["a", "b", "c"]})
    assert ids_of(read_table(path)).tolist() == ["007", "8", "1e5"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("column", [None, "key"])
def test_large_ids_are_exact(tmp_path, kind, column):
    large = [2**53 + 1, 2**53, -5]
    cells = [str(number) for number in large] if kind == ".xlsx" else large
    path = store(tmp_path, kind, {column or "id": cells, "text": ["a", "b", "c"]})
    ids = ids_of(read_table(path, id_column=column), column)
    assert [int(one) for one in ids.tolist()] == large
    assert kind == ".xlsx" or ids.dtype == np.int64


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("ids", "said"),
    [
        (["a", "b", "a"], "rows 0 and 2 (counted from 0) both have 'a'"),
        (["a", None, None], "row 1 (counted from 0) has none, as have 2 of 3 rows"),
        ([7, 8, 7], "rows 0 and 2 (counted from 0) both have 7"),
    ],
)
def test_ids_that_tell_nothing_apart(tmp_path, kind, ids, said):
    path = store(tmp_path, kind, {"id": ids, "text": ["a", "b", "c"]})
    frame = read_table(path)
    with pytest.raises(InputError) as error:
        ids_of(frame, "id", "t")
    assert said in str(error.value)
    with pytest.warns(UserWarning) as warned:
        assert ids_of(frame) is None
    assert said in str(warned[0].message)


def test_a_column_of_ids_that_is_not_there():
    frame = pd.DataFrame({"text": ["a"]})
    assert ids_of(frame) is None
    with pytest.raises(InputError, match=r"t has no column 'key' for the ids of rows; it has"):
        ids_of(frame, "key", "t")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0], [1, 2]),
        ([1, "1a"], ["1", "1a"]),
        ([2**70, 1], [str(2**70), "1"]),
        (
            pd.to_datetime(["2024-01-31", "2024-02-01"]),
            ["2024-01-31 00:00:00", "2024-02-01 00:00:00"],
        ),
    ],
)
def test_ids_of_other_types(values, expected):
    ids = ids_of(pd.DataFrame({"id": pd.Series(values)}))
    assert ids is not None and ids.tolist() == expected


@pytest.mark.parametrize("value", [0.5, [1], float(2**60)])
def test_what_is_no_id(value):
    with pytest.raises(InputError, match=r"row 1 \(counted from 0\) holds"):
        ids_of(pd.DataFrame({"id": pd.Series([1, value], dtype=object)}), "id")


# -- separators ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sep", [",", ";", "\t", "|"])
@pytest.mark.parametrize("kind", [".csv", ".csv.gz"])
@settings(max_examples=25)
@given(
    texts=st.lists(st.text("ab,;|\t\"'\n é.", max_size=9), min_size=1, max_size=9),
)
def test_separators_are_found(tmp_path_factory, kind, sep, texts):
    """Whatever the texts hold, as long as the header shows what stands between its names."""
    path = tmp_path_factory.mktemp("sep") / f"a{kind}"
    frame = pd.DataFrame({"id": range(len(texts)), "text": ["t" + t for t in texts], "n": 1})
    frame.to_csv(path, sep=sep, index=False)
    read = read_table(path, "text")
    assert read["text"].tolist() == frame["text"].tolist()
    assert read["id"].tolist() == frame["id"].tolist()


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        ("text;score\nhello, you;0,5\nbye;1,5\n", ["text", "score"]),
        ("text\nhello; you\n", ["text"]),
        ('"text; of mail",label\nhello,ham\n', ["text; of mail", "label"]),
        ("text, all of it;label\nhello;ham\nbye, you;spam\n", ["text, all of it", "label"]),
        ("a|b;c\nx;1\ny|z;2\n", ["a|b", "c"]),
        ("\ufeff\n\nid\ttext\n1\ta, b\n", ["id", "text"]),
    ],
)
def test_header_and_first_rows_tell(tmp_path, content, columns):
    (tmp_path / "a.csv").write_text(content, encoding="utf-8")
    assert read_table(tmp_path / "a.csv").columns.tolist() == columns


def test_two_separators_fit(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("text,a;label,b\nx,1;ham,2\n")
    with pytest.raises(InputError, match=r"comma \(3 columns\) or semicolon \(2 .*--sep"):
        read_table(path)
    assert read_table(path, sep=";").columns.tolist() == ["text,a", "label,b"]
    assert read_table(path, sep="comma").columns.tolist() == ["text", "a;label", "b"]


def test_a_row_at_fault_is_named_whatever_the_separator(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id;text\n1;hello\n2;bye;bye\n")
    with pytest.raises(FileFormatError, match=r"line 3: 3 cells, where the header has 2.*';'"):
        read_table(path)


def test_a_long_quoted_text_is_not_read_to_its_end_to_find_the_separator(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('id;"the, text"\n1;"' + "a line, or two;\n" * 3000 + '"\n')
    assert read_table(path)["the, text"][0].count("\n") == 3000


@pytest.mark.parametrize("sep", ["", "ab", '"', "\n", "x", 7])
def test_what_is_no_separator(tmp_path, sep):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="sep must be one character"):
        read_table(tmp_path / "a.csv", sep=sep)


# -- encodings -----------------------------------------------------------------------------------

WORDS = "Grüße, „Überraschung“: 5 €"


@pytest.mark.parametrize("kind", [".csv", ".tsv", ".jsonl", ".csv.gz"])
@pytest.mark.parametrize("written", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
def test_encodings(tmp_path, kind, written):
    path = tmp_path / f"a{kind}"
    line = json.dumps({"text": WORDS, "n": 1}, ensure_ascii=False)
    sep = "\t" if "tsv" in kind else ";"
    content = (line if "json" in kind else f"text{sep}n\n{WORDS}{sep}1") + "\n"
    data = content.encode(written)
    path.write_bytes(gzip.compress(data) if kind.endswith("gz") else data)
    if written == "cp1252":
        with pytest.raises(FileFormatError, match=r"line [12]: not UTF-8 .*--encoding cp1252"):
            read_table(path)
        assert read_table(path, encoding="cp1252")["text"].tolist() == [WORDS]
    else:
        assert read_table(path)["text"].tolist() == [WORDS]
        assert read_table(path, encoding=written)["text"].tolist() == [WORDS]


@pytest.mark.parametrize(
    ("content", "encoding", "said"),
    [
        (b"text,n\n\xff\xfeolla,1\n", None, "line 2: not UTF-8"),
        (b"text,n\nfine,1\n\x81,1\n", "cp1252", "line 3: not CP1252"),
        ("text,n\nfine,1\n".encode("utf-16") + b"\x00", None, "line 3: not UTF-16-LE"),
        ("text,n\n".encode("utf-16") + b"\x00\xd8\n\x00", None, "line 2: not UTF-16-LE"),
    ],
)
@pytest.mark.parametrize("kind", [".csv", ".jsonl"])
def test_bytes_of_no_encoding_are_named_by_line(tmp_path, kind, content, encoding, said):
    path = tmp_path / f"a{kind}"
    if kind == ".jsonl":
        codec = "utf-16-le" if b"\x00" in content else "latin-1"
        content = content.replace("text,n".encode(codec), '{"n":1}'.encode(codec))
        content = content.replace("fine,1".encode(codec), '{"n":2}'.encode(codec))
    path.write_bytes(content)
    with pytest.raises(FileFormatError, match=said):
        read_table(path, encoding=encoding)


def test_encodings_that_are_none(tmp_path):
    (tmp_path / "a.csv").write_bytes("\ufeffa,b\n1,2\n".encode())
    with pytest.raises(InputError, match="begins with the mark of UTF-8, so that it is no cp1252"):
        read_table(tmp_path / "a.csv", encoding="cp1252")
    for name in ("cp-1252-x", "base64", ""):
        with pytest.raises(InputError, match="there is no encoding"):
            read_table(tmp_path / "a.csv", encoding=name)


def test_compressed_file_that_is_cut(tmp_path):
    content = gzip.compress(b"text,n\n" + b"hello,1\n" * 99)
    (tmp_path / "a.csv.gz").write_bytes(content[:-20])
    with pytest.raises(FileFormatError, match=r"cannot be decompressed.*is it whole"):
        read_table(tmp_path / "a.csv.gz")
    (tmp_path / "b.csv.gz").write_bytes(b"text,n\nhello,1\n")
    with pytest.raises(FileFormatError, match="cannot be decompressed"):
        read_table(tmp_path / "b.csv.gz")


@pytest.mark.parametrize("row", [0, 3, 6])
def test_half_a_character_in_parquet_is_named_by_row(tmp_path, row):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    texts = [b"hello"] * 7
    texts[row] = "half \ud83d".encode(errors="surrogatepass")
    raw = pa.array(texts, pa.binary())
    column = pa.Array.from_buffers(pa.string(), 7, raw.buffers())
    parquet.write_table(pa.table({"n": range(7), "text": column}), tmp_path / "a.parquet")
    with pytest.raises(FileFormatError, match=rf"row {row} \(counted from 0\).*'text'.*half a"):
        read_table(tmp_path / "a.parquet")


# -- workbooks -----------------------------------------------------------------------------------


def workbook(path, *sheets):
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_values_of_a_sheet(tmp_path):
    rows = [[None, None], ["text", "n", None], ["a, b", 1], [None, None], ["#N/A", 2.5], ["c"]]
    path = workbook(tmp_path / "a.xlsx", ("first", rows))
    frame = read_table(path, "text")
    assert frame.columns.tolist() == ["text", "n"]
    assert frame["text"].tolist() == ["a, b", "", "c"]
    assert frame["n"].tolist()[:2] == [1.0, 2.5] and np.isnan(frame["n"][2])


def test_sheets_by_name(tmp_path):
    path = workbook(tmp_path / "a.xlsx", ("one", [["text"], ["a"]]), ("two", [["text"], ["b"]]))
    assert read_table(path, sheet="two")["text"].tolist() == ["b"]
    with pytest.warns(UserWarning, match=r"has the sheets \['one', 'two'\].*--sheet"):
        assert read_table(path)["text"].tolist() == ["a"]
    with pytest.raises(InputError, match=r"has no sheet 'three'; it has \['one', 'two'\]"):
        read_table(path, sheet="three")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([["text", "n"], ["=A1", 1]], "1 cells hold formulas without their values"),
        ([["a", "a"], [1, 2]], r"\['a'\] are there more than once"),
        ([], "the sheet 's' is empty"),
        ([["a", "b"]], "has no rows, only columns"),
    ],
)
def test_sheets_that_cannot_be_read(tmp_path, rows, said):
    with pytest.raises(InputError, match=said):
        read_table(workbook(tmp_path / "a.xlsx", ("s", rows)))


def test_what_is_no_workbook(tmp_path):
    pytest.importorskip("openpyxl")
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(FileFormatError, match="is not a workbook"):
        read_table(tmp_path / "a.xlsx")


def test_written_workbooks_hold_values_alone(tmp_path):
    openpyxl = pytest.importorskip("openpyxl")
    frame = pd.DataFrame(
        {
            "text": ["=1+1", "#N/A", "two\nlines"],
            "id": [2**60, 5, -1],
            "when": pd.to_datetime(["2024-01-31 12:00", None, "2024-02-01 00:00"]),
            "tags": [["a"], {"k": 1}, None],
        }
    )
    write_table(frame, tmp_path / "a.xlsx")
    cells = list(openpyxl.load_workbook(tmp_path / "a.xlsx").active.iter_rows())
    assert {cell.data_type for row in cells for cell in row} <= {"s", "n", "d"}
    read = read_table(tmp_path / "a.xlsx", "text")
    assert read["text"].tolist() == frame["text"].tolist()
    assert read["id"].tolist() == [str(2**60), 5, -1]
    assert read["tags"].tolist()[:2] == ['["a"]', '{"k": 1}']
    assert read["when"].tolist()[0] == pd.Timestamp("2024-01-31 12:00")


@pytest.mark.parametrize("text", ["bell \x07", "x" * 32_768])
def test_what_a_cell_cannot_hold(tmp_path, text):
    pytest.importorskip("openpyxl")
    with pytest.raises(InputError, match=r"row 0 holds .*; write"):
        write_table(pd.DataFrame({"text": [text]}), tmp_path / "a.xlsx")
    assert list(tmp_path.iterdir()) == []


# -- written again -------------------------------------------------------------------------------

ADDED = {"predicted": ["größer", "b"]}


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl"])
def test_utf_8_that_is_read_as_another_encoding_is_said(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    line = '{"text": "Größe"}\n' if suffix == "jsonl" else "text\nGröße\n"
    path.write_text(line, encoding="utf-8")
    with pytest.warns(UserWarning, match="its bytes look like UTF-8"):
        read_table(path, encoding="cp1252")
    path.write_text(line, encoding="cp1252")
    assert read_table(path, encoding="cp1252")["text"].tolist() == ["Größe"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252", "utf-8-sig"])
@pytest.mark.parametrize("sep", [";", "\t", "|", ","])
def test_predictions_are_written_in_the_dialect_of_the_data(tmp_path, sep, encoding):
    rows = [["id", "text"], ["007", "Grüße"], ["1.10", '"two\r\nlines"']]
    content = "".join(sep.join(row) + "\r\n" for row in rows)
    (tmp_path / "a.csv").write_bytes(content.encode(encoding))
    named = encoding if encoding == "cp1252" else None
    add_columns([tmp_path / "a.csv"], ADDED, tmp_path / "out.csv", layout=Layout(encoding=named))
    expected = [[*row, cell] for row, cell in zip(rows, ["predicted", "größer", "b"], strict=True)]
    written = "".join(sep.join(row) + "\r\n" for row in expected).encode(encoding)
    assert (tmp_path / "out.csv").read_bytes() == written


def test_compressed_tables_are_written_compressed(tmp_path):
    content = b"id;text\r\n007;a\r\n8;b"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(content))
    add_columns([tmp_path / "a.csv.gz"], {"p": ["x", "y"]}, tmp_path / "out.csv.gz")
    found = (tmp_path / "out.csv.gz").read_bytes()
    assert gzip.decompress(found) == b"id;text;p\r\n007;a;x\r\n8;b;y"
    add_columns([tmp_path / "a.csv.gz"], {"p": ["x", "y"]}, tmp_path / "again.csv.gz")
    assert (tmp_path / "again.csv.gz").read_bytes() == found  # no time, no name in it
    add_columns([tmp_path / "a.csv.gz"], {"p": ["x", "y"]}, tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == gzip.decompress(found)


def test_what_the_encoding_cannot_hold(tmp_path):
    (tmp_path / "a.csv").write_bytes("id;text\n1;é\n".encode("cp1252"))
    with pytest.raises(InputError, match=r"cp1252 has no 'Ж'; write another kind of file"):
        add_columns(
            [tmp_path / "a.csv"], {"p": ["Ж"]}, tmp_path / "out.csv", layout=Layout(None, "cp1252")
        )
    assert not (tmp_path / "out.csv").exists()


def test_json_lines_escape_what_the_encoding_cannot_hold(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('{"text": "é"}\n'.encode("cp1252"))
    layout = Layout(encoding="cp1252")
    add_columns([tmp_path / "a.jsonl"], {"p": ["Ж"]}, tmp_path / "out.jsonl", layout=layout)
    read = read_table(tmp_path / "out.jsonl", encoding="cp1252")
    assert read["text"][0] == "é" and read["p"][0] == "Ж"


def test_files_that_differ_share_what_they_can(tmp_path):
    (tmp_path / "a.csv").write_text("id;text\n1;a,b\n")
    (tmp_path / "b.csv").write_text("text;id\nc;2\n")
    add_columns([tmp_path / "a.csv", tmp_path / "b.csv"], ADDED, tmp_path / "out.csv")
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert text == "id;text;predicted\n1;a,b;größer\n2;c;b\n"


def test_a_workbook_gets_columns(tmp_path):
    pytest.importorskip("openpyxl")
    path = workbook(tmp_path / "a.xlsx", ("s", [["id", "text"], ["007", "=x"], ["8", None]]))
    with pytest.raises(FileFormatError, match="formulas"):
        read_table(path)
    path = workbook(tmp_path / "b.xlsx", ("s", [["id", "text"], ["007", "x"], ["8", None]]))
    add_columns([path], {"p": ["ham", "spam"]}, tmp_path / "out.xlsx")
    frame = read_table(tmp_path / "out.xlsx", "text")
    assert frame["id"].tolist() == ["007", "8"] and frame["text"].tolist() == ["x", ""]
    assert frame["p"].tolist() == ["ham", "spam"]


@pytest.mark.parametrize("sep", [None, ";", "tab"])
@pytest.mark.parametrize("encoding", [None, "cp1252", "utf-16", "utf-8-sig"])
@pytest.mark.parametrize("kind", [".csv", ".tsv", ".csv.gz", ".jsonl"])
def test_written_and_read_back(tmp_path, kind, sep, encoding):
    frame = pd.DataFrame({"text": [WORDS, 'a;b,"c"\td'], "n": [1, 2]})
    path = tmp_path / f"a{kind}"
    write_table(frame, path, sep=sep, encoding=encoding)
    read = read_table(path, sep=sep, encoding=encoding if encoding == "cp1252" else None)
    pd.testing.assert_frame_equal(read, frame)
