"""Thresholds vote as Python compares the cells, whatever holds the column."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.errors import LabelingError
from spear_amal.labeling import (
    ColumnLFApplier,
    LFApplier,
    PandasLFApplier,
    labeling_function,
    threshold_lf,
)

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

INT64 = st.integers(-(2**63), 2**63 - 1)
NEAR = st.sampled_from([0, 1, -1, 2**53, 2**53 + 1, -(2**53) - 1, 2**63 - 1])
WHOLE = INT64 | NEAR
FLOATS = st.floats() | st.sampled_from([0.0, -0.0, 1.0, 2.0**53, 2.0**63])
# How a column of cells is held, by what is in them; None among them is a null.
KINDS: dict[str, tuple[Any, dict[str, Callable[[list[Any]], Any]]]] = {
    "whole numbers": (
        WHOLE,
        {
            "list": list,
            "objects": lambda cells: pd.Series(cells, dtype=object),
            "Int64": lambda cells: pd.Series(cells, dtype="Int64"),
            "pandas arrow": lambda cells: pd.Series(cells, dtype="int64[pyarrow]"),
            "arrow": lambda cells: pa.array(cells, pa.int64()),
            "chunks": lambda cells: pa.chunked_array([cells[:1], cells[1:]], pa.int64()),
            "polars": lambda cells: pl.Series(cells, dtype=pl.Int64),
        },
    ),
    "unsigned": (
        st.integers(0, 2**64 - 1),
        {
            "UInt64": lambda cells: pd.Series(cells, dtype="UInt64"),
            "arrow": lambda cells: pa.array(cells, pa.uint64()),
            "polars": lambda cells: pl.Series(cells, dtype=pl.UInt64),
        },
    ),
    "floats": (
        FLOATS,
        {
            "list": list,
            "numpy": lambda cells: pd.Series(cells, dtype=float),
            "Float64": lambda cells: pd.Series(pd.array(cells, dtype="Float64")),
            "pandas arrow": lambda cells: pd.Series(cells, dtype="double[pyarrow]"),
            "arrow": lambda cells: pa.array(cells, pa.float64()),
            "chunks": lambda cells: pa.chunked_array([cells[:1], cells[1:]], pa.float64()),
            "polars": lambda cells: pl.Series(cells, dtype=pl.Float64),
        },
    ),
    "single floats": (
        st.floats(width=32) | st.just(float(np.float32(0.1))),
        {
            "numpy": lambda cells: pd.Series(cells, dtype="float32"),
            "arrow": lambda cells: pa.array(cells, pa.float32()),
            "polars": lambda cells: pl.Series(cells, dtype=pl.Float32),
        },
    ),
    "truth values": (
        st.booleans(),
        {
            "list": list,
            "boolean": lambda cells: pd.Series(cells, dtype="boolean"),
            "arrow": lambda cells: pa.array(cells, pa.bool_()),
            "polars": lambda cells: pl.Series(cells, dtype=pl.Boolean),
        },
    ),
    "decimals": (
        st.decimals(-999, 999, places=2),
        {
            "objects": lambda cells: pd.Series(cells, dtype=object),
            "arrow": lambda cells: pa.array(cells, pa.decimal128(10, 2)),
            "polars": lambda cells: pl.Series(cells, dtype=pl.Decimal(10, 2)),
        },
    ),
}


def fires(cell: Any, above: float | None, below: float | None) -> bool:
    """Whether a cell lies within the bounds, by Python's own exact comparison."""
    if cell is None or cell != cell:
        return False
    if not isinstance(cell, int):  # compared as floats, whole bounds as well
        cell = float(cell)
        above, below = (None if bound is None else float(bound) for bound in (above, below))
    return (above is None or cell > above) and (below is None or cell < below)


def bounds() -> Any:
    """Pairs of bounds that leave something between them."""
    bound = st.none() | WHOLE | FLOATS.filter(lambda x: not math.isnan(x)) | st.just(0.1)

    def open_range(pair: tuple[Any, Any]) -> bool:
        above, below = pair
        low, high = -math.inf if above is None else above, math.inf if below is None else below
        return above is not below and bool(low < high)

    return st.tuples(bound, bound).filter(open_range)


@pytest.mark.parametrize("kind", sorted(KINDS))
@given(data=st.data())
@settings(max_examples=60)
def test_votes_are_those_of_exact_comparisons(kind, data):
    cells_of, holders = KINDS[kind]
    cells = data.draw(st.lists(st.none() | cells_of, min_size=1, max_size=9))
    ranges = data.draw(st.lists(bounds(), min_size=1, max_size=3))
    column = holders[data.draw(st.sampled_from(sorted(holders)))](cells)
    lfs = [
        threshold_lf(f"t{j}", "x", j % 2, above, below) for j, (above, below) in enumerate(ranges)
    ]
    expected = [
        [j % 2 if fires(cell, *pair) else -1 for j, pair in enumerate(ranges)] for cell in cells
    ]
    size = data.draw(st.sampled_from([None, 1, 3]))
    found = ColumnLFApplier(lfs, 2).apply({"x": column}, batch_size=size)
    assert found.to_dense().tolist() == expected
    if isinstance(column, pd.Series):
        frame = pd.DataFrame({"x": column})
        assert PandasLFApplier(lfs, 2).apply(frame).to_dense().tolist() == expected
    points = [{"x": cell} for cell in cells]
    assert LFApplier(lfs, 2).apply(points).to_dense().tolist() == expected


@pytest.mark.parametrize("holder", ["numpy", "arrow", "polars", "list"])
def test_times_are_no_numbers(holder):
    times = pd.to_datetime(["2024-01-01", "2024-01-02"])
    make = {
        "numpy": lambda: pd.Series(times),
        "arrow": lambda: pa.array(times),
        "polars": lambda: pl.Series(times.tolist()),
        "list": times.tolist,
    }
    applier = ColumnLFApplier([threshold_lf("t", "x", 1, above=0)])
    with pytest.raises(LabelingError, match=r"LF 't', row 0: raised TypeError"):
        applier.apply({"x": make[holder]()})


def test_a_cell_that_is_no_number_is_a_fault_at_its_row():
    lfs = [threshold_lf("low", "x", 0, below=2), threshold_lf("high", "x", 1, above=2)]
    with pytest.raises(LabelingError, match=r"LF 'low', row 1: raised ValueError.*'many'"):
        ColumnLFApplier(lfs).apply({"x": [1, "many", 3]})
    votes, meta = ColumnLFApplier(lfs).apply(
        {"x": [1, "many", 3]}, fault_tolerant=True, return_meta=True
    )
    assert votes.to_dense().tolist() == [[0, -1], [-1, -1], [-1, 1]]
    assert meta.faults == {"low": 1, "high": 1}


def test_votes_of_all_kinds_of_lfs_come_in_the_order_of_the_lfs():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"a": rng.normal(size=101), "b": rng.integers(0, 9, 101)})
    codes = labeling_function("codes", vectorized=True)(lambda batch: batch["b"].to_numpy() % 4 - 1)
    scored = labeling_function(
        "scored", vectorized=True, cont_scorer=lambda batch: batch["a"].abs() / 2
    )(lambda batch, continuous_score: np.where(continuous_score > 0.2, 1, -1))
    row = labeling_function("row", label=0)(lambda x: x.b == 3)
    lfs = [row, threshold_lf("a", "a", 1, above=0.5), codes, threshold_lf("b", "b", 2, below=4)]
    lfs += [scored, threshold_lf("a2", "a", 0, below=-0.5)]
    a, b = frame["a"].to_numpy(), frame["b"].to_numpy()
    expected = np.stack(
        [
            np.where(b == 3, 0, -1),
            np.where(a > 0.5, 1, -1),
            b % 4 - 1,
            np.where(b < 4, 2, -1),
            np.where(abs(a) / 2 > 0.2, 1, -1),
            np.where(a < -0.5, 0, -1),
        ],
        axis=1,
    )
    for size in (None, 7):
        votes, meta = ColumnLFApplier(lfs, 3).apply(frame, batch_size=size, return_meta=True)
        np.testing.assert_array_equal(votes.to_dense(), expected)
        assert votes.codes.has_canonical_format and votes.codes.has_sorted_indices
        scores = np.where(expected[:, 4] == 1, np.clip(abs(a) / 2, 0, 1), 0)
        np.testing.assert_allclose(votes.dense_scores()[:, 4], scores, rtol=1e-6)
        assert meta.clipped == {"scored": int((abs(a) > 2).sum())}


@pytest.mark.parametrize(
    ("classes", "answers"),
    [
        (None, [-1, 150, 0]),
        (2, [-1, 1, 0]),
        (200, [-1, 199, 3]),
        ({"a": 3, "b": 1}, [1, 3, -1]),
    ],
)
def test_codes_beyond_eight_bits_and_numbered_classes(classes, answers):
    lf = labeling_function("lf", vectorized=True)(lambda batch: np.array(answers))
    votes = ColumnLFApplier([lf], classes).apply({"x": [1, 2, 3]})
    expected = [0, 1, -1] if isinstance(classes, dict) else answers
    assert votes.to_dense().ravel().tolist() == expected


@pytest.mark.parametrize("answer", [-2, 7, -(2**40), 2**40])
def test_numbers_that_are_no_classes_are_named(answer):
    lf = labeling_function("lf", vectorized=True)(lambda batch: np.array([0, answer, -1]))
    with pytest.raises(LabelingError, match=rf"LF 'lf', row 1: answered {answer}"):
        ColumnLFApplier([lf], 3).apply({"x": [1, 2, 3]})
    votes = ColumnLFApplier([lf], 3).apply({"x": [1, 2, 3]}, fault_tolerant=True, return_meta=True)[
        0
    ]
    assert votes.to_dense().ravel().tolist() == [0, -1, -1]


def test_masked_answers_abstain_nowhere_else():
    answers = np.ma.masked_array([True, False, True], mask=[False, False, True])
    lf = labeling_function("lf", vectorized=True, label=1)(lambda batch: answers)
    # As NumPy makes an array of it: what is below the mask.
    assert ColumnLFApplier([lf]).apply({"x": [1, 2, 3]}).to_dense().ravel().tolist() == [1, -1, 1]
