"""What may be handed over as classes=, and what numbers and names then mean."""

import pickle
from enum import Enum

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling import LabelingFunction, PandasLFApplier, ParquetLFApplier
from spear_amal.votes.class_set import ClassNames, ClassSet, class_names
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import finish_votes, write_part

HAM_SPAM = ("ham", "spam")
Gap = Enum("Gap", {"HAM": 0, "SPAM": 5})
Texts = Enum("Texts", {"SPAM": "s", "HAM": "h"})
Unsorted = Enum("Unsorted", {"SPAM": 1, "HAM": 0})


@pytest.mark.parametrize(
    ("classes", "names", "numbers"),
    [
        (["ham", "spam"], HAM_SPAM, (0, 1)),
        (np.array(["ham", "spam"]), HAM_SPAM, (0, 1)),
        (pd.Index(["ham", "spam"]), HAM_SPAM, (0, 1)),
        (pd.Series(["ham", "spam"], dtype="string"), HAM_SPAM, (0, 1)),
        ((name for name in HAM_SPAM), HAM_SPAM, (0, 1)),
        ({"ham": 0, "spam": 1}, HAM_SPAM, (0, 1)),
        ({"spam": 1, "ham": 0}, HAM_SPAM, (0, 1)),
        ({1: "spam", 0: "ham"}, HAM_SPAM, (0, 1)),
        ({"1": "spam", "0": "ham"}, HAM_SPAM, (0, 1)),
        ({np.int64(1): "spam", np.int64(0): "ham"}, HAM_SPAM, (0, 1)),
        ({"spam": 2, "ham": 1}, HAM_SPAM, (1, 2)),
        ({2: "spam", 1: "ham"}, HAM_SPAM, (1, 2)),
        ({"abstain": -1, "spam": 1, "ham": 0}, HAM_SPAM, (0, 1)),
        ({"1": 0, "2": 1}, ("1", "2"), (0, 1)),
        ({0: "1", 1: "2"}, ("1", "2"), (0, 1)),
        (Gap, ("HAM", "SPAM"), (0, 5)),
        (Unsorted, ("HAM", "SPAM"), (0, 1)),
        (Texts, ("SPAM", "HAM"), (0, 1)),
        ([1, 2, 3], (1, 2, 3), (1, 2, 3)),
        (["1", "2", "3"], ("1", "2", "3"), (1, 2, 3)),
        ([True, False], (True, False), (1, 0)),
        (np.int64(3), (0, 1, 2), (0, 1, 2)),
        (range(2), (0, 1), (0, 1)),
    ],
)
def test_forms_of_classes(classes, names, numbers):
    made = class_names(classes)
    assert (made, made.numbers) == (names, numbers)
    known = ClassSet(made)
    assert [known.code(name) for name in names if isinstance(name, str)] in ([], [0, 1], [0, 1, 2])
    assert [known.code(number) for number in numbers] == list(range(len(names)))
    assert made.as_numbers(np.array([0, -1, 1])).tolist() == [numbers[0], -1, numbers[1]]
    assert class_names(made) is made and class_names(known) is made


def test_both_directions_of_a_mapping_give_the_same_votes():
    frame = pd.DataFrame({"text": ["win a prize", "see you"]})
    by_number = LabelingFunction("by_number", lambda x: 1 if "win" in x.text else 0)
    by_name = LabelingFunction("by_name", lambda x: "spam" if "win" in x.text else "ham")
    for classes in ({"spam": 1, "ham": 0}, {0: "ham", 1: "spam"}, {"1": "spam", "0": "ham"}):
        votes = PandasLFApplier([by_number, by_name], classes=classes).apply(
            frame, progress_bar=False
        )
        assert votes.classes == HAM_SPAM
        assert np.asarray(votes).tolist() == [[1, 1], [0, 0]]


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"ham", "spam"}, "classes must have an order, found set"),
        (frozenset(["ham", "spam"]), "found frozenset"),
        ({"ham": 0, "spam": 1}.keys(), "found dict_keys"),
        ({"ham": "spam", "spam": "ham"}, "must give names their numbers or numbers their names"),
        ({0: 1, 1: 0}, "must give names their numbers"),
        ({"0": "1", "1": "0"}, "must give names their numbers"),
        ({"ham": 0, "spam": 0}, "must differ, found 0 twice"),
        ({0: "ham", 1: "ham"}, "must differ, found 'ham' twice"),
        ({"ham": -1, "spam": 1}, "'ham' of the mapping has the value -1, which means abstain"),
        (Enum("Signs", {"NEG": -1, "NEUTRAL": 0, "POS": 1}), "'NEG' of Signs has the value -1"),
        (Enum("Crossed", {"A": "B", "B": "A"}), "name of one class .* and the value of another"),
        (["abstain", "ham", "spam"], "'abstain', which is no class"),
        ([-1, 1], "no class can be called -1"),
        (["-1", "0", "1"], "no class can be called -1"),
        (["ham", 1], "all names or all numbers"),
        (["ham"], "at least two different names"),
        ("spam", "must be a number, a list of names"),
        (str, "must be a number, a list of names"),
        (2.5, "must be a number, a list of names"),
    ],
)
def test_classes_that_say_nothing_sure(classes, message):
    with pytest.raises(InputError, match=message):
        ClassSet(classes)


@pytest.mark.parametrize("door", ["constructor", "with_classes", "finish_votes"])
def test_every_door_reads_a_mapping_and_refuses_a_set(door, tmp_path):
    votes = LabelMatrix.from_dense([[0], [1]])

    def make(classes):
        if door == "constructor":
            return LabelMatrix.from_dense([[0], [1]], classes=classes)
        if door == "with_classes":
            return votes.with_classes(classes)
        pytest.importorskip("pyarrow")
        part = write_part(tmp_path, 0, votes)
        return finish_votes(tmp_path, [part], lf_names=votes.lf_names, classes=classes)

    made = make({"spam": 7, "ham": 3})
    assert (made.classes, made.classes.ids) == (HAM_SPAM, (3, 7))
    with pytest.raises(InputError, match="must have an order"):
        make({"spam", "ham"})


def test_ids_survive_all_that_is_done_with_votes(tmp_path):
    L = LabelMatrix.from_dense([[0, 1], [1, -1]], classes=Gap)
    L.save(tmp_path / "votes.npz")
    kept = [
        LabelMatrix.load(tmp_path / "votes.npz"),
        L[:1],
        L[:, [1]],
        L.to_unipolar(),
        LabelMatrix.concatenate([L, L]),
        pickle.loads(pickle.dumps(L)),
        L.with_classes(L.classes),
    ]
    assert [votes.classes.ids for votes in kept] == [(0, 5)] * len(kept)
    assert L.with_coded_classes().classes.numbers == (0, 1)
    assert L.with_coded_classes().classes == ("HAM", "SPAM")
    stars = LabelMatrix.from_dense([[0, 2]], classes=[1, 2, 3])
    assert stars.with_coded_classes().classes == (1, 2, 3)
    assert stars.with_coded_classes().classes.numbers == (0, 1, 2)


def test_files_without_ids_are_read(tmp_path):
    L = LabelMatrix.from_dense([[0, 1]], classes=HAM_SPAM)
    L.save(tmp_path / "votes.npz")
    assert LabelMatrix.load(tmp_path / "votes.npz").classes.ids is None
    assert ClassNames(HAM_SPAM, (0, 1)).ids is None
    (tmp_path / "bad.npz").write_bytes(b"")
    with pytest.raises(FileFormatError):
        LabelMatrix.load(tmp_path / "bad.npz")


def test_votes_on_disk_keep_ids(tmp_path):
    pytest.importorskip("pyarrow")
    pd.DataFrame({"n": [0, 5, 5]}).to_parquet(tmp_path / "rows.parquet")
    lf = LabelingFunction("lf", lambda x: int(x.n))
    votes = ParquetLFApplier([lf], classes=Gap).apply(
        tmp_path / "rows.parquet", tmp_path / "votes", progress_bar=False
    )
    assert votes.classes.ids == (0, 5)
    assert votes.to_label_matrix().classes.ids == (0, 5)
    assert np.asarray(votes.to_label_matrix()).ravel().tolist() == [0, 1, 1]


def test_a_member_is_never_taken_for_abstain_by_chance():
    signs = Enum("Signs", {"HAM": -1, "SPAM": 1})
    assert ClassSet(["ham", "spam"]).code(signs.HAM) == 0  # by name
    with pytest.raises(InputError, match="'HAM' of Signs has the value -1"):
        ClassSet().code(signs.HAM)
