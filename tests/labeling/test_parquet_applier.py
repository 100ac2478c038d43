"""Parquet in, votes in parts out: order, ids, faults, resuming, damaged files, clusters."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import threading

import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import FileFormatError, InputError, LabelingError, OutputExistsError
from spear_amal.labeling import (
    DaskApplier,
    LabelingFunction,
    PandasLFApplier,
    ParquetLFApplier,
    SparkApplier,
    keyword_lf,
    labeling_function,
    parquet_applier,
    regex_lf,
    threshold_lf,
)
from spear_amal.votes.parquet import MANIFEST, VoteFiles, part_name

pq = pytest.importorskip("pyarrow.parquet")
CLASSES = ["ham", "spam"]
SIZES = {"b.parquet": 23, "a.parquet": 31, "c.parquet": 0, "d.parquet": 7}


def frame(n: int, seed: int) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    words = np.array(["free", "call", "home"])
    texts = [" ".join(words[draw.integers(0, 3, 2)]) for _ in range(n)]
    ids = [f"{seed}/{i}" for i in range(n)]
    return pd.DataFrame({"text": texts, "size": draw.integers(0, 50, n), "key": ids})


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "rows"
    folder.mkdir()
    for seed, (name, n) in enumerate(SIZES.items()):
        frame(n, seed).to_parquet(folder / name, row_group_size=11)
    return folder


def whole(source) -> pd.DataFrame:
    found = [pd.read_parquet(path) for path in sorted(source.iterdir())]
    return pd.concat([one for one in found if len(one)], ignore_index=True)


@labeling_function(cont_scorer=lambda x: x.size / 40)
def scored(x, continuous_score):
    if x.size == 13:
        raise ValueError("unlucky")
    return "spam" if continuous_score > 0.6 else None


def lfs() -> list:
    return [
        keyword_lf("free", ["free"], "spam"),
        scored,
        LabelingFunction("home", lambda x: "ham" if x.text.startswith("home") else -1),
    ]


TOLERANT = {"fault_tolerant": True, "progress_bar": False}


def check(votes: VoteFiles, source, ids: str | None = "key") -> None:
    rows = whole(source)
    applier = PandasLFApplier(lfs(), classes=CLASSES)
    expected, meta = applier.apply(rows, return_meta=True, **TOLERANT)
    found = votes.to_label_matrix()
    assert np.array_equal(found.to_dense(), expected.to_dense())
    assert np.array_equal(found.dense_scores(), expected.dense_scores())
    assert found.row_ids.tolist() == (rows[ids].tolist() if ids else list(range(len(rows))))
    assert found.classes == expected.classes
    assert found.lf_classes.tolist() == expected.lf_classes.tolist()
    assert votes.about["faults"] == meta.faults != {}
    assert votes.about["clipped"] == meta.clipped != {}
    assert len(votes.about["tracebacks"]["scored"]) == len(meta.tracebacks["scored"])


@pytest.mark.filterwarnings("ignore:LFs failed")
@pytest.mark.parametrize("batch_rows", [3, 11, 25, 1000])
def test_equal_to_labelling_in_memory(source, tmp_path, batch_rows):
    applier = ParquetLFApplier(lfs(), CLASSES)
    how = {"batch_rows": batch_rows, **TOLERANT}
    check(applier.apply(source, tmp_path / "v", row_id="key", **how), source)
    check(applier.apply(source, tmp_path / "w", **how), source, ids=None)


@pytest.mark.filterwarnings("ignore:LFs failed")
def test_several_processes(source, tmp_path):
    applier = ParquetLFApplier(lfs(), CLASSES)
    how = {"batch_rows": 20, "n_jobs": 2, "row_id": "key", **TOLERANT}
    check(applier.apply(source, tmp_path / "v", **how), source)


def test_only_needed_columns_are_read(source, tmp_path):
    votes = ParquetLFApplier([keyword_lf("free", ["free"], 1)]).apply(source, tmp_path / "v")
    assert len(votes) == sum(SIZES.values())
    seen = LabelingFunction("fields", lambda x: int("size" in x))
    votes = ParquetLFApplier([seen]).apply(source, tmp_path / "w", columns=["text"])
    assert set(votes.to_label_matrix().to_dense().ravel()) == {0}


def test_stopped_and_continued(source, tmp_path):
    def lf(limit):
        return LabelingFunction("size", lambda x: int(x.size > limit))

    output = tmp_path / "votes"
    bad = source / "d.parquet"
    kept = bad.read_bytes()
    damaged = bytearray(kept)
    damaged[4:40] = bytes(36)  # the first page; the footer is whole
    bad.write_bytes(bytes(damaged))
    times = bad.stat()
    with pytest.raises(FileFormatError, match=r"(?s)d\.parquet is damaged.*finished is kept"):
        ParquetLFApplier([lf(20)]).apply(source, output, batch_rows=11)
    with pytest.raises(FileNotFoundError, match="did not end"):
        VoteFiles(output)
    before = {p.name: p.stat().st_mtime_ns for p in output.iterdir()}
    assert len(before) >= 5
    bad.write_bytes(kept)
    os.utime(bad, ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    votes = ParquetLFApplier([lf(20)]).apply(source, output, batch_rows=11)
    after = {p.name: p.stat().st_mtime_ns for p in output.iterdir()}
    assert {name: after[name] for name in before} == before
    rows = whole(source)
    assert votes.to_label_matrix().to_dense()[:, 0].tolist() == (rows["size"] > 20).tolist()
    # Other LFs: nothing is kept, and finished votes are not replaced unasked.
    with pytest.raises(OutputExistsError, match="other LFs"):
        ParquetLFApplier([lf(21)]).apply(source, output, batch_rows=11)
    votes = ParquetLFApplier([lf(21)]).apply(source, output, batch_rows=11, overwrite=True)
    assert votes.to_label_matrix().to_dense()[:, 0].tolist() == (rows["size"] > 21).tolist()


def test_damaged_part_is_made_anew(source, tmp_path):
    applier = ParquetLFApplier([keyword_lf("free", ["free"], 1)])
    first = applier.apply(source, tmp_path / "v", batch_rows=11).to_label_matrix()
    path = tmp_path / "v" / part_name(2)
    path.write_bytes(path.read_bytes()[:-9])
    again = applier.apply(source, tmp_path / "v", batch_rows=11).to_label_matrix()
    assert np.array_equal(again.to_dense(), first.to_dense())


def test_truncated_shard_is_named_before_anything_is_written(source, tmp_path):
    path = source / "d.parquet"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FileFormatError, match=r"d\.parquet is truncated"):
        ParquetLFApplier(lfs(), CLASSES).apply(source, tmp_path / "v")
    assert not (tmp_path / "v").exists()


def test_failing_lf_names_file_and_row(source, tmp_path):
    with pytest.raises(LabelingError, match=r"parquet: LF 'scored', row '\d/\d+'.*unlucky"):
        ParquetLFApplier(lfs(), CLASSES).apply(source, tmp_path / "v", row_id="key")


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"row_id": "nothing"}, r"has no column \['nothing'\]"),
        ({"columns": ["nothing"]}, r"has no column \['nothing'\]"),
        ({"batch_rows": 0}, "batch_rows"),
        ({"n_jobs": 0}, "n_jobs"),
    ],
)
def test_bad_arguments(source, tmp_path, how, says):
    with pytest.raises(InputError, match=says):
        ParquetLFApplier(lfs(), CLASSES).apply(source, tmp_path / "v", **how)


def test_no_files(tmp_path):
    with pytest.raises(InputError, match="found none"):
        ParquetLFApplier(lfs(), CLASSES).apply(tmp_path, tmp_path / "v")
    with pytest.raises(FileNotFoundError, match=r"no such Parquet file: .*x\.parquet"):
        ParquetLFApplier(lfs(), CLASSES).apply(tmp_path / "x.parquet", tmp_path / "v")


def test_frames_are_no_files(tmp_path):
    with pytest.raises(InputError, match=r"found DataFrame; write its rows as Parquet first"):
        DaskApplier(lfs(), CLASSES).apply(frame(3, 0), tmp_path / "v")


def test_no_rows(tmp_path):
    frame(0, 0).to_parquet(tmp_path / "empty.parquet")
    votes = ParquetLFApplier(lfs(), CLASSES).apply(tmp_path / "empty.parquet", tmp_path / "v")
    assert votes.shape == (0, 3)
    assert (tmp_path / "v" / MANIFEST).exists()


def test_the_word_nan_in_files_of_spark_is_asked_about(tmp_path):
    pa = pytest.importorskip("pyarrow")
    lfs = [keyword_lf("free", ["free"], 1), keyword_lf("call", ["call"], 1, column="other")]

    def write(name, texts, others, by_spark):
        table = pa.table({"text": texts, "other": others})
        known = {"org.apache.spark.version": "4.0.0"} if by_spark else {}
        pq.write_table(table.replace_schema_metadata(known), tmp_path / name)

    write("a.parquet", ["nan", "free"], ["nan", "call"], True)
    write("b.parquet", ["x", "nan"], ["y", None], True)
    with pytest.warns(UserWarning, match=r"\{'text': 1\}.*makes it of a missing text") as caught:
        ParquetLFApplier(lfs[:1]).apply(tmp_path / "a.parquet", tmp_path / "v")
    assert len(caught) == 1
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for _ in range(2):  # parts that are kept know it as well; a column with a null is no question
        with pytest.warns(UserWarning, match=r"\{'text': 2\}"):
            ParquetLFApplier(lfs).apply(files, tmp_path / "w")
    write("a.parquet", ["nan", "free"], ["nan", "call"], False)
    ParquetLFApplier(lfs).apply(tmp_path / "a.parquet", tmp_path / "x")


@pytest.mark.parametrize("applier", [DaskApplier, SparkApplier])
def test_what_is_no_session_is_refused(source, tmp_path, applier):
    with pytest.raises(InputError, match=r"(client|spark) must be a .*, found object"):
        applier(lfs(), CLASSES, object()).apply(source, tmp_path / "v")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:LFs failed")
def test_dask_loses_a_worker(source, tmp_path):
    distributed = pytest.importorskip("distributed")
    mark = tmp_path / "killed"

    def home(x):
        if x.key == "1/20" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "ham" if x.text.startswith("home") else -1

    cluster = distributed.LocalCluster(
        n_workers=2,
        threads_per_worker=1,
        dashboard_address=None,
        silence_logs=50,
        local_directory=tmp_path / "dask",
    )
    with cluster, distributed.Client(cluster) as client:
        applier = DaskApplier([*lfs()[:2], LabelingFunction("home", home)], CLASSES, client)
        votes = applier.apply(source, tmp_path / "v", batch_rows=11, row_id="key", **TOLERANT)
    assert mark.exists()
    check(votes, source)
    assert not list((tmp_path / "v").glob(".work*"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:LFs failed")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_spark(source, tmp_path):
    pytest.importorskip("pyspark")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none")
    applier = SparkApplier(lfs(), CLASSES)
    how = {"batch_rows": 11, "row_id": "key", "n_jobs": 2, **TOLERANT}
    check(applier.apply(source, tmp_path / "v", **how), source)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:LFs failed")
@pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_spark_connect(source, tmp_path, monkeypatch):
    pytest.importorskip("pyspark")
    pytest.importorskip("grpc_status", reason="Spark Connect needs grpcio-status and zstandard")
    pytest.importorskip("zstandard")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java, and there is none")
    from pyspark.sql import SparkSession

    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    spark = SparkSession.builder.remote("local[1]").getOrCreate()
    try:
        applier = SparkApplier(lfs(), CLASSES, spark)
        how = {"batch_rows": 11, "row_id": "key", **TOLERANT}
        check(applier.apply(source, tmp_path / "v", **how), source)
    finally:
        spark.stop()


def test_kept_parts_have_the_numbers_of_their_rows_now(tmp_path):
    applier = ParquetLFApplier([keyword_lf("free", ["free"], 1)])
    frame(3, 0).to_parquet(tmp_path / "a.parquet")
    frame(4, 1).to_parquet(tmp_path / "b.parquet")
    files = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    applier.apply(files, tmp_path / "v", batch_rows=100)
    frame(5, 2).to_parquet(tmp_path / "a.parquet")
    votes = applier.apply(files, tmp_path / "v", batch_rows=100, overwrite=True)
    assert votes.to_label_matrix().row_ids.tolist() == list(range(9))


@pytest.fixture
def no_thread_stays():
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


@pytest.mark.usefixtures("no_thread_stays")
def test_a_file_that_is_damaged_within_is_named_and_parts_before_it_stay(source, tmp_path):
    damaged = source / "b.parquet"
    content = bytearray(damaged.read_bytes())
    where = pq.ParquetFile(damaged).metadata.row_group(1).column(0).data_page_offset
    content[where : where + 30] = bytes(30)
    damaged.write_bytes(bytes(content))
    applier = ParquetLFApplier([keyword_lf("free", ["free"], 1)])
    with pytest.raises(FileFormatError, match=r"(?s)b\.parquet is damaged .*finished is kept"):
        applier.apply(source, tmp_path / "v", batch_rows=11)
    # Those of a.parquet (31 rows) and of the first row group of b.parquet.
    assert sorted(os.listdir(tmp_path / "v")) == [part_name(i) for i in range(4)]


@pytest.mark.usefixtures("no_thread_stays")
def test_an_lf_that_fails_ends_reading_and_leaves_the_parts_before(source, tmp_path):
    def fail(x):
        if x.key == "1/12":  # in the second part of a.parquet
            raise ValueError("unlucky")
        return 0

    applier = ParquetLFApplier([LabelingFunction("fail", fail)])
    with pytest.raises(LabelingError, match=r"a\.parquet: LF 'fail', row 12: .*unlucky"):
        applier.apply(source, tmp_path / "v", batch_rows=11)
    assert os.listdir(tmp_path / "v") == [part_name(0)]


@pytest.mark.usefixtures("no_thread_stays")
def test_a_disk_that_is_full_is_an_error_of_its_own(source, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(parquet_applier, "write_part", full)
    with pytest.raises(OSError, match="No space left"):
        ParquetLFApplier([keyword_lf("free", ["free"], 1)]).apply(source, tmp_path / "v")
    assert not (tmp_path / "v" / MANIFEST).exists()


@pytest.mark.parametrize("kinds", [["string", "large_string"], ["string_view"], ["dictionary"]])
def test_columns_of_texts_of_every_type(tmp_path, kinds):
    pa = pytest.importorskip("pyarrow")
    made = {
        "string": pa.string(),
        "large_string": pa.large_string(),
        "string_view": pa.string_view(),
        "dictionary": pa.dictionary(pa.int32(), pa.string()),
    }
    texts = ["win", None, "straße 12", "", "you WON", "x" * 40 + " won"]
    lfs = [keyword_lf("win", ["win", "won"], 1), regex_lf("digits", r"\d\d", 0)]
    for kind in kinds:
        table = pa.table({"text": pa.array(texts, made[kind])})
        pq.write_table(table, tmp_path / f"{kind}.parquet", row_group_size=4)
        for rows in (1, 3, 100):
            votes = ParquetLFApplier(lfs).apply(
                tmp_path / f"{kind}.parquet", tmp_path / f"{kind}{rows}", batch_rows=rows
            )
            found = votes.to_label_matrix().to_dense()
            assert found[:, 0].tolist() == [1, -1, -1, -1, 1, 1]
            assert found[:, 1].tolist() == [-1, -1, 0, -1, -1, -1]


def test_numbers_keep_what_they_are_on_the_way_from_a_file(tmp_path):
    pa = pytest.importorskip("pyarrow")
    whole = [2**53, 2**53 + 1, None, -5]
    table = pa.table(
        {
            "whole": pa.array(whole, pa.int64()),
            "float": pa.array([0.5, None, float("nan"), float("inf")]),
            "flag": pa.array([True, None, False, True]),
        }
    )
    pq.write_table(table, tmp_path / "rows.parquet")
    lfs = [
        threshold_lf("large", "whole", 1, above=2**53),
        threshold_lf("float", "float", 1, above=0.25),
        threshold_lf("flag", "flag", 1, above=0),
    ]
    for rows in (1, 3, 100):
        votes = ParquetLFApplier(lfs).apply(
            tmp_path / "rows.parquet", tmp_path / f"v{rows}", batch_rows=rows
        )
        found = votes.to_label_matrix().to_dense()
        assert found.T.tolist() == [[-1, 1, -1, -1], [1, -1, -1, 1], [1, -1, -1, 1]]
