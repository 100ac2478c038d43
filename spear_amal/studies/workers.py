"""Calls in processes of one thread each, results as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import joblib


def in_parallel(
    jobs: int, calls: Sequence[tuple[Callable[..., Any], tuple[Any, ...]]]
) -> Iterator[Any]:
    """Results of calls as they end: here one after the other, or in processes of one thread."""
    if jobs == 1 or len(calls) < 2:
        for function, arguments in calls:
            yield function(*arguments)
        return
    with joblib.parallel_config(backend="loky", inner_max_num_threads=1):
        pool = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", batch_size=1)
        yield from pool(joblib.delayed(function)(*arguments) for function, arguments in calls)


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
