"""Two processes under DistributedDataParallel do what one does on both their rows."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from spear_amal.distributed.shard import mean_over_ranks, sum_over_ranks

HERE = Path(__file__)
WORLD = 2
NEAR = {
    "warmup": 0,
    "refresh_every": 1,
    "weight_sharing": "row",
    "normalise": "none",
    "lookahead_lr": 1e-9,
}
KINDS = {
    "fixed": {},
    "uncertainty": {},
    "gcs": {},
    "maoal": {"every": 1},
    "auxilearn": {"every": 1, "lr": 0.1},
    # A step of nothing: then each row's weight does not depend on the other rows of its group.
    "amal": {**NEAR, "clamp": (0, 2), "weight_lr": 0.5},
    "mwn": {"seed": 3},
}
SAME_AS_ONE = ["fixed", "uncertainty", "gcs", "maoal", "auxilearn", "amal"]


def train(name, rank, world):
    """Two epochs of two batches; each process takes every second row of a batch."""
    # The loop of the other tests; a new process does not know pytest's conftest.
    loop = runpy.run_path(str(HERE.with_name("conftest.py")))["Loop"](dtype=torch.float64)
    loop.net.trunk[2].p = 0.0
    loop.model = DistributedDataParallel(loop.net) if world > 1 else loop.net
    parts = [batch[rank::world] for batch in torch.arange(52).split(26)]
    loop.batches = lambda *_: parts
    mixer = loop.mixer(name, **KINDS[name])
    parameters = loop.run(mixer, epochs=2)
    return {"parameters": parameters, **mixer.state_dict()["state"]}


def work(rank, folder):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORLD
    )
    found = {name: train(name, rank, WORLD) for name in KINDS}
    own = [torch.full((2, 3), rank + 1.0), torch.tensor([5 * rank])]  # two shapes, two dtypes
    found["sum"] = dict(zip("ab", sum_over_ranks(own), strict=True))
    found["mean"] = dict(zip("ab", mean_over_ranks(own), strict=True))
    torch.save(found, f"{folder}/{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ranks")
    commands = [[sys.executable, str(HERE), str(rank), str(folder)] for rank in range(WORLD)]
    running = [subprocess.Popen(c, stderr=subprocess.PIPE, text=True) for c in commands]
    try:
        for process in running:
            _, said = process.communicate(timeout=300)
            assert process.returncode == 0, said
    finally:  # one that waits for another that failed
        for process in running:
            process.kill()
            process.wait()
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


@pytest.mark.parametrize("name", SAME_AS_ONE)
def test_two_processes_are_one_with_both_their_rows(ranks, name):
    expected = train(name, 0, 1)
    for found in ranks:
        assert set(found[name]) == set(expected)
        for key, value in expected.items():
            torch.testing.assert_close(found[name][key], value, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_all_processes_are_the_same(ranks, name):
    one, other = (found[name] for found in ranks)
    for key, value in one.items():
        assert torch.equal(value, other[key]), key


def test_sums_and_means_keep_shapes_and_dtypes(ranks):
    for found in ranks:
        assert torch.equal(found["sum"]["a"], torch.full((2, 3), 3.0))
        assert torch.equal(found["sum"]["b"], torch.tensor([5]))
        assert torch.equal(found["mean"]["a"], torch.full((2, 3), 1.5))
        assert torch.equal(found["mean"]["b"], torch.tensor([2]))  # of whole numbers: cut off


if __name__ == "__main__":
    work(int(sys.argv[1]), sys.argv[2])
