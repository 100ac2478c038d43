"""Label models on votes that lie on disk in parts: as on all rows in memory."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_votes
from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.label_models import LABEL_MODELS, DawidSkene, LabelModel, MajorityVote
from spear_amal.label_models.vote_patterns import count_rows
from spear_amal.votes.parquet import VoteFiles, finish_votes, part_name, write_part

pytest.importorskip("pyarrow")
N, M, C = 211, 7, 3
CUTS = [0, 53, 60, 160]  # a part without rows, a small one, a large one


@pytest.fixture(scope="module")
def drawn():
    L, y = synthetic_votes(N, M, C, seed=0)
    ids = [f"r{i}" for i in range(N)]
    L = LabelMatrix(L.codes, row_ids=ids, lf_classes=[-1] * (M - 1) + [2])
    return L, np.where(np.arange(N) % 5 == 0, y, -1)


@pytest.fixture(scope="module")
def files(drawn, in_parts, tmp_path_factory):
    return in_parts(tmp_path_factory.mktemp("votes"), drawn[0], CUTS)


@pytest.fixture(params=LABEL_MODELS)
def make(request):
    if request.param == "snorkel":
        pytest.importorskip("snorkel")
    return LABEL_MODELS[request.param]


@pytest.mark.parametrize("with_gold", [False, True])
def test_as_on_all_rows_in_memory(make, drawn, files, with_gold):
    L, y = drawn
    gold = y if with_gold else None
    one, other = make().fit(L, gold), make().fit(files, gold)
    expected = one.predict_proba(L)
    np.testing.assert_allclose(other.predict_proba(L), expected, atol=1e-10)
    np.testing.assert_allclose(other.predict_proba(files), expected, atol=1e-10)
    for policy in ("abstain", "first"):
        np.testing.assert_array_equal(other.predict(files, policy), one.predict(L, policy))
    assert other.plan_ == one.plan_
    assert (other.classes_, other.n_lfs_) == (one.classes_, one.n_lfs_)


def test_models_that_count_never_hold_all_rows(files, monkeypatch):
    monkeypatch.setattr(VoteFiles, "to_label_matrix", None)
    for model in LABEL_MODELS.values():
        if model.counts_rows:
            model().fit(files.folder)


def test_abstentions_that_are_answers_are_counted_too(drawn, files):
    model = DawidSkene(model_abstains=True, max_iter=5)
    expected = model.fit(drawn[0]).class_balance_
    np.testing.assert_allclose(model.fit(files).class_balance_, expected, atol=1e-12)


@given(
    hnp.arrays(np.int64, (13, 4), elements=st.integers(-1, 1)),
    hnp.arrays(np.int64, 13, elements=st.integers(-1, 1)),
    st.lists(st.integers(0, 13), max_size=5),
)
@settings(max_examples=40)
def test_counted_rows_are_the_distinct_ones(in_parts, tmp_path_factory, votes, gold, cuts):
    L = LabelMatrix.from_dense(votes)
    files = in_parts(tmp_path_factory.mktemp("votes"), L, sorted(cuts))
    found = count_rows(files, gold)
    expected, times = np.unique(np.c_[votes, gold], axis=0, return_counts=True)
    rows = np.c_[found.L.to_dense(), found.gold]
    order = np.lexsort(rows.T[::-1])
    np.testing.assert_array_equal(rows[order], expected)
    np.testing.assert_array_equal(found.n_rows[order], times)


def test_scores_keep_all_rows(in_parts, tmp_path):
    rng = np.random.default_rng(0)
    votes = rng.integers(-1, 2, (31, 4))
    L = LabelMatrix.from_dense(votes, scores=rng.random((31, 4)), continuous=[True] + [False] * 3)
    files = in_parts(tmp_path, L, [11])
    for name in ("cage", "label-model"):
        make = LABEL_MODELS[name]
        expected = make().fit(L).predict_proba(L)
        np.testing.assert_allclose(make().fit(files).predict_proba(files), expected, atol=1e-10)


def test_a_model_of_ones_own_is_given_all_rows(drawn, files):
    class First(LabelModel):
        def _fit(self, L, y):
            self.seen_ = L

        def _posterior(self, L):
            return np.full((len(L), self.n_classes_), 1 / self.n_classes_)

    seen = First().fit(files).seen_
    np.testing.assert_array_equal(seen.to_dense(), drawn[0].to_dense())
    assert seen.row_ids.tolist() == drawn[0].row_ids.tolist()


def test_part_by_part(drawn, files):
    model = MajorityVote().fit(files)
    parts = list(model.predict_parts(files))
    assert [len(p) for _, p in parts] == np.diff(files.starts).tolist()
    assert np.concatenate([ids for ids, _ in parts]).tolist() == drawn[0].row_ids.tolist()
    np.testing.assert_array_equal(np.concatenate([p for _, p in parts]), model.predict_proba(files))
    assert len(list(model.predict_parts(drawn[0]))) == 1


def test_written_probabilities(drawn, files, tmp_path):
    import pyarrow.parquet as pq

    model = MajorityVote().fit(files)
    path = model.write_proba(files, tmp_path / "p.parquet")
    found = pd.read_parquet(path)
    assert found["row_id"].tolist() == drawn[0].row_ids.tolist()
    np.testing.assert_array_equal(found[["p_0", "p_1", "p_2"]], model.predict_proba(files))
    held = pq.ParquetFile(path)
    assert held.num_row_groups == 4
    assert json.loads(held.schema_arrow.metadata[b"classes"]) == ["0", "1", "2"]
    with pytest.raises(OutputExistsError, match="already exists"):
        model.write_proba(files, path)
    model.write_proba(drawn[0][:2], path, overwrite=True)
    assert len(pd.read_parquet(path)) == 2
    assert len(pd.read_parquet(model.write_proba(drawn[0][:0], tmp_path / "none"))) == 0


def test_nothing_is_written_where_a_part_is_damaged(drawn, in_parts, tmp_path):
    model = MajorityVote().fit(drawn[0])
    files = in_parts(tmp_path / "votes", drawn[0], CUTS)
    damaged = files.folder / part_name(3)
    damaged.write_bytes(damaged.read_bytes()[:-9])
    with pytest.raises(FileFormatError, match=part_name(3)):
        model.write_proba(files, tmp_path / "p.parquet")
    assert [path.name for path in tmp_path.iterdir()] == ["votes"]
    with pytest.raises(FileFormatError, match=part_name(3)):
        MajorityVote().fit(files)


def test_ids_of_two_kinds_in_one_file(tmp_path):
    L = LabelMatrix.from_dense([[0, 1], [1, 1]])
    named = LabelMatrix(L.codes, row_ids=["a", "b"])
    parts = [write_part(tmp_path, i, one) for i, one in enumerate([L, named])]
    files = finish_votes(tmp_path, parts, lf_names=L.lf_names)
    with pytest.raises(InputError, match="int64 in some parts of the votes and string"):
        MajorityVote().fit(L).write_proba(files, tmp_path / "p.parquet")


def test_bad_input(make, drawn, files, in_parts, tmp_path):
    silent = LabelMatrix.from_dense(np.full((5, M), -1))
    with pytest.raises(InputError, match="nothing to learn from"):
        make().fit(in_parts(tmp_path / "silent", silent, [2]))
    other = in_parts(tmp_path / "other", drawn[0][:, :-1], [2])
    model = MajorityVote().fit(files)
    for ask in (model.predict_proba, model.predict, model.predict_parts):
        with pytest.raises(InputError, match=f"has {M - 1} LFs"):
            ask(other)
    with pytest.raises(InputError, match=f"y has {N - 1} labels, L has {N} rows"):
        DawidSkene().fit(files, drawn[1][:-1])
    with pytest.raises(FileNotFoundError, match="no folder of votes"):
        model.predict(tmp_path)
