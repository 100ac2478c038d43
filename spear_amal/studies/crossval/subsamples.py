"""Scores with few of the labels, then with more: nested draws of gold rows, and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp

import spear_amal
from spear_amal.errors import InputError
from spear_amal.studies.crossval.runs import HeldOutFold, OuterFolds, run_fold
from spear_amal.studies.crossval.table import ComparedTable
from spear_amal.studies.engine import StudyRun
from spear_amal.studies.methods import MethodSpec
from spear_amal.studies.results_file import LABEL_DRAWS, RunRow

LEAST_OF_CLASS = 2  # gold rows of each class in the smallest draw: one to learn from, one to choose
_LEAST = 10


def nested_order(y: np.ndarray, rows: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return gold rows in an order whose every beginning has the classes in proportion.

    Two rows of each class come first, so that every draw can be learnt from.

    Parameters
    ----------
    y : ndarray (n,)
        Class codes.
    rows : ndarray (k,)
        Numbers of the rows to put in order, all with gold.
    generator : numpy Generator

    Examples
    --------
    >>> y = np.array([0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1])
    >>> order = nested_order(y, np.arange(12), np.random.default_rng(0))
    >>> sorted(y[order[:4]].tolist()), int(y[order[:8]].sum())
    ([0, 0, 1, 1], 3)
    """
    place = np.empty(len(rows))
    first = np.zeros(len(rows), dtype=bool)
    for code in np.unique(y[rows]):
        of_class = generator.permutation(np.flatnonzero(y[rows] == code))
        place[of_class] = (np.arange(len(of_class)) + generator.random()) / len(of_class)
        first[of_class[:LEAST_OF_CLASS]] = True
    order: np.ndarray = rows[np.lexsort((place, ~first))]
    return order


def draw_sizes(largest: int, n_classes: int, number: int) -> list[int]:
    """Return so many numbers of labels, each by the same factor larger than the one before.

    Raises
    ------
    InputError
        If there are too few labels for two of them.

    Examples
    --------
    >>> draw_sizes(160, 2, 5)
    [10, 20, 40, 80, 160]
    """
    smallest = max(_LEAST, LEAST_OF_CLASS * n_classes)
    if largest < 2 * smallest:
        raise InputError(
            f"how scores grow with labels takes at least {2 * smallest} gold rows in training "
            f"({smallest} in the smallest draw), found {largest}; label some more rows first"
        )
    sizes = np.geomspace(smallest, largest, number).round().astype(int)
    return [int(size) for size in np.unique(sizes)]


@dataclass(frozen=True)
class LabelDraws:
    """Nested draws of gold rows, for each time that rows are held out.

    Attributes
    ----------
    folds : OuterFolds
    held_out : list of HeldOutFold
        One a draw.
    repeats : list of int
        The repeat of each draw.
    orders : list of ndarray
        Gold rows of each draw; a beginning of them is labelled.
    sizes : list of int
    """

    folds: OuterFolds
    held_out: list[HeldOutFold]
    repeats: list[int]
    orders: list[np.ndarray]
    sizes: list[int]

    @classmethod
    def draw(
        cls,
        table: ComparedTable,
        n_folds: int,
        repeats: int,
        seed: int,
        n_sizes: int,
        largest: int | None = None,
    ) -> LabelDraws:
        """Deal the gold rows into folds and draw from those of the other folds.

        Raises
        ------
        InputError
            If there are too few gold rows.
        """
        folds = OuterFolds.draw(table, n_folds, repeats, seed)
        held_out, numbers, orders = [], [], []
        for repeat, fold in enumerate(folds.fold):
            for number in range(folds.n_folds):
                part = HeldOutFold(table, fold, number)
                generator = np.random.default_rng([folds.seeds[repeat], number])
                rows = np.flatnonzero(part.kept & (table.rows.y >= 0))
                held_out.append(part)
                numbers.append(repeat)
                orders.append(nested_order(table.rows.y, rows, generator))
        most = min(len(order) for order in orders)
        if largest is not None:
            most = min(most, largest)
        n_classes = len(np.unique(table.rows.y[table.gold]))
        return cls(folds, held_out, numbers, orders, draw_sizes(most, n_classes, n_sizes))

    def labelled(self, draw: int, size: int) -> np.ndarray:
        """Return which rows (n,) have their gold in a draw."""
        mask = np.zeros(len(self.held_out[draw].fold), dtype=bool)
        mask[self.orders[draw][:size]] = True
        return mask

    def runs(
        self, specs: Sequence[MethodSpec], metric: str, settings: dict[str, Any]
    ) -> list[StudyRun]:
        """Return all runs; those of one draw follow each other, since they share features."""
        return [
            self._run(draw, size, spec, metric, settings)
            for draw in range(len(self.held_out))
            for size in self.sizes
            for spec in specs
        ]

    def _run(
        self, draw: int, size: int, spec: MethodSpec, metric: str, settings: dict[str, Any]
    ) -> StudyRun:
        part, labelled = self.held_out[draw], self.labelled(draw, size)
        table, seed = part.table, self.folds.seeds[self.repeats[draw]]
        config = {
            "options": spec.settled,
            "settings": settings,
            "fold": part.number,
            "folds": self.folds.n_folds,
            "data": table.digest,
            "version": spear_amal.__version__,
        }
        row = {
            "corpus": table.name,
            "method": spec.text,
            "title": spec.title,
            "seed": seed,
            "metric": metric,
            "features": table.features,
            "protocol": LABEL_DRAWS,
            "labels": size,
            "config": config,
        }
        return StudyRun(
            row,
            run_fold,
            (part, spec, seed, metric, settings, labelled),
            f"{spec.title}, {size} labels, draw {draw + 1} of {len(self.held_out)}",
            group="draws",
        )


@dataclass(frozen=True)
class DrawnPredictions:
    """What models predicted with so many labels.

    Attributes
    ----------
    y : ndarray (n,)
        Gold codes of the scored rows.
    groups : ndarray (n,)
    rows : list of ndarray
        Which scored rows each draw held out.
    predicted : dict of (method, size) to list of ndarray
        Predicted codes of those rows, one array a draw.
    n_classes : int
    positive : int
        Class of the metric "f1".
    """

    y: np.ndarray
    groups: np.ndarray
    rows: list[np.ndarray]
    predicted: dict[tuple[str, int], list[np.ndarray]] = field(repr=False)
    n_classes: int
    positive: int

    @classmethod
    def gather(
        cls, table: ComparedTable, draws: LabelDraws, rows: Sequence[RunRow]
    ) -> DrawnPredictions:
        """Return the predictions of finished runs, which are in the order of the runs."""
        scored = table.scored
        place = np.full(len(table.rows), -1)
        place[table.gold] = np.arange(len(table.gold))
        n_draws = len(draws.held_out)
        of_draw: list[np.ndarray] = []
        predicted: dict[tuple[str, int], list[np.ndarray]] = {}
        for number, row in enumerate(rows):
            numbers = np.asarray(row["rows"], dtype=int)
            if number % (len(rows) // n_draws) == 0:
                of_draw.append(place[numbers] if table.test is None else numbers)
            key = (row["method"], int(row["labels"]))
            predicted.setdefault(key, []).append(np.asarray(row["predicted"], dtype=int))
        return cls(scored.y, scored.groups, of_draw, predicted, len(table.classes), table.positive)

    def scores(self, method: str, size: int, metric: str, weights: Weights) -> np.ndarray:
        """Return scores (B,) over all draws, for B weights of rows and draws."""
        C = self.n_classes
        confusions = np.zeros((len(weights.of_draws), C * C))
        for draw, codes in enumerate(self.predicted[method, size]):
            rows = self.rows[draw]
            cells = self.y[rows] * C + codes
            places = np.arange(len(rows)), cells
            where = sp.csr_array((np.ones(len(rows)), places), (len(rows), C * C))
            confusions += weights.of_draws[:, [draw]] * (weights.of_rows[:, rows] @ where)
        return _score(metric, confusions.reshape(-1, C, C), self.positive)


@dataclass(frozen=True)
class Weights:
    """How often rows and draws count: once each, and as B - 1 bootstrap samples have them.

    Attributes
    ----------
    of_rows : ndarray (B, n)
    of_draws : ndarray (B, draws)
    """

    of_rows: np.ndarray
    of_draws: np.ndarray

    @classmethod
    def bootstrap(cls, groups: np.ndarray, n_draws: int, times: int, seed: int) -> Weights:
        """Draw groups of rows, and draws, with replacement; both at once.

        One less is drawn than there are, and weighs accordingly more, so that variances are not
        too small where there are few (Rao and Wu 1988).
        """
        generator = np.random.default_rng([seed, 1_801])
        numbers = np.unique(groups, return_inverse=True)[1]
        of_rows = _resampled(int(numbers.max()) + 1, times, generator)[:, numbers]
        of_draws = _resampled(n_draws, times, generator)
        ones = np.ones((1, len(groups))), np.ones((1, n_draws))
        return cls(np.concatenate([ones[0], of_rows]), np.concatenate([ones[1], of_draws]))


def _resampled(n: int, times: int, generator: np.random.Generator) -> np.ndarray:
    """Return how often each of n counts, (times, n)."""
    if n == 1:
        return np.ones((times, 1))
    counts = generator.multinomial(n - 1, np.full(n, 1 / n), size=times)
    weights: np.ndarray = counts * n / (n - 1)
    return weights


def _score(metric: str, confusion: np.ndarray, positive: int) -> np.ndarray:
    """Return scores (B,) of confusion matrices (B, C, C), gold in rows."""
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    gold, answered = confusion.sum(2), confusion.sum(1)
    if metric == "accuracy":
        total: np.ndarray = hits.sum(1) / np.maximum(gold.sum(1), 1e-12)
        return total
    sizes = gold + answered
    f1 = np.divide(2 * hits, sizes, out=np.zeros_like(hits), where=sizes > 0)
    if metric == "f1":
        return f1[:, positive]
    judged = sizes[0] > 0
    mean: np.ndarray = f1[:, judged].mean(1)
    return mean
