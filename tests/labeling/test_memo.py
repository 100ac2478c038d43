"""Memoised preprocessors: a row gets the result of its own content, whatever it holds."""

from __future__ import annotations

import array
import collections
import dataclasses
import datetime
import enum
import pickle
import re
import threading
import types
import warnings
import zoneinfo
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import LabelingError
from spear_amal.labeling import (
    LambdaPreprocessor,
    LFApplier,
    PandasLFApplier,
    ParquetLFApplier,
    Row,
    labeling_function,
    preprocessor,
)
from spear_amal.labeling.memo import content_key, value_key


@dataclasses.dataclass
class Point:
    a: object


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    a: object


class Plain:
    def __init__(self, a):
        self.a = a


class SameForAll(Plain):
    """An object of a data base, equal to another state of itself."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 1


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


Named = collections.namedtuple("Named", "a")
HOUR = datetime.timedelta(hours=1)


def objects(*values):
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


# Two values of other content, each made anew at every call.
TWO_VALUES = {
    "array of texts": (lambda: objects("a", "b"), lambda: objects("a", "c")),
    "array of lists": (lambda: objects(["a"], None), lambda: objects(["b"], None)),
    "array of arrays": (lambda: objects(objects("a"), 1), lambda: objects(objects("b"), 1)),
    "array of numbers": (lambda: np.arange(99), lambda: np.arange(99) + (np.arange(99) == 98)),
    "names of a record": (lambda: np.zeros(2, [("a", "i8")]), lambda: np.zeros(2, [("b", "i8")])),
    "masked": (
        lambda: np.ma.array([1, 2], mask=[0, 1]),
        lambda: np.ma.array([1, 2], mask=[1, 0]),
    ),
    "list": (lambda: [[1], "a"], lambda: [[2], "a"]),
    "list or tuple": (lambda: [1], lambda: (1,)),
    "set": (lambda: {1, "a"}, lambda: {1, "b"}),
    "types in a set": (lambda: {1}, lambda: {True}),
    "types of keys": (lambda: {1: "a"}, lambda: {True: "a"}),
    "order of a dict": (lambda: {"a": 1, "b": 2}, lambda: {"b": 2, "a": 1}),
    "frozenset": (lambda: frozenset(["a"]), lambda: frozenset(["b"])),
    "bytearray": (lambda: bytearray(b"a"), lambda: bytearray(b"b")),
    "long bytes": (lambda: b"a" * 99, lambda: b"a" * 98 + b"b"),
    "deque": (lambda: collections.deque([1, [2]]), lambda: collections.deque([1, [3]])),
    "array of the library": (lambda: array.array("i", [1]), lambda: array.array("i", [2])),
    "Counter": (lambda: collections.Counter("ab"), lambda: collections.Counter("ac")),
    "defaultdict": (
        lambda: collections.defaultdict(list, a=[1]),
        lambda: collections.defaultdict(list, a=[2]),
    ),
    "named tuple": (lambda: Named([1]), lambda: Named([2])),
    "namespace": (lambda: types.SimpleNamespace(a=[1]), lambda: types.SimpleNamespace(a=[2])),
    "kind of object": (lambda: Point([1]), lambda: Plain([1])),
    "dataclass": (lambda: Point([1]), lambda: Point([2])),
    "frozen dataclass": (lambda: Frozen(1), lambda: Frozen(True)),
    "object": (lambda: Plain({"k": [1]}), lambda: Plain({"k": [2]})),
    "object that equals all": (lambda: SameForAll(1), lambda: SameForAll(2)),
    "row": (lambda: Row(items=1), lambda: Row(items=2)),
    "Enum": (lambda: Colour.RED, lambda: Colour.BLUE),
    "pattern": (lambda: re.compile("a"), lambda: re.compile("a", re.IGNORECASE)),
    "zeros": (lambda: 0.0, lambda: -0.0),
    "not a number": (lambda: float("nan"), lambda: 0.0),
    "numbers of NumPy": (lambda: np.float32(1), lambda: np.float64(1)),
    "digits of a Decimal": (lambda: Decimal("1.0"), lambda: Decimal("1.00")),
    "time zone": (
        lambda: datetime.datetime(2020, 1, 1, 1, tzinfo=datetime.UTC),
        lambda: datetime.datetime(2020, 1, 1, 2, tzinfo=datetime.timezone(HOUR)),
    ),
    "zone with a name": (
        lambda: datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Berlin")),
        lambda: datetime.datetime(2020, 1, 1, tzinfo=zoneinfo.ZoneInfo("Europe/Paris")),
    ),
    "time zone of pandas": (
        lambda: pd.Timestamp("2020-01-01 01:00", tz="UTC"),
        lambda: pd.Timestamp("2020-01-01 02:00", tz="Europe/Berlin"),
    ),
    "missing": (lambda: pd.NA, lambda: pd.NaT),
    "series": (lambda: pd.Series(["a", None]), lambda: pd.Series(["a", "b"])),
    "nullable series": (
        lambda: pd.Series([1, None], dtype="Int64"),
        lambda: pd.Series([1, 2], dtype="Int64"),
    ),
    "frame": (lambda: pd.DataFrame({"a": ["x"]}), lambda: pd.DataFrame({"a": ["y"]})),
    "categories": (
        lambda: pd.Categorical(["a"], categories=["a", "b"]),
        lambda: pd.Categorical(["a"], categories=["b", "a"]),
    ),
}


@pytest.mark.parametrize("kind", sorted(TWO_VALUES))
def test_a_row_is_remembered_by_its_content(kind):
    one, other = TWO_VALUES[kind]
    calls = []
    look = LambdaPreprocessor("look", lambda x: calls.append(x.cell) or x, memoize=True)
    for make in (one, other, one, other):
        look(Row(cell=make()))
    assert len(calls) == 2
    assert value_key(one()) == value_key(one()) != value_key(other())


@pytest.mark.parametrize("kind", sorted(TWO_VALUES))
def test_a_row_changed_in_place_is_another_row(kind):
    one, other = TWO_VALUES[kind]
    row, calls = Row(cell=one()), []
    look = LambdaPreprocessor("look", lambda x: calls.append(1) or x, memoize=True)
    look(row)
    row.cell = other()
    look(row)
    assert len(calls) == 2


def truth_and_words(rng, n):
    """Rows of words of which the middle one says the class, and no two rows alike."""
    truth = rng.integers(0, 2, n)
    words = [[f"w{k}-{rng.integers(9**9)}", "spam" if t else "ham", f"v{k}"]
             for k, t in enumerate(truth)]  # fmt: skip
    return truth, words


@pytest.mark.parametrize("convert", [" ".join, list, set, collections.deque])
def test_votes_over_shards_of_list_cells(tmp_path, convert):
    pytest.importorskip("pyarrow")

    @preprocessor(memoize=True)
    def prepare(x):
        x.words = convert(x.words)
        return x

    @labeling_function(pre=[prepare])
    def says_spam(x):
        return 1 if "spam" in x.words else 0

    rng, truths = np.random.default_rng(0), []
    for shard in range(8):
        truth, words = truth_and_words(rng, 100)
        pd.DataFrame({"words": words}).to_parquet(tmp_path / f"{shard}.parquet")
        truths.append(truth)
    votes = ParquetLFApplier([says_spam], 2).apply(
        tmp_path, tmp_path / "votes", batch_rows=50, progress_bar=False
    )
    found = np.concatenate([part.to_dense()[:, 0] for part in votes.parts()])
    np.testing.assert_array_equal(found, np.concatenate(truths))
    prepare.reset_cache()
    applier = PandasLFApplier([says_spam])
    for shard, truth in enumerate(truths):
        frame = pd.read_parquet(tmp_path / f"{shard}.parquet")
        found = applier.apply(frame, progress_bar=False).to_dense()[:, 0]
        del frame  # its cells' places in memory are given to those of the next one
        np.testing.assert_array_equal(found, truth)


def test_what_has_no_key_is_computed_anew_and_said_once():
    calls = []
    count = LambdaPreprocessor("count", lambda x: calls.append(x.text) or x, memoize=True)
    rows = [Row(text="a", lock=threading.Lock()), Row(text="a", lock=threading.Lock())]
    with pytest.warns(UserWarning, match=r"'count' is not memoised .*_thread.lock.*memoize_key="):
        assert count(rows[0]).text == "a"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        count(rows[0])
        assert [x.text for x in count.map_rows([*rows, Row(text="b")])] == ["a", "a", "b"]
        count(Row(text="b"))  # rows with a key are remembered
    assert calls == ["a", "a", "a", "a", "b"] and len(count._memo) == 1
    endless = []
    endless.append(endless)
    for odd in (endless, (k for k in range(2)), lambda: 1):
        count.reset_cache()
        with pytest.warns(UserWarning, match="is not memoised"):
            count(Row(text="c", odd=odd))


def test_documents_have_no_key():
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    lengths = LambdaPreprocessor("n", lambda x: Row(n=len(x.doc)), memoize=True)
    with pytest.warns(UserWarning, match=r"'n' is not memoised .* a document of spaCy"):
        assert [lengths(Row(doc=nlp(text))).n for text in ("a b", "a b c", "a")] == [2, 3, 1]
    named = LambdaPreprocessor("n", lambda x: x, memoize=True, memoize_key=lambda x: x.doc.text)
    one, other = nlp("a b"), nlp("a b")
    assert named(Row(doc=one)).doc is named(Row(doc=other)).doc is one


def test_keys_of_the_user_may_be_lists_and_arrays():
    calls = []
    by_words = LambdaPreprocessor(
        "w", lambda x: calls.append(1) or x, memoize=True, memoize_key=lambda x: x.words
    )
    for words in (["a"], ["a"], objects("a"), objects("a"), objects("b"), "a"):
        by_words(Row(words=words, other=object()))
    assert len(calls) == 4


@pytest.mark.parametrize("name", ["items", "keys", "get", "name", "index", "values", "to_dict"])
def test_columns_called_like_a_method(name):
    calls = []
    pre = LambdaPreprocessor("p", lambda x: calls.append(x[name]) or x, memoize=True)
    lf = labeling_function(pre=[pre])(lambda x: getattr(x, name))
    frame = pd.DataFrame({name: [0, 1, 0], "text": ["a", "b", "a"]})
    for _ in range(2):
        votes = PandasLFApplier([lf]).apply(frame, progress_bar=False)
        assert votes.to_dense()[:, 0].tolist() == [0, 1, 0]
    dicts = LFApplier([labeling_function(pre=[pre])(lambda x: x[name])]).apply([{name: 2}])
    assert dicts.to_dense().tolist() == [[2]]
    assert calls == [0, 1, 2]


def test_equal_rows_of_several_places_keep_their_index_labels():
    calls = []
    pre = LambdaPreprocessor("p", lambda x: calls.append(x.text) or x, memoize=True)
    seen = []
    lf = labeling_function(pre=[pre])(lambda x: seen.append((x.name, x.text)))
    frame = pd.DataFrame({"text": ["a", "b", "a"]}, index=[7, 8, 9])
    PandasLFApplier([lf]).apply(frame, progress_bar=False)
    PandasLFApplier([lf]).apply(frame[::-1], progress_bar=False)
    assert seen == [(7, "a"), (8, "b"), (9, "a"), (9, "a"), (8, "b"), (7, "a")]
    assert calls == ["a", "b"]
    reads_label = LambdaPreprocessor("p", lambda x: Row(n=x.name), memoize=True)
    with pytest.raises(LabelingError, match=r"no index label.*memoised preprocessor"):
        PandasLFApplier([labeling_function(pre=[reads_label])(len)]).apply(frame)


def test_a_row_has_one_key_in_every_form():
    frame = pd.DataFrame({"text": ["a"], "n": [1]}, index=[7], dtype=object)
    named = next(frame.itertuples(index=False))
    assert content_key(Row(text="a", n=1)) == content_key(frame.iloc[0]) == content_key(named)
    assert content_key(named) != content_key(named._replace(n=2))


def test_what_is_remembered_stays_here():
    pre = LambdaPreprocessor("p", lower, memoize=True, memo_size=2)
    pre(Row(text="A"))
    elsewhere = pickle.loads(pickle.dumps(pre))
    assert (len(pre._memo), len(elsewhere._memo)) == (1, 0)
    for text in "ABC":
        assert elsewhere(Row(text=text)).text == text.lower()
    assert len(elsewhere._memo) == 2


def lower(x):
    x.text = x.text.lower()
    return x


# -- copies that a preprocessor may change ------------------------------------------------------


@dataclasses.dataclass(slots=True)
class SlotRow:
    tags: list
    n: int = 0


@pytest.mark.parametrize(
    ("cell", "change"),
    [
        (collections.deque([1]), lambda cell: cell.append(2)),
        (([1], 2), lambda cell: cell[0].append(2)),
        (array.array("i", [1]), lambda cell: cell.append(2)),
        (Point([1]), lambda cell: cell.a.append(2)),
        (objects([1]), lambda cell: cell[0].append(2)),
        (collections.defaultdict(list, a=[1]), lambda cell: cell["a"].append(2)),
    ],
    ids=lambda part: type(part).__name__,
)
@pytest.mark.parametrize("memoize", [True, False])
def test_a_change_in_place_reaches_neither_the_row_nor_what_is_remembered(cell, change, memoize):
    first = LambdaPreprocessor("first", lambda x: x, memoize=memoize)
    second = LambdaPreprocessor("second", lambda x: change(x.cell) or x, pre=[first])
    row = Row(cell=cell)
    before = repr(cell)
    after = [repr(second(row).cell) for _ in range(3)]
    assert repr(row.cell) == before and len(set(after)) == 1 and after[0] != before


def test_rows_of_slots_and_tuples_are_copied_too():
    row = SlotRow(["a"])
    add = LambdaPreprocessor("add", lambda x: x.tags.append("b") or x)
    assert add(row).tags == ["a", "b"] and row.tags == ["a"]
    pair = (["a"], 1)
    add = LambdaPreprocessor("add", lambda x: x[0].append("b") or x)
    assert add(pair) == (["a", "b"], 1) and pair == (["a"], 1)
