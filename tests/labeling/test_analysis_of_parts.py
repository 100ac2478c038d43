"""Votes on disk in parts: the analysis is that of all rows at once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spear_amal.errors import FileFormatError, InputError
from spear_amal.labeling import LabelMatrix, LFAnalysis, lf_check, votes_test
from spear_amal.votes.parquet import VoteFiles, part_name

pytest.importorskip("pyarrow")
C, NAMES = 3, ["a", "b", "c", "d"]


@st.composite
def cut_votes(draw):
    n = draw(st.integers(0, 13))
    votes = draw(hnp.arrays(np.int64, (n, len(NAMES)), elements=st.integers(-1, C - 1)))
    gold = draw(hnp.arrays(np.int64, n, elements=st.integers(-1, C - 1)))
    cuts = sorted(draw(st.lists(st.integers(0, n), max_size=3)))  # parts without rows among them
    ids = [f"r{i}" for i in draw(st.permutations(range(n)))]
    fields = {"lf_names": NAMES, "classes": range(C)}
    return LabelMatrix.from_dense(votes, row_ids=ids or None, **fields), gold, cuts


def same(one, other) -> None:
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        assert all(one[key].tolist() == other[key].tolist() for key in one)
    else:
        np.testing.assert_array_equal(one, other)


@given(cut_votes())
@settings(max_examples=25)
def test_as_in_memory(in_parts, tmp_path_factory, made):
    L, gold, cuts = made
    parts = in_parts(tmp_path_factory.mktemp("votes"), L, cuts)
    whole, found = LFAnalysis(L), LFAnalysis(parts)
    for ask in (
        lambda a: [a.label_coverage(), a.label_overlap(), a.label_conflict()],
        lambda a: a.lf_overlaps(normalize_by_coverage=True),
        lambda a: a.lf_conflicts(normalize_by_overlaps=True),
        lambda a: a.overlap_matrix(),
        lambda a: a.conflict_matrix(normalize=False),
        lambda a: a.lf_empirical_probs(gold, C),
        lambda a: a.accuracy_intervals(gold),
        lambda a: a.wrong_rows("b", gold),
        lambda a: a.error_buckets(2, gold),
        lambda a: a.lf_summary(gold, est_weights=np.arange(len(NAMES))),
    ):
        same(ask(whole), ask(found))
    same(lf_check(L, gold), lf_check(parts, gold))
    assert str(votes_test(L, gold, 19)) == str(votes_test(parts, gold, 19))  # NaN equals no NaN


@pytest.fixture
def parts(in_parts, tmp_path):
    votes = np.random.default_rng(0).integers(-1, C, (17, len(NAMES)))
    L = LabelMatrix.from_dense(votes, lf_names=NAMES, classes=range(C))
    return in_parts(tmp_path, L, [7])


def test_the_folder_may_be_given_by_its_path(parts):
    expected = LFAnalysis(parts).lf_summary()
    same(LFAnalysis(parts.folder).lf_summary(), expected)
    same(LFAnalysis(str(parts.folder)).lf_summary(), expected)
    assert expected.index.tolist() == NAMES


def test_one_part_is_held_at_a_time(parts, monkeypatch):
    read = []
    part = VoteFiles.part
    monkeypatch.setattr(VoteFiles, "part", lambda self, i: read.append(i) or part(self, i))
    monkeypatch.setattr(VoteFiles, "to_label_matrix", None)
    analysis = LFAnalysis(parts)
    analysis.lf_summary()
    analysis.label_conflict()
    assert read == [0, 1]  # the totals are counted once


def test_gold_is_needed_for_all_rows(parts):
    with pytest.raises(InputError, match="17"):
        LFAnalysis(parts).lf_summary(np.zeros(7, dtype=int))


def test_a_damaged_part_is_named(parts):
    path = parts.folder / part_name(1)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match=part_name(1)):
        LFAnalysis(parts).lf_summary()


def test_what_is_no_folder_of_votes(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder of votes"):
        LFAnalysis(tmp_path)
