"""Figures of distillation studies: what is drawn is what rows hold."""

import made_kd_rows as made
import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.report.figures import distillation
from spear_amal.report.figures.style import png
from spear_amal.report.grid_report import grid_figures, write_grid_report
from spear_amal.studies.grid.weight_histograms import BUCKETS


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_every_study_has_its_figures():
    runs = made.frame(
        made.synthetic_rows(2), made.noise_rows(2), made.capacity_rows(2), made.multi_rows(2)
    )
    drawn = grid_figures(runs)
    assert [name for name in drawn if not name.endswith("gains")] == [
        "kd-noise-digits-accuracy",
        "kd-noise-digits-auc",
        "kd-capacity-digits-compression",
        "kd-synthetic-noise-0.1-weights",
        "kd-synthetic-noise-0.1-curves",
        "kd-noise-digits-40-random-histogram",
        "kd-noise-digits-60-random-histogram",
        "kd-noise-digits-human-histogram",
    ]
    assert sum(name.endswith("gains") for name in drawn) == 8
    assert all(png(figure).startswith(b"\x89PNG") for figure in drawn.values())


def test_rows_without_fields_give_gains_alone():
    assert list(grid_figures(made.frame(made.multi_rows(2)))) == [
        "kd-multi-digits-resnet32-and-resnet14-to-resnet8-gains"
    ]
    assert grid_figures(pd.DataFrame([made.row("kd-self", "born again", "ce", 0)])) == {}


def test_buckets_are_means_over_the_runs_that_have_rows():
    runs = [made.learnt(seed)["buckets"] for seed in range(3)]
    figure = distillation.bucket_plot({"AMAL": runs}, BUCKETS)
    above, below = figure.axes
    wrong, right = (one.lines[0] for one in above.containers)
    np.testing.assert_allclose(wrong.get_ydata(), [0.9, 0.87, 0.8, 0.7, 0.65])
    np.testing.assert_allclose(right.get_ydata(), [0.8, 0.73, 0.6, 0.5, 0.41])
    error = above.containers[0].lines[2][0].get_segments()[4][:, 1]
    np.testing.assert_allclose(error, 0.65 + np.array([-1, 1]) * 0.05 / np.sqrt(3))
    heights = [bar.get_height() for bar in below.patches]
    np.testing.assert_allclose(heights[:5], [788, 18, 2, 1, 2])
    assert below.get_yscale() == "log" and legend(figure) == ["wrong label", "right label"]


def test_a_bucket_that_no_run_fills_is_left_empty():
    runs = [{"noisy": [0.5, None], "noisy_rows": [3, 0], "clean": [0.1, 0.2], "clean_rows": [5, 7]}]
    figure = distillation.bucket_plot({"AMAL": runs}, (0, 0.5, 1))
    assert np.isnan(figure.axes[0].containers[0].lines[0].get_ydata()[1]) and png(figure)


def test_histograms_hold_all_rows_of_runs_with_other_edges():
    held = [
        {"edges": [0.0, 1.0, 2.0], "noisy": [0, 4], "clean": [6, 0]},
        {"edges": [-1.0, 0.0, 1.0], "noisy": [0, 0], "clean": [2, 0]},
    ]
    figure = distillation.difference_histogram({"AMAL": held}, {"AMAL": [0.9, 1.0, np.nan]})
    ax = figure.axes[0]
    assert ax.get_title(loc="left") == "AMAL: AUC 0.950"
    wrong, _, right, _ = (patch.get_data() for patch in ax.patches)
    assert wrong.values.sum() == pytest.approx(100) and right.values.sum() == pytest.approx(100)
    middles = (wrong.edges[1:] + wrong.edges[:-1]) / 2
    assert wrong.values[middles < 1].sum() == pytest.approx(0)
    assert right.values[middles < 0].sum() == pytest.approx(25)
    assert right.values[middles > 1].sum() == pytest.approx(0)


def test_learning_curves_count_runs_as_far_as_they_went():
    figure = distillation.learning_curves({"KD": [[0.2, 0.4, 0.6], [0.4, 0.6]]}, every=5)
    line = figure.axes[0].lines[0]
    np.testing.assert_allclose(line.get_xdata(), [5, 10, 15])
    np.testing.assert_allclose(line.get_ydata(), [30, 50, 60])
    band = figure.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    assert band.min() == pytest.approx(20) and band.max() == pytest.approx(60)


def test_conditions_stand_side_by_side():
    frame = pd.DataFrame(
        {
            "condition": ["a", "a", "b", "a", "b"],
            "method": ["KD", "KD", "KD", "AMAL", "AMAL"],
            "seed": [0, 1, 0, 0, 0],
            "score": [0.2, 0.4, 0.5, 0.6, 0.7],
        }
    )
    ax = distillation.by_condition(frame).axes[0]
    dots = {c.get_label(): c.get_offsets() for c in ax.collections if len(c.get_offsets())}
    np.testing.assert_allclose(dots["KD"][:, 1], [30, 50])
    np.testing.assert_allclose(dots["AMAL"][:, 1], [60, 70])
    assert (dots["KD"][:, 0] < dots["AMAL"][:, 0]).all()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["a", "b"]


def test_compression_leaves_out_the_student_without_a_teacher():
    figure = grid_figures(made.frame(made.capacity_rows(3)))["kd-capacity-digits-compression"]
    ax = figure.axes[0]
    assert ax.get_xscale() == "log" and "labels alone" not in legend(figure)
    assert set(legend(figure)) == {"KD(0.9)", "TAKD", "DGKD", "SSKD", "AMAL", "ALM-KD"}
    assert [label.get_text() for label in ax.get_xticklabels()] == ["3.47", "5.98", "22.2"]


@pytest.mark.parametrize(
    "draw",
    [
        lambda: distillation.bucket_plot({}, BUCKETS),
        lambda: distillation.difference_histogram({"AMAL": []}, {}),
        lambda: distillation.learning_curves({"KD": [[]]}, 1),
        lambda: distillation.by_condition(pd.DataFrame({"score": [0.5]})),
        lambda: distillation.compression_curve(
            pd.DataFrame(columns=["method", "seed", "compression", "relative_ce"])
        ),
    ],
)
def test_nothing_to_draw_is_said(draw):
    with pytest.raises(InputError, match=r"to draw|lacks the columns"):
        draw()


def test_the_page_holds_tables_verdicts_and_pictures(tmp_path):
    path = tmp_path / "a.html"
    runs = made.frame(made.noise_rows(2, ("ce", "kd", "amal")))
    runs["title"] = runs["title"].replace("KD(0.9)", "<b>KD")
    write_grid_report(path, runs)
    page = path.read_text(encoding="utf-8")
    assert "AMAL above labels alone by" in page and "&lt;b&gt;KD" in page and "<b>KD" not in page
    assert page.count("<img ") == 2 + 3 * 2 and "http:" not in page and "https:" not in page
    assert "kd-noise, digits: test accuracy by condition" in page
    assert "kd-noise, digits: human" in page
