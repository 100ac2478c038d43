"""Tables and columns of Arrow and Polars: the same votes as from pandas, in their own types."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.errors import InputError, LabelingError
from spear_amal.labeling import (
    ColumnLFApplier,
    LFApplier,
    PandasLFApplier,
    keyword_lf,
    labeling_function,
    preprocessor,
    regex_lf,
    threshold_lf,
)

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

CLASSES = ["ham", "spam"]
MAKE = {
    "table": pa.table,
    "chunks": lambda columns: pa.concat_tables(
        [pa.table(columns).slice(0, 2), pa.table(columns).slice(2)]
    ),
    "batch": pa.record_batch,
    "polars": pl.DataFrame,
    "arrays": lambda columns: {name: pa.array(v) for name, v in columns.items()},
    "series": lambda columns: {name: pl.Series(v) for name, v in columns.items()},
}


@preprocessor()
def shorter(x):
    x.text = (x.text or "")[:3]
    return x


@labeling_function(label="spam")
def many(x):
    return (x["n"] or 0) > 2 and x.text is not None


@labeling_function(pre=[shorter])
def short(x):
    return "ham" if x.text == "win" else None


LFS = [
    keyword_lf("win", ["win", "won"], "spam"),
    regex_lf("digits", r"\d{2}", "ham"),
    regex_lf("strasse", "straße", "spam", flags=2),
    threshold_lf("large", "n", "spam", above=1.5, below=90),
    threshold_lf("low", "score", "ham", below=0),
    many,
    short,
]
ROWS = st.lists(
    st.tuples(
        st.none()
        | st.sampled_from(["win", "you WON 12", "", "STRASSE straße", "x\x00y win", "12"]),
        st.none() | st.integers(-3, 100),
        st.none() | st.sampled_from([-1.5, 0.0, 2.5]),
    ),
    min_size=1,
    max_size=9,
)


def columns_of(rows):
    text, n, score = (list(column) for column in zip(*rows, strict=True))
    return {"text": text, "n": n, "score": score}


def typed(columns):
    kinds = {"text": pa.string(), "n": pa.int64(), "score": pa.float64()}
    return {name: pa.array(values, kinds[name]) for name, values in columns.items()}


@given(ROWS, st.sampled_from(sorted(MAKE)), st.sampled_from([None, 1, 4]))
@settings(max_examples=60)
def test_votes_equal_those_on_a_pandas_frame(rows, kind, batch_size):
    columns = columns_of(rows)
    frame = pd.DataFrame({name: pd.Series(v, dtype=object) for name, v in columns.items()})
    expected = PandasLFApplier(LFS, CLASSES).apply(frame, progress_bar=False).to_dense()
    table = MAKE[kind](typed(columns))
    found = ColumnLFApplier(LFS, CLASSES).apply(table, progress_bar=False, batch_size=batch_size)
    np.testing.assert_array_equal(found.to_dense(), expected)
    assert found.row_ids.tolist() == list(range(len(rows)))


@pytest.mark.parametrize("kind", sorted(MAKE))
def test_vectorised_functions_get_the_container_that_came(kind):
    seen = []

    @labeling_function(vectorized=True, label="spam")
    def large(batch):
        seen.append(type(batch))
        return np.asarray(batch["n"]) > 1

    table = MAKE[kind]({"n": [1, 2, 3]})
    votes = ColumnLFApplier([large], CLASSES).apply(table, progress_bar=False, batch_size=2)
    assert votes.to_dense()[:, 0].tolist() == [-1, 1, 1]
    assert seen == [type(table)] * 2


COLUMNS = {
    "arrow": pa.array,
    "chunked": lambda values: pa.chunked_array([pa.array(values)]),
    "polars": pl.Series,
}


@pytest.mark.parametrize("kind", sorted(COLUMNS))
@pytest.mark.parametrize(
    ("answers", "label", "votes"),
    [
        ([0, 1, -1], None, [0, 1, -1]),
        ([0, None, 1], None, [0, -1, 1]),
        ([True, False, True], "spam", [1, -1, 1]),
        ([True, None, False], "spam", [1, -1, -1]),
        (["ham", "spam", None], None, [0, 1, -1]),
        ([None, None, None], None, [-1, -1, -1]),
    ],
)
def test_answers_are_columns_of_either_package(kind, answers, label, votes):
    made = COLUMNS[kind](answers)
    lf = labeling_function("lf", vectorized=True, label=label)(lambda batch: made)
    table = pa.table({"n": [1, 2, 3]})
    found = ColumnLFApplier([lf], CLASSES).apply(table, progress_bar=False)
    assert found.to_dense()[:, 0].tolist() == votes


@pytest.mark.parametrize("kind", sorted(COLUMNS))
def test_bad_answers_and_scores_are_named(kind):
    table = pl.DataFrame({"n": [1, 2, 3]})

    def apply(answers, scores=None):
        made = COLUMNS[kind](answers)
        scorer = None if scores is None else lambda batch: COLUMNS[kind](scores)
        lf = labeling_function("lf", vectorized=True, cont_scorer=scorer)(lambda batch, **_: made)
        return ColumnLFApplier([lf], CLASSES).apply(table, progress_bar=False)

    with pytest.raises(LabelingError, match=r"'lf', row 1: answered 7"):
        apply([0, 7, None])
    with pytest.raises(LabelingError, match=r"'lf', row 0: answered 0.5"):
        apply([0.5, 1.0, 0.0])
    with pytest.raises(LabelingError, match=r"returned shape \(2,\)"):
        apply([0, 1])
    with pytest.raises(LabelingError, match=r"row 1: got the score None"):
        apply([0, 1, 1], [0.5, None, 0.5])
    assert apply([0, 1, 1], [0.5, 0.25, 1.0]).scores.data.tolist() == [0.5, 0.25, 1.0]


def test_texts_of_one_column_are_a_list_of_rows():
    lf = keyword_lf("win", "win", "spam")
    for make in COLUMNS.values():
        votes = LFApplier([lf], CLASSES).apply(make(["win", "x"]), progress_bar=False)
        assert votes.to_dense()[:, 0].tolist() == [1, -1]


@pytest.mark.parametrize("kind", ["table", "batch", "polars"])
def test_a_value_that_is_no_text_is_a_fault_at_its_row(kind):
    table = MAKE[kind]({"text": [b"win", None, b"x"]})
    with pytest.raises(LabelingError, match=r"LF 'win', row 0: .*reads texts, found b'win'"):
        ColumnLFApplier(LFS, CLASSES).apply(table, progress_bar=False)


@pytest.mark.parametrize("kind", sorted(MAKE))
def test_a_missing_column_is_named(kind):
    table = MAKE[kind]({"body": ["win", "x", "y"]})
    with pytest.raises(LabelingError, match=r"no column 'text'; .*body"):
        ColumnLFApplier(LFS[:1], CLASSES).apply(table, progress_bar=False)


def test_tables_are_refused_where_rows_are_wanted():
    frame = pl.DataFrame({"text": ["win"]})
    table = frame.to_arrow()
    for one in (frame, table, table.to_batches()[0], frame.lazy(), table.to_reader()):
        for applier in (LFApplier, PandasLFApplier):
            with pytest.raises(InputError, match=r"ColumnLFApplier for .* Arrow,? (or )?Polars"):
                applier(LFS, CLASSES).apply(one)
    with pytest.raises(InputError, match="needed a mapping of columns, or a table"):
        ColumnLFApplier(LFS, CLASSES).apply(["win"])


def test_columns_given_twice_are_refused():
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    for one in (table, table.to_batches()[0]):
        with pytest.raises(InputError, match=r"given twice: \['text'\]"):
            ColumnLFApplier(LFS, CLASSES).apply(one)


@pytest.mark.parametrize("kind", ["table", "batch", "polars"])
def test_no_rows(kind):
    table = MAKE[kind](typed(columns_of([("win", 1, 0.0)]))).slice(0, 0)
    assert ColumnLFApplier(LFS, CLASSES).apply(table, progress_bar=False).shape == (0, len(LFS))
