import json
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.votes.label_matrix import ABSTAIN, LabelMatrix

N, M, C = 11, 5, 3


@st.composite
def votes(draw, min_rows=0, classes=C):
    shape = (draw(st.integers(min_rows, N)), draw(st.integers(1, M)))
    return draw(hnp.arrays(np.int64, shape, elements=st.integers(-1, classes - 1)))


def with_scores(dense, seed=0):
    scores = np.random.default_rng(seed).random(dense.shape).astype(np.float32)
    scores[dense == ABSTAIN] = 0
    return scores


@pytest.fixture
def matrix():
    dense = np.random.default_rng(7).integers(-1, C, (N, M))
    return LabelMatrix.from_dense(
        dense,
        scores=with_scores(dense),
        continuous=[True, False, True, True, False],
        lf_names=list("abcde"),
        classes=["red", "green", "blue"],
        row_ids=[f"row{i}" for i in range(N)],
        lf_classes=[-1, 0, 1, 2, -1],
    )


def assert_same(a, b):
    assert np.array_equal(a.to_dense(), b.to_dense())
    assert np.array_equal(a.dense_scores(), b.dense_scores())
    assert (a.lf_names, a.classes) == (b.lf_names, b.classes)
    assert np.array_equal(a.row_ids, b.row_ids) and a.row_ids.dtype == b.row_ids.dtype
    assert np.array_equal(a.lf_classes, b.lf_classes)
    assert np.array_equal(a.continuous, b.continuous)
    assert a.dtype == b.dtype


@given(votes())
def test_dense_and_back(dense):
    made = LabelMatrix.from_dense(dense)
    assert made.shape == dense.shape and len(made) == len(dense)
    assert np.array_equal(np.asarray(made), dense)
    assert made.nnz == (dense != ABSTAIN).sum()
    assert np.array_equal(made.covered(), (dense != ABSTAIN).any(axis=1))
    assert ((made == dense).all()) and not (made != dense).any()


@given(votes(min_rows=1), st.data())
def test_indexing_is_that_of_the_array(dense, data):
    made = LabelMatrix.from_dense(dense)
    n, m = dense.shape
    rows = data.draw(
        st.one_of(
            st.slices(n),
            st.lists(st.integers(-n, n - 1), max_size=N),
            hnp.arrays(bool, n),
        )
    )
    columns = data.draw(st.slices(m))
    key = np.array(rows, dtype=int) if isinstance(rows, list) else rows
    picked = made[key, columns] if len(dense[0, columns]) else made[key]
    expected = dense[key, columns] if len(dense[0, columns]) else dense[key]
    assert isinstance(picked, LabelMatrix)
    assert np.array_equal(picked.to_dense(), expected)
    assert np.array_equal(picked.row_ids, np.arange(n)[key])


def test_single_rows_columns_and_votes_are_arrays(matrix):
    dense = matrix.to_dense()
    assert np.array_equal(matrix[3], dense[3])
    assert np.array_equal(matrix[-2], dense[-2])
    assert np.array_equal(matrix[:, 2], dense[:, 2])
    assert matrix[4, 1] == dense[4, 1]
    assert np.array_equal(matrix[dense == 1], dense[dense == 1])
    assert np.array_equal(matrix[np.array([4, 0]), 2], dense[[4, 0], 2])


def test_rows_and_columns_carry_their_fields(matrix):
    picked = matrix[[7, 2], [3, 0]]
    assert picked.lf_names == ("d", "a")
    assert picked.row_ids.tolist() == ["row7", "row2"]
    assert picked.lf_classes.tolist() == [2, -1]
    assert np.array_equal(picked.dense_scores(), matrix.dense_scores()[np.ix_([7, 2], [3, 0])])


def test_a_score_of_zero_of_a_fired_lf_is_kept():
    made = LabelMatrix.from_dense([[0, -1]], scores=[[0.0, 0.5]])
    assert made.scores.nnz == 1
    assert made.dense_scores().tolist() == [[0.0, 0.0]]


def test_no_rows_and_no_votes():
    empty = LabelMatrix.from_dense(np.empty((0, M), dtype=int))
    assert empty.shape == (0, M) and empty.unipolar_plan() == []
    silent = LabelMatrix.from_dense(np.full((N, M), ABSTAIN))
    assert silent.nnz == 0 and not silent.covered().any() and silent.n_classes == 2
    assert "coverage=0.000" in repr(silent)


@pytest.mark.parametrize("top, dtype", [(126, np.int8), (127, np.int16), (32_766, np.int16)])
def test_many_classes_need_a_wider_type(top, dtype):
    made = LabelMatrix.from_dense([[top, -1], [0, top]])
    assert made.dtype == dtype
    assert np.asarray(made).tolist() == [[top, -1], [0, top]]


@pytest.mark.parametrize(
    "votes, message",
    [
        ([[0.5, -1]], "whole numbers"),
        ([[-2, 0]], "found -2"),
        ([[32_767, 0]], "found 32767"),
        ([0, 1], r"shape \(n, m\)"),
        ([["spam", "ham"]], "whole numbers"),
    ],
)
def test_what_is_no_vote(votes, message):
    with pytest.raises(InputError, match=message):
        LabelMatrix.from_dense(votes)


def test_a_vote_beyond_the_classes_names_the_lf():
    with pytest.raises(InputError, match="'b' votes 2, but there are 2 classes"):
        LabelMatrix.from_dense([[0, 2]], lf_names=["a", "b"], classes=["x", "y"])


def test_triplets_must_be_whole_and_distinct():
    with pytest.raises(InputError, match="whole numbers"):
        LabelMatrix.from_triplets([0], [0], [0.7], (1, 1))
    with pytest.raises(InputError, match="votes twice"):
        LabelMatrix.from_triplets([0, 0], [0, 0], [1, 1], (1, 1))


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"lf_names": ["a"]}, "lf_names has 1"),
        ({"lf_names": ["a", "a"]}, "given twice"),
        ({"row_ids": [1, 2, 3]}, "row_ids has 3"),
        ({"lf_classes": [1]}, "lf_classes has 1"),
        ({"continuous": [True]}, "continuous has 1"),
    ],
)
def test_fields_of_the_wrong_length(fields, message):
    with pytest.raises(InputError, match=message):
        LabelMatrix.from_dense([[0, 1]], **fields)


# -- unipolar form ------------------------------------------------------------------------------


@given(votes())
def test_unipolar_columns_hold_one_class_and_lose_no_vote(dense):
    made = LabelMatrix.from_dense(dense)
    plan = made.unipolar_plan()
    split = made.to_unipolar()
    assert split.nnz == made.nnz
    for column, (j, k) in enumerate(plan):
        assert np.array_equal(split.to_dense()[:, column] == k, dense[:, j] == k)
        assert set(split.to_dense()[:, column]) <= {-1, k}
    assert split.lf_classes.tolist() == [k for _, k in plan]


def test_unipolar_names_scores_and_declared_classes(matrix):
    dense = np.array([[0, 1, -1], [2, 1, -1]])
    made = LabelMatrix.from_dense(
        dense, scores=[[0.25, 0.5, 0], [0.75, 1, 0]], lf_names=["a", "b", "c"],
        classes=["x", "y", "z"], lf_classes=[-1, 1, 2],
    )  # fmt: skip
    split = made.to_unipolar()
    assert split.lf_names == ("a=x", "a=z", "b", "c")
    assert split.dense_scores().tolist() == [[0.25, 0, 0.5, 0], [0, 0.75, 1, 0]]


def test_a_foreign_plan_drops_votes_that_it_does_not_hold():
    train = LabelMatrix.from_dense([[0, 1], [0, -1]])
    test = LabelMatrix.from_dense([[1, 1], [0, -1]])
    split = test.to_unipolar(train.unipolar_plan())
    assert split.to_dense().tolist() == [[-1, 1], [0, -1]]


# -- files ---------------------------------------------------------------------------------------


def test_save_and_load(matrix, tmp_path):
    matrix.save(tmp_path / "L.npz")
    assert_same(LabelMatrix.load(tmp_path / "L.npz"), matrix)


@settings(max_examples=20)
@given(votes())
def test_save_and_load_any(dense):
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "L.npz"
        made = LabelMatrix.from_dense(dense)
        made.save(path)
        assert_same(LabelMatrix.load(path), made)


def test_an_existing_file_is_kept(matrix, tmp_path):
    path = tmp_path / "L.npz"
    path.write_text("precious")
    with pytest.raises(OutputExistsError, match="already exists"):
        matrix.save(path)
    assert path.read_text() == "precious"
    matrix.save(path, overwrite=True)
    assert_same(LabelMatrix.load(path), matrix)


def test_a_failed_write_leaves_nothing_behind(matrix, tmp_path, monkeypatch):
    path = tmp_path / "L.npz"
    matrix.save(path)
    before = path.read_bytes()

    def full_disk(*args, **arrays):
        args[0].write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full_disk)
    with pytest.raises(OSError, match="No space left"):
        matrix.save(path, overwrite=True)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.fixture
def saved(matrix, tmp_path):
    matrix.save(tmp_path / "L.npz")
    return tmp_path / "L.npz"


def test_a_truncated_file_is_an_error_at_every_length(saved):
    whole = saved.read_bytes()
    for length in range(0, len(whole), 97):
        saved.write_bytes(whole[:length])
        with pytest.raises(FileFormatError, match=r"L\.npz is not a label matrix file or is damag"):
            LabelMatrix.load(saved)


def test_a_changed_byte_is_an_error_or_harmless(saved, matrix):
    whole = saved.read_bytes()
    for place in range(0, len(whole), 61):
        changed = bytearray(whole)
        changed[place] ^= 0xFF
        saved.write_bytes(changed)
        try:
            assert_same(LabelMatrix.load(saved), matrix)
        except FileFormatError:
            pass


@pytest.mark.parametrize("content", [b"", b"hello", b"\x80\x04}."])
def test_other_files(tmp_path, content):
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(FileFormatError):
        LabelMatrix.load(tmp_path / "x.npz")


def test_another_array_file(tmp_path):
    np.save(tmp_path / "x.npy", np.arange(3))
    np.savez(tmp_path / "y.npz", a=np.arange(3))
    for name in ("x.npy", "y.npz"):
        with pytest.raises(FileFormatError):
            LabelMatrix.load(tmp_path / name)


def test_a_file_with_pickled_objects_runs_no_code(tmp_path):
    np.savez(tmp_path / "x.npz", meta=np.array([{}], dtype=object))
    with pytest.raises(FileFormatError):
        LabelMatrix.load(tmp_path / "x.npz")


def test_a_missing_file_and_a_newer_format(saved):
    with pytest.raises(FileNotFoundError):
        LabelMatrix.load(saved.parent / "none.npz")
    with np.load(saved) as held:
        arrays = dict(held)
    meta = json.loads(arrays["meta"].tobytes()) | {"format": 99}
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), dtype=np.uint8)
    np.savez(saved, **arrays)
    with pytest.raises(FileFormatError, match="format 99, this version reads up to 1"):
        LabelMatrix.load(saved)


def test_the_file_holds_plain_arrays_only(saved):
    with zipfile.ZipFile(saved) as archive:
        assert all(name.endswith(".npy") for name in archive.namelist())


@st.composite
def parts_of_votes(draw):
    m = draw(st.integers(1, M))
    sizes = draw(st.lists(st.integers(0, N), min_size=1, max_size=4))
    continuous = draw(hnp.arrays(bool, m))
    parts = []
    for i, n in enumerate(sizes):
        dense = draw(hnp.arrays(np.int64, (n, m), elements=st.integers(-1, C - 1)))
        scored = draw(st.booleans()) and continuous.any()
        ids = [f"{i}-{k}" for k in range(n)] if draw(st.booleans()) else np.arange(n) + 7 * i
        parts.append(
            LabelMatrix.from_dense(
                dense,
                scores=with_scores(dense, i) if scored else None,
                continuous=continuous if scored else None,
                row_ids=ids,
                classes=["red", "green", "blue"],
            )
        )
    return parts


@given(parts_of_votes())
def test_concatenation_is_that_of_the_arrays(parts):
    whole = LabelMatrix.concatenate(parts)
    assert np.array_equal(whole.to_dense(), np.concatenate([part.to_dense() for part in parts]))
    scores = np.concatenate([part.dense_scores() for part in parts])
    assert np.array_equal(whole.dense_scores(), scores)
    assert (whole.scores is None) == all(part.scores is None for part in parts)
    assert np.array_equal(whole.continuous, np.any([part.continuous for part in parts], axis=0))
    assert [str(i) for i in whole.row_ids] == [str(i) for part in parts for i in part.row_ids]
    kinds = {part.row_ids.dtype.kind for part in parts if len(part)}
    assert whole.row_ids.dtype.kind == ("U" if "U" in kinds else "i") or not len(whole)
    # Every vote has a score of its own, also in parts without: files store them side by side.
    if whole.scores is not None:
        assert np.array_equal(whole.scores.indptr, whole.codes.indptr)
        assert np.array_equal(whole.scores.indices, whole.codes.indices)


@given(parts_of_votes(), st.data())
def test_concatenated_rows_are_the_rows_that_were_taken(parts, data):
    whole = LabelMatrix.concatenate(parts)
    cut = data.draw(st.integers(0, len(whole)))
    assert_same(LabelMatrix.concatenate([whole[:cut], whole[cut:]]), whole)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("lf_names", list("abcdx")),
        ("classes", ["red", "blue", "green"]),
        ("lf_classes", [-1, 0, 1, 2, 2]),
    ],
)
def test_parts_of_other_columns_are_not_concatenated(matrix, field, other):
    fields = {"lf_names": matrix.lf_names, "classes": matrix.classes}
    fields |= {"lf_classes": matrix.lf_classes, field: other}
    stranger = LabelMatrix.from_dense(matrix.to_dense(), **fields)
    with pytest.raises(InputError, match=rf"agree in {field}.*part 1 has"):
        LabelMatrix.concatenate([matrix, stranger])


def test_nothing_is_not_concatenated():
    with pytest.raises(InputError, match="at least one"):
        LabelMatrix.concatenate([])
