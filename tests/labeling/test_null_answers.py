"""Nulls in the answers of vectorised LFs abstain, whatever the package and type of the column."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import LabelingError
from spear_amal.labeling import (
    ColumnLFApplier,
    LFApplier,
    PandasLFApplier,
    labeling_function,
)

pa = pytest.importorskip("pyarrow")
pc = pytest.importorskip("pyarrow.compute")
pl = pytest.importorskip("polars")

CLASSES = ["ham", "spam"]
COLUMNS = {"n": [1, None, 5], "text": ["free", None, "x"]}
FRAMES = {
    "numpy": pd.DataFrame(COLUMNS),
    "object": pd.DataFrame(COLUMNS, dtype=object),
    "nullable": pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="numpy_nullable"),
    "Arrow": pd.DataFrame(COLUMNS).convert_dtypes(dtype_backend="pyarrow"),
    "categories": pd.DataFrame(COLUMNS).astype("category"),
}


def votes_of(f, table, label=None, **options):
    lf = labeling_function("lf", label=label, vectorized=True)(f)
    votes = ColumnLFApplier([lf], CLASSES).apply(table, progress_bar=False, **options)
    return votes.to_dense()[:, 0].tolist()


@pytest.mark.parametrize("kind", ["numpy", "nullable", "Arrow"])
@pytest.mark.parametrize(
    ("test", "votes"),
    [
        (lambda d: d["n"] > 3, [-1, -1, 1]),
        (lambda d: d["text"].str.contains("free"), [1, -1, -1]),
        (lambda d: d["text"].str.len() > 2, [1, -1, -1]),
        (lambda d: (d["n"] > 3).to_numpy(), [-1, -1, 1]),
        (lambda d: (d["n"] > 3).array, [-1, -1, 1]),
        (lambda d: (d["n"] > 3).tolist(), [-1, -1, 1]),
        (lambda d: (d["n"] > 3).mask(d["n"].isna()), [-1, -1, 1]),
    ],
)
def test_comparisons_with_a_label(kind, test, votes):
    assert votes_of(test, FRAMES[kind], "spam") == votes


@pytest.mark.parametrize("kind", sorted(FRAMES))
@pytest.mark.parametrize(
    ("classes", "votes"),
    [
        (lambda d: d["n"].map({1: 0, 5: 1}), [0, -1, 1]),
        (lambda d: d["n"].map({1: 0, 5: 1}).to_numpy(), [0, -1, 1]),
        (lambda d: d["text"].map({"free": "spam"}), [1, -1, -1]),
        (lambda d: d["text"].map({"free": "spam"}).astype("string"), [1, -1, -1]),
        (lambda d: d["text"].map({"free": "spam"}).astype("category"), [1, -1, -1]),
        (lambda d: pd.Series([0, pd.NA, 1], dtype="Int64", index=d.index), [0, -1, 1]),
        (lambda d: pd.Series([0, pd.NA, pd.NaT], dtype=object, index=d.index), [0, -1, -1]),
        (lambda d: np.array(["ham", np.nan, None], dtype=object), [0, -1, -1]),
        (lambda d: ["ham", pd.NA, None], [0, -1, -1]),
    ],
)
def test_class_names_and_numbers(kind, classes, votes):
    assert votes_of(classes, FRAMES[kind]) == votes


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_votes_do_not_depend_on_the_batch_that_holds_the_null(batch_size):
    # The answers are integers in one batch and floats in another.
    mapped = [votes_of(lambda d: d["n"].map({1: 0, 5: 1}), frame, batch_size=batch_size)
              for frame in FRAMES.values()]  # fmt: skip
    assert mapped == [[0, -1, 1]] * len(FRAMES)


@pytest.mark.parametrize(
    ("answers", "row"),
    [([0.5, np.nan], 0), ([np.nan, 0.5], 1), ([np.inf, np.nan], 0), ([1e300, 1.0], 0), ([2.0], 0)],
)
@pytest.mark.parametrize("dtype", [float, object])
def test_floats_that_are_no_classes_are_refused(answers, row, dtype):
    table = {"n": [1] * len(answers)}
    with pytest.raises(LabelingError, match=rf"row {row}: answered"):
        votes_of(lambda d: np.array(answers, dtype=dtype), table)


def test_a_row_function_abstains_by_na_and_not_by_nan():
    votes = LFApplier([labeling_function("lf")(lambda x: x)]).apply([pd.NA, 1, None])
    assert votes.to_dense()[:, 0].tolist() == [-1, 1, -1]
    assert labeling_function("lf")(lambda x: pd.NA)(1) == -1
    with pytest.raises(LabelingError, match=r"row 0: answered nan"):
        LFApplier([labeling_function("lf")(lambda x: x)]).apply([float("nan")])


@pytest.mark.parametrize("kind", sorted(FRAMES))
def test_the_applier_for_pandas_frames(kind):
    lf = labeling_function("lf", label="spam", vectorized=True)(lambda d: d["text"] == "free")
    votes = PandasLFApplier([lf], CLASSES).apply(FRAMES[kind], progress_bar=False)
    assert votes.to_dense()[:, 0].tolist() == [1, -1, -1]


# -- Arrow and Polars ----------------------------------------------------------------------------

TABLE = pa.table(COLUMNS)
CHUNKS = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
POLARS = pl.DataFrame(COLUMNS)


@pytest.mark.parametrize("table", [TABLE, CHUNKS, TABLE.to_batches()[0]])
@pytest.mark.parametrize(
    ("f", "label", "votes"),
    [
        (lambda t: pc.greater(t["n"], 3), "spam", [-1, -1, 1]),
        (lambda t: pc.match_substring(t["text"], "free"), "spam", [1, -1, -1]),
        (lambda t: pc.if_else(pc.greater(t["n"], 3), 1, 0), None, [0, -1, 1]),
        (lambda t: pc.if_else(pc.greater(t["n"], 3), "spam", "ham"), None, [0, -1, 1]),
        (lambda t: pc.if_else(pc.greater(t["n"], 3), "spam", None), None, [-1, -1, 1]),
        (
            lambda t: pc.if_else(pc.greater(t["n"], 3), "spam", "ham").dictionary_encode(),
            None,
            [0, -1, 1],
        ),
        (lambda t: pc.cast(pc.subtract(t["n"], t["n"]), pa.float32()), None, [0, -1, 0]),
    ],
)
def test_columns_of_arrow(table, f, label, votes):
    assert votes_of(f, table, label) == votes


@pytest.mark.parametrize("batch_size", [None, 2])
@pytest.mark.parametrize(
    ("f", "label", "votes"),
    [
        (lambda d: d["n"] > 3, "spam", [-1, -1, 1]),
        (lambda d: pl.col("n") > 3, "spam", [-1, -1, 1]),
        (lambda d: pl.col("text").str.contains("free"), "spam", [1, -1, -1]),
        (lambda d: pl.col("n").replace_strict({1: 0, 5: 1}), None, [0, -1, 1]),
        (lambda d: pl.when(pl.col("n") > 3).then(pl.lit("spam")), None, [-1, -1, 1]),
        (lambda d: pl.col("text").replace_strict({"free": 1}, default=None), None, [1, -1, -1]),
        (lambda d: pl.Series(["ham", None, "spam"], dtype=pl.Enum(CLASSES))[: len(d)], None, None),
    ],
)  # fmt: skip
def test_columns_and_expressions_of_polars(f, label, votes, batch_size):
    if votes is None:  # the answers do not follow the batches
        votes, batch_size = [0, -1, 1], None
    assert votes_of(f, POLARS, label, batch_size=batch_size) == votes


def test_scores_may_be_an_expression():
    scored = labeling_function(
        "lf", label="spam", vectorized=True, cont_scorer=lambda d: pl.col("n") / 10
    )(lambda d, continuous_score: continuous_score > 0.3)
    table = pl.DataFrame({"n": [1, 2, 5]})
    votes = ColumnLFApplier([scored], CLASSES).apply(table, progress_bar=False)
    assert votes.to_dense()[:, 0].tolist() == [-1, -1, 1]
    assert votes.scores.data.tolist() == [0.5]


@pytest.mark.parametrize(
    ("f", "table", "message"),
    [
        (lambda d: pl.col("n") > 3, TABLE, r"expression of Polars for a batch of type Table"),
        (lambda d: pl.col("n") > 3, FRAMES["numpy"], r"for a batch of type DataFrame; apply the"),
        (lambda d: pl.col("n", "text").is_null(), POLARS, r"gives the columns \['n', 'text'\]"),
        (lambda d: pl.col("gone") > 3, POLARS, r"ColumnNotFoundError"),
        (lambda d: pl.col("n").max() > 3, POLARS, r"returned shape \(1,\)"),
        (lambda d: d.select(pl.col("n") > 3), POLARS, r"returned shape \(3, 1\)"),
        (lambda d: pc.field("n") > 3, TABLE, r"expression of Arrow, .*pyarrow.compute"),
    ],
)
def test_what_is_no_column_is_named(f, table, message):
    with pytest.raises(LabelingError, match=rf"LF 'lf', row 0: .*{message}"):
        votes_of(f, table, "spam")
