"""SPEAR's pickles: old ones load, damaged and hostile ones are refused, nothing runs."""

import enum
import json
import os
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.data import read_spear_pickle, spear_label_matrix
from spear_amal.data.formats import safe_pickle
from spear_amal.data.formats.safe_pickle import read_pickles
from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling import LFAnalysis

N, M, D, C = 7, 3, 5, 2


def example(objects=10):
    generator = np.random.default_rng(0)
    fired = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 0], [1, 1, 0], [0, 0, 1], [1, 1, 1], [0, 0, 0]])
    k = np.array([1, 0, 1])
    arrays = [
        generator.random((N, D)),
        np.where(fired == 1, k, C).astype(float),
        fired,
        np.array([0, 1, C, 0, 1, 1, C])[:, None],
        np.ones((N, 1)),
        np.zeros((N, M)),
        generator.random((N, M)),
        np.array([0.0, 0.0, 1.0]),
        k,
        C,
    ]
    return arrays[:objects]


def write(path, objects, protocol=4):
    path.write_bytes(b"".join(pickle.dumps(value, protocol) for value in objects))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("objects", [6, 9, 10])
def test_every_protocol_and_length(tmp_path, protocol, objects):
    got = read_spear_pickle(write(tmp_path / "d.p", example(objects), protocol))
    assert np.array_equal(got["x"], example()[0])
    assert got["l"].tolist()[:3] == [[1, -1, -1], [-1, 0, 1], [-1, -1, -1]]
    assert got["L"].tolist() == [0, 1, -1, 0, 1, 1, -1]
    assert np.array_equal(got["m"], example()[2])
    assert got["d"].shape == (N,)
    assert got["n_classes"] == C
    assert set(got) == {*("x l m L d r s n k".split())[:objects], "n_classes"}


def test_as_a_label_matrix(tmp_path):
    got = read_spear_pickle(write(tmp_path / "d.p", example()))
    votes = spear_label_matrix(got, lf_names=["a", "b", "c"])
    assert votes.to_dense().tolist() == got["l"].tolist()
    assert votes.lf_classes.tolist() == [1, 0, 1]
    assert votes.continuous.tolist() == [False, False, True]
    assert votes.dense_scores()[1, 2] == np.float32(got["s"][1, 2])
    few = read_spear_pickle(write(tmp_path / "e.p", example(6)))
    assert spear_label_matrix(few, lf_classes=[1, 0, 1]).lf_classes.tolist() == [1, 0, 1]


def test_arrays_of_length_zero_stand_for_what_is_missing(tmp_path):
    objects = example()
    objects[3] = np.array([])
    got = read_spear_pickle(write(tmp_path / "d.p", objects))
    assert got["L"].shape == (0,)


def test_a_file_of_python_2(tmp_path):
    # As Python 2 with NumPy 1 wrote np.array([[0, 1, 2], [0, 1, 2]], dtype=np.int8).
    (tmp_path / "old.p").write_bytes(
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I2\nI3\nt"
        b"cnumpy\ndtype\n(S'i1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntb"
        b"I00\nS'\\x00\\x01\\x02\\x00\\x01\\x02'\ntb."
    )
    (array,) = read_pickles(tmp_path / "old.p", most=1)
    assert array.tolist() == [[0, 1, 2], [0, 1, 2]]
    assert array.dtype == np.int8


@pytest.mark.parametrize(
    "value",
    [
        np.arange(6).reshape(2, 3),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
        np.arange(5, dtype=">i4"),
        np.array(3.5),
        np.array(["a", "bcd"]),
        np.array([True, False]),
        np.array([None, "x", 3], dtype=object),
        np.float32(2.5),
        np.zeros((0, 3)),
        {"a": [np.arange(2), (1, "t")]},
        None,
    ],
    ids=str,
)
@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_values_come_back(tmp_path, value, protocol):
    (got,) = read_pickles(write(tmp_path / "a.p", [value], protocol), most=1)
    if isinstance(value, np.ndarray):
        assert got.dtype == value.dtype
        assert got.shape == value.shape
    assert str(got) == str(value)


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


class Built:
    """Pickles as a call of a named function."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


HUGE = 10**15


@pytest.mark.parametrize(
    "value",
    [
        Built(eval, "1+1"),
        Built(getattr, "a", "upper"),
        Built(np.load, "x.npy"),
        Built(np.ndarray, (HUGE,), "O"),
        Built(np.dtype, [("a", "O"), ("b", "i8")]),
        Built(np.dtype, "V8"),
        np.zeros(3, dtype=[("a", "i4")]),
        Built(bytearray, HUGE),
        Built(complex, 1, 2),
    ],
    ids=lambda value: getattr(getattr(value, "call", [value])[0], "__name__", "void"),
)
def test_anything_but_plain_arrays_is_refused(tmp_path, value):
    for protocol in (0, 4):
        path = write(tmp_path / "bad.p", [np.arange(3), value], protocol)
        with pytest.raises(FileFormatError, match=r"bad\.p is damaged or not.*object 2"):
            read_pickles(path, most=5)


def test_nothing_named_in_a_file_runs(tmp_path):
    for inside in (Hostile, lambda p: [Hostile(p)], lambda p: np.array([Hostile(p)], dtype=object)):
        path = write(tmp_path / "bad.p", [inside(tmp_path / "made")])
        with pytest.raises(FileFormatError, match=r"mkdir"):
            read_spear_pickle(path)
    assert not (tmp_path / "made").exists()


def crafted(shape, kind, data):
    """A pickle of an array with these parts, whether or not they fit."""
    array = pickle.dumps(np.arange(3, dtype=np.int8), 2)
    head = array[: array.index(b"K\x01K\x03\x85")]
    tail = pickle.dumps((1, shape, kind, False, data), 2)[2:-1]
    opening = head[: head.rindex(b"(")] if head.endswith(b"(") else head
    return opening + tail + b"b."


@pytest.mark.parametrize(
    ("shape", "kind", "data"),
    [
        ((HUGE,), np.dtype("i8"), b"12345678"),
        ((2,), np.dtype("i8"), b"12345678"),
        ((1,), np.dtype("i8"), HUGE),
        ((1,), np.dtype("O"), b"12345678"),
        ((HUGE,), np.dtype("O"), [1]),
        ((-1,), np.dtype("i8"), b""),
        (None, np.dtype("i8"), b""),
        ((1,), "i8", b"12345678"),
        ((0,), np.dtype("S0"), b""),
    ],
)
def test_arrays_whose_parts_do_not_fit(tmp_path, shape, kind, data):
    (tmp_path / "bad.p").write_bytes(crafted(shape, kind, data))
    with pytest.raises(FileFormatError, match="damaged"):
        read_pickles(tmp_path / "bad.p", most=1)


@pytest.mark.parametrize(
    "named",
    ["numpy.core.multiarray\n_reconstruct", "numpy\nndarray", "numpy\ndtype", "_codecs\nencode"],
)
@pytest.mark.parametrize("state", [b"}(V__doc__\nI1\nu", b"(N}(V__call__\nI1\nut"])
def test_a_file_cannot_change_the_reader(tmp_path, named, state):
    (tmp_path / "bad.p").write_bytes(b"c" + named.encode() + b"\n" + state + b"b.")
    with pytest.raises(FileFormatError, match="damaged"):
        read_pickles(tmp_path / "bad.p", most=1)
    assert read_pickles(write(tmp_path / "a.p", [np.arange(3)]), most=1)[0].tolist() == [0, 1, 2]


def test_a_made_up_memo_number_takes_no_memory(tmp_path):
    (tmp_path / "bad.p").write_bytes(b"Nr\xff\xff\xff\xff.")
    assert read_pickles(tmp_path / "bad.p", most=1) == [None]


def test_the_crafting_above_makes_sound_arrays_too(tmp_path):
    (tmp_path / "good.p").write_bytes(crafted((1,), np.dtype("i8"), b"\x07" + b"\0" * 7))
    assert read_pickles(tmp_path / "good.p", most=1)[0].tolist() == [7]


@settings(max_examples=150)
@given(st.data())
def test_truncated_or_changed_bytes_never_escape(tmp_path_factory, data):
    whole = b"".join(pickle.dumps(value, 3) for value in example(6))
    cut = data.draw(st.integers(1, len(whole) - 1))
    broken = bytearray(whole[:cut])
    for _ in range(data.draw(st.integers(0, 3))):
        broken[data.draw(st.integers(0, cut - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "cut.p"
    path.write_bytes(bytes(broken))
    with pytest.raises(FileFormatError):
        read_spear_pickle(path)


def changed(position, value):
    objects = example(10)
    objects[position] = value
    return objects


@pytest.mark.parametrize(
    ("objects", "told"),
    [
        ([], "holds 0 objects"),
        (example(5), "holds 5 objects.*truncated"),
        ([*example(10), 1], "more than the 10"),
        (changed(1, np.zeros((N, M))), "contradict"),
        (changed(1, np.zeros((N, M + 1))), "two matrices of one shape"),
        (changed(1, np.zeros(N)), "two matrices of one shape"),
        (changed(0, np.zeros((N - 1, D))), "x has length 6, expected 7"),
        (changed(3, np.zeros(N + 1)), "L has length 8"),
        (changed(3, np.full(N, C + 1)), "gold labels must lie in 0 to 2"),
        (changed(9, 3), "contradict"),
        (changed(1, np.where(example()[2] == 1, 0.5, C)), "votes must lie in"),
        (changed(7, np.ones(M - 1)), "n has length 2, expected 3"),
        (changed(8, np.full(M, C)), "k must lie in 0 to 1"),
        (changed(9, "two"), "how many classes"),
        (changed(9, np.array([])), "how many classes"),
        (["x"] * 6, "x is no array of numbers, but str"),
        (changed(0, np.zeros(N)), r"x has shape \(7,\)"),
        (changed(0, np.array(1.0)), "x has length none"),
        (changed(3, np.zeros((N, 2))), r"L has shape \(7, 2\)"),
        (changed(4, np.ones((N, M))), "d has shape"),
        (changed(5, np.zeros((N, M + 1))), r"r has shape \(7, 4\); l has \(7, 3\)"),
        (changed(5, np.zeros((M, N))), "r has length 3, expected 7"),
        (changed(5, np.zeros(N)), "r has shape"),
        (changed(5, np.full((N, M), 2)), "r must hold 0 and 1"),
        (changed(6, np.zeros(N)), "s has shape"),
        (changed(6, np.zeros((N, M, 1))), "s has shape"),
        (changed(7, np.full(M, 0.5)), "n must hold 0 and 1"),
        (changed(7, np.ones((M, 2))), "n has shape"),
        (changed(9, 2.5), "how many classes"),
        (changed(9, float("nan")), "how many classes"),
        (changed(9, float("inf")), "how many classes"),
        (changed(9, 10**15), "how many classes"),
        (changed(9, True), "how many classes"),
        (changed(1, example()[1].astype(object)), "l is no array of numbers"),
        (changed(1, np.where(example()[2] == 1, 1, -1))[:6], "how many classes.*-1"),
    ],
)
def test_contradictions(tmp_path, objects, told):
    with pytest.raises(FileFormatError, match=told):
        read_spear_pickle(write(tmp_path / "d.p", objects))


def test_no_such_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_spear_pickle(tmp_path / "none.p")


# -- files of the package decile-spear ------------------------------------------------------------


class Answer(enum.Enum):
    """An Enum as its users write them, from 1 and with a gap."""

    OTHER = 5
    HAM = 1
    SPAM = 2


NAMES = {1: "HAM", 2: "SPAM", 5: "OTHER"}


def by_the_package(gold=(2, 1, 5), n_classes=3):
    """What generate_pickle of version 1.0.8 writes of three texts, two LFs, one of them continuous.

    Votes and scores are arrays of objects, with None for nothing; the score of a continuous LF is
    there whether it fires or not.
    """
    return [
        np.arange(6.0).reshape(3, 2),
        np.array([[2, None], [None, 1], [2, None]], dtype=object),
        np.array([[1, 0], [0, 1], [1, 0]]),
        np.array(gold).reshape(-1, 1),
        np.ones((3, 1)),
        np.array([]),
        np.array([[None, 0.25], [None, 0.75], [None, 0.25]], dtype=object),
        np.array([0, 1]),
        np.array([2, 1]),
        n_classes,
    ]


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_a_file_of_decile_spear(tmp_path, protocol):
    path = write(tmp_path / "sms_pickle.pkl", by_the_package(), protocol)
    (tmp_path / "sms_json.json").write_text(json.dumps(NAMES))
    got = read_spear_pickle(path)
    assert got["l"].tolist() == [[1, -1], [-1, 0], [1, -1]]
    assert got["m"].tolist() == [[1, 0], [0, 1], [1, 0]]
    assert got["L"].tolist() == [1, 0, 2] and got["k"].tolist() == [1, 0]
    assert got["s"].tolist() == [[0, 0.25], [0, 0.75], [0, 0.25]] and got["s"].dtype == float
    assert (got["n_classes"], got["classes"]) == (3, ("HAM", "SPAM", "OTHER"))
    assert got["values"] == (1, 2, 5)
    votes = spear_label_matrix(got, lf_names=["won", "short"])
    assert votes.classes == ("HAM", "SPAM", "OTHER") and votes.lf_classes.tolist() == [1, 0]
    assert votes.to_dense().tolist() == got["l"].tolist()
    assert votes.dense_scores().tolist() == [[0, 0], [0, 0.75], [0, 0]]
    assert votes.continuous.tolist() == [False, True]


@pytest.mark.parametrize(
    "classes",
    [Answer, NAMES, {"1": "HAM", "2": "SPAM", "5": "OTHER"}, {"HAM": 1, "SPAM": 2, "OTHER": 5}],
)
def test_names_of_the_classes_may_be_given(tmp_path, classes):
    path = write(tmp_path / "a.pkl", by_the_package(gold=()))
    got = read_spear_pickle(path, classes=classes)
    assert got["classes"] == ("HAM", "SPAM", "OTHER") and got["l"].max() == 1
    assert got["L"].shape == (0,)
    (tmp_path / "names.json").write_text(json.dumps(NAMES))
    assert read_spear_pickle(path, classes=tmp_path / "names.json")["classes"] == got["classes"]


def test_values_stand_for_names_if_all_occur(tmp_path):
    got = read_spear_pickle(write(tmp_path / "a.pkl", by_the_package()))
    assert got["values"] == (1, 2, 5) and got["L"].tolist() == [1, 0, 2]
    assert spear_label_matrix(got).classes == (0, 1, 2) and "classes" not in got
    with pytest.raises(FileFormatError, match=r"3 classes.*\[1, 2\] occur; pass classes="):
        read_spear_pickle(write(tmp_path / "b.pkl", by_the_package(gold=())))


def test_values_from_zero_need_no_names(tmp_path):
    objects = by_the_package(gold=(0, 1, 0))
    objects[1] = np.array([[1, None], [None, 0], [1, None]], dtype=object)
    objects[8] = np.array([1, 0])
    got = read_spear_pickle(write(tmp_path / "a.pkl", objects))
    assert got["values"] == (0, 1, 2) and got["l"].tolist() == [[1, -1], [-1, 0], [1, -1]]


def test_the_gold_that_is_read_is_the_gold_of_the_votes(tmp_path):
    path = write(tmp_path / "a.pkl", by_the_package())
    # Of the three rows the first rule is right on the first, the second on the second.
    for classes in (None, NAMES, {1: "7", 2: "5", 5: "9"}):
        got = read_spear_pickle(path, classes=classes)
        summary = LFAnalysis(spear_label_matrix(got)).lf_summary(Y=got["L"])
        assert summary["Emp. Acc."].tolist() == [0.5, 1.0]
        assert summary["Correct"].tolist() == [1, 1] and summary["Incorrect"].tolist() == [1, 0]


def test_texts_as_values_and_gold_that_is_not_known(tmp_path):
    objects = by_the_package(n_classes=2)
    objects[1] = np.array([["b", None], [None, "a"], ["b", None]], dtype=object)
    objects[3] = np.array([["b"], [None], ["a"]], dtype=object)
    objects[8] = np.array(["b", "a"])
    got = read_spear_pickle(write(tmp_path / "a.pkl", objects))
    assert got["values"] == ("a", "b") and got["L"].tolist() == [1, -1, 0]
    assert got["k"].tolist() == [1, 0] and got["l"].tolist() == [[1, -1], [-1, 0], [1, -1]]


def test_all_rules_fire_on_all_rows(tmp_path):
    objects = by_the_package()
    objects[1] = np.array([[2, 1]] * 3, dtype=object)
    objects[2] = np.ones((3, 2), dtype=int)
    got = read_spear_pickle(write(tmp_path / "a.pkl", objects))
    assert got["l"].tolist() == [[1, 0]] * 3


def own(position, value):
    objects = by_the_package()
    objects[position] = value
    return objects


NOTHING = np.full((3, 2), None, dtype=object)


@pytest.mark.parametrize(
    ("objects", "classes", "told"),
    [
        (own(2, np.array([[1, 1], [0, 1], [1, 0]])), None, "contradict.*None where m is 0"),
        (own(1, np.array([[9, None], [None, 1], [2, None]], dtype=object)), NAMES, "l holds 9"),
        (own(1, np.array([[[2], None], [None, 1], [2, None]], dtype=object)), None, "no value"),
        (own(3, np.array([[7], [1], [5]])), NAMES, "L holds 7.*none of the classes"),
        (own(8, np.array([2, 7])), NAMES, "k holds 7"),
        (own(6, NOTHING), None, "no score where a continuous rule fired"),
        (own(6, np.full((3, 2), "x", dtype=object)), None, "numbers and None only"),
        (own(9, 2), NAMES, "states 2 classes, 3 are named"),
        (own(9, 4), None, "4 classes.*pass classes="),
        (by_the_package()[:8], None, "how many classes.*pass classes="),
        (example(), NAMES, r"classes 0 to 1, names are given for \[1, 2, 5\]"),
    ],
)
def test_files_of_the_package_that_cannot_be(tmp_path, objects, classes, told):
    with pytest.raises(FileFormatError, match=told):
        read_spear_pickle(write(tmp_path / "a.pkl", objects), classes=classes)


def test_names_for_codes(tmp_path):
    path = write(tmp_path / "a.pkl", example())
    got = read_spear_pickle(path, classes={0: "ham", 1: "spam"})
    assert spear_label_matrix(got).classes == ("ham", "spam")
    (tmp_path / "bad.json").write_text("[1]")
    with pytest.raises(FileFormatError, match=r"bad\.json is no JSON file.*an object of"):
        read_spear_pickle(path, classes=tmp_path / "bad.json")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(FileFormatError, match=r"bad\.json is no JSON file"):
        read_spear_pickle(path, classes=tmp_path / "bad.json")
    assert read_spear_pickle(path, classes=["ham", "spam"])["classes"] == ("ham", "spam")
    for wrong, told in (({"ham", "spam"}, "must have an order"), ({0: "a", 1: "a"}, "twice")):
        with pytest.raises(InputError, match=told):
            read_spear_pickle(path, classes=wrong)


# -- budgets: small files that stand for a great deal ---------------------------------------------


def shared(levels, make=list, leaf=1):
    """A value of two to the power of `levels` leaves, in as many pairs as there are levels."""
    value = leaf
    for _ in range(levels):
        value = make((value, value))
    return value


@pytest.mark.parametrize("levels", [3, 40])
def test_what_is_shared_is_read_once_and_stays_shared(tmp_path, levels):
    (got,) = read_pickles(write(tmp_path / "a.p", [shared(levels, leaf=np.arange(3))]), most=1)
    depth = 0
    while isinstance(got, list):
        assert got[0] is got[1]
        got, depth = got[0], depth + 1
    assert depth == levels and got.tolist() == [0, 1, 2]


def test_an_array_that_is_there_twice_is_one_array(tmp_path):
    array = np.arange(1009.0)
    (got,) = read_pickles(write(tmp_path / "a.p", [{"a": array, "b": [array, array]}]), most=1)
    assert got["a"] is got["b"][0] is got["b"][1] and np.array_equal(got["a"], array)


def test_a_list_that_holds_itself(tmp_path):
    endless = [1]
    endless.append((endless, 2))
    with pytest.raises(FileFormatError, match="it holds itself"):
        read_pickles(write(tmp_path / "a.p", [endless]), most=1)


class SameBytes:
    """Pickles as a call that makes an array of bytes, which the pickle holds once for all."""

    def __init__(self, data):
        self.data = data

    def __reduce__(self):
        function = np._core.numeric._frombuffer
        return function, (self.data, np.dtype("u1"), (len(self.data),), "C")


def test_arrays_of_the_same_bytes_use_up_the_budget(tmp_path):
    data = bytes(1 << 16)
    few = write(tmp_path / "few.p", [[SameBytes(data) for _ in range(8)]])
    assert [array.shape for array in read_pickles(few, most=1)[0]] == [(1 << 16,)] * 8
    many = write(tmp_path / "many.p", [[SameBytes(data) for _ in range(100)]])
    assert many.stat().st_size < 1 << 18
    with pytest.raises(FileFormatError, match=r"many\.p.*more bytes of arrays than its size"):
        read_pickles(many, most=1)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({shared(5, tuple): 1}, "keys that are no texts or numbers"),
        ({shared(5, tuple)}, "keys that are no texts or numbers"),
        (frozenset([(1, 2)]), "keys that are no texts or numbers"),
        (dict.fromkeys(range(31)), "more keys than"),
        (set(range(31)), "more keys than"),
        ([{i: i} for i in range(31)], "more keys than"),
        ([[] for _ in range(41)], "more containers than"),
        ([(i, i) for i in range(41)], "more containers than"),
        (list(range(997)), "more than 500 instructions"),
    ],
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_reading_has_a_budget(tmp_path, monkeypatch, value, told, protocol):
    # Before protocol 4 a set is a call of a function that is not admitted.
    path = write(tmp_path / "a.p", [value], 4 if isinstance(value, set | frozenset) else protocol)
    if "texts" not in told:
        read_pickles(path, most=1)  # harmless, and within the real budget
    for word, name, most in (
        ("keys", "MOST_KEYS", 30),
        ("containers", "MOST_CONTAINERS", 40),
        ("instructions", "MOST_STEPS", 500),
    ):
        if word in told:
            monkeypatch.setattr(safe_pickle, name, most)
    with pytest.raises(FileFormatError, match=told):
        read_pickles(path, most=1)


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(safe_pickle, "MOST_BYTES", 100)
    with pytest.raises(FileFormatError, match="more than 100 bytes"):
        read_pickles(write(tmp_path / "a.p", [np.arange(101)]), most=1)
