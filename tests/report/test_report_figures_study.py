"""Figures of studies: what is drawn is what the frames say."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from spear_amal.errors import InputError
from spear_amal.report.figures import study
from spear_amal.report.figures.style import png

GENERATOR = np.random.default_rng(11)


def fits(figure):
    """Whether all texts lie within the picture."""
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    texts = [
        text
        for ax in figure.axes
        if ax.get_visible()
        for text in (ax.title, ax._left_title, ax.xaxis.label, ax.yaxis.label)
    ]
    boxes = [text.get_window_extent() for text in texts if text.get_text()]
    return all(
        b.x0 >= -1 and b.y0 >= -1 and b.x1 <= width + 1 and b.y1 <= height + 1 for b in boxes
    )


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


# -- weights --------------------------------------------------------------------------------------


def test_titles_hold_means_and_the_auc():
    right, wrong = GENERATOR.random(53), GENERATOR.random(17) ** 2
    figure = study.weights_by_correctness(
        {"consensus": right, "agreement": right[:5]}, {"consensus": wrong, "agreement": wrong[:3]}
    )
    assert png(figure).startswith(b"\x89PNG") and fits(figure)
    auc = roc_auc_score([1] * 53 + [0] * 17, np.concatenate([right, wrong]))
    title = figure.axes[0].get_title(loc="left")
    assert title.splitlines() == [
        f"consensus: AUC {auc:.2f}",
        f"right: mean {right.mean():.2f}, 53 rows",
        f"wrong: mean {wrong.mean():.2f}, 17 rows",
    ]
    assert figure.axes[1].get_title(loc="left").startswith("agreement")
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert len(heights) == 20 and sum(heights) == pytest.approx(200)
    assert legend(figure) == ["pseudo-label right", "pseudo-label wrong"]


@pytest.mark.parametrize("top", [0.3, 2.0])
def test_every_weight_is_in_a_bar(top):
    held = np.linspace(0, top, 7)
    figure = study.weights_by_correctness({"consensus": held}, {"consensus": held})
    assert len(figure.axes) == 1
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == pytest.approx(200)


def test_no_wrong_rows_is_no_error():
    figure = study.weights_by_correctness({"consensus": np.ones(3)}, {"consensus": np.empty(0)})
    title = figure.axes[0].get_title(loc="left")
    assert png(figure) and "AUC n/a" in title and "wrong: mean n/a, 0 rows" in title


@pytest.mark.parametrize(("right", "wrong"), [({}, {}), ({"a": np.ones(2)}, {"b": np.ones(2)})])
def test_losses_of_right_and_wrong_rows_must_match(right, wrong):
    with pytest.raises(InputError, match="same losses"):
        study.weights_by_correctness(right, wrong)


# -- budgets --------------------------------------------------------------------------------------


def runs_over_budgets(budgets=(10, 50, 500), methods=("a", "b $x$"), seeds=5):
    rows = [(labels, m, s) for m in methods for labels in budgets for s in range(seeds)]
    frame = pd.DataFrame(rows, columns=["labels", "method", "seed"])
    return frame.assign(score=0.5 + frame["labels"] / 2000 + frame["seed"] / 100)


def test_one_line_a_method_of_means_in_points():
    figure = study.budget_curve(runs_over_budgets(), "F1")
    ax = figure.axes[0]
    assert png(figure) and fits(figure) and ax.get_xscale() == "log"
    assert ax.get_ylabel() == "test F1, points" and "gold labels" in ax.get_xlabel()
    assert legend(figure) == ["a", r"b \$x\$"]
    for line in ax.lines:
        np.testing.assert_allclose(line.get_xdata(), [10, 50, 500])
        np.testing.assert_allclose(line.get_ydata(), [52.5, 54.5, 77])
    # Student's t with 4 degrees of freedom on the standard deviation of 0, 1, .. 4 points.
    half = 2.7764 * np.std(np.arange(5), ddof=1) / np.sqrt(5)
    heights = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert heights.min() == pytest.approx(52.5 - half, abs=1e-3)
    assert heights.max() == pytest.approx(77 + half, abs=1e-3)


def test_one_seed_or_one_budget_is_drawn():
    assert png(study.budget_curve(runs_over_budgets(seeds=1)))
    assert png(study.budget_curve(runs_over_budgets(budgets=(69,))))


@pytest.mark.parametrize("seeds", [1, 2])
def test_few_seeds_have_no_band(seeds):
    ax = study.budget_curve(runs_over_budgets(methods=("a",), seeds=seeds)).axes[0]
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert set(band.round(6)) == set(ax.lines[0].get_ydata().round(6))


def test_bands_stay_among_scores():
    frame = runs_over_budgets(methods=("a",), seeds=3)
    frame["score"] = np.where(frame["seed"] == 0, 0.01, 0.99)
    band = study.budget_curve(frame).axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == 0 and band.max() == 100


def test_numbers_of_near_budgets_are_left_out():
    ax = study.budget_curve(runs_over_budgets((10, 11, 100, 102, 500))).axes[0]
    assert [label.get_text() for label in ax.get_xticklabels()] == ["10", "", "100", "", "500"]


# -- overfitting ----------------------------------------------------------------------------------


def runs_over_knob(methods, settings=(1, 3, np.inf)):
    rows = [(k, m, s) for m in methods for k in settings for s in range(3)]
    frame = pd.DataFrame(rows, columns=["refresh_period", "method", "seed"])
    score = 0.7 + frame["seed"] / 100
    return frame.assign(score=score, val_score=score + 0.1 / np.minimum(frame["refresh_period"], 9))


@pytest.mark.parametrize("methods", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_test_and_validation_stand_in_one_panel_a_method(methods):
    figure = study.overfit_curve(runs_over_knob(methods), "refresh_period", "F1")
    assert png(figure) and fits(figure)
    shown = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in shown] == methods
    assert set(legend(figure)) == {"optimism", "test", "validation"}
    for ax in shown:
        assert ax.get_xlabel() == "refresh period"
        assert [label.get_text() for label in ax.get_xticklabels()] == ["1", "3", "never"]
        test, validation = ax.lines
        np.testing.assert_allclose(test.get_ydata(), [71, 71, 71])
        np.testing.assert_allclose(validation.get_ydata(), [81, 71 + 10 / 3, 71 + 10 / 9])
        assert ax.get_ylim() == shown[0].get_ylim()


def test_a_method_without_one_of_the_settings():
    frame = runs_over_knob(["a", "b"])
    frame = frame[(frame["method"] == "a") | (frame["refresh_period"] != 3)]
    figure = study.overfit_curve(frame, "refresh_period")
    np.testing.assert_array_equal(figure.axes[1].lines[0].get_xdata(), [0, 2])


# -- gains ----------------------------------------------------------------------------------------


def test_gains_are_sorted_and_judged_by_their_intervals():
    frame = pd.DataFrame(
        [
            ("low", -2, -3, -1),
            ("one seed", 0.5, np.nan, np.nan),
            ("top", 3, 2, 4),
            ("even", 0, -1, 1),
        ],
        columns=["method", "gain", "low", "high"],
    )
    figure = study.gain_plot(frame, "Only-L")
    ax = figure.axes[0]
    assert png(figure) and fits(figure)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["top", "one seed", "even", "low"]
    assert "gain over Only-L" in ax.get_xlabel()
    dots = {c.get_label(): c.get_offsets().tolist() for c in ax.collections if len(c.get_offsets())}
    assert dots["above zero"] == [[3, 0]] and dots["below zero"] == [[-2, 3]]
    assert dots["zero within"] == [[0.5, 1], [0, 2]]
    assert list(frame["method"]) == ["low", "one seed", "top", "even"]


@pytest.mark.parametrize(
    "draw",
    [
        study.budget_curve,
        study.gain_plot,
        lambda frame: study.overfit_curve(frame, "knob"),
    ],
)
def test_frames_without_columns_or_rows_are_refused(draw):
    with pytest.raises(InputError, match=r"lacks the columns .*'method'"):
        draw(pd.DataFrame({"score": [0.5]}))
    columns = ["labels", "method", "seed", "score", "val_score", "knob", "gain", "low", "high"]
    with pytest.raises(InputError, match="no rows"):
        draw(pd.DataFrame(columns=columns))
