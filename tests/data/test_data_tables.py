"""The user's tables: every kind comes back as it was, and every mistake is told."""

import importlib.util

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.data import read_table, require_columns, write_table
from spear_amal.errors import (
    FileFormatError,
    InputError,
    MissingExtraError,
    OutputExistsError,
)

SUFFIXES = [".csv", ".jsonl", ".ndjson", ".parquet"]
# Not in it: the empty text, which a CSV cell cannot tell from a missing one, and line ends of old
# systems, which CSV readers change.
WORDS = st.text(
    st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=13
) | st.sampled_from(["NA", "null", "nan", "None", '"', ",", "2024-01-01", "a\nb", "\ufeff"])


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=40)
@given(data=st.data())
def test_written_and_read_back(tmp_path_factory, suffix, data):
    # A letter in front: a column whose every text is a number is a column of numbers in CSV.
    texts = ["t" + word for word in data.draw(st.lists(WORDS, min_size=1, max_size=5))]
    frame = pd.DataFrame({"text": texts, "label": range(len(texts)), "score": 0.25})
    path = tmp_path_factory.mktemp("tables") / f"rows{suffix}"
    write_table(frame, path)
    pd.testing.assert_frame_equal(read_table(path), frame)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_words_for_nothing_stay_words(tmp_path, suffix):
    words = ["NA", "null", "nan", "None", "2024-01-01", "x"]
    write_table(pd.DataFrame({"text": words}, index=range(7, 13)), tmp_path / f"a{suffix}")
    got = read_table(tmp_path / f"a{suffix}")
    assert got["text"].tolist() == words
    assert got.index.tolist() == list(range(6))


def test_csv_of_a_spreadsheet(tmp_path):
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbftext,n\r\n"a, b",1\r\nc,\r\n')
    got = read_table(tmp_path / "a.csv")
    assert got.columns.tolist() == ["text", "n"]
    assert got["text"].tolist() == ["a, b", "c"]
    assert got["n"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("name", "content", "error", "told"),
    [
        ("none.csv", None, InputError, "there is no file"),
        ("a.docx", b"x", InputError, r"suffix '\.docx' is none of \.csv, "),
        ("a.parquet.gz", b"x", InputError, r"suffix '\.gz' is none of \.csv, "),
        ("plain", b"x", InputError, "suffix '' is none of"),
        ("a.csv", b"", InputError, "is empty"),
        ("a.csv", b"text,label\n", InputError, r"has no rows, only columns \['text', 'label'\]"),
        ("a.csv", "text\nolé\n".encode("latin-1"), FileFormatError, "line [12]: not UTF-8"),
        ("a.csv", b'text,label\n"open,1\n', FileFormatError, "line 2: a quote is opened"),
        ("a.csv", b"a,b\n1,2\n1,2,3\n", FileFormatError, "line 3"),
        ("a.jsonl", b'{"a": 1}\n{"a":', FileFormatError, "line 2: no JSON"),
        ("a.jsonl", b"text,label\n", FileFormatError, "line 1: no JSON"),
        ("a.jsonl", b"[1, 2]\n", FileFormatError, "line 1: no JSON object, but list"),
        ("a.jsonl", b"\n\n", InputError, "has no rows"),
        ("a.jsonl", b"\xff\xfe{}", FileFormatError, "line 1: no JSON"),
        ("a.jsonl", b"\xfe{}", FileFormatError, "line 1: not UTF-8"),
        ("a.parquet", b"PAR1 and no more", FileFormatError, "truncated or of another kind"),
    ],
)
def test_files_that_cannot_be_read(tmp_path, name, content, error, told):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=told):
        read_table(tmp_path / name)


def test_a_folder_is_no_table(tmp_path):
    (tmp_path / "a.csv").mkdir()
    with pytest.raises(InputError, match="no file"):
        read_table(tmp_path / "a.csv")


def test_nothing_is_overwritten_unasked(tmp_path):
    frame = pd.DataFrame({"a": [1]})
    write_table(frame, tmp_path / "a.csv")
    with pytest.raises(OutputExistsError, match="--force"):
        write_table(frame, tmp_path / "a.csv")
    write_table(frame.assign(a=2), tmp_path / "a.csv", overwrite=True)
    assert read_table(tmp_path / "a.csv")["a"].tolist() == [2]


def test_a_write_that_fails_leaves_what_was_there(tmp_path, monkeypatch):
    frame = pd.DataFrame({"a": [1]})
    write_table(frame, tmp_path / "a.csv")

    def full_disk(self, handle, **options):
        handle.write("a\n")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_table(frame, tmp_path / "a.csv", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]
    assert (tmp_path / "a.csv").read_text() == "a\n1\n"


def test_parquet_without_pyarrow_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    with pytest.raises(MissingExtraError, match=r"spear-amal\[parquet\]"):
        read_table(tmp_path / "a.parquet")
    with pytest.raises(MissingExtraError, match=r"spear-amal\[parquet\]"):
        write_table(pd.DataFrame({"a": [1]}), tmp_path / "b.parquet")
    assert not (tmp_path / "b.parquet").exists()


def test_required_columns():
    frame = pd.DataFrame({"text": ["a"], "Label": [1]})
    require_columns(frame, ["text"])
    with pytest.raises(InputError, match=r"rows\.csv has no column 'label'.*'Label'"):
        require_columns(frame, ["text", "label"], where="rows.csv")


@pytest.mark.parametrize("paths", [[], (), None, 7, [None], {}])
def test_a_list_of_paths_has_paths(paths):
    with pytest.raises(InputError, match="needed is the path of a table, or a list of some"):
        read_table(paths)


@pytest.mark.parametrize("suffix", [".csv", ".tsv"])
def test_half_a_character_is_no_text_of_a_file(tmp_path, suffix):
    frame = pd.DataFrame({"text": ["whole", "half \ud800"]}, dtype=object)
    with pytest.raises(InputError, match="half of a character"):
        write_table(frame, tmp_path / f"a{suffix}")
    assert not list(tmp_path.iterdir())
