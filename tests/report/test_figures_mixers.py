"""Weights over training: what is drawn is what runs recorded."""

import re
from dataclasses import replace

import made_kd_rows as made
import numpy as np
import pandas as pd
import pytest

from spear_amal.errors import InputError
from spear_amal.report import weight_series, write_report
from spear_amal.report.figures import mixers
from spear_amal.report.figures.mixers import weights_over_training
from spear_amal.report.figures.style import png
from spear_amal.report.grid_report import grid_figures

EPOCHS = 11
FALLING = np.linspace(1, 0, EPOCHS)


def history(best=6, member=0, shift=0.0, modules=()):
    frame = pd.DataFrame({"epoch": range(EPOCHS), "member": member})
    frame["val_score"] = 0.8 - np.abs(np.arange(EPOCHS) - best) / 100
    frame["weight/label"] = 1.0
    frame["weight/rotation"] = FALLING + shift
    for i, name in enumerate(modules):
        frame[f"module/rotation/{name}"] = FALLING + i
    return frame


def row(**more):
    return {"title": "AMAL", "corpus": "c", "weights_by_epoch": {"label": [1.0, 0.5]}, **more}


def lines(ax):
    return {line.get_label(): line.get_ydata() for line in ax.lines}


def shown(figure):
    return [ax for ax in figure.axes if ax.get_visible()]


def test_a_history_a_row_and_plain_values_are_read_alike():
    for run in (
        history(),
        row(weights_by_epoch={"label": [1.0] * EPOCHS, "rotation": list(FALLING)}),
        {"label": np.ones(EPOCHS), "rotation": FALLING},
    ):
        series = weight_series.loss_series(run)
        assert list(series) == ["label", "rotation"]
        np.testing.assert_allclose(series["rotation"], FALLING)


def test_folds_are_averaged_and_the_refit_is_left_out():
    folds = [history(member=0), history(member=1, shift=0.5)]
    refit = history(shift=9.0).assign(refit=True)
    series = weight_series.loss_series(pd.concat([*folds, refit]))
    np.testing.assert_allclose(series["rotation"], FALLING + 0.25)


@pytest.mark.parametrize(
    ("run", "last"),
    [
        (history(best=6), 7),
        (pd.concat([history(best=b, member=b) for b in (2, 3, 8)]), 4),
        (history().drop(columns="val_score"), None),
        (row(), None),
        (row(best_epoch=5), 5),
        (row(best_epoch=float("nan")), None),
    ],
)
def test_the_best_epoch_ends_the_last_stage(run, last):
    assert weight_series.last_epoch(run) == last


def test_equal_scores_are_told_apart_by_the_loss():
    held = history().assign(val_score=0.5, val_loss=np.abs(np.arange(EPOCHS) - 3.0))
    assert weight_series.last_epoch(held) == 4


@pytest.mark.parametrize("n", [1, 2, 5, 7, 53])
@pytest.mark.parametrize("stages", [1, 3, 5])
def test_stages_are_as_equal_as_whole_epochs_can_be(n, stages):
    ends = weight_series.stage_ends(n, stages)
    lengths = np.diff([0, *ends])
    assert len(ends) == min(n, stages) and ends[-1] == n
    assert lengths.min() >= 1 and np.ptp(lengths) <= 1


@pytest.mark.parametrize(
    ("values", "words"),
    [({"label": "much"}, "numbers by epoch"), ({"label": []}, "shape"), ({"a": [[1]]}, "shape")],
)
def test_what_is_no_series_is_named(values, words):
    with pytest.raises(InputError, match=words):
        weight_series.loss_series(values)


def test_a_module_needs_a_loss():
    with pytest.raises(InputError, match="LOSS/MODULE"):
        weight_series.module_series({"rotation": [1.0]})


# -- by loss --------------------------------------------------------------------------------------


def test_lines_are_means_over_runs_with_a_band_from_three_on():
    runs = [{"label": FALLING + d} for d in (0.0, 0.2, 0.4)]
    figure = mixers.loss_weights({"AMAL": runs})
    (ax,) = shown(figure)
    np.testing.assert_allclose(lines(ax)["label"], FALLING + 0.2)
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    half = 4.3027 * 0.2 / np.sqrt(3)  # Student's t of two degrees of freedom
    assert band.max() == pytest.approx(1.2 + half, rel=1e-3) and band.min() == 0
    two = shown(mixers.loss_weights({"AMAL": runs[:2]}))[0].collections[0]
    assert np.ptp(two.get_paths()[0].vertices[:, 1]) == pytest.approx(1.0)


def test_a_line_ends_where_most_runs_have_ended():
    runs = [{"label": np.ones(n)} for n in (3, 5, 7)]
    (ax,) = shown(mixers.loss_weights({"AMAL": runs}))
    assert len(lines(ax)["label"]) == 5


def test_a_loss_keeps_its_colour_in_every_panel_and_is_named_once():
    figure = mixers.loss_weights(
        {"a": {"label": [1.0, 1.0], "rotation": [0.5, 0.0]}, "b": {"rotation": [1.0, 1.0]}, "c": {}}
    )
    first, second = shown(figure)
    assert first.lines[1].get_color() == second.lines[0].get_color()
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["label", "rotation"]
    assert first.get_xlim() == second.get_xlim() and first.get_ylim() == second.get_ylim()


@pytest.mark.parametrize("weight", [0.0, 1.0, 3.9, 4.1, 1e5])
@pytest.mark.parametrize("epochs", [1, 2])
def test_constant_weights_and_large_ones_lie_within_the_axis(weight, epochs):
    figure = mixers.loss_weights({"a": {"label": [weight] * epochs}})
    (ax,) = shown(figure)
    low, high = ax.get_ylim()
    assert low < weight < high and low < 0 and high > 1
    assert ax.get_yscale() == ("symlog" if weight > 4 else "linear")
    assert png(figure)


def test_nothing_recorded_is_an_error_not_an_empty_figure():
    for draw, held in (
        (mixers.loss_weights, {"a": {}}),
        (mixers.module_weights, {}),
    ):
        with pytest.raises(InputError, match="nothing to draw"):
            draw(held)


# -- by module ------------------------------------------------------------------------------------


def test_weights_of_modules_at_the_ends_of_stages_up_to_the_best_epoch():
    figure = mixers.module_weights(history(best=5, modules=("b", "a")), stages=3)
    (ax,) = shown(figure)
    assert list(lines(ax)) == ["b", "a"]  # in the order of the network
    np.testing.assert_allclose(lines(ax)["b"], FALLING[[1, 3, 5]])
    np.testing.assert_allclose(lines(ax)["a"], FALLING[[1, 3, 5]] + 1)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["2", "4", "6"]


def test_runs_are_cut_into_stages_of_their_own():
    runs = [
        row(best_epoch=best, module_weights_by_epoch={"rotation/all": list(range(EPOCHS))})
        for best in (5, 10)
    ]
    (ax,) = shown(mixers.module_weights(runs))
    np.testing.assert_allclose(lines(ax)["all"], (np.arange(5) + np.arange(1, 10, 2)) / 2)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == list("12345")


@pytest.mark.parametrize("m", [1, 7, 8, 23, 83])
def test_few_modules_are_lines_and_many_are_a_map(m):
    names = [f"feature.body.{i}.weight" for i in range(m)]
    figure = mixers.module_weights(history(modules=names))
    ax = shown(figure)[0]
    if m <= 7:
        assert len(ax.lines) == m
    else:
        shares = ax.images[0].get_array()
        assert shares.shape == (m, 5)
        np.testing.assert_allclose(shares[:, -1], FALLING[6] + np.arange(m))
    assert figure.get_size_inches()[1] < 12 and png(figure)


def test_modules_that_a_loss_does_not_share_stay_empty():
    held = {("a", f"m{i}"): [1.0] for i in range(11)} | {("b", "m3"): [0.0]}
    first, second = shown(mixers.module_weights(held))[:2]
    assert not first.images[0].get_array().mask.any()
    mask = second.images[0].get_array().mask[:, 0]
    assert mask.sum() == 10 and not mask[3]


def test_a_single_epoch_and_two_losses():
    held = {("a", "x"): [1.0], ("b", "x"): [0.5]}
    assert len(shown(mixers.module_weights(held))) == 2
    with pytest.raises(InputError, match="stages"):
        mixers.module_weights(held, stages=0)


def test_short_names_keep_what_tells_modules_apart():
    assert mixers.short_names(["all"]) == ["all"]
    assert mixers.short_names(["a.b", "a.b.c"]) == ["b", "b.c"]
    assert len(mixers.short_names(["x" * 99])[0]) == 26


# -- by row, and paths ----------------------------------------------------------------------------


def test_rows_are_split_by_a_mask():
    weights = pd.DataFrame({"label": [0.1, 0.9, 0.8, np.nan], "teacher": [1.0, 0.2, 0.3, 0.4]})
    figure = mixers.instance_weights(weights, np.array([True, False, False, True]))
    titles = [ax.get_title(loc="left") for ax in shown(figure)]
    assert "right: mean 0.85, 2 rows\nwrong: mean 0.10, 1 rows" in titles[0]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["label right", "label wrong"]
    with pytest.raises(InputError, match="4 rows"):
        mixers.instance_weights(weights, np.array([0, 1, 1, 0]))


def test_paths_by_start_with_goals_across():
    figure = mixers.trajectories({"m": {3.0: [3, 2], 5.0: [5, 4, 3]}}, {"main": 2.0})
    (ax,) = shown(figure)
    assert [list(line.get_ydata()) for line in ax.lines[1:]] == [[3, 2], [5, 4, 3]]
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["main"]


# -- on pages -------------------------------------------------------------------------------------


def test_weights_are_drawn_only_where_they_were_recorded():
    assert list(weights_over_training({"a": history().filter(regex="^(?!weight)")})) == []
    drawn = weights_over_training({"MAOAL": history(modules=("x", "y")), "SPEAR": pd.DataFrame()})
    titles = [captioned.title for captioned in drawn]
    assert titles == ["Weights of the losses", "Weights by module: MAOAL"]


def test_rows_of_studies_are_found_by_title():
    frame = pd.DataFrame([row(), row(), {"title": "KD", "corpus": "c"}])
    found = weight_series.recorded(frame)
    assert list(found) == ["AMAL"] and len(found["AMAL"]) == 2
    assert [captioned.name for captioned in weights_over_training(found)] == ["mixers"]
    assert weight_series.recorded(frame[["title"]]) == {}


def test_a_report_has_the_section_after_the_learning_curves(content, tmp_path):
    histories = {"MAOAL": history(modules=("x", "y")).assign(**{"loss/label": 0.5})}
    write_report(tmp_path / "r.html", replace(content, histories=histories))
    titles = re.findall(r"<h2 id=.*?>(.*?)</h2>", (tmp_path / "r.html").read_text(encoding="utf-8"))
    assert titles.index("Weights over training") == titles.index("Learning curves") + 1


def test_a_report_of_distillation_shows_rows_with_weights_by_epoch():
    weights = {"weights_by_epoch": {"label": [1.0, 0.9]}, "best_epoch": 2}
    rows = [made.row("kd-noise", "noise 0.4", "amal", seed, **weights) for seed in range(2)]
    names = list(grid_figures(made.frame(rows)))
    assert any(name.endswith("-mixers") for name in names)
