"""Rows in Parquet shards: the same batches as in memory, each shard read once in an epoch."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.data import synthetic_votes
from spear_amal.errors import FileFormatError, InputError
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training import ParquetRows, Table
from spear_amal.training.parquet_table import ShardTable, ShardVotes
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.votes.parquet import VoteFiles, finish_votes, write_part

N, D, M, C = 103, 7, 5, 3
SHARDS = [(0, 17), (17, 18), (18, 59), (59, 80), (80, N)]
WIDE = 2503  # sparse features that stay sparse


def arrow(x, kind):
    if kind == "fixed":
        return {"x": pa.FixedSizeListArray.from_arrays(pa.array(x.ravel()), x.shape[1])}
    if kind == "columns":
        return {f"x{d}": x[:, d] for d in range(x.shape[1])}
    if kind == "lists":
        return {"x": pa.array(x.tolist(), pa.list_(pa.float64()))}
    rows = sp.csr_array(x)
    offsets = pa.array(rows.indptr.astype(np.int32))
    return {
        "i": pa.ListArray.from_arrays(offsets, pa.array(rows.indices)),
        "x": pa.ListArray.from_arrays(offsets, pa.array(rows.data)),
    }


def columns(kind, width=D):
    if kind == "columns":
        return {"features": [f"x{d}" for d in range(D)]}
    return {"features": "x", **({"indices": "i", "n_features": width} if kind == "sparse" else {})}


def write(folder, x, y, kind, **more):
    folder.mkdir(exist_ok=True)
    for number, (low, high) in enumerate(SHARDS):
        held = {**arrow(x[low:high], kind), "y": y[low:high]}
        held |= {name: values[low:high] for name, values in more.items()}
        pq.write_table(pa.table(held), folder / f"rows-{number}.parquet")


def made(folder, kind="fixed", width=D, seed=0, parts=((0, 31), (31, 90), (90, N)), window=2):
    """Rows on disk as a table, and the same rows in memory."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(N, width)) * (rng.random((N, width)) < 4 / width)
    labels, y = synthetic_votes(N, M, C, seed=seed)
    y = np.where(rng.random(N) < 0.3, y, -1)
    write(folder / "rows", x, y, kind)
    written = [write_part(folder, i, labels[low:high]) for i, (low, high) in enumerate(parts)]
    votes = finish_votes(folder, written, lf_names=labels.lf_names)
    source = ParquetRows(folder / "rows", **columns(kind, width))
    gold = np.flatnonzero(y >= 0)
    own = ShardVotes(votes, labels.unipolar_plan())
    table = ShardTable(source, gold, y[gold], own, window=window, n_classes=C)
    held = sp.csr_array(x) if kind == "sparse" else x
    return table, Table(held, y, labels.to_unipolar(), n_classes=C)


def same(one, other):
    assert type(one.x) is type(other.x)
    for name in ("index", "y", "fired", "scores", "teachers"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    if isinstance(one.x, SparseRows):
        assert torch.equal(one.x.columns, other.x.columns)
        assert torch.equal(one.x.values, other.x.values)
        assert one.x.width == other.x.width
    else:
        assert torch.equal(one.x, other.x)


@pytest.mark.parametrize("kind", ["fixed", "columns", "lists", "sparse"])
@pytest.mark.parametrize("width", [D, WIDE])
def test_batches_are_those_of_the_rows_in_memory(tmp_path, kind, width):
    if kind == "columns" and width != D:
        pytest.skip("nobody has a column for each of so many features")
    on_disk, in_memory = made(tmp_path, kind, width)
    assert len(on_disk) == N
    generator = torch.Generator().manual_seed(0)
    for size in (1, 13, N):
        index = torch.randperm(N, generator=generator)[:size]
        same(on_disk.batch(index), in_memory.batch(index))
    again = torch.tensor([100, 3, 3, 100])
    same(on_disk.batch(again), in_memory.batch(again))
    assert len(on_disk.batch(again[:0])) == 0


@given(data=st.data(), window=st.integers(1, 6), seed=st.integers(0, 99))
def test_an_order_holds_every_row_once_and_stays_in_its_window(shards, data, window, seed):
    table = shards
    table.window = window
    chosen = data.draw(st.sets(st.integers(0, N - 1)))
    rows = torch.tensor(sorted(chosen), dtype=torch.int64)
    order = table.shuffled(rows, torch.Generator().manual_seed(seed))
    assert sorted(order.tolist()) == rows.tolist()
    starts = np.array([low for low, _ in SHARDS])
    seen = np.searchsorted(starts, order.numpy(), side="right") - 1
    last = {shard: np.flatnonzero(seen == shard)[-1] for shard in set(seen)}
    for place in range(len(order)):  # shards begun and not ended
        begun = {shard for shard in set(seen[: place + 1]) if last[shard] > place}
        assert len(begun) <= window


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return made(tmp_path_factory.mktemp("shards"))[0]


def test_one_window_is_a_plain_shuffle(shards):
    shards.window = len(SHARDS)
    rows = torch.arange(3, 90)
    order = shards.shuffled(rows, torch.Generator().manual_seed(5))
    assert torch.equal(order, rows[torch.randperm(87, generator=torch.Generator().manual_seed(5))])


@pytest.mark.parametrize("window", [1, 2, 3])
def test_an_epoch_reads_every_shard_once_and_holds_no_more_than_its_window(
    tmp_path, monkeypatch, window
):
    table, _ = made(tmp_path, window=window)
    read, most = [], 0
    plain = ShardTable._read
    monkeypatch.setattr(ShardTable, "_read", lambda self, i: read.append(i) or plain(self, i))
    for seed in range(5):
        table._held.clear()
        read.clear()
        order = table.shuffled(torch.arange(N), torch.Generator().manual_seed(seed))
        for index in order.split(11):
            table.batch(index)
            most = max(most, len(table._held))
        assert sorted(read) == list(range(len(SHARDS)))
    assert most == window


# -- what cannot be used --------------------------------------------------------------------------


def test_a_truncated_shard_is_named_before_anything_is_read(tmp_path):
    made(tmp_path)
    path = tmp_path / "rows" / "rows-2.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match=r"rows-2\.parquet is truncated"):
        ParquetRows(tmp_path / "rows", features="x")


def test_a_shard_damaged_within_is_named(tmp_path):
    table, _ = made(tmp_path)
    path = tmp_path / "rows" / "rows-3.parquet"
    held = bytearray(path.read_bytes())
    held[4:200] = bytes(196)
    path.write_bytes(bytes(held))
    with pytest.raises((FileFormatError, InputError), match=r"rows-3\.parquet"):
        table.batch(torch.tensor([61]))


def test_a_truncated_part_of_the_votes_is_named(tmp_path):
    table, _ = made(tmp_path)
    path = tmp_path / "part-00002.parquet"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FileFormatError, match=r"part-00002\.parquet"):
        table.batch(torch.tensor([101]))


@pytest.mark.parametrize(
    ("held", "given", "match"),
    [
        ({"x": [[1.0, 2.0], [3.0]]}, {}, "its rows have 1 to 2 features"),
        ({"x": [[1.0, 2.0], None]}, {}, r"a row is missing \(null\)"),
        ({"x": [[1.0, 2.0], [3.0, None]]}, {}, r"a value is missing \(null\)"),
        ({"x": [[1.0, 2.0], [3.0, float("nan")]]}, {}, "NaN or infinity"),
        ({"x": ["1", "2"]}, {}, "holds string, needed lists of numbers"),
        ({"x": [["1"], ["2"]]}, {}, "needed lists of numbers"),
        ({"a": [1.0, None], "b": [1.0, 2.0]}, {"features": ["a", "b"]}, "a value is missing"),
        ({"a": ["x", "y"]}, {"features": ["a"]}, "a column holds string"),
        (
            {"x": [[1.0], [2.0]], "i": [[0], [2]]},
            {"indices": "i", "n_features": 2},
            "indices must lie in 0 to 1",
        ),
        (
            {"x": [[1.0], [2.0]], "i": [[0], [0, 1]]},
            {"indices": "i", "n_features": 2},
            "more values than indices",
        ),
    ],
)
def test_features_that_cannot_be_used_name_column_and_file(tmp_path, held, given, match):
    pq.write_table(pa.table({**held, "y": [0, 1]}), tmp_path / "bad.parquet")
    rows = ParquetRows(tmp_path / "bad.parquet", **{"features": "x", **given})
    with pytest.raises(InputError, match=match) as raised:
        rows.read(0)
    assert "bad.parquet" in str(raised.value)


def test_what_is_asked_for_must_be_there(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"x": [[1.0]], "y": [0]}), path)
    with pytest.raises(InputError, match=r"has no column \['id'\]"):
        ParquetRows(path, features="x", row_id="id")
    with pytest.raises(InputError, match="both indices= and n_features="):
        ParquetRows(path, features="x", indices="i")
    with pytest.raises(InputError, match="the one column"):
        ParquetRows(path, features=["x", "y"], indices="i", n_features=3)
    pq.write_table(pa.table({"x": [[1.0]], "y": [0]}).slice(0, 0), path)
    with pytest.raises(InputError, match="hold no row"):
        ParquetRows(path, features="x")


def test_shards_of_other_widths_are_refused(tmp_path):
    for i, row in enumerate([[1.0, 2.0], [1.0, 2.0, 3.0]]):
        pq.write_table(pa.table({"x": [row], "y": [0]}), tmp_path / f"{i}.parquet")
    table = ShardTable(ParquetRows(tmp_path, features="x"), np.array([], int), np.array([], int))
    with pytest.raises(InputError, match=r"1\.parquet has rows of 3 features"):
        table.batch(torch.tensor([1]))


def test_votes_of_other_rows_are_refused(tmp_path):
    names = [f"r{i}" for i in range(N)]
    write(tmp_path / "rows", np.ones((N, D)), np.full(N, -1), "fixed", id=names)
    source = ParquetRows(tmp_path / "rows", features="x", row_id="id")
    none = np.array([], dtype=int)
    dense = np.zeros((N, 2), dtype=int)
    for ids, fits in ((names, True), (names[1:] + names[:1], False), (range(N), False)):
        matrix = LabelMatrix.from_dense(dense, row_ids=ids)
        votes = finish_votes(tmp_path, [write_part(tmp_path, 0, matrix)], lf_names=["a", "b"])
        own = ShardVotes(VoteFiles(tmp_path), [(0, 0), (1, 0)])
        assert len(votes) == N
        if fits:
            batch = ShardTable(source, none, none, own).batch(torch.tensor([70]))
            assert batch.fired.tolist() == [[1, 1]]
            continue
        with pytest.raises(InputError, match="row 0 has the id 'r0'"):
            ShardTable(source, none, none, own)
