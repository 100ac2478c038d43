"""What an LF sees of a cell: the table of docs/labelling.md, type by type and route by route."""

from __future__ import annotations

import datetime
import decimal
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from spear_amal.labeling import (
    ColumnLFApplier,
    DaskApplier,
    LFApplier,
    PandasLFApplier,
    ParquetLFApplier,
    SparkApplier,
    labeling_function,
    threshold_lf,
)
from spear_amal.labeling.cell_values import as_list, frame_of_schema

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pl = pytest.importorskip("polars")

ABOVE = 2**53 + 1  # no float64 is this number
NOON = pd.Timestamp("2024-02-29 12:00:00.000001")
DAY = datetime.date(2024, 2, 29)
BERLIN = pd.Timestamp("2024-02-29 12:00", tz="Europe/Berlin")

# Name -> Arrow's type, and what an LF sees on three rows, the second of which is missing.
CELLS: dict[str, tuple[Any, list[Any]]] = {
    "texts": (pa.string(), ["a", None, ""]),
    "large texts": (pa.large_string(), ["a", None, ""]),
    "integers": (pa.int64(), [ABOVE, None, -1]),
    "small integers": (pa.int8(), [5, None, -1]),
    "unsigned": (pa.uint64(), [2**64 - 1, None, 0]),
    "floats": (pa.float64(), [0.5, None, -1.0]),
    "single floats": (pa.float32(), [0.5, None, -1.0]),
    "booleans": (pa.bool_(), [True, None, False]),
    "categories": (pa.dictionary(pa.int32(), pa.string()), ["x", None, "y"]),
    "numbered categories": (pa.dictionary(pa.int32(), pa.int64()), [ABOVE, None, 3]),
    "dates": (pa.date32(), [DAY, None, datetime.date(1, 1, 1)]),
    "times": (pa.timestamp("us"), [NOON, None, pd.Timestamp("1970-01-01")]),
    "nanoseconds": (
        pa.timestamp("ns"),
        [pd.Timestamp("2024-01-01 00:00:00.000000007"), None, NOON],
    ),
    "zoned times": (pa.timestamp("us", "Europe/Berlin"), [BERLIN, None, BERLIN]),
    "clock": (pa.time64("us"), [datetime.time(1, 2, 3), None, datetime.time(0)]),
    "durations": (pa.duration("us"), [pd.Timedelta("1s"), None, pd.Timedelta(0)]),
    "decimals": (
        pa.decimal128(20, 2),
        [decimal.Decimal("123456789012345678.90"), None, decimal.Decimal("0.10")],
    ),
    "bytes": (pa.binary(), [b"\x00a", None, b""]),
    "lists": (pa.list_(pa.int64()), [[ABOVE, None], None, []]),
    "lists of floats": (pa.list_(pa.float64()), [[0.5, None], None, []]),
    "lists of lists": (pa.list_(pa.list_(pa.string())), [[["a"], []], None, [None]]),
    "structs": (
        pa.struct([("n", pa.int64()), ("tags", pa.list_(pa.string()))]),
        [{"n": ABOVE, "tags": ["a", None]}, None, {"n": None, "tags": None}],
    ),
    "nothing": (pa.null(), [None, None, None]),
}


def arrow(name: str) -> Any:
    kind, cells = CELLS[name]
    if isinstance(kind, pa.DictionaryType):
        return pa.table({"c": pa.array(cells, kind.value_type).dictionary_encode()})
    return pa.table({"c": pa.array(cells, kind)})


def seen_by(apply: Callable[[list[Any]], Any]) -> list[Any]:
    """Cells that a row function gets, in order."""
    cells: list[Any] = []
    apply([labeling_function("look")(lambda x: cells.append(x["c"]))])
    return cells


def from_parquet(batch_rows: int, dictionary: bool = False) -> Callable[..., list[Any]]:
    def route(name: str, tmp_path) -> list[Any]:
        pq.write_table(arrow(name), tmp_path / "f.parquet", use_dictionary=dictionary)
        return seen_by(
            lambda lfs: ParquetLFApplier(lfs).apply(
                tmp_path / "f.parquet", tmp_path / "v", batch_rows=batch_rows
            )
        )

    return route


def of_columns(make: Callable[[Any, list[Any]], Any]) -> Callable[..., list[Any]]:
    def route(name: str, tmp_path) -> list[Any]:
        table = make(arrow(name), CELLS[name][1])
        return seen_by(lambda lfs: ColumnLFApplier(lfs).apply(table, batch_size=2))

    return route


def numpy_backed(table: Any, cells: list[Any]) -> pd.DataFrame:
    """As pandas' own types have it where they can hold a null; else with pandas' objects."""
    if pa.types.is_dictionary(table.schema[0].type):
        return pd.DataFrame({"c": pd.Categorical(cells)})
    if pa.types.is_integer(table.schema[0].type) or pa.types.is_boolean(table.schema[0].type):
        return frame_of_schema(table)
    return table.to_pandas()


ROUTES: dict[str, Callable[..., list[Any]]] = {
    "pandas": of_columns(numpy_backed),
    "pandas, Arrow's types": of_columns(lambda t, _: t.to_pandas(types_mapper=pd.ArrowDtype)),
    "pandas, objects": of_columns(
        lambda _, cells: pd.DataFrame({"c": pd.Series(cells, dtype=object)})
    ),
    "Arrow": of_columns(lambda table, _: table),
    "Arrow, batch": of_columns(lambda table, _: table.to_batches()[0]),
    "Arrow, chunks": of_columns(lambda t, _: pa.concat_tables([t.slice(0, 1), t.slice(1)])),
    "Polars": of_columns(lambda table, _: pl.from_arrow(table)),
    "lists": of_columns(lambda _, cells: {"c": cells}),
    "list of rows": lambda name, tmp_path: seen_by(
        lambda lfs: LFApplier(lfs).apply([{"c": cell} for cell in CELLS[name][1]])
    ),
    "Parquet, one row": from_parquet(1),
    "Parquet, two rows": from_parquet(2, dictionary=True),
    "Parquet, all rows": from_parquet(3),
}
# What the library itself cannot hold, before an LF is asked.
LEFT_OUT = {
    ("numbered categories", "Polars"),  # categories are texts there
    ("lists", "pandas"),  # an array of integers has no null
    ("structs", "pandas"),
}


@pytest.mark.parametrize("route", sorted(ROUTES))
@pytest.mark.parametrize("name", sorted(CELLS))
def test_a_cell_is_the_same_by_every_route(name, route, tmp_path):
    if (name, route) in LEFT_OUT:
        pytest.skip("the library has no such column")
    expected = CELLS[name][1]
    cells = ROUTES[route](name, tmp_path)
    assert cells == expected
    # Equal is not enough: True == 1 == 1.0, and a text function shows the difference.
    assert [str(cell) for cell in cells] == [str(cell) for cell in expected]
    for cell, wanted in zip(cells, expected, strict=True):
        assert isinstance(cell, datetime.datetime if type(wanted) is pd.Timestamp else type(wanted))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("engine", ["pool", "dask", "spark"])
def test_a_cell_is_the_same_in_other_processes(engine, tmp_path):
    if engine == "spark" and shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none")
    pytest.importorskip({"pool": "pyarrow", "dask": "distributed", "spark": "pyspark"}[engine])
    table = pa.table({name: arrow(name).column(0) for name in CELLS})
    for i in range(3):
        pq.write_table(table.slice(i, 1), tmp_path / f"{i}.parquet")
    wanted = {name: [repr(cell) for cell in cells] for name, (_, cells) in CELLS.items()}

    def is_right(name):
        return labeling_function(name)(lambda x: int(repr(x[name]) in wanted[name]))

    make = {"pool": ParquetLFApplier, "dask": DaskApplier, "spark": SparkApplier}[engine]
    applier = make([is_right(name) for name in CELLS])
    votes = applier.apply(tmp_path, tmp_path / "v", n_jobs=2, batch_rows=1).to_label_matrix()
    assert votes.to_dense().tolist() == [[1] * len(CELLS)] * 3


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, None], dtype="Int64"),
        pd.Series([1, None], dtype=object),
        pd.Series([1, None], dtype=pd.ArrowDtype(pa.int64())),
        pd.Series(pd.Categorical([1, None])),
        pa.array([1, None]),
        pa.chunked_array([[1], [None]]),
        pl.Series([1, None]),
        np.array([1, None], dtype=object),
        np.ma.masked_array([1, 2], [False, True]),
        [np.int64(1), float("nan")],
        (1, pd.NA),
    ],
)
def test_integers_beside_a_missing_one(column):
    (one, nothing) = as_list(column)
    assert one == 1
    assert type(one) is int
    assert nothing is None


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([0.5, np.nan]),
        pd.Series([0.5, np.nan], dtype="Float64"),
        pd.Series([0.5, np.nan], dtype=object),
        pd.Series([0.5, np.nan], dtype=pd.ArrowDtype(pa.float64())),
        pa.array([0.5, float("nan")]),
        pl.Series([0.5, float("nan")]),
        np.array([0.5, np.nan], dtype=np.float32),
        pd.array([0.5, np.nan], dtype="Sparse[float64]"),
    ],
)
def test_nan_is_missing(column):
    assert as_list(column) == [0.5, None]


def test_nested_values_have_no_nan_and_no_arrays():
    ragged = np.empty(2, dtype=object)
    ragged[:] = [np.array([1.0, np.nan]), {"v": np.array([np.int64(3)]), "t": (np.nan,)}]
    expected = [[1.0, None], {"v": [3], "t": (None,)}]
    for column in (ragged, pd.Series(ragged), list(ragged)):
        assert as_list(column) == expected
    nested = pa.array([[0.5, float("nan")]])
    assert as_list(nested) == as_list(pl.Series(nested)) == [[0.5, None]]
    times = np.array(["2024-01-01T00:00:00.000000007", "NaT"], dtype="datetime64[ns]")
    assert as_list(times) == [pd.Timestamp("2024-01-01 00:00:00.000000007"), None]


def test_what_a_user_derived_keeps_its_type():
    class Tags(list):
        pass

    tags = Tags(["a"])
    assert as_list(pd.Series([tags, {"a"}]))[0] is tags


@pytest.mark.parametrize("batch_rows", [1, 2, 4])
def test_a_vote_does_not_depend_on_the_batch(tmp_path, batch_rows):
    wanted = 123456789012345678
    table = pa.table(
        {"id": pa.array([wanted, 5, None, wanted]), "flag": pa.array([True, None, False, True])}
    )
    pq.write_table(table, tmp_path / "f.parquet")
    by_text = labeling_function("by_text")(lambda x: int(str(x.id) == str(wanted)))
    by_flag = labeling_function("by_flag")(lambda x: int(str(x.flag) == "True"))

    @labeling_function(vectorized=True)
    def by_type(frame):
        assert str(frame.dtypes["id"]) == "Int64"
        return (frame["id"].astype(str) == str(wanted)).to_numpy(dtype=int)

    applier = ParquetLFApplier([by_text, by_flag, by_type])
    votes = applier.apply(tmp_path / "f.parquet", tmp_path / "v", batch_rows=batch_rows)
    expected = [[1, 1, 1], [0, 0, 0], [0, 0, 0], [1, 1, 1]]
    assert votes.to_label_matrix().to_dense().tolist() == expected


def test_codes_of_categories_do_not_come_of_the_batch(tmp_path):
    words = pa.array(["b", "a", "b"]).dictionary_encode()
    with pq.ParquetWriter(tmp_path / "f.parquet", pa.schema([("c", words.type)])) as writer:
        for start in range(3):
            piece = pa.table({"c": pa.array([words[start].as_py()]).dictionary_encode()})
            writer.write_table(piece)
    kinds = []

    @labeling_function(vectorized=True)
    def look(frame):
        kinds.append(isinstance(frame.dtypes["c"], pd.CategoricalDtype))
        return (frame["c"] == "b").astype(int)

    for rows in (1, 3):
        votes = ParquetLFApplier([look]).apply(
            tmp_path / "f.parquet", tmp_path / f"v{rows}", batch_rows=rows
        )
        assert votes.to_label_matrix().to_dense().ravel().tolist() == [1, 0, 1]
    assert not any(kinds)


MADE: dict[str, Callable[[list[Any]], Any]] = {
    "lists": lambda cells: {"n": cells},
    "Arrow": lambda cells: pa.table({"n": cells}),
    "Polars": lambda cells: pl.DataFrame({"n": cells}),
    "pandas": lambda cells: pd.DataFrame({"n": pd.array(cells, dtype="Int64")}),
    "objects": lambda cells: pd.DataFrame({"n": pd.Series(cells, dtype=object)}),
}


@pytest.mark.parametrize("route", sorted(MADE))
@pytest.mark.parametrize("missing", [[], [None]])
@pytest.mark.parametrize(
    ("above", "below"),
    [(2**53, None), (float(2**53), None), (None, ABOVE), (2.5, 3.5), (-float("inf"), 2.5)],
)
def test_bounds_are_exact(route, missing, above, below):
    numbers = [2**53, ABOVE, 2, 3, -4, *missing]
    lf = threshold_lf("t", "n", 1, above=above, below=below)
    expected = [
        1 if n is not None and (above is None or n > above) and (below is None or n < below) else -1
        for n in numbers
    ]
    found = ColumnLFApplier([lf]).apply(MADE[route](numbers), progress_bar=False)
    assert found.to_dense().ravel().tolist() == expected
    assert [lf({"n": n}) for n in numbers] == expected


def test_arrays_of_one_axis_are_columns():
    seen: list[Any] = []
    look = labeling_function("look")(lambda x: seen.append(x))
    LFApplier([look]).apply(np.array([1, 2]), progress_bar=False)
    LFApplier([look]).apply(np.array([0.5, np.nan]), progress_bar=False)
    assert [type(x) for x in seen] == [int, int, float, type(None)]
    frame = pd.DataFrame({"n": pd.array([1, None], dtype="Int64")})
    PandasLFApplier([labeling_function("n")(lambda x: seen.append(x.n))]).apply(frame)
    assert seen[-2:] == [1, None]
