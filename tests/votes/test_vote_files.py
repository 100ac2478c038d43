"""Votes on disk come back as they were, and nothing damaged passes for votes."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.errors import FileFormatError
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import (
    MANIFEST,
    VoteFiles,
    finish_votes,
    kept_part,
    part_name,
    write_part,
)

pytest.importorskip("pyarrow")
FIELDS = {"lf_names": ["a", "b", "c"], "classes": ["ham", "spam"]}


def matrix(n: int, seed: int = 0, ids=None, scores: bool = False) -> LabelMatrix:
    votes = np.random.default_rng(seed).integers(-1, 2, (n, 3))
    given = np.round(np.random.default_rng(seed + 1).random((n, 3)), 3) if scores else None
    return LabelMatrix.from_dense(votes, scores=given, row_ids=ids, **FIELDS)


def folder_of(path, matrices) -> VoteFiles:
    parts = [write_part(path, i, one) for i, one in enumerate(matrices)]
    return finish_votes(path, parts, **FIELDS, continuous=matrices[0].continuous)


@pytest.fixture
def votes(tmp_path) -> VoteFiles:
    return folder_of(tmp_path, [matrix(7, 0), matrix(7, 5), matrix(11, 2)])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_round_trip(tmp_path_factory, sizes, text_ids, scores):
    ids = [[f"r{i}-ü{k}" if text_ids else 7 * k - i for k in range(n)] for i, n in enumerate(sizes)]
    made = [matrix(n, i, ids[i], scores) for i, n in enumerate(sizes)]
    votes = folder_of(tmp_path_factory.mktemp("votes"), made)
    whole = votes.to_label_matrix()
    assert len(votes) == sum(sizes)
    assert votes.starts.tolist() == np.cumsum([0, *sizes]).tolist()
    assert np.array_equal(whole.to_dense(), np.concatenate([one.to_dense() for one in made]))
    for part, one in zip(votes.parts(), made, strict=True):
        assert part.row_ids.tolist() == one.row_ids.tolist()
        assert np.array_equal(part.to_dense(), one.to_dense())
        assert np.array_equal(part.dense_scores(), one.dense_scores())
        assert (part.lf_names, part.classes) == (one.lf_names, one.classes)


def test_more_classes_than_a_byte_holds(tmp_path):
    L = LabelMatrix.from_dense([[299], [-1], [3]])
    votes = finish_votes(tmp_path, [write_part(tmp_path, 0, L)], lf_names=L.lf_names)
    assert votes.n_classes == 300
    assert np.array_equal(votes.part(0).to_dense(), L.to_dense())


def test_no_parts(tmp_path):
    votes = finish_votes(tmp_path, [], **FIELDS)
    assert votes.shape == (0, 3)
    assert votes.to_label_matrix().shape == (0, 3)
    assert list(votes.parts()) == []


def refused(votes: VoteFiles, i: int, says: str) -> None:
    with pytest.raises(FileFormatError, match=says) as told:
        votes.part(i)
    assert part_name(i) in str(told.value)


def test_truncated_part(votes):
    path = votes.folder / part_name(1)
    path.write_bytes(path.read_bytes()[:-20])
    refused(votes, 1, "truncated")


def test_missing_part(votes):
    (votes.folder / part_name(2)).unlink()
    refused(votes, 2, "missing")


def test_swapped_parts(votes):
    first, second = (votes.folder / part_name(i) for i in (0, 1))
    # Same rows and, by chance or not, the same size: the content alone tells.
    shutil.copy(second, first)
    held = json.loads((votes.folder / MANIFEST).read_text())
    held.pop("sha256")  # as in files of earlier versions
    for key in ("votes", "size"):
        held["parts"][0][key] = held["parts"][1][key]
    (votes.folder / MANIFEST).write_text(json.dumps(held))
    refused(VoteFiles(votes.folder), 0, "checksum")


def test_no_flipped_bit_changes_a_vote(votes):
    path = votes.folder / part_name(2)
    whole, before = path.read_bytes(), votes.part(2)
    noticed = 0
    for place in range(0, len(whole), 3):
        bad = bytearray(whole)
        bad[place] ^= 1 << (place % 8)
        path.write_bytes(bytes(bad))
        try:
            after = votes.part(2)
        except FileFormatError as error:
            noticed += part_name(2) in str(error)
            continue
        # A bit that carries no votes (padding, a statistic) may flip unseen.
        assert np.array_equal(after.to_dense(), before.to_dense())
        assert after.row_ids.tolist() == before.row_ids.tolist()
    assert noticed > 100


def test_unfinished_folder(tmp_path):
    write_part(tmp_path, 0, matrix(3))
    with pytest.raises(FileNotFoundError, match=r"votes\.json does not exist.*finished parts"):
        VoteFiles(tmp_path)


@pytest.mark.parametrize(
    ("change", "says"),
    [({"format": 99}, "update spear_amal"), ({"kind": "cake"}, "not a list of vote files")],
)
def test_manifest_of_another_kind(votes, change, says):
    path = votes.folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(FileFormatError, match=says) as told:
        VoteFiles(votes.folder)
    assert MANIFEST in str(told.value)


def test_damaged_manifest(votes):
    path = votes.folder / MANIFEST
    path.write_text(path.read_text()[:-30])
    with pytest.raises(FileFormatError, match=r"votes\.json.*damaged"):
        VoteFiles(votes.folder)


def test_parts_are_kept_by_note_and_wholeness(tmp_path):
    part = write_part(tmp_path, 4, matrix(5), "made by x", {"faults": {"a": 2}})
    assert kept_part(tmp_path, 4, "made by x") == (part, {"faults": {"a": 2}})
    assert kept_part(tmp_path, 4, "made by y") is None
    assert kept_part(tmp_path, 3, "made by x") is None
    path = tmp_path / part_name(4)
    path.write_bytes(path.read_bytes()[:-5])
    assert kept_part(tmp_path, 4, "made by x") is None
