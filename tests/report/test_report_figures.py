from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from spear_amal.report.figures import labelling, outcome, training
from spear_amal.report.figures.style import png


def names(m):
    return [f"labelling_function_number_{j:02d}" for j in range(m)]


def lf_rows(m):
    shares = np.linspace(0, 0.5, m)
    return pd.DataFrame(
        {"LF": names(m), "coverage": shares, "overlaps": shares / 2, "conflicts": shares / 4}
    )


def overlaps(figure, labels):
    """Pairs of neighbouring labels that cover each other on the finished figure."""
    figure.canvas.draw()
    boxes = [label.get_window_extent() for label in labels if label.get_text()]
    return [(a, b) for a, b in pairwise(boxes) if a.overlaps(b)]


@pytest.mark.parametrize("m", [1, 2, 25, 73])
def test_lf_names_do_not_cover_each_other(m):
    bars = labelling.coverage_bars(lf_rows(m))
    assert overlaps(bars, bars.axes[0].get_yticklabels()) == []
    conflicts = pd.DataFrame(np.eye(m), index=names(m), columns=names(m))
    heat = labelling.conflict_map(conflicts)
    for axis in (heat.axes[0].xaxis, heat.axes[0].yaxis):
        assert overlaps(heat, axis.get_ticklabels()) == []


def checked(m):
    place = np.arange(m) / m
    verdicts = np.resize(["good", "silent", "bad", "unclear"], m)
    silent = verdicts == "silent"
    table = pd.DataFrame({"LF": names(m), "low": place / 2, "high": place / 2 + 0.5})
    table["accuracy"] = np.where(silent, np.nan, place)
    table["chance"] = np.where(silent, np.nan, 0.4)
    return table.assign(verdict=verdicts)


@pytest.mark.parametrize("m", [1, 2, 25, 73])
def test_forest_of_accuracies(m):
    forest = labelling.accuracy_forest(checked(m))
    ax = forest.axes[0]
    assert png(forest)
    assert overlaps(forest, ax.get_yticklabels()) == []
    held = {dots.get_label(): dots.get_offsets() for dots in ax.collections if not is_bar(dots)}
    assert len(held["chance"]) == m - (m + 2) // 4
    np.testing.assert_allclose(held["good"][:, 0], np.arange(0, m, 4) / m)
    assert set(held) == {"good", "unclear", "bad", "chance"} if m > 3 else "good" in held


def is_bar(collection):
    return not len(collection.get_offsets()) or collection.get_label().startswith("_")


def test_forest_without_a_voting_lf():
    table = checked(2).assign(verdict="silent", accuracy=np.nan, chance=np.nan)
    assert png(labelling.accuracy_forest(table))


@pytest.mark.parametrize("c", [2, 5, 13])
def test_confusion_counts_are_written_into_the_cells(c):
    figure = outcome.confusion_map(np.arange(c * c).reshape(c, c), names(c))
    written = [text.get_text().split("\n")[0] for text in figure.axes[0].texts]
    assert written == ([str(i) for i in range(c * c)] if c <= 12 else [])
    assert overlaps(figure, figure.axes[0].get_xticklabels()) == []


def test_class_without_rows_is_no_division_by_zero():
    png(outcome.confusion_map(np.array([[3, 1], [0, 0]]), ["a", "b"]))


@pytest.mark.parametrize("n", [0, 1, 37])
def test_calibration_of_any_number_of_rows(n):
    confidence = np.linspace(0.34, 1, n)
    assert png(outcome.calibration_plot(confidence, confidence > 0.6)).startswith(b"\x89PNG")


def test_calibration_bars_are_accuracies():
    figure = outcome.calibration_plot(np.array([0.55, 0.58, 1.0]), np.array([True, False, True]))
    heights = [patch.get_height() for patch in figure.axes[0].patches]
    assert heights == [0.5, 1.0]
    assert [p.get_height() for p in figure.axes[1].patches] == [0, 0, 0, 0, 0, 2, 0, 0, 0, 1]


def test_curves_are_means_over_folds_without_the_refit():
    history = pd.DataFrame(
        {
            "epoch": [0, 1, 0, 1, 0],
            "member": [0, 0, 1, 1, 0],
            "val_score": [0.5, 0.7, 0.7, 0.9, 0.1],
            "refit": [None, None, None, None, True],
        }
    )
    curve = training.curve(history, "val_score")
    np.testing.assert_allclose(curve.to_numpy(), [0.6, 0.8])
    assert len(training.curve(history, "loss/none")) == 0


@pytest.mark.parametrize("last", [0.6, 0.03, 1e-7])
def test_logarithmic_ticks_are_plain_and_apart(last):
    history = pd.DataFrame({"epoch": range(5), "loss/gold": np.geomspace(0.7, last, 5)})
    figure = training.loss_curves(history)
    ax = figure.axes[0]
    figure.canvas.draw()
    low, high = ax.get_ylim()
    ticks = [*ax.yaxis.get_major_ticks(), *ax.yaxis.get_minor_ticks()]
    seen = sorted((t for t in ticks if low <= t.get_loc() <= high), key=lambda t: t.get_loc())
    labels = [t.label1 for t in seen if t.label1.get_text()]
    assert labels and overlaps(figure, labels) == []
    assert [float(label.get_text()) for label in labels]


def test_one_line_for_each_method_that_recorded_something():
    histories = {
        "a": pd.DataFrame({"epoch": [0], "val_score": [0.5]}),
        "b": pd.DataFrame({"epoch": [0, 1], "loss/gold": [0.5, 0.4]}),
    }
    figure = training.method_curves(histories, "val_score", "score")
    assert [line.get_label() for line in figure.axes[0].lines] == ["a"]
    empty = training.method_curves({}, "val_score", "score")
    assert empty.axes[0].lines[:] == [] and png(empty)


def test_histograms_show_weights_that_count_only():
    weights = pd.DataFrame({"a": [0.0, 1.0, 1.0, np.nan], "b": [np.nan] * 4})
    figure = training.weight_histograms(weights)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert len(shown) == 1 and shown[0].get_title(loc="left") == "a (3 rows)"
    assert "at 0: 33%    at 1: 67%" in shown[0].texts[0].get_text()
    assert sum(patch.get_height() for patch in shown[0].patches) == 3


def test_same_figure_same_bytes():
    first, second = (png(labelling.coverage_bars(lf_rows(3))) for _ in range(2))
    assert first == second
