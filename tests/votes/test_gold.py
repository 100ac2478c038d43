"""The one reader of gold, against mappings written out by hand."""

from enum import Enum

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.votes.gold import (
    gold_codes,
    group_labels,
    has_label,
    read_gold,
)
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.row_ids import check_same_rows

NAMES = ["ham", "spam"]
# Of five rows: spam, ham, no label, spam, no label.
CODES = [1, 0, -1, 1, -1]
TEXTS = ["spam", "ham", None, "spam", None]
NUMBERS = [1, 0, None, 1, None]


class Stars(Enum):
    ONE = 1
    TWO = 2
    THREE = 3


def arrow(values, kind):
    pa = pytest.importorskip("pyarrow")
    return {
        "array": lambda: pa.array(values),
        "chunked": lambda: pa.chunked_array([values[:2], values[2:]]),
        "table": lambda: pa.table({"y": values}),
        "pandas": lambda: pd.Series(pd.array(values, dtype=pd.ArrowDtype(pa.array(values).type))),
        "string": lambda: pd.Series(values, dtype="string[pyarrow]"),
    }[kind]()


def polars(values, table=False):
    pl = pytest.importorskip("polars")
    return pl.DataFrame({"y": values}) if table else pl.Series("y", values)


FORMS = {
    "list": lambda: TEXTS,
    "tuple": lambda: tuple(TEXTS),
    "generator": lambda: (text for text in TEXTS),
    "list with -1": lambda: [text or -1 for text in TEXTS],
    "list with '-1'": lambda: [text or "-1" for text in TEXTS],
    "list with ''": lambda: [text or "" for text in TEXTS],
    "list with nan": lambda: [text or np.nan for text in TEXTS],
    "text array": lambda: np.array([text or "-1" for text in TEXTS]),
    "object array": lambda: np.array(TEXTS, dtype=object),
    "object array with NA": lambda: np.array([text or pd.NA for text in TEXTS], dtype=object),
    "object array with NaT": lambda: np.array([text or pd.NaT for text in TEXTS], dtype=object),
    "column": lambda: np.array(TEXTS, dtype=object)[:, None],
    "object series": lambda: pd.Series(TEXTS, dtype=object),
    "string series": lambda: pd.Series(TEXTS, dtype="string"),
    "python strings": lambda: pd.Series(TEXTS, dtype="string[python]"),
    "default series": lambda: pd.Series(TEXTS),
    "categories": lambda: pd.Series(TEXTS, dtype=pd.CategoricalDtype(["spam", "ham", "eggs"])),
    "Categorical": lambda: pd.Categorical(TEXTS),
    "index": lambda: pd.Index(TEXTS),
    "frame": lambda: pd.DataFrame({"y": TEXTS}),
    "arrow array": lambda: arrow(TEXTS, "array"),
    "arrow chunks": lambda: arrow(TEXTS, "chunked"),
    "arrow table": lambda: arrow(TEXTS, "table"),
    "arrow in pandas": lambda: arrow(TEXTS, "pandas"),
    "arrow string": lambda: arrow(TEXTS, "string"),
    "polars": lambda: polars(TEXTS),
    "polars table": lambda: polars(TEXTS, table=True),
    "ints": lambda: np.array(CODES),
    "int8": lambda: np.array(CODES, dtype=np.int8),
    "floats": lambda: np.array([np.nan if k is None else k for k in NUMBERS]),
    "list of ints": lambda: CODES,
    "ints and None": lambda: NUMBERS,
    "object ints": lambda: np.array(NUMBERS, dtype=object),
    "Int64": lambda: pd.Series(NUMBERS, dtype="Int64"),
    "boolean": lambda: pd.Series([k if k is None else bool(k) for k in NUMBERS], dtype="boolean"),
    "bools": lambda: [k if k is None else bool(k) for k in NUMBERS],
    "categories of ints": lambda: pd.Series(NUMBERS, dtype="Int64").astype("category"),
    "arrow ints": lambda: arrow(NUMBERS, "array"),
    "arrow ints in pandas": lambda: arrow(NUMBERS, "pandas"),
    "polars ints": lambda: polars(NUMBERS),
    "numbers as texts": lambda: ["1", "0", "-1", "1", ""],
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_column_is_read_alike(form):
    assert read_gold(FORMS[form](), NAMES).codes.tolist() == CODES
    assert has_label(FORMS[form]()).tolist() == [code >= 0 for code in CODES]


@pytest.mark.parametrize("form", FORMS)
def test_learnt_classes_are_the_sorted_labels(form):
    gold = read_gold(FORMS[form]())
    assert gold.codes.tolist() == CODES  # "ham" before "spam", 0 before 1, False before True
    assert len(gold.labels) == 2
    known = np.flatnonzero(gold.codes >= 0)
    again = read_gold(gold.labels[gold.codes[known]], NAMES)
    assert again.codes.tolist() == [1, 0, 1]


STARS = [3, -1, 1, 2]  # codes 2, none, 0, 1


@pytest.mark.parametrize(
    "classes",
    [
        [1, 2, 3],
        ["1", "2", "3"],
        Stars,
        {"ONE": 1, "TWO": 2, "THREE": 3},
        {3: "THREE", 1: "ONE", 2: "TWO"},
        {"2": "TWO", "1": "ONE", "3": "THREE"},
        [1.0, 2.0, 3.0],
    ],
)
@pytest.mark.parametrize(
    "gold",
    [
        STARS,
        np.array(STARS, dtype=float),
        [str(number) for number in STARS],
        [Stars.THREE, None, Stars.ONE, Stars.TWO],
    ],
)
def test_classes_that_are_called_by_numbers(classes, gold):
    read = read_gold(gold, classes)
    assert read.codes.tolist() == [2, -1, 0, 1]
    assert read_gold(read.labels, classes).codes.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"holds 0 in row 1 \(counted from 0\), which is none"):
        read_gold([1, 0], classes)


def test_numbers_are_codes_where_classes_have_other_names():
    assert read_gold([1, 2, 0], ["one", "two", "three"]).codes.tolist() == [1, 2, 0]
    assert read_gold([1, 2, 0], ["one", "two", "three"]).labels.tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"holds 3 in row 0 .* numbers are read as 0 to 2"):
        read_gold([3], ["one", "two", "three"])


@pytest.mark.parametrize(
    ("gold", "message"),
    [
        (["ham", "eggs"], "holds 'eggs' in row 1 .*'ham' .0., 'spam' .1.; mend the label"),
        (["Ham"], "did you mean 'ham'"),
        ([" spam"], "did you mean 'spam'"),
        (["nan"], "a missing value became a text"),
        ([255], "is it -1 in an unsigned type"),
        (np.array([20240131]), "is it a date"),
        ([123456], "is it an id"),
        ([0.5], "no probabilities"),
        (["ham", 1], "mixes names .'ham'. and numbers .1."),
        ([True, 1.0, 0], "mixes truth values"),
        ([Stars.ONE, "ham"], "mixes members of an Enum"),
        ([Stars.TWO], "use members of the Enum"),
        ([b"ham"], "holds b'ham' .bytes."),
        ([["ham"]], "no names or numbers"),
        (np.array(["2024-01-31"], dtype="datetime64[D]"), "labels are names, whole numbers"),
        (np.zeros((3, 2)), r"one label for each row, found shape \(3, 2\)"),
        (pd.DataFrame({"a": [0], "b": [1]}), r"found shape \(1, 2\)"),
        ("ham", "one label a row, in order, found str"),
        ({"ham"}, "in order, found set"),
        ({"a": 1}, "in order, found dict"),
        (None, "found NoneType"),
    ],
)
def test_labels_that_are_no_class_are_named(gold, message):
    with pytest.raises(InputError, match=f"y .*{message}|y {message}"):
        read_gold(gold, NAMES)


def test_truth_values_stand_for_two_classes_only():
    assert read_gold([True, False], [False, True]).codes.tolist() == [1, 0]
    assert read_gold([True, False], [True, False]).codes.tolist() == [0, 1]
    for classes in (3, [1, 2]):
        with pytest.raises(InputError, match="truth values stand for"):
            read_gold([True, False], classes)


def test_a_label_that_is_no_class_may_count_as_wrong():
    assert read_gold(["eggs", None, "spam"], NAMES, strict=False).codes.tolist() == [2, -1, 1]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.5, 1.5], "Unknown label type: continuous"),
        (["a", "nan"], "became a text"),
        (np.arange(300), "300 different labels on 300 labelled rows; are they ids"),
        ([str(n) for n in range(300)], "are they ids"),
        (["a", 1], "mixes"),
    ],
)
def test_labels_that_make_no_classes(labels, message):
    with pytest.raises(InputError, match=message):
        read_gold(labels)
    assert len(read_gold(np.repeat(np.arange(300), 2)).labels) == 300


# -- votes ---------------------------------------------------------------------------------------


def test_mere_codes_may_be_higher_in_gold_than_in_votes_but_not_by_far():
    votes = LabelMatrix.from_dense([[0, 1], [1, -1], [0, 0]])
    assert gold_codes([2, 1, -1], votes).tolist() == [2, 1, -1]
    assert len(read_gold([3, 1, -1], votes).labels) == 4
    with pytest.raises(InputError, match="none of the classes 0, 1; if it is a class, make L"):
        read_gold([2, 1, -1], votes, grow=False)
    for top, question in (
        (7, "if it is a class"),
        (255, "unsigned type"),
        (1_000_000, "an id or an amount"),
        (20240131, "a date"),
    ):
        with pytest.raises(InputError, match=f"holds the class {top} in row 1 .*{question}"):
            gold_codes([0, top, -1], votes)
    many = LabelMatrix.from_dense([[0], [1], [0]], classes=8)
    assert gold_codes([0, 7, -1], many).tolist() == [0, 7, -1]


def test_votes_and_gold_must_be_of_the_same_rows():
    votes = LabelMatrix.from_dense([[0], [1], [1]], row_ids=["a", "b", "c"])
    with pytest.raises(InputError, match="Y has 2 labels, L has 3 rows"):
        gold_codes([0, 1], votes)
    gold = pd.Series([0, 1, 1], index=["a", "b", "c"])
    assert gold_codes(gold, votes).tolist() == [0, 1, 1]
    assert gold_codes(gold[::-1], votes).tolist() == [0, 1, 1]  # joined by id
    # Ids of other rows, as after reset_index, say nothing of the order.
    assert gold_codes(gold.reset_index(drop=True), votes).tolist() == [0, 1, 1]
    assert gold_codes(gold[::-1].to_numpy(), votes).tolist() == [1, 1, 0]


@pytest.mark.parametrize(
    ("ids", "order", "fails"),
    [
        ([0, 1, 2], [2, 1, 0], True),
        ([0, 1, 2], [0, 1, 2], False),
        ([5, 6, 7], [0, 1, 2], False),
        (["x", "x", "y"], ["y", "x", "x"], True),
        (["2", "1", "0"], [0, 1, 2], True),  # ids that a label matrix keeps as texts
        (pd.date_range("2024-01-01", periods=3), pd.date_range("2024-01-01", periods=3), False),
    ],
)
def test_order_is_compared_by_index(ids, order, fails):
    y = pd.Series([0, 1, 1], index=pd.Index(order))
    if fails:
        with pytest.raises(InputError, match="not of the same rows in the same order"):
            check_same_rows(y, pd.Series(0, index=pd.Index(ids)), "y", "X")
    else:
        check_same_rows(y, pd.Series(0, index=pd.Index(ids)), "y", "X")
    check_same_rows(y.to_numpy(), pd.Series(0, index=pd.Index(ids)), "y", "X")


def test_signs_alone_are_asked_about():
    votes = LabelMatrix.from_dense(np.zeros((30, 1), dtype=int))
    signs = np.where(np.arange(30) % 2, 1, -1)
    with pytest.warns(UserWarning, match="Y holds only 1 and -1"):
        assert gold_codes(signs, votes).tolist() == signs.tolist()
    gold_codes(np.where(signs < 0, 0, 1), votes)
    gold_codes(np.where(signs > 0, "spam", None), votes.with_classes(NAMES))


@pytest.mark.parametrize("name", ["abstain", "NO_LABEL", "Unlabelled", "NONE"])
def test_a_member_of_minus_one_is_no_label_if_its_name_says_so(name):
    kind = Enum("Kind", {name: -1, "HAM": 0, "SPAM": 1})
    assert read_gold([kind(1), kind(-1), kind(0)], kind).codes.tolist() == [1, -1, 0]
    signs = Enum("Signs", {"NEGATIVE": -1, "POSITIVE": 1})
    with pytest.raises(InputError, match="'NEGATIVE' of Signs has the value -1"):
        read_gold([signs(1), signs(-1)])


def test_labels_of_unknown_classes_are_grouped():
    labels, places = group_labels(pd.Series(["b", None, "a", "b"], dtype="string"))
    assert (labels, places.tolist()) == ([-1, "a", "b"], [2, 0, 1, 2])
    labels, places = group_labels([2.0, np.nan, 5])
    assert (labels, places.tolist()) == ([-1, 2, 5], [1, 0, 2])


@pytest.mark.parametrize("classes", [None, ["one", "two", "three"]])
def test_gold_that_counts_from_one_is_asked_about(classes):
    codes = np.arange(60) % 3
    second = np.where(np.arange(60) % 4, codes, -1)
    votes = LabelMatrix.from_dense(np.stack([codes, second], 1), classes=classes)
    gold_codes(codes, votes)
    assert gold_codes(np.where(codes > 0, codes, -1), votes).max() == 2
    if classes is None:
        with pytest.warns(UserWarning, match=r"0% of the votes agree .* 1, 100% would"):
            gold_codes(codes + 1, votes)
    else:
        with pytest.raises(InputError, match="holds 3"):
            gold_codes(codes + 1, votes)
    with pytest.warns(UserWarning, match=r"such as classes=\[1, 2, 3\]"):
        gold_codes(np.where(codes < 2, codes + 1, -1), votes)
    gold_codes(np.where(codes < 2, codes + 1, -1), votes.with_classes([1, 2, 3]))
    gold_codes(np.where(codes < 2, codes + 1, -1)[:6], votes[:6])  # too few to tell
    # A class without gold is no such sign while the votes agree as they stand.
    gold_codes(np.where(codes == 0, -1, codes), votes)
