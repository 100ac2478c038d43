"""Figures of mixers: weights over training by loss, by module, by row; paths of a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.report.confidence import over_seeds
from spear_amal.report.figures.study import weights_by_correctness
from spear_amal.report.figures.style import (
    COLOURS,
    FAINT,
    CaptionedFigure,
    colour_bar,
    legend,
    line_style,
    marker,
    new_figure,
    panel_title,
    same_axes,
    tick_name,
    titled_panels,
    weight_axis,
    whole_numbers,
    wrapped,
)
from spear_amal.report.weight_series import (
    Run,
    at_stages,
    last_epoch,
    loss_series,
    module_series,
    runs_of,
    stage_ends,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


STAGES = 5
_FEW = 7  # modules that are lines; more are rows of a map
_CELL = 0.17  # inches for a row of a map
_TALLEST = 9.0  # inches of a map; more rows are thinner
_MOST_NAMES = int(_TALLEST / _CELL)  # that have room beside it
_NAME = 26  # characters of a module's name
_NOT_REACHED = "#E2E2E2"  # cells of modules that a loss does not share with the main one
_ASIDE = 0.02  # of a stage, so that bars do not hide each other
_GOAL_DASHES = ((0, (1, 1.5)), "--", "-.")

_LOSSES = (
    "Mean weight of each loss after each epoch; 0 leaves a loss out, 1 counts it fully. A loss "
    "without a line in a panel was not trained there. Of several runs or folds: the mean of those "
    "still training, with its 95% interval from three runs on."
)
_MODULES = (
    "Training up to its best epoch, cut into equal stages: the weight of the loss in each module "
    "of the network at the end of each stage. Of several runs: the mean, with its 95% interval "
    "where modules are few. Grey: the loss does not share the module with the main one."
)


def weights_over_training(
    runs: Mapping[str, Run | Sequence[Run]],
) -> Iterator[CaptionedFigure]:
    """Draw what runs recorded of their weights: by loss, and by module for each method.

    Parameters
    ----------
    runs : mapping of str to run, or to sequence of runs
        By the method's title, histories of models or rows of a study.

    Yields
    ------
    CaptionedFigure
        "mixers", and "modules-I" for the I-th method; none where nothing was recorded.
    """
    if any(loss_series(run) for runs_or_run in runs.values() for run in runs_of(runs_or_run)):
        yield CaptionedFigure("Weights of the losses", _LOSSES, loss_weights(runs), "mixers")
    for i, (title, runs_or_run) in enumerate(runs.items(), start=1):
        if any(module_series(run) for run in runs_of(runs_or_run)):
            title, figure = f"Weights by module: {title}", module_weights(runs_or_run)
            yield CaptionedFigure(title, _MODULES, figure, f"modules-{i}")


def loss_weights(runs: Mapping[str, Run | Sequence[Run]]) -> Figure:
    """Draw the mean weight of every loss over epochs, one panel a mixer, all on the same axes.

    Parameters
    ----------
    runs : mapping of str to run, or to sequence of runs
        By the mixer's title, what :func:`spear_amal.report.weight_series.loss_series` reads:
        histories of models, rows of a study, or values by loss. Lines are means over the runs that
        still train, as long as half of them do; bands are 95% intervals (Student's t; from three
        runs on). Mixers that recorded no weights are left out. If a weight is above 4, the axis is
        logarithmic from 1 on.

    Raises
    ------
    InputError
        If nothing was recorded.
    """
    frames = {
        title: _means([loss_series(run) for run in runs_of(runs_or_run)])
        for title, runs_or_run in runs.items()
    }
    frames = {title: frame for title, frame in frames.items() if len(frame)}
    if not frames:
        raise InputError("no run recorded weights by epoch: there is nothing to draw")
    names = list(dict.fromkeys(name for frame in frames.values() for name in frame["name"]))
    figure, axes = titled_panels(list(frames), 2.0)
    for ax, frame in zip(axes, frames.values(), strict=True):
        for i, name in enumerate(names):
            _line(ax, frame[frame["name"] == name], i)
    same_axes(figure, axes, "epoch", "mean weight")
    whole_numbers(axes)
    weight_axis(axes, max(float(frame["high"].max()) for frame in frames.values()))
    legend(figure, axes)
    return figure


def _means(runs: Sequence[Mapping[str, np.ndarray]]) -> pd.DataFrame:
    """Compute ``name, epoch`` (from 1), ``mean, low, high`` over runs, names in order."""
    parts = [
        pd.DataFrame({"name": name, "epoch": np.arange(1, len(values) + 1), "weight": values})
        for run in runs
        for name, values in run.items()
    ]
    if not parts:
        return pd.DataFrame()
    values = pd.concat(parts, ignore_index=True)
    counts = values.groupby(["name", "epoch"])["weight"].transform("size")
    values = values[2 * counts >= len(runs)]
    means = over_seeds(values, ["name", "epoch"], "weight", scale=1.0, most=np.inf).reset_index()
    order = {name: i for i, name in enumerate(values["name"].unique())}
    return means.sort_values("name", key=lambda names: names.map(order), kind="stable")


def _line(ax: Axes, means: pd.DataFrame, i: int) -> None:
    """Draw one line with its band; a single epoch is a dot."""
    if not len(means):
        return
    x, style = means["epoch"], line_style(i)
    ax.fill_between(x, means["low"], means["high"], color=style["color"], alpha=0.18, linewidth=0)
    dot = "o" if len(means) == 1 else None
    label = wrapped(means["name"].iloc[0])
    ax.plot(x, means["mean"], label=label, linewidth=1.8, marker=dot, markersize=5, **style)


def instance_weights(
    weights: pd.DataFrame,
    marked: Any,
    names: tuple[str, str] = ("right", "wrong"),
    of: str = "label",
) -> Figure:
    """Draw histograms of the weights of rows, marked ones told from the others, one panel a loss.

    Parameters
    ----------
    weights : DataFrame (n, K)
        NaN where a loss did not count.
    marked : array of bool (n,)
        Such as the rows with a wrong label.
    names : (str, str)
        What the other rows and the marked ones are.
    of : str
        Of what they are it, for the legend.
    """
    marked = np.asarray(marked)
    if marked.dtype != bool or marked.shape != (len(weights),):
        raise InputError(
            f"marked must be one bool for each of {len(weights)} rows, found {marked.dtype} of "
            f"shape {marked.shape}"
        )
    right, wrong = (
        {str(name): part[name].dropna().to_numpy() for name in part}
        for part in (weights[~marked], weights[marked])
    )
    return weights_by_correctness(right, wrong, names, of)


def trajectories(
    paths: Mapping[str, Mapping[float, Sequence[float]]], goals: Mapping[str, float]
) -> Figure:
    """Draw the path of one parameter over steps, one panel a mixer, one line a start.

    Parameters
    ----------
    paths : mapping of str to {start: values}
        By the mixer's title; values (steps + 1,), the start among them.
    goals : mapping of str to float
        Values to mark by a line across, such as the minimum of a loss.
    """
    figure, axes = titled_panels(list(paths), 2.2)
    for ax, by_start in zip(axes, paths.values(), strict=True):
        for i, (name, goal) in enumerate(goals.items()):
            look: Any = {"color": FAINT, "linestyle": _GOAL_DASHES[i % len(_GOAL_DASHES)]}
            ax.axhline(goal, linewidth=1.4, label=name, zorder=0, **look)
        for path in by_start.values():
            ax.plot(np.arange(len(path)), path, color=COLOURS[0], linewidth=1.6)
    same_axes(figure, axes, "step", "parameter")
    whole_numbers(axes)
    legend(figure, axes)
    return figure


def module_weights(
    runs: Run | Sequence[Run], stages: int = STAGES, end: int | None = None
) -> Figure:
    """Draw the weight of each loss in each module at the end of each stage, one panel a loss.

    Training from its start to its best epoch is cut into equal stages. Few modules are lines with
    the 95% intervals over runs (from three runs on); more than seven are the rows of a map, grey
    where a loss has no weight because it does not share the module with the main loss.

    Parameters
    ----------
    runs : run, or sequence of runs
        What :func:`spear_amal.report.weight_series.module_series` reads: histories of models, rows
        of a study, or values by (loss, module). Of several runs the mean is drawn, each cut into
        stages of its own.
    stages : int
        With fewer epochs, each epoch is a stage.
    end : int, optional
        Number of epochs to show; by default up to the best validation score, or all of them where
        a run does not say which is best.

    Raises
    ------
    InputError
        If no weights by module were recorded.
    """
    if stages < 1:
        raise InputError(f"stages must be at least 1, found {stages}")
    recorded = [run for run in runs_of(runs) if module_series(run)]
    if not recorded:
        raise InputError("no run recorded weights by module: there is nothing to draw")
    frame, ticks = _stages(recorded, stages, end)
    modules = list(dict.fromkeys(frame["module"]))
    draw = _as_lines if len(modules) <= _FEW else _as_map
    several = "stage of training, from start to best epoch"
    x = several if len(recorded) > 1 else "epoch at the end of a stage, to the best"
    return draw(frame, modules, ticks, x)


def _stages(runs: Sequence[Run], stages: int, end: int | None) -> tuple[pd.DataFrame, list[str]]:
    """Compute ``loss, module, stage`` (from 0), ``mean, low, high``; and the names of stages."""
    parts, ends = [], np.zeros(0)
    for run in runs:
        for (loss, module), values in module_series(run).items():
            last = end or last_epoch(run)
            ends = stage_ends(len(values), stages, last)
            kept = {"weight": at_stages(values, stages, last), "stage": np.arange(len(ends))}
            parts.append(pd.DataFrame({"loss": loss, "module": module, **kept}))
    by = ["loss", "module", "stage"]
    means = over_seeds(pd.concat(parts), by, "weight", scale=1.0, most=np.inf).reset_index()
    # In the order of the network, from its input to its output, not of the alphabet.
    pairs = [(part["loss"].iloc[0], part["module"].iloc[0]) for part in parts]
    order = {pair: i for i, pair in enumerate(pairs)}
    place = [order[pair] for pair in zip(means["loss"], means["module"], strict=True)]
    means = means.assign(place=place).sort_values(["place", "stage"])
    n = int(means["stage"].max()) + 1
    ticks = ends if len(runs) == 1 else np.arange(1, n + 1)
    return means, [f"{tick:g}" for tick in ticks]


def _as_lines(frame: pd.DataFrame, modules: list[str], ticks: list[str], x: str) -> Figure:
    figure, axes = titled_panels(list(dict.fromkeys(frame["loss"])), 2.9)
    names = dict(zip(modules, short_names(modules), strict=True))
    for ax, (_, of_loss) in zip(axes, frame.groupby("loss", sort=False), strict=True):
        for i, module in enumerate(modules):
            means, style = of_loss[of_loss["module"] == module], line_style(i)
            place = means["stage"] + (i - (len(modules) - 1) / 2) * _ASIDE
            look = {"marker": marker(i), "markersize": 5, **style}
            ax.plot(place, means["mean"], label=tick_name(names[module]), **look)
            ax.vlines(place, means["low"], means["high"], color=style["color"], linewidth=1.2)
        ax.set_xticks(np.arange(len(ticks)), ticks)
    axes[0].set_xlim(-0.3, len(ticks) - 0.7)
    same_axes(figure, axes, x, "weight")
    weight_axis(axes, float(frame["high"].max()))
    legend(figure, axes)
    return figure


def _as_map(frame: pd.DataFrame, modules: list[str], ticks: list[str], x: str) -> Figure:
    losses, names = list(dict.fromkeys(frame["loss"])), short_names(modules)
    figure, axes = new_figure(1.3 + min(_CELL * len(modules), _TALLEST), 1, len(losses))
    top = max(1.0, float(frame["mean"].max()))
    for j, (ax, loss) in enumerate(zip(axes, losses, strict=True)):
        means = frame[frame["loss"] == loss].pivot(index="module", columns="stage", values="mean")
        cells = means.reindex(modules).to_numpy()
        image = ax.imshow(cells, cmap="Blues", vmin=0, vmax=top, aspect="auto")
        ax.set_facecolor(_NOT_REACHED)
        panel_title(ax, loss, 48 // len(losses))
        ax.set_xticks(np.arange(len(ticks)), ticks)
        # With very many modules only every second or third name has room.
        rows = np.arange(len(modules) if j == 0 else 0)[:: -(-len(modules) // _MOST_NAMES)]
        ax.set_yticks(rows, [tick_name(names[i]) for i in rows], fontsize=8)
    figure.supxlabel(x, fontsize=9)
    colour_bar(figure, image, axes, "weight", shrink=min(1.0, 12 / len(modules)), aspect=15)
    return figure


def short_names(modules: Sequence[str]) -> list[str]:
    """Return names without the dotted parts that all begin with, cut at their front if need be.

    Examples
    --------
    >>> short_names(["feature.body.0.weight", "feature.body.4.bias"])
    ['0.weight', '4.bias']
    >>> short_names(["feature.body.0", "feature.body.1"])
    ['body.0', 'body.1']
    """
    split = [name.split(".") for name in modules]
    shared = 0
    if len(split) > 1:
        parents = (parts[:-1] for parts in split)
        alike = [len(set(parts)) == 1 for parts in zip(*parents, strict=False)]
        shared = [*alike, False].index(False)
    if shared and any("".join(parts[shared:]).isdigit() for parts in split):
        shared -= 1  # a number alone says little
    names = [".".join(parts[shared:]) for parts in split]
    return [name if len(name) <= _NAME else "…" + name[1 - _NAME :] for name in names]
