import subprocess
import sys
from enum import Enum

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spear_amal.errors import InputError
from spear_amal.labeling import (
    ABSTAIN,
    ColumnLFApplier,
    LabelingFunction,
    LFApplier,
    PandasLFApplier,
    Row,
    dictionary_lf,
    keyword_lf,
    labeling_function,
    regex_lf,
    threshold_lf,
)
from spear_amal.labeling import apply_lfs as core_module

TEXTS = ["win a prize", "hi there", "free hi", "", "WIN", "call me now", "prize and call"]
CLASSES = ("ham", "spam")


@labeling_function()
def says_hi(x):
    return 0 if "hi" in x.text else ABSTAIN


@labeling_function(label="spam")
def shouts(x):
    return x["text"].isupper()


@labeling_function
def either(x):
    if x.size > 10:
        return "spam"
    return "ham" if x.size > 8 else None


@labeling_function(vectorized=True, label=0)
def small(batch):
    sizes = batch["size"] if not isinstance(batch, list) else [x.size for x in batch]
    return np.asarray(sizes) < 3


LFS = [
    says_hi,
    keyword_lf("prize", ["prize", "win"], "spam"),
    shouts,
    small,
    either,
    regex_lf("calls", r"call", 1),
    threshold_lf("long", "size", "ham", above=12),
    dictionary_lf("terms", {"prize": "spam", "call": "ham"}),
]


def frame(texts=TEXTS, index=None):
    return pd.DataFrame({"text": texts, "size": [len(t) for t in texts]}, index=index)


def apply(table, lfs=LFS):
    return PandasLFApplier(lfs, CLASSES).apply(table, progress_bar=False)


EXPECTED = np.array(
    [
        [-1, 1, -1, -1, 1, -1, -1, 1],
        [0, -1, -1, -1, -1, -1, -1, -1],
        [0, -1, -1, -1, -1, -1, -1, -1],
        [-1, -1, -1, 0, -1, -1, -1, -1],
        [-1, 1, 1, -1, -1, -1, -1, -1],
        [-1, -1, -1, -1, 1, 1, -1, 0],
        [-1, 1, -1, -1, 1, 1, 0, -1],
    ]
)


def test_votes_names_and_declared_classes():
    matrix = apply(frame())
    assert np.array_equal(matrix.to_dense(), EXPECTED)
    assert matrix.lf_names == ("says_hi", "prize", "shouts", "small", "either", "calls", "long",
                               "terms")  # fmt: skip
    assert matrix.classes == CLASSES
    assert matrix.lf_classes.tolist() == [-1, 1, 1, 0, -1, 1, 0, -1]
    assert matrix.row_ids.tolist() == list(range(7)) and matrix.dtype == np.int8


def test_all_containers_give_the_same_votes():
    table = frame()
    rows = [Row(text=t, size=len(t)) for t in TEXTS]
    columns = {"text": TEXTS, "size": np.array([len(t) for t in TEXTS])}
    assert np.array_equal(LFApplier(LFS, CLASSES).apply(rows).to_dense(), EXPECTED)
    # Rows of dicts have items only.
    by_item = [lf for lf in LFS if lf.name in ("prize", "shouts", "calls", "long", "terms")]
    dicts = LFApplier(by_item, CLASSES).apply([vars(x) for x in rows])
    assert np.array_equal(dicts.to_dense(), EXPECTED[:, [1, 2, 5, 6, 7]])
    for batch_size in (1, 2, 7, 100, None):
        for source in (table, columns):
            found = ColumnLFApplier(LFS, CLASSES).apply(source, batch_size=batch_size)
            assert np.array_equal(found.to_dense(), EXPECTED)


@settings(max_examples=30)
@given(
    st.permutations(range(len(TEXTS))), st.sampled_from(["int", "str", "same", "float", "multi"])
)
def test_order_is_that_of_the_rows_whatever_the_index(order, kind):
    ids = {
        "int": list(order),
        "str": [f"id{k}" for k in order],
        "same": [3] * 7,
        "float": [k / 2 for k in order],
        "multi": pd.MultiIndex.from_tuples([(k, "x") for k in order]),
    }[kind]
    matrix = apply(frame([TEXTS[k] for k in order], index=ids))
    assert np.array_equal(matrix.to_dense(), EXPECTED[list(order)])
    if kind in ("int", "str", "same"):
        assert matrix.row_ids.tolist() == list(ids)
    assert len(matrix.row_ids) == 7


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_the_chunk_size_changes_nothing(monkeypatch, chunk):
    monkeypatch.setattr(core_module, "CHUNK", chunk)
    assert np.array_equal(apply(frame()).to_dense(), EXPECTED)


@pytest.mark.parametrize("n", [0, 1])
def test_no_row_and_one_row(n):
    matrix = apply(frame().iloc[:n])
    assert np.array_equal(matrix.to_dense(), EXPECTED[:n])
    assert LFApplier([says_hi]).apply([]).shape == (0, 1)
    assert ColumnLFApplier([says_hi]).apply({}).shape == (0, 1)


def test_arrays_strings_and_series_as_data_points():
    big = LabelingFunction("big", lambda x: int(x[0] > 42))
    assert LFApplier([big]).apply(np.array([[10], [100]])).to_dense().tolist() == [[0], [1]]
    word = keyword_lf("word", "hi", 1)
    assert LFApplier([word]).apply(["hi", "ho"]).to_dense().tolist() == [[1], [-1]]
    series = pd.Series(["ho", "hi"], index=["b", "a"])
    found = LFApplier([word]).apply(series)
    assert found.to_dense().tolist() == [[-1], [1]] and found.row_ids.tolist() == ["b", "a"]
    assert LFApplier([word]).apply(iter(["hi"])).to_dense().tolist() == [[1]]


def test_rows_of_a_frame_have_attributes_and_items():
    seen = []

    def look(x):
        seen.append((x.text, x["size"], x["odd name"], x[5], x.get("none"), "text" in x))

    table = pd.DataFrame({"text": ["a"], "size": [1], "odd name": ["o"], 5: [2.5]})
    PandasLFApplier([LabelingFunction("look", look)]).apply(table)
    assert seen == [("a", 1, "o", 2.5, None, True)]


# -- classes -------------------------------------------------------------------------------------


class Kind(Enum):
    SPAM = 1
    HAM = 0
    ABSTAIN = -1


class Shifted(Enum):
    B = 5
    A = 3
    NONE = None


def votes_of(answer, classes=None, **options):
    lf = LabelingFunction("lf", lambda x: answer, **options)
    return int(LFApplier([lf], classes).apply(["x"]).to_dense()[0, 0])


@pytest.mark.parametrize(
    "answer, classes, code",
    [
        (1, None, 1),
        (np.int64(2), 3, 2),
        (np.array(1), 2, 1),
        ("spam", CLASSES, 1),
        (np.str_("spam"), CLASSES, 1),
        (None, CLASSES, -1),
        (-1, CLASSES, -1),
        (Kind.SPAM, None, 1),
        (Kind.SPAM, Kind, 1),
        (Kind.HAM, Kind, 0),
        (Kind.ABSTAIN, Kind, -1),
        (Kind.SPAM, ("spam", "ham"), 0),  # by its name, not by its number
        (1, Kind, 1),
        ("HAM", Kind, 0),
        (Shifted.A, Shifted, 0),
        (Shifted.B, Shifted, 1),
        (5, Shifted, 1),
        (Shifted.NONE, Shifted, -1),
        (20, [10, 20], 1),
    ],
)
def test_ways_to_name_a_class(answer, classes, code):
    assert votes_of(answer, classes) == code


@pytest.mark.parametrize(
    "label, answer, classes, code",
    [
        (1, True, None, 1),
        (1, np.True_, None, 1),
        (1, False, None, -1),
        (1, 1, None, 1),
        (1, None, None, -1),
        ("spam", True, CLASSES, 1),
        ("spam", 1, CLASSES, 1),
        ("spam", "spam", CLASSES, 1),
        (Kind.SPAM, True, None, 1),
        (Kind.SPAM, Kind.SPAM, None, 1),
        (Shifted.B, True, None, 1),
        (Shifted.B, Shifted.B, Shifted, 1),
    ],
)
def test_declared_labels(label, answer, classes, code):
    assert votes_of(answer, classes, label=label) == code


def test_classes_of_an_enum_are_named():
    lf = LabelingFunction("lf", lambda x: True, label=Kind.SPAM)
    assert LFApplier([lf]).apply(["x"]).classes == ("HAM", "SPAM")


@pytest.mark.parametrize(
    "lfs, classes, message",
    [
        ([], None, "at least one labelling function"),
        ([says_hi, says_hi], None, r"given more than once: \['says_hi'\]"),
        ([shouts], None, "LF 'shouts' declares label 'spam'.*classes="),
        ([shouts], ["a", "b"], "LF 'shouts' declares label 'spam'"),
        ([LabelingFunction("x", len, label=7)], 3, "LF 'x' declares label 7"),
        ([LabelingFunction("x", len, label=-1)], 3, "means abstain"),
        ([len], None, "no labelling function"),
        (says_hi, None, "must be a list"),
        ([says_hi], ["a"], "at least two different names"),
        ([says_hi], ["a", "a"], "at least two different names"),
        (
            [says_hi],
            "spam",
            "must be a number, a list of names, a mapping of names and numbers or an Enum",
        ),
        (
            [
                LabelingFunction("a", len, label=Kind.HAM),
                LabelingFunction("b", len, label=Shifted.A),
            ],
            None,
            "several Enum classes",
        ),
    ],
)
def test_sets_of_lfs_that_cannot_be_applied(lfs, classes, message):
    with pytest.raises(InputError, match=message):
        PandasLFApplier(lfs, classes).apply(frame())


def test_containers_that_do_not_fit():
    with pytest.raises(InputError, match="needed a pandas DataFrame, found list"):
        PandasLFApplier([says_hi]).apply([1])
    with pytest.raises(InputError, match="use PandasLFApplier"):
        LFApplier([says_hi]).apply(frame())
    with pytest.raises(InputError, match="ColumnLFApplier"):
        LFApplier([says_hi]).apply({"text": ["a"]})
    with pytest.raises(InputError, match="one length"):
        ColumnLFApplier([says_hi]).apply({"a": [1], "b": [1, 2]})
    with pytest.raises(InputError, match=r"given twice: \['a'\]"):
        PandasLFApplier([says_hi]).apply(pd.DataFrame([[1, 2]], columns=["a", "a"]))


# -- around it -----------------------------------------------------------------------------------


def test_nothing_is_printed_without_a_terminal(capfd):
    PandasLFApplier(LFS, CLASSES).apply(frame(), progress_bar=True)
    assert capfd.readouterr() == ("", "")


def test_the_bar_is_on_stderr_of_a_terminal(monkeypatch, capfd):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    PandasLFApplier(LFS, CLASSES).apply(frame(), progress_bar=True)
    out, err = capfd.readouterr()
    assert out == "" and "Labelling" in err
    PandasLFApplier(LFS, CLASSES).apply(frame(), progress_bar=False)
    assert capfd.readouterr() == ("", "")


def test_the_applier_is_printable():
    assert repr(LFApplier([says_hi])) == "LFApplier, LFs: ['says_hi']"


def test_labelling_imports_no_torch():
    code = "import sys, spear_amal.labeling; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
