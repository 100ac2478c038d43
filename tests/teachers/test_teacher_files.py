"""Files of teacher outputs by row id: what is written comes back, what is wrong is named."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax

from spear_amal.errors import FileFormatError, InputError, OutputExistsError
from spear_amal.teachers import TeacherFile, as_teacher, save_teacher_outputs
from spear_amal.teachers.arrays import look_up

N, C = 13, 3
NAMES = ["ant", "bee", "cat"]
X = np.zeros((N, 2))


@pytest.fixture
def values():
    return np.random.default_rng(0).normal(size=(N, C))


@pytest.mark.parametrize(
    "ids", [np.arange(N) * 7, [f"row {i}" for i in range(N)], np.arange(N).astype(float)]
)
def test_what_is_written_comes_back_by_id(tmp_path, values, ids):
    path = tmp_path / "out.npz"
    save_teacher_outputs(path, ids, values, NAMES, name="big")
    teacher = as_teacher(path)
    order = np.random.default_rng(1).permutation(N)[:11]
    wanted = np.asarray(ids)[order]
    found = teacher.logits(X[:11], wanted, ["cat", "bee", "ant"])
    np.testing.assert_allclose(found, values[order][:, ::-1], rtol=1e-6)
    assert teacher.name == "big" and as_teacher(path, "other").name == "other"


def test_probabilities_come_back_as_logs_and_silence_when_asked_for(tmp_path, values):
    path = tmp_path / "out.npz"
    p = softmax(values, axis=1)
    p[4] = np.nan
    save_teacher_outputs(path, np.arange(N), p, [0, 1, 2], kind="probabilities")
    found = TeacherFile(path, silent=True).logits(X, None, [0, 1, 2])
    assert np.flatnonzero(np.isnan(found).any(1)).tolist() == [4]
    np.testing.assert_allclose(softmax(np.delete(found, 4, 0), 1), np.delete(p, 4, 0), atol=1e-6)
    with pytest.raises(InputError, match=r"1 of 13 rows, first in \[4\]; silent=True"):
        TeacherFile(path).logits(X, None, [0, 1, 2])
    with pytest.raises(InputError, match="holds probabilities, not logits"):
        TeacherFile(path, kind="logits")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_tables_are_read_by_their_header(tmp_path, values, suffix):
    frame = pd.DataFrame(np.round(values, 3), columns=["2", "0", "1"])
    frame.insert(1, "key", [f"r{i}" for i in range(N)])
    path = tmp_path / f"out{suffix}"
    if suffix == ".csv":
        frame.to_csv(path, index=False)
    elif suffix == ".parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=True)
    found = as_teacher(path, row_id="key").logits(X[:2], ["r5", "r3"], np.array([0, 1, 2]))
    np.testing.assert_allclose(found, np.round(values, 3)[[5, 3]][:, [1, 2, 0]], rtol=1e-6)
    with pytest.raises(InputError, match="no column 'row_id'"):
        as_teacher(path)


def test_tables_that_cannot_be_used(tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("row_id,ant,bee,text\n1,0,1,hello\n")
    with pytest.raises(InputError, match="must be numbers"):
        TeacherFile(path)
    path.write_text("row_id,ant,bee\n1,0,1\n,0,1\n")
    with pytest.raises(InputError, match="1 rows have no 'row_id'"):
        TeacherFile(path)
    path.write_text("row_id,ant,bee\n1,0.5,0.5\n2,0.25,0.75\n")
    with pytest.raises(InputError, match="kind='probabilities'"):
        TeacherFile(path).logits(X[:2], [1, 2], ["ant", "bee"])
    found = TeacherFile(path, kind="probabilities").logits(X[:1], ["2"], ["bee", "ant"])
    np.testing.assert_allclose(softmax(found, 1), [[0.75, 0.25]], atol=1e-6)


def test_missing_rows_are_counted_and_named(tmp_path, values):
    path = tmp_path / "out.npz"
    save_teacher_outputs(path, np.arange(N), values, NAMES)
    with pytest.raises(InputError, match=r"2 of 13 rows have no outputs.*\[99, 98\]"):
        TeacherFile(path).logits(X, [*range(11), 99, 98], NAMES)
    with pytest.raises(InputError, match="row_ids has 2 entries, X has 13"):
        TeacherFile(path).logits(X, [1, 2], NAMES)
    with pytest.raises(InputError, match="row_ids are needed"):
        TeacherFile(path).logits(X[:5], None, NAMES)
    with pytest.raises(InputError, match="whole numbers or text"):
        TeacherFile(path).logits(X[:2], [0.5, 1.5], NAMES)
    assert TeacherFile(path).logits(None, [3, 3, 5], NAMES).shape == (3, C)
    assert TeacherFile(path).logits(X[:0], [], NAMES).shape == (0, C)


def test_an_id_may_be_there_twice_only_with_the_same_outputs(tmp_path, values):
    path = tmp_path / "out.npz"
    save_teacher_outputs(path, [4, 4, 7], values[[0, 0, 1]], NAMES)
    found = TeacherFile(path).logits(X[:2], [7, 4], NAMES)
    np.testing.assert_allclose(found, values[[1, 0]], rtol=1e-6)
    with pytest.raises(InputError, match=r"1 row ids .* more than once .*\[4\]"):
        save_teacher_outputs(tmp_path / "b.npz", [4, 4, 7], values[:3], NAMES)
    table = tmp_path / "out.csv"
    table.write_text("row_id,ant,bee\n4,0,1\n4,0,2\n5,0,0\n")
    with pytest.raises(InputError, match="more than once"):
        TeacherFile(table).logits(X[:1], [5], ["ant", "bee"])
    silent = np.array([[np.nan, np.nan], [0.0, 1.0]])
    for both in (silent, silent[::-1]):
        with pytest.raises(InputError, match="more than once"):
            look_up([1, 1], both, [1], 1)
    assert np.isnan(look_up([1, 1], silent[[0, 0]], [1], 1)).all()


@given(st.lists(st.integers(0, 30), min_size=1, max_size=20))
def test_rows_are_found_wherever_they_are(wanted):
    held = np.random.default_rng(3).permutation(31)
    values = np.stack([held, -held], 1).astype(float)
    found = look_up(held, values, wanted, len(wanted))
    assert found[:, 0].tolist() == wanted
    as_text = look_up(held.astype(str), values, wanted, len(wanted))
    assert as_text.tolist() == found.tolist()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": NAMES[:2]}, "13 row ids and 2 classes"),
        ({"row_ids": [1, 2]}, "2 row ids"),
        ({"classes": ["a", "a", "b"]}, "two or more different"),
        ({"kind": "odds"}, "kind must be"),
        ({"kind": "probabilities"}, "no probabilities"),
        ({"logits": np.full((N, C), np.inf)}, "13 of 13 rows"),
        ({"logits": np.zeros(N)}, "shape"),
        ({"path": "out.csv"}, "written as .npz"),
    ],
)
def test_what_cannot_be_learnt_from_is_not_written(tmp_path, values, change, message):
    given_ = {"path": "out.npz", "row_ids": np.arange(N), "logits": values, "classes": NAMES}
    given_ |= change
    given_["path"] = tmp_path / given_["path"]
    with pytest.raises(InputError, match=message):
        save_teacher_outputs(**given_)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_unasked(tmp_path, values):
    path = tmp_path / "out.npz"
    save_teacher_outputs(path, np.arange(N), values, NAMES)
    with pytest.raises(OutputExistsError):
        save_teacher_outputs(path, np.arange(N), values + 1, NAMES)
    save_teacher_outputs(path, np.arange(N), values + 1, NAMES, overwrite=True)
    found = TeacherFile(path).logits(X, None, NAMES)
    np.testing.assert_allclose(found, values + 1, rtol=1e-6)


def test_damaged_and_foreign_files_are_named(tmp_path, values):
    path = tmp_path / "out.npz"
    save_teacher_outputs(path, np.arange(N), values, NAMES)
    whole = path.read_bytes()
    for size in (0, 1, 30, len(whole) // 2, len(whole) - 3):
        path.write_bytes(whole[:size])
        with pytest.raises(FileFormatError, match="is not a file of teacher outputs or is damaged"):
            TeacherFile(path)
    np.savez(path, values=values)
    with pytest.raises(FileFormatError, match="is not a file of teacher outputs"):
        TeacherFile(path)
    with pytest.raises(InputError, match="there is no file"):
        TeacherFile(tmp_path / "other.npz")


def test_every_altered_byte_is_noticed_or_harmless(tmp_path, values):
    path = tmp_path / "out.npz"
    save_teacher_outputs(path, np.arange(N), values, NAMES)
    whole, right = path.read_bytes(), TeacherFile(path).logits(X, None, NAMES)
    for at in range(0, len(whole), 17):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        try:
            found = TeacherFile(path).logits(X, None, NAMES)
        except FileFormatError:
            continue
        np.testing.assert_array_equal(found, right)


def test_a_newer_format_says_update_and_objects_are_not_unpickled(tmp_path, values):
    path = tmp_path / "out.npz"

    def write(about, ids):
        meta = np.frombuffer(json.dumps(about).encode(), dtype=np.uint8)
        np.savez(path, meta=meta, row_ids=ids, values=values)

    about = {"mark": "teacher outputs", "format": 1, "name": "t", "kind": "logits"}
    about["classes"] = NAMES
    write({**about, "format": 2}, np.arange(N))
    with pytest.raises(FileFormatError, match="format 2: update"):
        TeacherFile(path)
    write(about, np.array(range(N), dtype=object))
    with pytest.raises(FileFormatError, match="holds Python objects"):
        TeacherFile(path)
    write({**about, "kind": "odds"}, np.arange(N))
    with pytest.raises(FileFormatError, match="damaged"):
        TeacherFile(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("meta.npy", b"nothing")
    with pytest.raises(FileFormatError):
        TeacherFile(path)
