"""Several methods on the same split, scored by the same scorer."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from spear_amal.estimators import BaseSpearEstimator
from spear_amal.estimators.together import Steps, Stopwatch, finish, finish_together, steps_of
from spear_amal.studies.methods import MethodSpec, parse_method
from spear_amal.studies.split import HeldOutScorer, Split
from spear_amal.warn_once import each_warning_once


@dataclass(frozen=True)
class SplitComparisonRow:
    """One method's result on one split.

    Attributes
    ----------
    scores : dict
        All test metrics; ``scores[metric]`` is the one of the corpus.
    val_score : float
        Validation score of the chosen epoch, in the same metric.
    seconds : float
        Wall time of ``fit``: its own steps, and its share of what was trained together.
    """

    method: str
    title: str
    given: str
    metric: str
    scores: dict[str, float]
    val_score: float
    seconds: float

    @property
    def optimism(self) -> float:
        """Validation minus test score: how far V flatters."""
        return self.val_score - self.scores[self.metric]


@dataclass
class SplitComparison:
    """Rows in the order of the names, and the fitted estimators by the method's text."""

    rows: list[SplitComparisonRow] = field(default_factory=list)
    estimators: dict[str, BaseSpearEstimator] = field(default_factory=dict)


def compare_on_split(
    split: Split,
    scorer: HeldOutScorer,
    names: Sequence[str],
    seed: int = 0,
    progress: Callable[[MethodSpec], None] | None = None,
    **settings: Any,
) -> SplitComparison:
    """Fit methods, training together what is alike, and score them.

    Parameters
    ----------
    split : Split
    scorer : HeldOutScorer
    names : sequence of str
        Methods as :func:`parse_method` reads them: ``"amal"``, ``"spear:crossfit=5"``.
    seed : int
        Random state of every estimator.
    progress : callable, optional
        Called with each method as its fit begins.
    **settings
        Passed to every estimator, so that comparisons stay fair (``lr=``, ``feature_model=``, ..).
    """
    methods = [parse_method(name) for name in names]  # all names are checked before any training
    watches = [Stopwatch() for _ in methods]

    def begun(number: int) -> Steps[BaseSpearEstimator]:
        if progress is not None:
            progress(methods[number])
        steps = fit_method_steps(methods[number], split, seed, **settings)
        return (yield from watches[number].time(steps))

    comparison = SplitComparison()
    with each_warning_once():  # methods on the same votes say the same of them
        endings = sorted(
            finish_together(map(begun, range(len(methods)))), key=lambda ending: ending.number
        )
    for method, watch, ending in zip(methods, watches, endings, strict=True):
        if ending.error is not None:
            raise ending.error
        estimator = cast(BaseSpearEstimator, ending.value)
        comparison.estimators[method.text] = estimator
        comparison.rows.append(
            SplitComparisonRow(
                method=method.text,
                title=method.title,
                given=method.was_given(split),
                metric=split.metric,
                scores=scorer.score(estimator),
                val_score=estimator.val_score_,
                seconds=watch.seconds,
            )
        )
    return comparison


def fit_method(
    spec: MethodSpec, split: Split, seed: int = 0, **settings: Any
) -> tuple[BaseSpearEstimator, float]:
    """Train one method on a split; return the estimator and the seconds it took."""
    watch = Stopwatch()
    return finish(watch.time(fit_method_steps(spec, split, seed, **settings))), watch.seconds


def fit_method_steps(
    spec: MethodSpec, split: Split, seed: int = 0, **settings: Any
) -> Steps[BaseSpearEstimator]:
    """Train one method on a split in steps; see :mod:`spear_amal.estimators.together`."""
    estimator = spec.make(metric=split.metric, random_state=seed, **settings)
    given = {"X": split.x_train, "y": split.y_train, "X_val": split.x_val, "y_val": split.y_val}
    if spec.method.uses_votes:
        given |= {"L": split.votes_train, "L_val": split.votes_val}
        if takes_exemplars(spec) and split.exemplars is not None:
            given["exemplars"] = split.exemplars
    return (yield from steps_of(estimator, given))


def takes_exemplars(spec: MethodSpec) -> bool:
    """Return whether a method learns from the rows that LFs were written from."""
    return "exemplars" in inspect.signature(spec.method.estimator.fit).parameters
