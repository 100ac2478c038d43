"""Joining the processes that ``torchrun`` has started, for the time of one fit."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
import torch.distributed as dist

from spear_amal.distributed.shard import WHOLE, Shard
from spear_amal.errors import InputError

_MEETINGS = itertools.count()


@contextmanager
def process_group(distributed: str | None, device: str) -> Iterator[Shard]:
    """Open a process group; yield the shard of this process.

    Parameters
    ----------
    distributed : "auto" or None
        "auto" takes the process group that there is, or makes one of the processes that
        ``torchrun`` started and ends it afterwards; without either, and with None, this process
        trains alone.
    device : str
        "cuda" stands for the GPU number ``LOCAL_RANK`` while this lasts.

    Raises
    ------
    InputError
        If torch was built without ``torch.distributed``.
    """
    world = int(os.environ.get("WORLD_SIZE", "1"))
    joined = dist.is_available() and dist.is_initialized()
    if distributed is None or (not joined and world == 1):
        yield WHOLE
        return
    if not dist.is_available():
        raise InputError("this torch cannot train in several processes; use distributed=None")
    with _own_gpu(device):
        if joined:
            yield _here()
            return
        # Sums run where tensors are; decisions and small messages on the CPU.
        backend = "cpu:gloo,cuda:nccl" if device.startswith("cuda") else "gloo"
        store, rank, world = next(dist.rendezvous("env://"))
        store = dist.PrefixStore(_meeting(), store)
        dist.init_process_group(backend, store=store, rank=rank, world_size=world)
        try:
            yield _here()
            dist.barrier()  # none leaves while another still waits for its answer
        finally:
            dist.destroy_process_group()


def _meeting() -> str:
    """Return a name for the group that is made next.

    torchrun keeps one store for all fits of a script and all its restarts: addresses that an
    earlier group left there under the same name would be tried in vain.
    """
    return f"spear_amal/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}/{next(_MEETINGS)}"


def _here() -> Shard:
    return Shard(dist.get_rank(), dist.get_world_size())


def _own_gpu(device: str) -> torch.cuda.device | nullcontext[None]:
    local = os.environ.get("LOCAL_RANK")
    return torch.cuda.device(int(local)) if device == "cuda" and local else nullcontext()
