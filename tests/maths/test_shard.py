"""Whose rows are whose; sums over processes are in tests/estimators/test_ranks.py."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from spear_amal.distributed.shard import WHOLE, Shard


@given(st.integers(1, 5), st.integers(0, 23), st.integers(0, 99))
def test_every_row_is_in_one_place(world, n, seed):
    asked = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[: n // 2 + 1]
    shards = [Shard(rank, world) for rank in range(world)]
    held = [shard.rows(n) for shard in shards]
    assert torch.cat(held).sort().values.tolist() == list(range(n))
    found = [rows[shard.local(asked)] for shard, rows in zip(shards, held, strict=True)]
    assert sorted(torch.cat(found).tolist()) == sorted(asked.tolist())
    for rank, rows in enumerate(found):
        assert rows.tolist() == [g for g in asked.tolist() if g % world == rank]  # in order


def test_alone_nothing_is_sent_or_copied():
    rows = torch.arange(6).view(3, 2)
    assert WHOLE.local(rows) is rows
    assert WHOLE.total([rows])[0] is rows
    assert WHOLE.stacked(rows)[0] is rows
    assert WHOLE.whole(rows) is rows
    assert WHOLE.all(7) == [7]
    assert WHOLE.agreed(rows) is rows
    assert WHOLE.rows(4).tolist() == [0, 1, 2, 3]
    WHOLE.wait()
