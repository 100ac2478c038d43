"""From the runs of a comparison to its table, its scores by class and its verdict."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.models.encoder_config import EncoderConfig, encoder_name
from spear_amal.studies.crossval.intervals import (
    Interval,
    fold_overlap,
    gain_interval,
    model_overlap,
    score_interval,
)
from spear_amal.studies.crossval.runs import OuterFolds
from spear_amal.studies.crossval.table import ComparedTable
from spear_amal.studies.crossval.verdict import SMALLEST_GAIN, RulesVerdict
from spear_amal.studies.methods import MethodSpec, parse_method
from spear_amal.studies.results_file import RunRow
from spear_amal.training import TrainerConfig
from spear_amal.votes.class_set import ClassNames

PLAINEST = "majority"  # of the methods with rules; judged where there is no other


def fair_rival(spec: MethodSpec) -> MethodSpec:
    """Return the classifier without rules that sees the same gold rows in the same way.

    Examples
    --------
    >>> fair_rival(parse_method("recommended")).text, fair_rival(parse_method("spear")).text
    ('only-lv:crossfit=5', 'only-lv')
    """
    settled = spec.settled
    folds = settled.get("crossfit") or settled.get("crossfit_weights")
    rival = parse_method(f"only-lv:crossfit={folds}" if folds else "only-lv")
    if encoder_name(settled.get("feature_model")) is None:
        return rival
    # An encoder that is fine-tuned is compared with the same one, fine-tuned in the same way.
    shared = {"feature_model", *EncoderConfig().get_params(), *TrainerConfig().get_params()}
    return rival.changed(**{name: v for name, v in spec.options.items() if name in shared})


def judged_method(specs: Sequence[MethodSpec]) -> MethodSpec | None:
    """Return the method whose rules are judged: the first that uses votes, majority vote aside."""
    with_rules = [spec for spec in specs if spec.method.uses_votes]
    others = [spec for spec in with_rules if spec.method.name != PLAINEST]
    return next(iter([*others, *with_rules]), None)


def plain_title(spec: MethodSpec) -> str:
    """Return the title of a method for people who do not know what L and V are.

    Examples
    --------
    >>> plain_title(parse_method("only-lv:crossfit=5")), plain_title(parse_method("spear"))
    ('Gold alone, 5 folds', 'SPEAR')
    """
    plain = {"only-l": "Gold alone, L", "only-lv": "Gold alone"}.get(spec.method.name)
    return spec.title if plain is None else spec.title.replace(spec.method.title, plain, 1)


@dataclass(frozen=True)
class Predictions:
    """Predicted classes of the scored rows.

    Attributes
    ----------
    y : ndarray (n,)
        Gold codes.
    groups : ndarray (n,)
    by_method : dict of str to ndarray (repeats, n)
        By the text of the method.
    confidence : dict of str to ndarray (repeats, n)
        Probabilities of the predicted classes.
    seconds : dict of str to float
        Of one training, the mean.
    folds : ndarray (repeats, n)
        Which fold held the row out.
    rows : ndarray (n,)
        Their numbers in the table that has them.
    watched : dict of str to ndarray (folds, w)
        Predicted codes of rows without gold, by the models of the folds of the first repeat.
    """

    y: np.ndarray
    groups: np.ndarray
    by_method: dict[str, np.ndarray]
    confidence: dict[str, np.ndarray]
    seconds: dict[str, float]
    folds: np.ndarray
    rows: np.ndarray
    watched: dict[str, np.ndarray] = field(default_factory=dict)

    def overlap(self, method: str) -> float:
        """Return what share of the variance of one pass is added for the models behind a score.

        0 on test rows. Models are held against each other on the scored rows, where there are
        repeats, else on the watched rows; where there are none either, a rule of thumb is left.
        """
        n_folds = int(self.folds.max()) + 1
        if n_folds == 1:
            return 0.0
        right = (self.by_method[method] == self.y).astype(float)
        watched = self.watched.get(method, np.zeros((n_folds, 0)))
        if len(right) > 1:  # the models of a row lack the rows of a fold each
            return model_overlap(_changed(right), right.mean(), 1 / n_folds)
        if watched.shape[1]:
            return model_overlap(_changed(watched), right.mean(), 1 / (n_folds - 1))
        return fold_overlap(n_folds)

    def frame(self, classes: ClassNames, ids: np.ndarray) -> pd.DataFrame:
        """Return all predictions, one below the other.

        Parameters
        ----------
        classes : ClassNames
        ids : ndarray
            Of all rows of the table that has the scored ones.

        Returns
        -------
        DataFrame
            Columns ``method, repeat, fold, row, gold, predicted, confidence``.
        """
        names = np.array([*classes, None], dtype=object)
        parts = [
            pd.DataFrame(
                {
                    "method": method,
                    "repeat": repeat,
                    "fold": self.folds[repeat],
                    "row": ids[self.rows],
                    "gold": names[self.y],
                    "predicted": names[codes],
                    "confidence": self.confidence[method][repeat],
                }
            )
            for method, predicted in self.by_method.items()
            for repeat, codes in enumerate(predicted)
        ]
        return pd.concat(parts, ignore_index=True)


def _changed(answers: np.ndarray) -> float:
    """Return the share of rows on which two of several models (k, n) differ, mean over pairs."""
    pairs = itertools.combinations(answers, 2)
    return float(np.mean([(one != other).mean() for one, other in pairs]))


def gather(
    table: ComparedTable, folds: OuterFolds, rows: Sequence[RunRow], kept: np.ndarray
) -> Predictions:
    """Return the predictions of finished runs, row by row.

    `kept` are the numbers of the scored rows in the table that has them.
    """
    scored, in_folds = table.scored, table.test is None
    place = np.full(len(table.rows), -1)
    place[table.gold] = np.arange(len(table.gold))
    shape = (len(folds.seeds), len(scored))
    predicted: dict[str, np.ndarray] = defaultdict(lambda: np.full(shape, -1))
    confidence: dict[str, np.ndarray] = defaultdict(lambda: np.full(shape, np.nan))
    seconds: dict[str, list[float]] = defaultdict(list)
    watched: dict[str, list[list[int]]] = defaultdict(list)
    for row in rows:
        numbers = np.asarray(row["rows"], dtype=int)
        places = (folds.seeds.index(row["seed"]), place[numbers] if in_folds else numbers)
        predicted[row["method"]][places] = row["predicted"]
        confidence[row["method"]][places] = row["confidence"]
        seconds[row["method"]].append(row["seconds"])
        if row["seed"] == folds.seeds[0]:
            watched[row["method"]].append(row.get("watched", []))
    held_out = folds.fold[:, table.gold] if in_folds else np.zeros(shape, dtype=int)
    means = {method: float(np.mean(times)) for method, times in seconds.items()}
    return Predictions(
        scored.y,
        scored.groups,
        dict(predicted),
        dict(confidence),
        means,
        held_out,
        kept,
        {method: np.array(codes) for method, codes in watched.items()},
    )


@dataclass(frozen=True)
class Outcome:
    """What a comparison found, scores and gains as shares.

    Attributes
    ----------
    table : DataFrame
        One row for each method: ``method``, ``title``, ``score`` with ``low`` and ``high``,
        ``gain`` over the baseline with ``gain_low`` and ``gain_high`` (not-a-number for the
        baseline itself), and ``seconds`` of one training.
    per_class : DataFrame
        One row for each class and method: ``class``, ``rows`` (gold), ``method``, ``title``,
        ``precision``, ``recall``, ``f1``.
    verdict : RulesVerdict or None
        None where no method with rules was compared with its equal without.
    """

    table: pd.DataFrame
    per_class: pd.DataFrame
    verdict: RulesVerdict | None


def summarise_folds(
    table: ComparedTable,
    folds: OuterFolds,
    predictions: Predictions,
    specs: Sequence[MethodSpec],
    baseline: MethodSpec,
    metric: str,
    smallest_gain: float = SMALLEST_GAIN,
) -> Outcome:
    """Compute scores, gains over the baseline with paired intervals, and the verdict."""
    in_folds = table.test is None
    overlaps = {spec.text: predictions.overlap(spec.text) for spec in specs}
    y, groups = predictions.y, predictions.groups
    rival = predictions.by_method[baseline.text]
    gains: dict[str, Interval] = {}
    rows = []
    for spec in specs:
        predicted = predictions.by_method[spec.text]
        overlap = overlaps[spec.text]
        found = score_interval(metric, y, predicted, groups, overlap, table.positive)
        row: dict[str, Any] = {"method": spec.text, "title": plain_title(spec)}
        row |= {"score": found.value, "low": found.low, "high": found.high}
        gain = Interval(np.nan, np.nan, np.nan, np.nan)
        if spec.text != baseline.text:
            mean = (overlap + overlaps[baseline.text]) / 2
            gain = gain_interval(metric, y, predicted, rival, groups, mean, table.positive)
            gains[spec.text] = gain
        row |= {"gain": gain.value, "gain_low": gain.low, "gain_high": gain.high}
        rows.append(row | {"seconds": predictions.seconds[spec.text]})
    judged = judged_method(specs)
    verdict = None
    if judged is not None and judged.text in gains:
        verdict = RulesVerdict(
            gain=gains[judged.text],
            n_gold=len(y),
            n_unlabelled=int((table.rows.y < 0).sum()),
            method=plain_title(judged),
            baseline=plain_title(baseline),
            smallest_gain=smallest_gain,
            in_folds=in_folds,
        )
    return Outcome(pd.DataFrame(rows), _per_class(table, predictions, specs), verdict)


def _per_class(
    table: ComparedTable, predictions: Predictions, specs: Sequence[MethodSpec]
) -> pd.DataFrame:
    """Compute precision, recall and F1 of every class that has gold, means over repeats."""
    y = predictions.y
    rows = []
    for code in np.unique(y):
        gold = y == code
        for spec in specs:
            predicted = predictions.by_method[spec.text] == code
            hits = (predicted & gold).sum(1)
            rows.append(
                {
                    "class": table.classes[code],
                    "rows": int(gold.sum()),
                    "method": spec.text,
                    "title": plain_title(spec),
                    "precision": float(np.mean(hits / np.maximum(predicted.sum(1), 1))),
                    "recall": float(np.mean(hits / gold.sum())),
                    "f1": float(np.mean(2 * hits / (predicted.sum(1) + gold.sum()))),
                }
            )
    return pd.DataFrame(rows)
