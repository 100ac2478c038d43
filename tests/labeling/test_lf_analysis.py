import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spear_amal.errors import InputError
from spear_amal.labeling import LabelMatrix, LFAnalysis

C = 3
VOTES = np.array(
    [
        [0, 0, -1, -1, 2],
        [1, 0, -1, -1, -1],
        [-1, -1, -1, -1, -1],
        [1, 1, -1, -1, 1],
        [-1, -1, -1, 0, -1],
        [2, -1, -1, 2, 2],
        [0, -1, -1, -1, -1],
    ]
)
GOLD = np.array([0, 0, 1, 1, -1, 1, 0])


@st.composite
def votes_and_gold(draw):
    n, m = draw(st.integers(0, 11)), draw(st.integers(1, 5))
    votes = draw(hnp.arrays(np.int64, (n, m), elements=st.integers(-1, C - 1)))
    return votes, draw(hnp.arrays(np.int64, n, elements=st.integers(-1, C - 1)))


def share_of(mask):
    return float(np.mean(mask)) if len(mask) else 0.0


@given(votes_and_gold())
def test_against_counting_row_by_row(made):
    votes, gold = made
    m = votes.shape[1]
    found = LFAnalysis(votes)
    fired = votes != -1
    several = fired.sum(axis=1) > 1
    differ = np.array([len(set(row) - {-1}) > 1 for row in votes], dtype=bool)
    assert found.label_coverage() == share_of(fired.any(axis=1))
    assert found.label_overlap() == share_of(several)
    assert found.label_conflict() == share_of(differ)
    coverage, overlap, conflict = found.lf_coverages(), found.lf_overlaps(), found.lf_conflicts()
    for j in range(m):
        own = fired[:, j]
        assert found.lf_polarities()[j] == sorted(set(votes[own, j].tolist()))
        assert coverage[j] == share_of(own)
        assert overlap[j] == share_of(own & several)
        assert conflict[j] == share_of(own & differ)
        judged = own & (gold >= 0)
        right = int((votes[judged, j] == gold[judged]).sum())
        accuracy = right / judged.sum() if judged.any() else 0
        assert found.lf_empirical_accuracies(gold)[j] == pytest.approx(accuracy)
        wrong = np.flatnonzero(judged & (votes[:, j] != gold))
        assert found.wrong_rows(j, gold)["row"].tolist() == wrong.tolist()
    overlaps, conflicts = found.overlap_matrix(False), found.conflict_matrix(False)
    for i, j in itertools.product(range(m), repeat=2):
        both = fired[:, i] & fired[:, j]
        assert overlaps.loc[i, j] == both.sum()
        assert conflicts.loc[i, j] == (both & (votes[:, i] != votes[:, j])).sum()


@given(votes_and_gold(), st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing(made, random):
    votes, gold = made
    order = random.sample(range(len(votes)), len(votes))
    one = LFAnalysis(votes).lf_summary(gold)
    pd.testing.assert_frame_equal(one, LFAnalysis(votes[order]).lf_summary(gold[order]))


def test_summary_with_names_gold_and_weights():
    lfs = [SimpleNamespace(name=name) for name in "abcde"]
    table = LFAnalysis(VOTES, lfs).lf_summary(GOLD, est_weights=np.arange(5) / 4)
    expected = pd.DataFrame(
        {
            "j": [0, 1, 2, 3, 4],
            "Polarity": [[0, 1, 2], [0, 1], [], [0, 2], [1, 2]],
            "Coverage": np.array([5, 3, 0, 2, 3]) / 7,
            "Overlaps": np.array([4, 3, 0, 1, 3]) / 7,
            "Conflicts": np.array([2, 2, 0, 0, 1]) / 7,
            "Correct": [3, 3, 0, 0, 1],
            "Incorrect": [2, 0, 0, 1, 2],
            "Emp. Acc.": [3 / 5, 1, 0, 0, 1 / 3],
            "Learned Weight": np.arange(5) / 4,
        },
        index=list("abcde"),
    )
    pd.testing.assert_frame_equal(table, expected)
    assert "j" not in LFAnalysis(VOTES).lf_summary()
    assert LFAnalysis(LabelMatrix.from_dense(VOTES, lf_names="vwxyz")).lf_summary().index[0] == "v"


def test_normalised_overlaps_and_conflicts():
    found = LFAnalysis(VOTES)
    assert found.lf_overlaps(normalize_by_coverage=True).tolist() == [4 / 5, 1, 0, 1 / 2, 1]
    by_overlaps = found.lf_conflicts(normalize_by_overlaps=True)
    assert by_overlaps.tolist() == pytest.approx([1 / 2, 2 / 3, 0, 0, 1 / 3])


def test_vote_tables():
    tables = LFAnalysis(VOTES).lf_empirical_probs(GOLD, C)
    assert tables.shape == (5, C + 1, C)
    # Gold 0 is on rows 0, 1, 6: LF 0 votes 0, 1, 0. Gold 1 is on rows 2, 3, 5; gold 2 is nowhere.
    assert tables[0, :, 0].tolist() == pytest.approx([0, 2 / 3, 1 / 3, 0])
    assert tables[0, :, 1].tolist() == pytest.approx([1 / 3, 0, 1 / 3, 1 / 3])
    assert tables[2, :, 1].tolist() == [1, 0, 0, 0] and not tables[:, :, 2].any()


def test_intervals_hold_known_values():
    votes = np.full((20, 2), -1)
    votes[:10, 0] = 1
    gold = np.array([1] * 8 + [0] * 2 + [-1] * 10)
    table = LFAnalysis(votes).accuracy_intervals(gold, min_votes=10)
    # Wilson 95% for 8 of 10, as in textbooks.
    assert table.loc[0, ["low", "high"]].tolist() == pytest.approx([0.4901625, 0.9433178])
    assert table["n"].tolist() == [10, 0] and table["few_votes"].tolist() == [False, True]
    assert np.isnan(table.loc[1, "accuracy"]) and table.loc[1, ["low", "high"]].tolist() == [0, 1]


@given(votes_and_gold(), st.floats(0.01, 0.99))
def test_intervals_hold_the_accuracy_and_grow_with_the_level(made, level):
    votes, gold = made
    found = LFAnalysis(votes)
    table, wider = (found.accuracy_intervals(gold, at) for at in (level, (1 + level) / 2))
    some = table["n"] > 0
    assert (table["low"][some] <= table["accuracy"][some] + 1e-12).all()
    assert (table["accuracy"][some] <= table["high"][some] + 1e-12).all()
    assert ((0 <= wider["low"]) & (wider["low"] <= table["low"])).all()
    assert ((table["high"] <= wider["high"]) & (wider["high"] <= 1)).all()


def test_wrong_rows_and_buckets_by_name_number_and_lf():
    matrix = LabelMatrix.from_dense(VOTES, lf_names="abcde", row_ids=[f"r{i}" for i in range(7)])
    found = LFAnalysis(matrix)
    rows = found.wrong_rows("a", GOLD)
    assert rows.to_dict("list") == {
        "row": [1, 5], "row_id": ["r1", "r5"], "vote": [1, 2], "gold": [0, 1]
    }  # fmt: skip
    for same in (0, -5, SimpleNamespace(name="a")):
        pd.testing.assert_frame_equal(found.wrong_rows(same, GOLD), rows)
    buckets = {key: rows.tolist() for key, rows in found.error_buckets("a", GOLD).items()}
    assert buckets == {(0, 0): [0, 6], (0, 1): [1], (1, -1): [2], (1, 1): [3], (1, 2): [5]}


def test_a_large_matrix_is_not_made_dense():
    import scipy.sparse as sp

    n, m = 1_000_003, 1_009  # a dense int8 array of this shape would take a gigabyte
    rows = np.arange(0, n, 1_000)
    codes = sp.csr_array((np.ones(len(rows), dtype=np.int8), (rows, rows % m)), shape=(n, m))
    found = LFAnalysis(LabelMatrix(codes))
    assert found.label_coverage() == len(rows) / n
    assert found.lf_summary(np.zeros(n, dtype=int))["Correct"].sum() == len(rows)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda a: LFAnalysis(VOTES, [1, 2]), "2 LFs were given for 5 columns"),
        (lambda a: a.lf_summary(GOLD[:3]), "Y has 3 labels, L has 7 rows"),
        (lambda a: a.lf_summary(np.full(7, 0.5)), "no probabilities or amounts"),
        (
            lambda a: a.lf_summary(np.zeros((7, 2))),
            r"Y must hold one label for each row, found shape \(7, 2\)",
        ),
        (lambda a: a.lf_summary(np.full(7, -2)), "Y holds -2 in row 0"),
        (lambda a: a.accuracy_intervals(GOLD, 1.0), "level must lie strictly between 0 and 1"),
        (lambda a: a.wrong_rows("nobody", GOLD), "no LF 'nobody'"),
        (lambda a: a.wrong_rows(5, GOLD), "no LF 5"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(InputError, match=message):
        call(LFAnalysis(VOTES))
