"""Every kind of column comes as the same texts, and gets the same votes."""

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.labeling import ColumnLFApplier, PandasLFApplier, keyword_lf, regex_lf, text_chunks

TEXTS = [
    "won",
    None,
    "",
    "Straße",
    "\x00",
    None,
    "a text of more letters than a view has room for",
    "é",
]
COLUMNS = {
    "list": lambda texts: texts,
    "object array": lambda texts: np.array([*texts, 0], dtype=object)[:-1],
    "pandas object": lambda texts: pd.Series(texts, dtype=object),
    "pandas object with NaN": lambda texts: pd.Series(
        [np.nan if text is None else text for text in texts], dtype=object
    ),
    "pandas str": lambda texts: pd.Series(texts, dtype="str"),
    "pandas string": lambda texts: pd.Series(texts, dtype="string[pyarrow]"),
    "pandas string of Python": lambda texts: pd.Series(texts, dtype="string[python]"),
    "pandas Arrow": lambda texts: pd.Series(texts, dtype=pd.ArrowDtype(pa.string())),
    "pandas categories": lambda texts: pd.Series(texts, dtype="category"),
    "string": lambda texts: pa.array(texts, pa.string()),
    "large_string": lambda texts: pa.array(texts, pa.large_string()),
    "string_view": lambda texts: pa.array(texts, pa.string_view()),
    "dictionary": lambda texts: pa.array(texts, pa.string()).dictionary_encode(),
    "polars": lambda texts: pl.Series(texts, dtype=pl.String),
    "polars categories": lambda texts: pl.Series(texts, dtype=pl.Categorical),
    "chunked": lambda texts: pa.chunked_array([texts[:2], [], texts[2:]], pa.string()),
    "sliced": lambda texts: pa.array(["xyz", None, *texts, "won"], pa.string())[2:-1],
    "sliced view": lambda texts: pa.array(["xyz", None, *texts, "won"], pa.string_view())[2:-1],
    "sliced pandas": lambda texts: pd.Series(["xyz", None, *texts, "won"], dtype="str").iloc[2:-1],
    "sliced polars": lambda texts: pl.Series(["xyz", None, *texts, "won"], dtype=pl.String)[2:-1],
    "every second": lambda texts: pd.Series(
        [x for text in texts for x in (text, "won")], dtype="str"
    ).iloc[::2],
}


def texts_of(values):
    """All texts of a column, None where one is missing."""
    texts = []
    for chunk in text_chunks.text_chunks(values):
        missing = np.zeros(len(chunk), bool) if chunk.missing is None else chunk.missing
        texts += [None if missing[row] else chunk.text(row) for row in range(len(chunk))]
    return texts


@pytest.fixture(params=[1 << 20, 3], ids=["whole", "cut"])
def sizes(request, monkeypatch):
    for name in ("CHUNK_BYTES", "COPIED_ROWS", "COPIED_LETTERS"):
        monkeypatch.setattr(text_chunks, name, request.param)


@pytest.mark.usefixtures("sizes")
@pytest.mark.parametrize("kind", COLUMNS)
@pytest.mark.parametrize(
    "texts",
    [TEXTS, TEXTS[:1], ["won", "lost"], [None, None], []],
    ids=["many", "one", "two", "nulls", "none"],
)
def test_every_kind_of_column(kind, texts):
    column = COLUMNS[kind](texts)
    assert texts_of(column) == texts
    lfs = [keyword_lf("w", ["won", "straße"], 1), regex_lf("r", "o+n", 0), regex_lf("e", "é$", 1)]
    votes = ColumnLFApplier(lfs, classes=2).apply({"text": column}, progress_bar=False).to_dense()
    expected = [
        [
            1 if text in ("won", "Straße") else -1,
            0 if text == "won" else -1,
            1 if text == "é" else -1,
        ]
        for text in texts
    ]
    assert votes.tolist() == expected


def test_what_stands_under_a_null_is_no_text():
    mask = pa.py_buffer(bytes([0b101]))
    letters = pa.array(["won", "won", "lost"])
    array = pa.Array.from_buffers(pa.string(), 3, [mask, *letters.buffers()[1:]])
    assert array.to_pylist() == ["won", None, "lost"]
    lfs = [keyword_lf("w", "won", 1), regex_lf("r", "wo.", 1), keyword_lf("é", "é", 1)]
    votes = ColumnLFApplier(lfs).apply(pa.table({"text": array}), progress_bar=False)
    assert votes.to_dense().tolist() == [[1, 1, -1], [-1, -1, -1], [-1, -1, -1]]


def test_bytes_that_are_no_utf8():
    offsets = pa.py_buffer(np.array([0, 4, 8], np.int32).tobytes())
    array = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"\xffwonwon\xc3")])
    applier = ColumnLFApplier([keyword_lf("w", "won", 1)])
    with pytest.raises(InputError, match=r"no UTF-8.*read it as binary"):
        applier.apply(pa.table({"text": array}), progress_bar=False)


@pytest.mark.parametrize(
    "column",
    [[1, 2], ["a", 3], pa.array([b"won"]), pl.Series([1]), pd.Series([0.5]), [["won"]]],
    ids=["numbers", "mixed", "bytes", "polars", "pandas", "lists"],
)
def test_columns_of_something_else(column):
    assert text_chunks.text_chunks(column) is None


def test_no_copy_of_what_arrow_holds():
    array = pa.array(["won", "lost"])
    buffer = array.buffers()[2].address
    for column in (
        array,
        pa.chunked_array([array]),
        pd.Series(array, dtype=pd.ArrowDtype(pa.string())),
    ):
        (chunk,) = text_chunks.text_chunks(column)
        assert chunk.data.ctypes.data == buffer
    frame = pd.DataFrame({"text": ["won", "lost"]}, dtype="str")
    (chunk,), (again,) = (text_chunks.text_chunks(frame["text"]) for _ in range(2))
    assert chunk.data.ctypes.data == again.data.ctypes.data
    assert PandasLFApplier([keyword_lf("w", "won", 1)]).apply(frame, progress_bar=False).nnz == 1


@given(st.lists(st.one_of(st.none(), st.text(st.characters(), max_size=5)), max_size=9))
def test_texts_of_python_come_back(texts):
    assert texts_of(texts) == texts
