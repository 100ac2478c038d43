"""Streams of tables: the votes, numbers of rows and errors of the same table in memory."""

from __future__ import annotations

import importlib.util
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.errors import FileFormatError, InputError, LabelingError
from spear_amal.labeling import (
    ColumnLFApplier,
    LFApplier,
    PandasLFApplier,
    keyword_lf,
    labeling_function,
    regex_lf,
    threshold_lf,
)
from spear_amal.labeling.streams import rechunked

pa = pytest.importorskip("pyarrow")
pads = pytest.importorskip("pyarrow.dataset")
pq = pytest.importorskip("pyarrow.parquet")
pl = pytest.importorskip("polars")

CLASSES = ["ham", "spam"]


class Foreign:
    """A table of a package that is not known, with nothing but the stream."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __arrow_c_stream__(self, requested_schema: Any = None) -> Any:
        return self._table.__arrow_c_stream__(requested_schema)


def uneven(table: Any) -> Any:
    """Return a reader whose batches have 1, 2, 0, 3, 1, 2, .. rows."""

    def batches() -> Iterator[Any]:
        start, sizes = 0, [1, 2, 0, 3]
        while start < len(table):
            size = sizes[0]
            sizes.append(sizes.pop(0))
            yield table.slice(start, size).combine_chunks().to_batches()[0] if size else empty
            start += size

    empty = pa.RecordBatch.from_pylist([], table.schema)
    return pa.RecordBatchReader.from_batches(table.schema, batches())


def of_duckdb(table: Any) -> Any:
    if importlib.util.find_spec("duckdb") is None:
        pytest.skip("needs DuckDB")
    import duckdb

    return duckdb.from_arrow(table)


def as_file(table: Any) -> str:
    path = Path(tempfile.mkdtemp()) / "rows.parquet"
    pq.write_table(table, path, row_group_size=3)
    return str(path)


def as_folder(table: Any) -> Path:
    folder = Path(tempfile.mkdtemp())
    for k, start in enumerate(range(0, max(len(table), 1), 2)):
        pq.write_table(table.slice(start, 2), folder / f"{k:02d}.parquet")
    return folder


STREAMS: dict[str, Callable[[Any], Any]] = {
    "reader": lambda table: table.to_reader(),
    "uneven reader": uneven,
    "dataset": pads.dataset,
    "scanner": lambda table: pads.dataset(table).scanner(),
    "lazy": lambda table: pl.from_arrow(table).lazy(),
    "lazy query": lambda table: pl.from_arrow(table).lazy().filter(pl.lit(True)),
    "foreign": Foreign,
    "file": as_file,
    "folder": as_folder,
    "duckdb": of_duckdb,
}


@labeling_function(label="spam")
def many(x):
    return (x["n"] or 0) > 2 and x.text is not None


@labeling_function(vectorized=True, cont_scorer=lambda batch: np.asarray(batch["n"]) / 40)
def first(batch, continuous_score):
    """Look at a batch as a whole: its first row alone gets a vote."""
    return [1] + [-1] * (len(batch) - 1)


LFS = [
    keyword_lf("win", ["win", "won"], "spam"),
    regex_lf("digits", r"\d{2}", "ham"),
    threshold_lf("large", "n", "spam", above=1.5, below=90),
    many,
]
ROWS = st.lists(
    st.tuples(
        st.none() | st.sampled_from(["win", "you WON 12", "", "straße", "12"]),
        st.none() | st.integers(-3, 100),
    ),
    max_size=9,
)


def table_of(rows: list[Any]) -> Any:
    texts, numbers = ([row[k] for row in rows] for k in (0, 1))
    return pa.table({"text": pa.array(texts, pa.string()), "n": pa.array(numbers, pa.int64())})


@pytest.mark.parametrize("kind", sorted(STREAMS))
@given(rows=ROWS, size=st.sampled_from([1, 2, 4, 100]), text_column=st.sampled_from([None, "text"]))
@settings(max_examples=15, deadline=None)
def test_votes_equal_those_on_a_pandas_frame(kind, rows, size, text_column):
    frame = pd.DataFrame({name: [row[k] for row in rows] for k, name in enumerate(("text", "n"))})
    frame = frame.astype({"text": object, "n": object})
    expected = PandasLFApplier(LFS, CLASSES, text_column).apply(frame, progress_bar=False)
    applier = ColumnLFApplier(LFS, CLASSES, text_column)
    found = applier.apply(STREAMS[kind](table_of(rows)), progress_bar=False, batch_size=size)
    np.testing.assert_array_equal(found.to_dense(), expected.to_dense())
    assert found.row_ids.tolist() == list(range(len(rows))) and not found.has_row_ids
    assert found.classes == expected.classes
    assert found.lf_classes.tolist() == expected.lf_classes.tolist()


@pytest.mark.parametrize("kind", sorted(set(STREAMS) - {"file", "folder"}))
def test_batches_are_those_of_the_table_in_memory(kind):
    table = pa.table({"n": list(range(11))})
    applier = ColumnLFApplier([first], CLASSES)
    expected = applier.apply(table, progress_bar=False, batch_size=4)
    assert np.flatnonzero(expected.to_dense()[:, 0] == 1).tolist() == [0, 4, 8]
    for how in ({}, {"n_jobs": 2}):
        found = applier.apply(STREAMS[kind](table), progress_bar=False, batch_size=4, **how)
        np.testing.assert_array_equal(found.to_dense(), expected.to_dense())
        np.testing.assert_array_equal(found.dense_scores(), expected.dense_scores())


def test_vectorised_functions_get_tables_of_the_package_that_reads():
    seen = []
    look = labeling_function("look", vectorized=True)(
        lambda batch: [seen.append((type(batch), len(batch)))] * len(batch)
    )
    table = pa.table({"n": [1, 2, 3]})
    for kind in ("lazy", "reader", "dataset", "foreign"):
        ColumnLFApplier([look]).apply(STREAMS[kind](table), batch_size=2, progress_bar=False)
    assert seen == [
        (kind, n) for kind in (pl.DataFrame, pa.Table, pa.Table, pa.Table) for n in (2, 1)
    ]


@pytest.mark.parametrize("kind", sorted(STREAMS))
def test_faults_name_the_row_of_the_stream(kind):
    bad = labeling_function("bad")(lambda x: 7 if x.n == 5 else 1)
    table = pa.table({"n": list(range(8)), "text": ["a", *" ", *"cdefgh"]})
    with pytest.raises(LabelingError, match="LF 'bad', row 5: answered 7"):
        ColumnLFApplier([bad], CLASSES).apply(STREAMS[kind](table), batch_size=2)
    for text_column in (None, "text"):
        votes, meta = ColumnLFApplier([bad], CLASSES, text_column).apply(
            STREAMS[kind](table), batch_size=2, fault_tolerant=True, return_meta=True
        )
        assert meta.faults == {"bad": 1} and meta.tracebacks["bad"][0].row_id == 5
        row = -1 if text_column else 1
        assert votes.to_dense().ravel().tolist() == [1, row, 1, 1, 1, -1, 1, 1]


@pytest.mark.parametrize("kind", sorted(STREAMS))
def test_a_missing_column_is_named_with_those_that_are_there(kind):
    table = pa.table({"body": ["win"], "n": [1]})
    with pytest.raises(LabelingError, match=r"no column 'text'; .*body"):
        ColumnLFApplier(LFS[:1], CLASSES).apply(STREAMS[kind](table), progress_bar=False)


@pytest.mark.parametrize("kind", ["lazy", "duckdb"])
def test_only_declared_columns_are_computed(kind):
    stream = STREAMS[kind](pa.table({'te"xt': ["win", "x"], "other": ["a", "b"]}))
    if kind == "duckdb":
        stream = stream.project('"te""xt", error(other) AS other')
    else:
        stream = stream.with_columns(pl.col("other").str.to_integer())
    declared = keyword_lf("win", "win", "spam", column='te"xt')
    found = ColumnLFApplier([declared], CLASSES).apply(stream, progress_bar=False)
    assert found.to_dense().ravel().tolist() == [1, -1]
    every = labeling_function("every")(lambda x: 1)
    with pytest.raises(InputError, match="rows from 0 on cannot be read"):
        ColumnLFApplier([declared, every], CLASSES).apply(stream, progress_bar=False)


def test_a_stream_that_breaks_says_from_which_row_on():
    schema = pa.schema({"text": pa.string()})

    def batches():
        yield pa.record_batch({"text": ["win"] * 3})
        raise ConnectionError("gone")

    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises(InputError, match=r"rows from 2 on cannot be read: .*gone"):
        ColumnLFApplier(LFS[:1], CLASSES).apply(reader, batch_size=2, progress_bar=False)


def test_files_say_themselves_what_is_wrong_with_them(tmp_path):
    applier = ColumnLFApplier(LFS[:1], CLASSES)
    with pytest.raises(FileNotFoundError, match="no such Parquet file"):
        applier.apply(tmp_path / "nothing.parquet")
    with pytest.raises(InputError, match="found none"):
        applier.apply(str(tmp_path))
    path = Path(as_file(pa.table({"text": ["win"] * 7})))
    content = bytearray(path.read_bytes())
    where = pq.read_metadata(path).row_group(1).column(0).data_page_offset
    content[where : where + 30] = bytes(30)
    path.write_bytes(bytes(content))
    with pytest.raises(FileFormatError, match=r"(?s)rows\.parquet is damaged"):
        applier.apply(path, progress_bar=False)
    path.write_bytes(bytes(content)[:-9])
    with pytest.raises(FileFormatError, match=r"rows\.parquet is truncated"):
        applier.apply(path, progress_bar=False)


def test_a_stream_of_something_else_than_a_table_is_refused():
    numbers = Foreign(pa.chunked_array([[1, 2]]))
    with pytest.raises(InputError, match="found Foreign, a stream of something else"):
        ColumnLFApplier(LFS[:1], CLASSES).apply(numbers)


def test_a_cache_and_whole_batches_see_the_table_as_a_whole(tmp_path):
    table = pa.table({"text": ["win", "x", "won"]})
    lengths = []
    whole = labeling_function("whole", vectorized=True)(
        lambda batch: [lengths.append(len(batch))] * len(batch)
    )
    ColumnLFApplier([whole]).apply(table.to_reader(), batch_size=None, progress_bar=False)
    assert lengths == [3]
    applier = ColumnLFApplier(LFS[:1], CLASSES)
    for report in ("computed", "cached"):
        votes = applier.apply(table.to_reader(), cache=tmp_path / "c", progress_bar=False)
        assert votes.to_dense().ravel().tolist() == [1, -1, 1]
        assert applier.cache_report == {"win": report}


def test_unnamed_classes_are_as_many_as_all_blocks_need():
    lf = labeling_function("lf")(lambda x: x.n)
    votes = ColumnLFApplier([lf]).apply(pa.table({"n": [0, 1, 5, 200]}).to_reader(), batch_size=1)
    assert votes.n_classes == 201 and votes.to_dense().ravel().tolist() == [0, 1, 5, 200]


@given(
    st.lists(st.integers(0, 4), max_size=6),
    st.integers(1, 5),
    st.sampled_from(["arrow", "polars"]),
)
def test_rechunked_keeps_rows_and_cuts_evenly(sizes, size, package):
    rows = iter(range(100))
    pieces = [pa.table({"n": [next(rows) for _ in range(k)]}) for k in sizes]
    pieces = [piece.cast(pa.schema({"n": pa.int64()})) for piece in pieces]
    if package == "polars":
        pieces, join = [pl.from_arrow(piece) for piece in pieces], pl.concat
    else:
        join = pa.concat_tables
    made = list(rechunked(pieces, size, join, "nothing"))
    total = sum(sizes)
    if not total:
        assert made == ["nothing"]
        return
    assert [len(table) for table in made[:-1]] == [size] * (len(made) - 1)
    assert 0 < len(made[-1]) <= size
    listed = [
        n
        for table in made
        for n in (table["n"].to_list() if package == "polars" else table["n"].to_pylist())
    ]
    assert listed == list(range(total))


TEXTS = {
    "arrow": pa.array,
    "chunks": lambda texts: pa.chunked_array([texts[:1], texts[1:]]),
    "polars": pl.Series,
    "pandas": lambda texts: pd.Series(texts, dtype="str"),
    "list": list,
}


@pytest.mark.parametrize("kind", sorted(TEXTS))
def test_columns_of_texts_are_searched_as_they_are(kind):
    texts = ["you won", "x", "straße 12", ""]
    lfs = [keyword_lf("win", ["win", "won"], "spam"), regex_lf("digits", r"\d{2}", "ham")]
    seen = labeling_function("seen")(lambda x: "spam" if x == "x" else None)
    expected = [[1, -1, -1], [-1, -1, 1], [-1, 0, -1], [-1, -1, -1]]
    votes = LFApplier([*lfs, seen], CLASSES).apply(TEXTS[kind](texts), progress_bar=False)
    assert votes.to_dense().tolist() == expected
    holes = TEXTS[kind]([*texts, None])
    with pytest.raises(LabelingError, match=r"LF 'win', row 4: .*no column 'text'"):
        LFApplier(lfs, CLASSES).apply(holes, progress_bar=False)


def test_no_thread_stays_after_an_error():
    before = set(threading.enumerate())
    table = pa.table({"text": ["win"] * 50})
    lf = labeling_function("bad")(lambda x: 7)
    for kind in ("dataset", "reader", "lazy", "folder"):
        try:
            ColumnLFApplier([lf], CLASSES).apply(STREAMS[kind](table), batch_size=5)
        except LabelingError:
            # While the error, and with it every frame that it went through, is still there.
            assert set(threading.enumerate()) <= before
        else:
            pytest.fail("no error")
