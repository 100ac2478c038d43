"""Continuous scorers: functions that give a labelling function a score in [0, 1]."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any


class ContinuousScorer:
    """A named function from a data point (or batch) to a score, with its resources.

    Parameters
    ----------
    name : str
    f : callable
        ``f(x, **resources)`` returns a number; with a vectorised LF an array (n,).
    resources : mapping, optional
    """

    def __init__(
        self, name: str, f: Callable[..., Any], resources: Mapping[str, Any] | None = None
    ) -> None:
        functools.update_wrapper(self, f)
        self.name = name
        self._f = f
        self.resources = dict(resources or {})

    @classmethod
    def of(cls, scorer: Any) -> ContinuousScorer:
        """Return `scorer`, wrapped if it is a plain callable."""
        if isinstance(scorer, cls):
            return scorer
        return cls(getattr(scorer, "__name__", type(scorer).__name__), scorer)

    def __call__(self, x: Any) -> Any:
        """Score of one data point or batch."""
        return self._f(x, **self.resources)

    def __repr__(self) -> str:
        return f"{type(self).__name__} {self.name}"


def continuous_scorer(name: Any = None, resources: Mapping[str, Any] | None = None) -> Any:
    """Make a :class:`ContinuousScorer` of a function; with brackets or without.

    Examples
    --------
    >>> @continuous_scorer(resources={"words": {"free", "win"}})
    ... def share_of_words(x, words):
    ...     tokens = x.split()
    ...     return sum(token in words for token in tokens) / len(tokens)
    >>> share_of_words("win a free ring")
    0.5
    """
    if callable(name):
        return ContinuousScorer(name.__name__, name)

    def decorate(f: Callable[..., Any]) -> ContinuousScorer:
        return ContinuousScorer(name or f.__name__, f, resources)

    return decorate
