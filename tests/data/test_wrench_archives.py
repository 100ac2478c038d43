"""WRENCH's format in archives, and the two corpora that come as such."""

import io
import json
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import (
    CORPORA,
    WrenchPart,
    corpus_file,
    corpus_status,
    load_corpus,
    partition,
    read_wrench,
    write_wrench,
)
from spear_amal.data.corpora.wrench import wrench_corpus
from spear_amal.data.download.cache import sha256_of
from spear_amal.errors import ChecksumError, DataUnavailableError, FileFormatError, InputError
from spear_amal.votes.label_matrix import LabelMatrix


@pytest.fixture
def folder(tmp_path):
    """Parts of 7, 5 and 3 rows with 2 LFs, classes called no and yes."""
    parts = {}
    for name, n in (("train", 7), ("valid", 5), ("test", 3)):
        y = np.arange(n) % 2
        votes = np.stack([y, np.full(n, -1)], axis=1)
        frame = pd.DataFrame({"feature": [[float(i), 0.5] for i in range(n)], "label": y})
        parts[name] = WrenchPart(frame, LabelMatrix.from_dense(votes, classes=("no", "yes")))
    write_wrench(parts, tmp_path / "plain")
    return tmp_path / "plain"


def tar_of(files, path):
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def files_of(folder, prefix=""):
    return {f"{prefix}{file.name}": file.read_bytes() for file in sorted(folder.iterdir())}


@pytest.mark.parametrize("prefix", ["", "./", "some/where/"])
def test_tar_and_zip_are_read_as_the_folder(folder, tmp_path, prefix):
    tarred = tar_of(files_of(folder, prefix), tmp_path / "a.tar.gz")
    zipped = tmp_path / "a.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for name, content in files_of(folder, prefix).items():
            archive.writestr(name, content)
    expected = read_wrench(folder)
    for path in (tarred, zipped):
        got = read_wrench(path)
        assert list(got) == ["train", "valid", "test"]
        for name, rows in expected.items():
            pd.testing.assert_frame_equal(got[name].frame, rows.frame)
            assert (got[name].label_matrix.to_dense() == rows.label_matrix.to_dense()).all()
    assert wrench_corpus(tarred).name == wrench_corpus(zipped).name == "a"


def test_boxwrench_key_labels_in_an_archive(folder, tmp_path):
    files = files_of(folder)
    rows = json.loads(files["train.json"])
    for row in rows.values():
        row["labels"] = row.pop("label")
    files["train.json"] = json.dumps(rows).encode()
    files["labels.json"] = files.pop("label.json")
    corpus = wrench_corpus(tar_of(files, tmp_path / "box.tar.gz"))
    assert corpus.labels.tolist() == [0, 1, 0, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0, 1, 0]
    assert corpus.classes == ("no", "yes")


def test_archives_that_cannot_be(folder, tmp_path):
    files = files_of(folder)
    without = {name: content for name, content in files.items() if name != "valid.json"}
    twice = files | {f"old/{name}": content for name, content in files.items()}
    for content, told in (
        (without, r"valid\.json is missing"),
        (twice, r"such files in 2 folders \(\., old"),
        ({"../train.json": b"{}", **files}, "outside the archive"),
        ({"/etc/train.json": b"{}", **files}, "outside the archive"),
        (files | {"test.json": files["test.json"][:-9]}, "not JSON or is damaged"),
        ({}, "label.json is missing"),
    ):
        with pytest.raises(FileFormatError, match=told):
            read_wrench(tar_of(content, tmp_path / "bad.tar.gz"))
    whole = tar_of(files, tmp_path / "whole.tar.gz").read_bytes()
    (tmp_path / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError, match="damaged"):
        read_wrench(tmp_path / "cut.tar.gz")


def test_a_link_in_an_archive_is_no_file(folder, tmp_path):
    path = tmp_path / "link.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("train.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(FileFormatError, match="no plain file"):
        read_wrench(path)


def test_vectors_are_features_and_leave_the_frame(folder):
    corpus = wrench_corpus(folder, metric="f1")
    assert corpus.features.shape == (15, 2) and corpus.features.dtype == np.float32
    assert set(corpus.frame) == {"label", "part"} and corpus.metric == "f1"
    assert len(corpus.rows("validation")) == 5


def test_rows_with_other_fields_keep_them_as_columns(folder):
    for name in ("train", "valid", "test"):
        path = folder / f"{name}.json"
        rows = json.loads(path.read_text())
        for key, row in rows.items():
            row["data"] = {"price": int(key), "shop": "ab"[int(key) % 2]}
        path.write_text(json.dumps(rows))
    corpus = wrench_corpus(folder)
    assert corpus.features is None and {"price", "shop"} <= set(corpus.frame)
    for name in ("train", "valid", "test"):
        path = folder / f"{name}.json"
        rows = json.loads(path.read_text())
        path.write_text(json.dumps({key: {**row, "data": {}} for key, row in rows.items()}))
    with pytest.raises(FileFormatError, match="no fields"):
        wrench_corpus(folder)


@pytest.mark.parametrize("name", ["census", "mushroom"])
def test_an_archive_beside_the_folders_is_a_corpus_by_name(folder, tmp_path, monkeypatch, name):
    spec = CORPORA[name]
    [file] = spec.files
    data = tmp_path / "data"
    data.mkdir()
    with pytest.raises(DataUnavailableError, match=r"put them into DIR and .*") as raised:
        load_corpus(name, data, tmp_path / "cache")
    assert file in str(raised.value)
    assert corpus_status(name, data, tmp_path / "cache").state == "not fetched"
    tar_of(files_of(folder), data / file)
    with pytest.raises(ChecksumError, match="not the published file"):
        load_corpus(name, data)
    assert corpus_status(name, data).state == "damaged"
    monkeypatch.setitem(spec.files, file, sha256_of(data / file))
    corpus = load_corpus(name, data)
    assert corpus.name == name and len(corpus) == 15
    assert corpus.metric == {"census": "f1", "mushroom": "accuracy"}[name]
    assert corpus_file(name, file, data) == data / file
    assert corpus_status(name, data).state == "data directory"


def test_mushroom_as_published(real_data):
    corpus = load_corpus("mushroom")
    assert [len(corpus.rows(part)) for part in ("train", "validation", "test")] == [6499, 812, 813]
    assert corpus.features.shape == (8124, 22) and corpus.label_matrix.shape == (8124, 20)


@pytest.mark.slow
def test_census_as_published(real_data):
    corpus = load_corpus("census")
    sizes = [len(corpus.rows(part)) for part in ("train", "validation", "test")]
    assert sizes == [10083, 5561, 16281] and corpus.label_matrix.shape[1] == 83
    assert corpus.features.shape[1] == 105 and corpus.metric == "f1"


def test_partition_of_wrenchs_protocol(folder):
    corpus = wrench_corpus(folder)
    own = corpus.rows("validation").tolist()
    whole = partition(corpus, 3, labelled="wrench")
    assert len(whole.labelled) == 0 and whole.validation.tolist() == own
    assert whole.unlabelled.tolist() == corpus.rows("train").tolist()
    assert whole.test.tolist() == corpus.rows("test").tolist()
    some = partition(corpus, 3, 2, labelled="wrench")
    assert len(some.labelled) == 2 and len(some.validation) == 3
    assert sorted([*some.labelled, *some.validation]) == own
    with pytest.raises(InputError, match='needs a corpus with a part "validation"'):
        partition([0, 1] * 9, 3, 2, 2, labelled="wrench")
