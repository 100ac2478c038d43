"""How many threads training may use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and the linear algebra libraries work with one thread within the block.

    The matrices of a linear text model are so small that a second thread gains nothing; on a
    machine that is busy, threads that wait for each other make training much slower.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):
            yield
    finally:
        torch.set_num_threads(before)
