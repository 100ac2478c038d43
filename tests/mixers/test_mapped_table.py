"""Weights in a file: equal to those in memory, and safe for what refers to them."""

import os
from collections import namedtuple

import pytest
import torch

from spear_amal.errors import FileFormatError
from spear_amal.mixers.weight_table import MappedTable, WeightTable, file_of

N, K = 101, 3
START = torch.tensor([1.0, 0.5, 0.0])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float16"])


def change(table, seed):
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randperm(N, generator=generator)[:17]
    table[rows] = table[rows] + torch.rand(17, K, generator=generator)


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.bin"))


@DTYPES
def test_it_holds_what_a_table_in_memory_holds(tmp_path, dtype):
    mapped, plain = MappedTable(N, START, dtype, tmp_path), WeightTable(N, START, dtype)
    assert torch.equal(mapped.whole(), START.expand(N, K))
    for seed in range(3):
        for table in (mapped, plain):
            change(table, seed)
    assert torch.equal(mapped.whole(), plain.whole())
    assert len(mapped) == N
    assert mapped.path.stat().st_size == N * K * plain.values.element_size()


def test_a_new_table_takes_no_room(tmp_path):
    table = MappedTable(10_000_019, torch.ones(4), "float16", tmp_path)
    rows = torch.tensor([0, 9_999_999])
    table[rows] = torch.full((2, 4), 0.25)
    following = table.snapshot()
    table[rows] = torch.full((2, 4), 0.75)
    assert following[rows].unique().tolist() == [0.25]
    for path in (table.path, following.path):
        assert path.stat().st_size == 80_000_152
        if path.stat().st_blocks * 512 > 40_000_000:
            pytest.skip("this file system stores holes")


@DTYPES
def test_a_state_finds_its_weights_however_they_go_on(tmp_path, dtype):
    table = MappedTable(N, START, dtype, tmp_path)
    change(table, 0)
    state, then = table.state_dict(), table.whole()
    seen = table.snapshot()
    change(table, 1)
    change(table, 2)
    later = table.whole()
    assert not torch.equal(later, then)
    assert torch.equal(seen.whole(), then)
    again = MappedTable(N, START, dtype, tmp_path)  # another process, in effect
    again.load_state_dict(state)
    assert torch.equal(again.whole(), then)
    assert len({path.parent for path in tmp_path.rglob("*.bin")}) == 1
    change(again, 1)
    change(again, 2)
    assert torch.equal(again.whole(), later)
    assert torch.equal(MappedTable(N, START, dtype, tmp_path).whole(), START.expand(N, K))


def test_versions_that_nothing_refers_to_are_removed(tmp_path):
    table = MappedTable(N, START, "float16", tmp_path)
    states = []
    for seed in range(4):
        change(table, seed)
        states.append(table.state_dict())
    change(table, 4)
    assert len(files(tmp_path)) == 5
    table.keep_files({file_of(states[1])})
    assert files(tmp_path) == sorted([file_of(states[1]), table.name])
    other = MappedTable(N, START, "float16", tmp_path)
    other.keep_files(set())
    assert set(files(tmp_path)) == {file_of(states[1]), table.name, other.name}


@pytest.mark.parametrize("size", [None, 0, 100])
def test_a_file_that_is_gone_or_cut_off_is_named(tmp_path, size):
    table = MappedTable(N, START, "float16", tmp_path)
    change(table, 0)
    state = table.state_dict()
    path = tmp_path / file_of(state)
    if size is None:
        path.unlink()
    else:
        os.truncate(path, size)
    with pytest.raises(FileFormatError, match=path.name) as raised:
        MappedTable(N, START, "float16", tmp_path).load_state_dict(state)
    assert "remove the checkpoint" in str(raised.value)


def test_a_state_names_files_of_tables_only(tmp_path):
    table = MappedTable(N, START, "float16", tmp_path / "tables")
    (tmp_path / "mine.bin").write_bytes(bytes(N * K * 2))
    state = {"file": torch.tensor(list(b"../mine.bin")).byte()}
    with pytest.raises(FileFormatError):
        table.load_state_dict(state)


def test_a_disk_without_room_is_reported_before_it_is_full(tmp_path, monkeypatch):
    table = MappedTable(N, START, "float16", tmp_path)
    state, before = table.state_dict(), table.whole()
    usage = namedtuple("usage", "total used free")(1000, 900, 100)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"606 bytes, 100 are free"):
        MappedTable(N, START, "float16", tmp_path)
    with pytest.raises(OSError, match="table_path"):
        change(table, 0)
    assert torch.equal(table.whole(), before)
    assert files(tmp_path) == [file_of(state)]


def test_a_table_without_rows(tmp_path):
    table = MappedTable(0, START, "float16", tmp_path)
    assert table.whole().shape == (0, K)
    table.load_state_dict(table.state_dict())
