"""What people hand over, and what they should not: scalars, arrays, votes, gold, cells, bytes."""

from __future__ import annotations

import copy
import decimal
import enum
import json
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from hypothesis import strategies as st

from spear_amal import LabelMatrix


class Rating(enum.Enum):
    """Classes whose values are no codes."""

    LOW = 1
    HIGH = 5


class Thing:
    """An object of nobody's."""


SCALARS = [
    *(None, True, False, -1, 0, 1, 2, 3, 5, -7, 255, 20240131, 2**31, 2**63, 10**30),
    *(0.5, 1.0, 1.5, -0.25, 1e308, 1e-320, float("nan"), float("inf"), -float("inf"), 1 + 2j),
    *("", "ham", "spam", "0", "1", "-1", " ", "nan", "\x00", "\x1b[31m", "é", "\ud800", "=1+1"),
    *(b"", b"spam", decimal.Decimal("1.5"), Rating.LOW, Rating.HIGH, Rating, Thing(), ...),
    *(np.int8(-1), np.uint8(255), np.float32("nan"), np.str_("ham"), np.bool_(True)),
    *(pd.NA, pd.NaT, np.datetime64("2024-01-31"), pd.Timestamp("2024-01-31")),
]

#: Without numbers that would ask for much work or much memory, and mean it.
SMALL = [
    v
    for v in SCALARS
    if isinstance(v, bool) or not (isinstance(v, int | float | np.uint8) and abs(v) > 100)
]

scalars = st.sampled_from(SCALARS)
small_scalars = st.sampled_from(SMALL)
texts = st.one_of(st.text(max_size=20), st.sampled_from([v for v in SCALARS if isinstance(v, str)]))
odd = st.one_of(
    scalars,
    st.lists(scalars, max_size=4),
    st.lists(st.lists(scalars, max_size=3), max_size=3),
    st.dictionaries(st.sampled_from(["spam", "ham", 0, 1]), scalars, max_size=3),
    st.sampled_from([set(), {"spam", "ham"}, (), range(3), frozenset([0, 1])]),
)
small_odd = st.one_of(small_scalars, st.lists(small_scalars, max_size=4))


def mostly(right: Any, wrong: Any, times: int = 7) -> st.SearchStrategy[Any]:
    """Choose the right strategy so many times as often as the wrong one."""
    return st.sampled_from([right] * times + [wrong]).flatmap(lambda chosen: chosen)


DTYPES = ["i1", "u1", "i2", "i8", "u8", "f2", "f4", "f8", "?", "c8", "U3", "S3", "O", "M8[s]"]


@st.composite
def arrays(draw: Any, ndim: tuple[int, int] = (0, 3)) -> Any:
    """Draw an array of any type and shape, as one of the containers that people use."""
    shape = draw(st.lists(st.integers(0, 5), min_size=ndim[0], max_size=ndim[1]))
    dtype = draw(st.sampled_from(DTYPES))
    size = int(np.prod(shape, dtype=int))
    cells = draw(st.lists(scalars, min_size=size, max_size=size))
    if dtype == "O":
        values = np.empty(size, dtype=object)
        values[:] = cells
    else:
        try:
            with np.errstate(all="ignore"):
                values = np.array(cells).astype(dtype)
        except (ValueError, TypeError, OverflowError, RuntimeError):
            values = np.arange(size).astype(dtype)
        if values.shape != (size,):  # a class of an Enum is read as the list of its members
            values = np.arange(size).astype(dtype)
    return draw(contained(values.reshape(shape)))


def contained(values: np.ndarray) -> st.SearchStrategy[Any]:
    """Choose a container for an array."""
    ways: list[Any] = [lambda: values, values.tolist, lambda: np.asfortranarray(values)]
    if values.ndim == 1:
        ways += [lambda: pd.Series(values), lambda: tuple(values), lambda: pd.Index(values)]
    if values.ndim == 2:
        ways += [lambda: pd.DataFrame(values), lambda: list(values)]
        if values.dtype.kind in "if":
            ways += [lambda: sp.csr_array(values), lambda: sp.coo_matrix(values)]
    return st.sampled_from(ways).map(_attempt(values))


def _attempt(values: np.ndarray) -> Any:
    def make(way: Any) -> Any:
        try:
            return way()
        except (TypeError, ValueError, NotImplementedError, OverflowError):
            return values  # the container itself refuses them

    return make


CLASSES: list[Any] = [
    *(None, ["ham", "spam"], ["spam", "ham", "other"], [1, 2, 3], [0, 1], [False, True]),
    list(Rating),
]


@st.composite
def votes(draw: Any, rows: tuple[int, int] = (0, 12), lfs: tuple[int, int] = (1, 5)) -> LabelMatrix:
    """Draw a label matrix that is as it should be."""
    n, m = draw(st.integers(*rows)), draw(st.integers(*lfs))
    classes = draw(st.sampled_from([*CLASSES[:-2], Rating]))
    top = 2 if classes is None else len(classes)
    cells = draw(st.lists(st.integers(-1, top - 1), min_size=n * m, max_size=n * m))
    dense = np.array(cells, dtype=int).reshape(n, m)
    scores = None
    if draw(st.booleans()):
        scores = np.full((n, m), draw(st.sampled_from([0.0, 0.25, 1.0])))
    return LabelMatrix.from_dense(dense, classes=classes, scores=scores)


@st.composite
def gold(draw: Any, n: int, classes: Any = (0, 1)) -> Any:
    """Draw gold labels of n rows, some missing and now and then one that is no class."""
    missing = draw(st.sampled_from([-1, None, float("nan"), pd.NA, "-1"]))
    names = [*classes, *classes, missing]
    names += draw(mostly(st.just([]), st.lists(scalars, min_size=1, max_size=1)))
    cells = draw(st.lists(st.sampled_from(names), min_size=n, max_size=n))
    cells[: len(classes)] = list(classes)[:n]
    column = np.empty(n, dtype=object)
    column[:] = cells
    kinds = [None, None, "category", "string", "Int64", "int64", "str", "float64"]
    dtype = draw(st.sampled_from(kinds))
    if dtype is None:
        return draw(contained(column))
    try:
        return pd.Series(column).astype(dtype)
    except (ValueError, TypeError, OverflowError):
        return column


@st.composite
def frames(draw: Any, rows: tuple[int, int] = (0, 8)) -> pd.DataFrame:
    """Draw a table with a text column, and with others whose cells and names may be anything."""
    n = draw(st.integers(*rows))
    column = st.lists(st.one_of(texts, scalars), min_size=n, max_size=n)
    table = {"text": draw(st.one_of(st.lists(texts, min_size=n, max_size=n), column))}
    names = st.sampled_from(["items", "label", "name", "", "0", "text ", "é", "\x00", "_fields"])
    for name in draw(st.lists(names, max_size=3)):
        table[name] = draw(column)
    frame = pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in table.items()})
    index = draw(st.sampled_from(["range", "repeated", "text"]))
    if index == "repeated":
        frame.index = [0] * n
    elif index == "text":
        frame.index = [f"r{i}" for i in range(n)]
    return frame


def table_bytes(draw: Any, separator: str = ",") -> bytes:
    """Draw the bytes of a separated table: mostly right, with odd fields, rows and bytes."""
    field = st.one_of(
        st.sampled_from(
            ["text", "label", "ham", "spam", "1", "007", "1.10", "", '"', '""', '"a,b"']
        ),
        st.sampled_from(["a\rb", "\ufeff", "x\ny", "é", "\x00", "=1", "2024-01-31", "-1", "NA"]),
    )
    header = draw(
        mostly(
            st.sampled_from(["text,label", "label", "text,label,prediction"]),
            st.sampled_from(["text,text", ""]),
        )
    )
    width = header.count(",") + 1
    row = st.lists(field, min_size=width, max_size=width)
    rows = draw(st.lists(mostly(row, st.lists(field, max_size=4), 15), max_size=6))
    lines = [header.replace(",", separator), *(separator.join(row) for row in rows)]
    end = draw(st.sampled_from(["\n", "\r\n"]))
    content = end.join(lines).encode()
    return mutated(draw, content) if draw(st.sampled_from([True, False, False])) else content


def mutated(draw: Any, content: bytes) -> bytes:
    """Draw a damaged copy: bits turned, bytes cut, written over, doubled or appended."""
    damaged = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, max(len(damaged) - 1, 0)))
        how = draw(st.sampled_from(["flip", "cut", "write", "double", "append", "zero"]))
        if how == "flip" and damaged:
            damaged[at] ^= 1 << draw(st.integers(0, 7))
        elif how == "cut":
            del damaged[at:]
        elif how == "write":
            damaged[at : at + 4] = draw(st.binary(max_size=8))
        elif how == "double":
            damaged[at:at] = damaged[at : at + 64]
        elif how == "append":
            damaged += draw(st.binary(max_size=16))
        else:
            damaged[at : at + 32] = bytes(min(32, len(damaged) - at))
    return bytes(damaged)


JSON_ODD = st.sampled_from(
    [None, True, 0, -1, 2, 10**12, 1.5, "", "spam", "\x00", [], [0], [[]], {}, {"a": 1}, "9" * 50]
)


def mutated_json(draw: Any, content: bytes) -> bytes:
    """Draw a copy of a JSON document in which some values were replaced, removed or repeated."""
    document = json.loads(content)
    for _ in range(draw(st.integers(1, 2))):
        document = _replace(draw, copy.deepcopy(document))
    return json.dumps(document).encode()


def _replace(draw: Any, value: Any) -> Any:
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        key = draw(st.sampled_from(sorted(value)))
        if draw(st.integers(0, 6)) == 0:
            del value[key]
        else:
            value[key] = _replace(draw, value[key])
        return value
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        i = draw(st.integers(0, len(value) - 1))
        if draw(st.integers(0, 6)) == 0:
            value.append(value[i])
        else:
            value[i] = _replace(draw, value[i])
        return value
    return draw(JSON_ODD)
