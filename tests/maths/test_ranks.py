"""Means over processes where there is only one: several are tested with the library form."""

import pytest
import torch
import torch.distributed as dist

from spear_amal.distributed.shard import mean_over_ranks, n_ranks


@pytest.fixture
def group_of_one(tmp_path):
    if not dist.is_gloo_available():
        pytest.skip("gloo is not part of this torch")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/ranks", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_without_processes_values_are_handed_back():
    values = [torch.ones(3, requires_grad=True), torch.zeros((), dtype=torch.int64)]
    assert n_ranks() == 1
    assert all(a is b for a, b in zip(mean_over_ranks(values), values, strict=True))
    assert mean_over_ranks([]) == []


def test_a_group_of_one_is_as_good_as_none(group_of_one):
    values = [torch.randn(2, 3)]
    assert n_ranks() == 1
    assert mean_over_ranks(values)[0] is values[0]


def test_the_mean_keeps_shapes_dtypes_and_order(group_of_one, monkeypatch):
    """One message for all of them; a second process that holds the same is played."""
    sent = []

    def twice(flat):
        sent.append(flat.clone())
        flat *= 2

    monkeypatch.setattr("spear_amal.distributed.shard.n_ranks", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", twice)
    values = [
        torch.randn(2, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(5),
        torch.zeros(0, 7),
        torch.tensor(1.5),
    ]
    found = mean_over_ranks(values)
    assert len(sent) == 1
    assert sent[0].numel() == 6 + 5 + 0 + 1
    for one, other in zip(found, values, strict=True):
        assert one.dtype == other.dtype
        assert not one.requires_grad
        torch.testing.assert_close(one, other.detach())
    assert mean_over_ranks([]) == []
    assert len(sent) == 1
