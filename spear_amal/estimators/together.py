"""Fits in steps: what a fit wants trained goes out as a list, so that many fits train together.

A fit is a generator. It yields the models that it wants trained next (all folds at once, or the one
of a refit), is sent their results, and returns the fitted estimator. Driven alone it is an ordinary
fit; driven together, the models of many fits are trained in one call, which stacks those that are
alike. Between two of its steps a fit holds nothing open that another one could notice.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import scipy.sparse as sp
from torch import Tensor

from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training import TrainingResult
from spear_amal.training.members import Member, fit_members
from spear_amal.warn_once import ShownTexts, each_warning_once

if TYPE_CHECKING:
    from spear_amal.estimators.base import BaseSpearEstimator

T = TypeVar("T")
Steps: TypeAlias = Generator[list[Member], list[TrainingResult | Exception], T]

#: Bytes that fits which train together may hold; one that needs more trains alone.
MEMORY = 2**30
_COPIES = 5  # of a parameter: itself, gradient, two moments of Adam, that of the best epoch
_ROWS = 2  # of a table: itself, and beside those of other fits
_TABLES = 3  # of weights of rows: now, of the best epoch, after the last one


def train_members(members: list[Member]) -> Steps[list[TrainingResult]]:
    """Return results of models that were trained; the first error is raised after all are done."""
    results = yield members
    trained = [result for result in results if isinstance(result, TrainingResult)]
    for result in results:
        if isinstance(result, Exception):
            raise result
    return trained


def all_of(fits: Sequence[Steps[T]]) -> Steps[list[T]]:
    """Run several fits as one: what each wants trained next is asked for in one list."""
    values: dict[int, T] = {}
    results: dict[int, Any] = dict.fromkeys(range(len(fits)))
    try:
        while results:
            asked: dict[int, list[Member]] = {}
            for i, trained in results.items():
                try:
                    asked[i] = fits[i].send(trained)
                except StopIteration as end:
                    values[i] = end.value
            if asked:
                answers = iter((yield [member for members in asked.values() for member in members]))
            results = {i: [next(answers) for _ in members] for i, members in asked.items()}
    finally:
        for fit in fits:
            fit.close()
    return [values[i] for i in range(len(fits))]


def named_within(title: str, steps: Steps[T]) -> Steps[T]:
    """Run steps whose models are said to be trained for `title`."""
    results: Any = None
    with closing(steps):
        while True:
            try:
                members = steps.send(results)
            except StopIteration as end:
                value: T = end.value
                return value
            results = yield [replace(member, within=(title, *member.within)) for member in members]


def finish(steps: Steps[T]) -> T:
    """Run a fit to its end, alone."""
    with each_warning_once(), closing(steps):  # every fold would say it again
        try:
            members = next(steps)
            while True:
                members = steps.send(fit_members(members))
        except StopIteration as end:
            value: T = end.value
            return value


@dataclass
class Stopwatch:
    """Seconds of a fit: those of its own steps, and its share of what was trained together."""

    seconds: float = 0.0

    def time(self, steps: Steps[T]) -> Steps[T]:
        """Run steps, counting their time and not that in which they wait for others."""
        results: Any = None
        with closing(steps):
            while True:
                began = time.perf_counter()
                try:
                    members = steps.send(results)
                except StopIteration as end:
                    value: T = end.value
                    return value
                finally:
                    self.seconds += time.perf_counter() - began
                results = yield members
                self.seconds += sum(getattr(result, "seconds", 0.0) for result in results)


@dataclass
class Ending(Generic[T]):
    """How a fit ended.

    Attributes
    ----------
    number : int
        Its place among all fits.
    value : object
        What it returned; None after an error.
    error : Exception or None
    warnings : ShownTexts
        What it warned of, each text once, as it would have alone.
    """

    number: int
    value: T | None = None
    error: Exception | None = None
    warnings: ShownTexts = field(default_factory=dict)


class _Walk(Generic[T]):
    """A fit under way: the models that it waits for, or its ending."""

    def __init__(self, number: int, steps: Steps[T]) -> None:
        self.members: list[Member] = []
        self.bytes = 0
        self.ending: Ending[T] | None = None
        self._number, self._steps = number, steps
        self._shown: ShownTexts = {}

    def advance(self, results: Any = None) -> None:
        """Run to the next request; what goes wrong is its ending, and nobody else's."""
        for result in results or ():
            self._shown |= getattr(result, "warnings", {})
        value, error = None, None
        try:
            with each_warning_once(self._shown):
                self.members = self._steps.send(results)
            self.bytes = bytes_of(self.members)
            return
        except StopIteration as end:
            value = end.value
        except Exception as caught:
            error = caught
        self.members, self.ending = [], Ending(self._number, value, error, self._shown)

    def run(self) -> None:
        """Run to the end, alone."""
        while self.ending is None:
            self.advance(fit_members(self.members))

    def close(self) -> None:
        """Close what is under way."""
        self._steps.close()


def finish_together(fits: Iterable[Steps[T]], memory: int = MEMORY) -> Iterator[Ending[T]]:
    """Run fits to their ends, training what they ask for together; yield endings as they come.

    Each gets the result that it gets alone. An error, such as a model that diverges, ends its own
    fit only.

    Parameters
    ----------
    fits : iterable of Steps
        Begun one after the other, as long as there is room.
    memory : int
        Bytes for rows, parameters, moments of the optimiser and weights of the fits under way; see
        :func:`bytes_of`. A fit that needs more goes alone.
    """
    waiting = iter(enumerate(fits))
    under_way: list[_Walk[T]] = []
    more = True
    try:
        while more or under_way:
            while more and sum(walk.bytes for walk in under_way) < memory:
                numbered = next(waiting, None)
                if numbered is None:
                    more = False
                    break
                walk = _Walk(*numbered)
                under_way.append(walk)
                walk.advance()
                # Processes that share rows meet within the fit: no other may be open meanwhile.
                if _spread(walk.members):
                    walk.run()
                if walk.ending is not None:
                    under_way.remove(walk)
                    yield walk.ending
            _train_pooled(under_way)
            endings = [walk.ending for walk in under_way if walk.ending is not None]
            under_way = [walk for walk in under_way if walk.ending is None]
            yield from endings
    finally:
        for walk in under_way:
            walk.close()


def _spread(members: Sequence[Member]) -> bool:
    """Return whether several processes share the rows."""
    return any(member.shard.world > 1 for member in members)


def _train_pooled(walks: Sequence[_Walk[Any]]) -> None:
    """Train what all fits under way wait for in one call, and let each take its next step."""
    if not walks:
        return
    with each_warning_once():
        results = iter(fit_members([member for walk in walks for member in walk.members]))
    for walk in walks:
        walk.advance([next(results) for _ in walk.members])


def steps_of(estimator: BaseSpearEstimator, given: Mapping[str, Any]) -> Steps[BaseSpearEstimator]:
    """Return the fit of an estimator in steps; one whose class writes `fit` alone takes one step.

    Parameters
    ----------
    estimator : BaseSpearEstimator
    given : mapping
        Arguments of its `fit` by name.
    """
    owner = next(cls for cls in type(estimator).__mro__ if "fit" in vars(cls))
    if {"fit_steps", "_fit_steps"} & set(vars(owner)):
        return estimator.fit_steps(**given)
    return _in_one(estimator, given)


def _in_one(estimator: BaseSpearEstimator, given: Mapping[str, Any]) -> Steps[BaseSpearEstimator]:
    return estimator.fit(**given)
    yield  # a generator that asks for nothing


def fit_together(
    fits: Iterable[tuple[BaseSpearEstimator, Mapping[str, Any]]], memory: int = MEMORY
) -> list[BaseSpearEstimator | Exception]:
    """Fit estimators, training together what is alike.

    Parameters
    ----------
    fits : iterable of (estimator, arguments of its fit by name)
    memory : int
        As for :func:`finish_together`.

    Returns
    -------
    list of fitted estimator or Exception
        In the order of `fits`.
    """
    steps = (steps_of(estimator, given) for estimator, given in fits)
    with each_warning_once():
        endings = sorted(finish_together(steps, memory), key=lambda ending: ending.number)
    return [ending.error or ending.value for ending in endings]  # type: ignore[misc]


def bytes_of(members: Sequence[Member]) -> int:
    """Return the bytes that models take while they are trained; rows that they share count once."""
    rows: dict[int, int] = {}
    total = 0
    for member in members:
        parameters = sum(p.numel() * p.element_size() for p in member.model.parameters())
        total += _COPIES * parameters + _TABLES * 4 * len(member.table) * len(member.components)
        for table in (member.table, member.selection, member.outer):
            rows |= {} if table is None else dict(_storages(vars(table)))
    return total + _ROWS * sum(rows.values())


def _storages(parts: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    """Yield address and bytes of the arrays that a table consists of."""
    for part in parts.values():
        if isinstance(part, Tensor):
            yield part.data_ptr(), part.numel() * part.element_size()
        elif isinstance(part, Mapping):
            yield from _storages(part)
        elif sp.issparse(part):
            yield id(part), part.data.nbytes + part.indices.nbytes
        elif isinstance(part, SparseRows):
            yield from _storages(vars(part))
