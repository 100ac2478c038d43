"""Calls in processes of one thread each, results as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
