"""Scores against labels: draws, curves, where they meet, and the advice."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import curve_fit
from sklearn.metrics import accuracy_score, f1_score

from spear_amal.data import TextFeatures, synthetic_corpus
from spear_amal.errors import InputError
from spear_amal.estimators.together import finish
from spear_amal.labeling import PandasLFApplier, keyword_lf
from spear_amal.studies import parse_method
from spear_amal.studies.crossval.advice import CrossoverAdvice
from spear_amal.studies.crossval.crossover import (
    CrossoverPlan,
    find_crossover,
    plan_rules,
    read_off,
)
from spear_amal.studies.crossval.folds import text_groups
from spear_amal.studies.crossval.intervals import Interval
from spear_amal.studies.crossval.label_curve import (
    LabelNumber,
    first_number,
    fit_label_curves,
    number_of,
)
from spear_amal.studies.crossval.runs import run_fold
from spear_amal.studies.crossval.subsamples import (
    DrawnPredictions,
    LabelDraws,
    Weights,
    draw_sizes,
    nested_order,
)
from spear_amal.studies.crossval.table import ComparedTable, TableRows
from spear_amal.studies.results_file import StudyFile
from spear_amal.votes.class_set import ClassNames

CLASSES = ClassNames(("romance", "action"))
LFS = [keyword_lf("love", ["love"], "romance"), keyword_lf("gun", ["gun"], "action")]
FAST = {"max_epochs": 2}


def plan_of(method="spear", **others):
    rules, baseline = plan_rules(method)
    return CrossoverPlan(rules, baseline, sizes=3, folds=2, settings=FAST, **others)


@pytest.fixture(scope="module")
def table():
    corpus = synthetic_corpus(n=97, n_test=8, seed=3)
    frame = corpus.frame[:89]
    texts = frame["text"].tolist()
    y = np.where(np.arange(89) < 61, frame["label"], -1)
    votes = PandasLFApplier(LFS, CLASSES).apply(pd.DataFrame({"text": texts}))
    rows = TableRows(texts, y, votes, text_groups(texts))
    return ComparedTable("made", rows, CLASSES, new_features=TextFeatures)


def test_draws_are_nested_and_hold_each_class_in_proportion():
    y = np.repeat([0, 1, 2, -1], [83, 37, 11, 19])
    order = nested_order(y, np.flatnonzero(y >= 0), np.random.default_rng(0))
    assert sorted(order) == list(range(131))
    assert np.bincount(y[order[:6]]).tolist() == [2, 2, 2]
    for size in (30, 60, 100):
        expected = np.array([83, 37, 11]) * size / 131
        assert np.abs(np.bincount(y[order[:size]]) - expected).max() <= 2.5
    other = nested_order(y, np.flatnonzero(y >= 0), np.random.default_rng(1))
    assert order.tolist() != other.tolist()


def test_draws_come_from_rows_that_are_not_held_out(table):
    draws = LabelDraws.draw(table, 3, 2, 0, 3)
    assert len(draws.held_out) == 6 and draws.sizes == sorted(draws.sizes)
    for draw, part in enumerate(draws.held_out):
        held_out = part.fold == part.number
        masks = [draws.labelled(draw, size) for size in draws.sizes]
        for size, mask in zip(draws.sizes, masks, strict=True):
            assert mask.sum() == size and not (mask & held_out).any()
            assert (table.rows.y[mask] >= 0).all()
        for smaller, larger in itertools.pairwise(masks):
            assert (smaller <= larger).all()


@pytest.mark.parametrize("method", ["spear", "only-lv:crossfit=2", "amal:crossfit=2"])
def test_labels_that_are_not_drawn_change_nothing(table, method):
    draws = LabelDraws.draw(table, 2, 1, 0, 3)
    part, labelled = draws.held_out[0], draws.labelled(0, 10)
    y = table.rows.y.copy()
    hidden = (y >= 0) & ~labelled & part.kept
    y[hidden] = 1 - y[hidden]
    other = replace(part, table=replace(table, rows=replace(table.rows, y=y)))
    rows = [
        finish(run_fold(fold, parse_method(method), 0, "accuracy", FAST, labelled))
        for fold in (part, other)
    ]
    for name in ("predicted", "confidence", "rows"):
        assert rows[0][name] == rows[1][name]
    everything = finish(run_fold(part, parse_method(method), 0, "accuracy", FAST))
    assert everything["confidence"] != rows[0]["confidence"]


def test_too_few_labels_are_an_error():
    with pytest.raises(InputError, match="at least 20 gold rows in training"):
        draw_sizes(19, 2, 5)
    assert draw_sizes(28, 7, 3) == [14, 20, 28]


def made_predictions(seed=0, n=61, sizes=(10, 20)):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=(0.5, 0.3, 0.2))
    rows = [np.arange(0, n, 2), np.arange(1, n, 2)]
    predicted = {
        (method, size): [
            np.where(rng.random(len(r)) < 0.6, y[r], rng.integers(3, size=len(r))) for r in rows
        ]
        for method in ("a", "b")
        for size in sizes
    }
    return DrawnPredictions(y, np.arange(n), rows, predicted, 3, 1)


@pytest.mark.parametrize("metric", ["accuracy", "f1", "macro-f1"])
def test_scores_are_those_of_scikit_learn_with_weights(metric):
    made = made_predictions()
    weights = Weights.bootstrap(made.groups, 2, 5, 0)
    scores = made.scores("a", 10, metric, weights)
    y = np.concatenate([made.y[rows] for rows in made.rows])
    predicted = np.concatenate(made.predicted["a", 10])
    for sample in range(6):
        w = np.concatenate(
            [
                weights.of_draws[sample, k] * weights.of_rows[sample, rows]
                for k, rows in enumerate(made.rows)
            ]
        )
        if metric == "accuracy":
            expected = accuracy_score(y, predicted, sample_weight=w)
        elif metric == "f1":
            expected = f1_score(y == 1, predicted == 1, sample_weight=w)
        else:
            expected = f1_score(y, predicted, average="macro", sample_weight=w)
        assert scores[sample] == pytest.approx(expected)


def test_bootstrap_samples_have_the_variance_of_a_mean():
    values = np.random.default_rng(0).normal(size=7)
    weights = Weights.bootstrap(np.repeat(np.arange(7), 3), 1, 4000, 0).of_rows[1:, ::3]
    means = weights @ values / 7
    assert weights.mean() == pytest.approx(1)
    assert means.var() == pytest.approx(values.var(ddof=1) / 7, rel=0.15)


def test_curves_are_those_of_another_fit():
    sizes = np.array([10.0, 25.0, 60.0, 150.0, 400.0])
    scores = 0.91 - 0.9 * sizes**-0.5 + np.array([0.004, -0.006, 0.003, 0.002, -0.001])
    curve = fit_label_curves(sizes, scores[None], np.full(5, 0.004))
    found, _ = curve_fit(lambda n, a, b, c: a - b * n**-c, sizes, scores, p0=(0.9, 0.9, 0.5))
    at = np.array([15.0, 100.0, 800.0])
    np.testing.assert_allclose(curve.at(at)[0], found[0] - found[1] * at ** -found[2], atol=0.004)


def test_curves_never_fall_and_never_pass_one():
    sizes = np.array([10.0, 20.0, 40.0])
    scores = np.array([[0.9, 0.8, 0.7], [0.80, 0.92, 0.99], [0.5, 0.5, 0.5]])
    curves = fit_label_curves(sizes, scores, np.full(3, 0.02))
    assert (curves.drop >= 0).all() and (curves.ceiling <= 1).all()
    assert curves.at(sizes)[0].tolist() == pytest.approx([0.8] * 3)
    assert (curves.at(np.array([1e6])) <= 1).all()


def test_the_first_number_at_which_something_holds_for_good():
    numbers = first_number(
        lambda n: np.stack([n >= 50, n > 0, n > 1e6, (n < 20) | (n > 70)]), 10, 200
    )
    assert numbers[0] == pytest.approx(50, abs=2)
    assert numbers[1] == 10
    assert np.isinf(numbers[2])
    assert numbers[3] == pytest.approx(71, abs=2)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (
            LabelNumber(312, 150, np.inf, 10, 600),
            "about 310 labels (95% interval 150 to more than 600)",
        ),
        (LabelNumber(10, 10, 44, 10, 600), "10 or fewer labels (95% interval 10 or fewer to 44)"),
        (
            LabelNumber(np.inf, 280, np.inf, 10, 600),
            "beyond what your labels can tell: more than 600 (95% interval 280 to more than 600)",
        ),
    ],
)
def test_numbers_in_words(number, text):
    assert number.text == text


def test_the_interval_of_a_number_may_be_open():
    values = np.array([100.0, *range(60, 150), *[np.inf] * 10])
    number = number_of(values, 10, 400)
    assert number.low < 65 and np.isinf(number.high)
    assert number.as_json() == {"value": 100, "low": int(number.low), "high": None}


def advice(gain=(0.04, 0.02, 0.06), labels_for_more=90.0, n_rules=8, n_unlabelled=500):
    return CrossoverAdvice(
        gain=Interval(*gain, 0.01),
        worth=LabelNumber(200, 100, 300, 10, 600),
        n_labels=100,
        n_rules=n_rules,
        labels_for_more=labels_for_more,
        farthest=300,
        n_unlabelled=n_unlabelled,
        smallest_gain=0.01,
        labels_per_rule=20,
    )


@pytest.mark.parametrize(
    ("given", "answer", "text"),
    [
        # 4 points by 8 rules: two more for a point, at the price of 40 labels.
        ({}, "rule", "Write a rule: about 2 rules as good as your 8 would add 1 point"),
        ({"labels_for_more": 30.0}, "label", "Label about 30 more rows: that promises 1 point"),
        (
            {"labels_for_more": 30.0, "n_unlabelled": 7},
            "label",
            "Label about 30 more rows, of which the table has 7: that",
        ),
        ({"gain": (0.04, -0.01, 0.09)}, "label", "Label about 90 more rows"),
        (
            {"gain": (0.04, -0.01, 0.09), "labels_for_more": np.inf},
            "stop",
            "Stop: 1 point would take more than 300 more labels, and the rules add +4.0 points "
            "(95% interval -1.0 to +9.0).",
        ),
        ({"labels_for_more": np.inf}, "rule", "for which it takes more than 300 more labels."),
    ],
)
def test_one_sentence(given, answer, text):
    assert advice(**given).answer == answer
    assert text in advice(**given).text


def test_curves_that_meet_meet_where_they_were_made_to():
    """Plain supervision 0.9 - 1.2 / sqrt(n), rules at 0.84: a point apart at n = 296."""
    rng = np.random.default_rng(0)
    n, sizes = 2003, (10, 25, 60, 150, 400)
    y = np.zeros(n, dtype=int)
    rows = [np.arange(n)] * 6
    plan = plan_of()
    predicted = {}
    for spec, score in (
        (plan.baseline, lambda k: 0.9 - 1.2 / k**0.5),
        (plan.rules, lambda k: 0.84),
    ):
        for k in sizes:
            predicted[spec.text, k] = [(rng.random(n) > score(k)).astype(int) for _ in rows]
    made = DrawnPredictions(y, np.arange(n), rows, predicted, 2, 1)
    votes = None
    table = ComparedTable(
        "made", TableRows(np.zeros((400, 1)), np.arange(400) % 2, votes, np.arange(400)), CLASSES
    )
    result = read_off(table, plan, sizes, made, [])
    assert result.crossing.low < 296 < result.crossing.high
    assert result.crossing.value == pytest.approx(296, rel=0.25)
    assert result.worth.value == pytest.approx(400, rel=0.3)  # 0.9 - 1.2 / 20 = 0.84
    assert result.advice.answer == "label"
    assert result.table["plain_low"].lt(result.table["plain"]).all()
    assert "Plain supervision catches up at about" in result.sentences[0]


def test_a_crossover_that_was_stopped_goes_on_and_ends_alike(table, tmp_path):
    whole = find_crossover(table, plan_of())
    assert whole.table["labels"].tolist() == sorted(whole.table["labels"])
    assert set(whole.curves["method"]) == {"Gold alone", "SPEAR"}

    def stop(finished, total, what):
        if finished == 2:
            raise KeyboardInterrupt

    path = tmp_path / "runs.json"
    with pytest.raises(KeyboardInterrupt):
        find_crossover(table, plan_of(), StudyFile(path), progress=stop)
    steps = []
    rest = find_crossover(
        table, plan_of(), StudyFile(path), progress=lambda *step: steps.append(step[:2])
    )
    assert steps[0] == (2, 12)
    assert rest.table.equals(whole.table)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": 2}, "sizes must be"),
        ({"smallest_gain": 0}, "smallest_gain must lie"),
        ({"labels_per_rule": -1}, "labels_per_rule must be"),
        ({"largest": 15}, "found 15"),
    ],
)
def test_what_cannot_be_asked_is_said_before_training(table, change, message):
    with pytest.raises(InputError, match=message):
        find_crossover(table, replace(plan_of(), **change))
    with pytest.raises(InputError, match="uses no rules"):
        plan_rules("only-lv")
