"""Charts of pages: what they draw, told by their data, and that Vega-Lite takes them."""

import json

import numpy as np
import pandas as pd
import pytest
import vl_convert

from spear_amal.report.charts import comparison, labelling, outcome, training
from spear_amal.report.charts.style import records
from spear_amal.report.history_curves import curve

EVIL = '<script>alert("x")</script>'


def names(m):
    return [f"labelling_function_number_{j:02d}" for j in range(m)]


def lf_rows(m):
    shares = np.linspace(0, 0.5, m)
    table = pd.DataFrame({"LF": names(m), "votes for": "spam", "coverage": shares})
    return table.assign(overlaps=shares / 2, conflicts=shares / 4)


def checked(m):
    place = np.arange(m) / m
    grades = np.resize(["good", "silent", "bad", "unclear"], m)
    silent = grades == "silent"
    table = pd.DataFrame({"LF": names(m), "low": place / 2, "high": place / 2 + 0.5})
    table["accuracy"] = np.where(silent, np.nan, place)
    table["chance"] = np.where(silent, np.nan, 0.4)
    return table.assign(grade=grades, **{"gold votes": np.where(silent, 0, 7)})


def scores(m):
    return pd.DataFrame({"method": names(m), "score": 80.0, "low": 78.0, "high": 82.0})


def drawn(spec):
    """The picture that Vega makes, where everything has been computed."""
    return vl_convert.vegalite_to_svg(spec | {"width": 400})


def test_lines_are_as_many_as_lfs_and_have_the_same_height():
    for m in (1, 25, 73):
        spec = labelling.coverage_bars(lf_rows(m))
        assert [row["LF"] for row in spec["datasets"]["lfs"]] == names(m)
        assert spec["height"] == m * labelling.STEP


def test_numbers_of_an_lf_stand_in_its_row():
    row = labelling.coverage_bars(lf_rows(3))["datasets"]["lfs"][2]
    assert (row["coverage"], row["overlaps"], row["conflicts"]) == (0.5, 0.25, 0.125)
    row = labelling.accuracy_forest(checked(5))["datasets"]["lfs"][1]
    assert row["LF"] == names(5)[2] and row["grade"] == "bad"
    assert (row["accuracy"], row["low"], row["high"], row["chance"]) == (0.4, 0.2, 0.7, 0.4)


def test_silent_lfs_keep_an_empty_line():
    spec = labelling.accuracy_forest(checked(5))
    assert [row["LF"] for row in spec["datasets"]["lfs"]] == [names(5)[j] for j in (0, 2, 3, 4)]
    assert spec["height"] == 5 * labelling.STEP
    assert json.dumps(names(5)) in json.dumps(spec)  # the axis has all of them


def test_conflict_map_holds_each_name_a_few_times_only():
    conflicts = np.triu(np.full((61, 61), 0.25), 1)
    frame = pd.DataFrame(conflicts + conflicts.T, index=names(61), columns=names(61))
    spec = labelling.conflict_map(frame)
    cells = spec["datasets"]["cells"]
    assert len(cells) == 61 * 60 and {cell["share"] for cell in cells} == {0.25}
    assert json.dumps(spec).count(names(61)[60]) == 3  # its own list, and both axes


@pytest.mark.parametrize("c", [2, 5, 13])
def test_confusion_counts_are_gold_in_rows(c):
    spec = outcome.confusion_map(np.arange(c * c).reshape(c, c), names(c))
    cells = spec["datasets"]["cells"]
    by_pair = {(cell["gold"], cell["predicted"]): cell["rows"] for cell in cells}
    assert by_pair[names(c)[1], names(c)[0]] == c
    assert ("text" in {layer["mark"]["type"] for layer in spec["layer"]}) == (c <= 12)


def test_class_without_rows_is_no_division_by_zero():
    cells = outcome.confusion_map(np.array([[3, 1], [0, 0]]), ["a", "b"])["datasets"]["cells"]
    assert [cell["share_of_gold"] for cell in cells] == [0.75, 0.25, 0, 0]


def test_calibration_bars_are_accuracies():
    arguments = np.array([0.55, 0.58, 1.0]), np.array([True, False, True])
    bins = outcome.calibration_chart(*arguments)["datasets"]["bins"]
    assert [row["accuracy"] for row in bins] == [0.5, 1.0]
    assert [row["mean_confidence"] for row in bins] == [0.565, 1.0]
    rows = outcome.confidence_chart(*arguments)["datasets"]["bins"]
    counts = [(row["confidence"], row["kind"], row["n"]) for row in rows]
    assert counts == [
        *(("50% to 60%", "right", 1), ("90% to 100%", "right", 1)),
        *(("50% to 60%", "wrong", 1), ("90% to 100%", "wrong", 0)),
    ]


def test_curves_are_means_over_folds_without_the_refit():
    history = pd.DataFrame(
        {
            "epoch": [0, 1, 0, 1, 0],
            "member": [0, 0, 1, 1, 0],
            "val_score": [0.5, 0.7, 0.7, 0.9, 0.1],
            "refit": [None, None, None, None, True],
        }
    )
    np.testing.assert_allclose(curve(history, "val_score").to_numpy(), [0.6, 0.8])
    assert len(curve(history, "loss/none")) == 0
    points = training.method_curves({"a": history}, "val_score", "score")["datasets"]["points"]
    assert points == [
        {"name": "a", "epoch": 1, "value": 0.6},
        {"name": "a", "epoch": 2, "value": 0.8},
    ]


def test_one_line_for_each_method_that_recorded_something():
    histories = {
        "a": pd.DataFrame({"epoch": [0], "val_score": [0.5]}),
        "b": pd.DataFrame({"epoch": [0, 1], "loss/gold": [0.5, 0.0]}),
    }
    points = training.method_curves(histories, "val_score", "score")["datasets"]["points"]
    assert {point["name"] for point in points} == {"a"}
    # A logarithmic scale has no zero.
    points = training.loss_curves(histories["b"])["datasets"]["points"]
    assert points == [{"name": "gold", "epoch": 1, "value": 0.5}]


def test_histograms_show_weights_that_count_only():
    weights = pd.DataFrame({"a": [0.0, 1.0, 1.0, np.nan], "b": [np.nan] * 4})
    charts = training.weight_histograms(weights)
    assert list(charts) == ["a"]
    words, spec = charts["a"]
    assert words == "3 rows; weight 0 on 33% of them, 1 on 67%, mean 0.67."
    counts = [row["rows"] for row in spec["datasets"]["bins"]]
    assert (counts[0], counts[-1], sum(counts)) == (1, 2, 3)


def test_gains_are_sorted_and_told_by_their_side_of_zero():
    gains = pd.DataFrame({"method": ["a", "b", "c"], "gain": [0.5, 3.0, -2.0]})
    gains = gains.assign(low=[-1.0, 1.0, -3.0], high=[2.0, 5.0, -1.0])
    rows = comparison.gain_dots(gains, "gold")["datasets"]["methods"]
    assert [(row["method"], row["side"]) for row in rows] == [
        *(("b", "above zero"), ("a", "zero within"), ("c", "below zero"))
    ]


def test_numbers_stay_numbers_and_words_stay_on_one_line():
    frame = pd.DataFrame({"a": [np.int64(3), np.nan], "b": ["x\ny", None], "c": [1e-7, np.inf]})
    assert records(frame) == [
        {"a": 3.0, "b": "x\\ny", "c": 1e-7},
        {"a": None, "b": None, "c": None},
    ]


def every_chart():
    m, n = 3, 37
    confidence = np.linspace(0.34, 1, n)
    history = pd.DataFrame({"epoch": range(5), "loss/gold": np.geomspace(0.7, 1e-7, 5)})
    history["val_score"] = 0.5
    table = scores(m).assign(method=[EVIL, "b", "c"])
    yield labelling.coverage_bars(lf_rows(m).assign(LF=[EVIL, "b", "c"]))
    yield labelling.conflict_map(pd.DataFrame(np.eye(m), index=names(m), columns=names(m)))
    yield labelling.accuracy_forest(checked(m))
    yield outcome.confusion_map(np.arange(9).reshape(3, 3), [EVIL, "b", "c"])
    yield outcome.calibration_chart(confidence, confidence > 0.6)
    yield outcome.confidence_chart(confidence, confidence > 0.6)
    yield training.method_curves({EVIL: history}, "val_score", "score")
    yield training.loss_curves(history)
    yield training.weight_histograms(pd.DataFrame({"a": [0.0, 1.0, 7.5]}))["a"][1]
    yield comparison.score_dots(table, "accuracy")
    yield comparison.score_dots(table.drop(columns=["low", "high"]), "accuracy")
    yield comparison.gain_dots(table.rename(columns={"score": "gain"}), EVIL)
    yield comparison.spread(table.assign(draw=1), "accuracy")
    yield comparison.label_curve(pd.concat([table.assign(labels=k) for k in (10, 20)]), "accuracy")


@pytest.mark.slow  # V8 starts and draws fourteen charts; the next one draws four
def test_vega_draws_every_chart():
    """Vega-Lite compiles each one, and names that users wrote are text in it."""
    pictures = [drawn(spec) for spec in every_chart()]
    assert all("<svg" in picture and EVIL not in picture for picture in pictures)
    assert sum("&lt;script&gt;" in picture for picture in pictures) >= 6


def test_charts_of_nothing_are_drawn_too():
    nothing = np.zeros(0)
    for spec in (
        outcome.calibration_chart(nothing, nothing > 0),
        outcome.confidence_chart(nothing, nothing > 0),
        training.method_curves({}, "val_score", "score"),
        labelling.accuracy_forest(
            checked(2).assign(grade="silent", accuracy=np.nan, chance=np.nan)
        ),
    ):
        assert "<svg" in drawn(spec)


def test_same_chart_same_words():
    first, second = (json.dumps(labelling.coverage_bars(lf_rows(3))) for _ in range(2))
    assert first == second
