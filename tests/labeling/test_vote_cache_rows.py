"""The cache of votes over rows of every kind: hit by equal rows, never by others."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from spear_amal.labeling import (
    ColumnLFApplier,
    LFApplier,
    PandasLFApplier,
    Row,
    keyword_lf,
    labeling_function,
    threshold_lf,
)
from spear_amal.labeling.hashing import function_hash

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

DATA = {
    "text": ["win", None, "x\udcff"],
    "n": [1, None, 5],
    "score": [1.0, 2.0, 3.0],
    "tags": [["a"], None, ["b", "c"]],
    "long": [10**5000, 0, -(10**5000)],
}
FITS = {name: DATA[name] for name in ("n", "score", "tags")} | {"text": ["win", None, "xÿ"]}


def arrays(make):
    return lambda columns: {name: make(values) for name, values in columns.items()}


TABLES = {
    "lists": (dict, DATA),
    "pandas": (lambda columns: pd.DataFrame(columns, dtype=object), DATA),
    "nullable": (lambda columns: pd.DataFrame(columns).convert_dtypes(), FITS),
    "pandas on Arrow": (
        lambda columns: pd.DataFrame(columns).convert_dtypes(dtype_backend="pyarrow"),
        FITS,
    ),
    "extension arrays": (arrays(lambda values: pd.Series(values).convert_dtypes().array), FITS),
    "table": (pa.table, FITS),
    "batch": (pa.record_batch, FITS),
    "arrays": (arrays(pa.array), FITS),
    "chunks": (arrays(lambda values: pa.chunked_array([values[:1], values[1:]])), FITS),
    "polars": (pl.DataFrame, FITS),
    "series": (arrays(pl.Series), FITS),
}


def lfs():
    return [
        labeling_function("row")(lambda x: int(str(x.n).startswith("5"))),
        labeling_function("batch", vectorized=True)(lambda batch: [1] * len(batch["score"])),
        keyword_lf("win", ["win"], 1),
        threshold_lf("high", "score", 1, above=1),
    ]


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_a_cache_is_hit_by_the_same_table_and_by_no_other(tmp_path, kind):
    make, columns = TABLES[kind]
    applier = ColumnLFApplier(lfs())
    plain = applier.apply(make(columns), progress_bar=False).to_dense().tolist()
    reports = []
    for _ in range(2):
        votes = applier.apply(make(columns), progress_bar=False, cache=tmp_path)
        assert votes.to_dense().tolist() == plain == [[0, 1, 1, -1], [0, 1, -1, 1], [1, 1, -1, 1]]
        reports.append(set(applier.cache_report.values()))
    assert reports == [{"computed"}, {"cached"}]
    changed = columns | {"n": [5, None, 5]}
    votes = applier.apply(make(changed), progress_bar=False, cache=tmp_path)
    assert votes.to_dense()[:, 0].tolist() == [1, 0, 1]
    assert applier.cache_report == {
        "row": "computed",
        "batch": "computed",
        "win": "cached",
        "high": "cached",
    }


def test_the_same_rows_by_another_route_are_computed():
    kinds = {name: make(columns) for name, (make, columns) in TABLES.items() if columns is FITS}
    assert len({function_hash(table) for table in kinds.values()}) == len(kinds)


FRAME = pd.DataFrame({"kind": pd.Categorical(["a", "b", "a"]), "n": [1, 2, 3]})
RECORDS = np.array([(1, 2)], dtype=[("a", "i8"), ("b", "i8")])


# Two values that some function tells apart, each made anew at every call.
TOLD_APART = {
    "order of categories": (
        lambda: FRAME,
        lambda: FRAME.assign(kind=FRAME["kind"].cat.reorder_categories(["b", "a"])),
    ),
    "ordered categories": (
        lambda: FRAME["kind"],
        lambda: FRAME["kind"].cat.as_ordered(),
    ),
    "name of the index": (lambda: FRAME, lambda: FRAME.rename_axis("id")),
    "name of the columns": (lambda: FRAME, lambda: FRAME.rename_axis(columns="id")),
    "name of a row": (lambda: [FRAME.iloc[0]], lambda: [FRAME.iloc[0].rename("other")]),
    "label of a row": (lambda: [Row(a=1)], lambda: [FRAME[["n"]].iloc[0]]),
    "fields of records": (lambda: RECORDS, lambda: RECORDS.view([("b", "i8"), ("a", "i8")])),
    "mask": (lambda: np.ma.array([1, 2], mask=[0, 1]), lambda: np.ma.array([1, 2], mask=[1, 0])),
    "masked or filled": (lambda: np.ma.array([1], mask=[1]), lambda: np.ma.array([999999])),
    "type in Arrow": (lambda: pa.array([1], pa.int32()), lambda: pa.array([1], pa.int64())),
    "null in Arrow": (lambda: pa.array([1, None]), lambda: pa.array([1, 0])),
    "time zone in Arrow": (
        lambda: pa.array([0], pa.timestamp("s", "UTC")),
        lambda: pa.array([0], pa.timestamp("s", "Europe/Berlin")),
    ),
    "Enum of Polars": (
        lambda: pl.Series(["a"], dtype=pl.Enum([f"{k}" for k in range(50)] + ["a", "b"])),
        lambda: pl.Series(["a"], dtype=pl.Enum([f"{k}" for k in range(50)] + ["b", "a"])),
    ),
    "kind of missing": (
        lambda: pd.DataFrame({"a": [None, "x"]}, dtype=object),
        lambda: pd.DataFrame({"a": [np.nan, "x"]}, dtype=object),
    ),
    "missing or empty": (lambda: pl.Series(["a", None]), lambda: pl.Series(["a", ""])),
    "where a text ends": (lambda: pl.Series(["ab", ""]), lambda: pl.Series(["a", "b"])),
}


@pytest.mark.parametrize("kind", sorted(TOLD_APART))
def test_what_functions_tell_apart_has_two_hashes(kind):
    one, other = TOLD_APART[kind]
    assert function_hash(one()) == function_hash(one()) != function_hash(other())


def test_votes_by_the_codes_of_categories(tmp_path):
    @labeling_function(vectorized=True)
    def by_code(frame):
        return frame["kind"].cat.codes

    applier = PandasLFApplier([by_code])
    for frame in (FRAME, TOLD_APART["order of categories"][1]()):
        votes = applier.apply(frame, progress_bar=False, cache=tmp_path)
        assert votes.to_dense()[:, 0].tolist() == frame["kind"].cat.codes.tolist()


@pytest.mark.parametrize(
    "rows",
    [
        [{"text": "a"}],
        [Row(text="a")],
        [row for _, row in pd.DataFrame({"text": ["a"]}).iterrows()],
        list(pd.DataFrame({"text": ["a"]}).itertuples()),
        pd.Series(["a"]),
        pa.chunked_array([["a"]]),
        pl.Series(["a"]),
        ["a\udcff"],
    ],
    ids=lambda rows: f"{type(rows).__name__} {type(rows[0]).__name__}",
)
def test_a_cache_is_hit_by_rows_of_every_kind(tmp_path, rows):
    applier = LFApplier([labeling_function("lf")(lambda x: 1)])
    for report in ("computed", "cached"):
        votes = applier.apply(rows, progress_bar=False, cache=tmp_path)
        assert votes.to_dense().tolist() == [[1]] and applier.cache_report == {"lf": report}
