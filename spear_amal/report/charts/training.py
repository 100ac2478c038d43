"""Charts of training: curves of the methods, and the weights that were learnt."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import altair as alt
import numpy as np
import pandas as pd

from spear_amal.report.charts.style import (
    DASHES,
    GREY,
    HEIGHT,
    MEDIUM,
    PALETTE,
    Spec,
    finished,
    names_legend,
    tooltip,
)
from spear_amal.report.history_curves import curve

_BINS = 20


def method_curves(
    histories: Mapping[str, pd.DataFrame], column: str, label: str, log: bool = False
) -> Spec:
    """Draw one line a method of one recorded quantity over epochs."""
    return _epochs(
        {title: curve(history, column) for title, history in histories.items()}, label, log
    )


def loss_curves(history: pd.DataFrame) -> Spec:
    """Draw the mean of every loss of one method over epochs, on a logarithmic scale."""
    names = [str(name) for name in history if str(name).startswith("loss/")]
    curves = {name.removeprefix("loss/"): curve(history, name) for name in names}
    return _epochs(curves, "mean training loss (log scale)", log=True)


def _epochs(curves: Mapping[str, pd.Series], label: str, log: bool) -> Spec:
    """Draw lines over epochs; an empty one is left out and keeps its colour."""
    points = pd.concat(
        [
            pd.DataFrame({"name": str(name), "epoch": values.index + 1, "value": values.to_numpy()})
            for name, values in curves.items()
        ]
        or [pd.DataFrame({"name": [], "epoch": [], "value": []})]
    )
    if log:
        points = points[points["value"] > 0]
    named = set(points["name"])
    looks: Spec = {str(name): i for i, name in enumerate(curves) if str(name) in named}
    chosen = alt.selection_point(fields=["name"], bind="legend")
    last = int(points["epoch"].max()) if len(points) else 1
    scale: Spec = {
        "color": alt.Scale(
            domain=list(looks), range=[PALETTE[i % len(PALETTE)] for i in looks.values()]
        ),
        "dash": alt.Scale(
            domain=list(looks), range=[DASHES[i % len(DASHES)] for i in looks.values()]
        ),
    }
    base = alt.Chart(alt.NamedData("points")).encode(
        x=alt.X(
            field="epoch",
            type="quantitative",
            scale=alt.Scale(domain=[1, max(last, 2)], nice=False),
            axis=alt.Axis(tickMinStep=1, format="d", grid=False),
        ),
        y=alt.Y(
            field="value",
            type="quantitative",
            title=label,
            scale=alt.Scale(type="log") if log else alt.Scale(zero=False),
            axis=alt.Axis(format="~g", tickCount=6),
        ),
        color=alt.Color(
            field="name", type="nominal", scale=scale["color"], legend=names_legend(looks)
        ),
        opacity=alt.condition(chosen, alt.value(1), alt.value(0.1)),
        tooltip=tooltip(name="", epoch="", value=".4~g"),
    )
    lines = base.mark_line(strokeWidth=2).encode(
        strokeDash=alt.StrokeDash(
            field="name", type="nominal", scale=scale["dash"], legend=names_legend(looks)
        )
    )
    # Wide and faint: what the pointer finds, and the whole line of a single epoch.
    dots = base.mark_circle(size=60 if last == 1 else 25)
    return finished(
        alt.layer(lines, dots.add_params(chosen)).properties(height=HEIGHT), points=points
    )


def weight_histograms(weights: pd.DataFrame) -> dict[str, tuple[str, Spec]]:
    """Draw the histogram of the weights of every loss that counted somewhere.

    Parameters
    ----------
    weights : DataFrame (n, K)
        NaN where a loss did not count.

    Returns
    -------
    dict of str to (str, Spec)
        By loss, what is to be said of it in words, and the chart.
    """
    by_loss = {str(name): weights[name].dropna().to_numpy() for name in weights}
    by_loss = {name: values for name, values in by_loss.items() if len(values)}
    top = max((float(values.max()) for values in by_loss.values()), default=1.0)
    edges = np.linspace(0, max(1.0, top), _BINS + 1)
    return {
        name: (_in_words(values), _histogram(values, edges)) for name, values in by_loss.items()
    }


def _in_words(values: np.ndarray) -> str:
    at_zero, at_one = np.isclose(values, 0).mean(), np.isclose(values, 1).mean()
    return (
        f"{len(values)} rows; weight 0 on {at_zero:.0%} of them, 1 on {at_one:.0%}, "
        f"mean {values.mean():.2f}."
    )


def _histogram(values: np.ndarray, edges: np.ndarray) -> Spec:
    counts, _ = np.histogram(values, edges)
    bins = pd.DataFrame({"from": edges[:-1], "to": edges[1:], "rows": counts})
    bins = bins.assign(
        share=counts / len(values),
        weight=[f"{low:.2f} to {high:.2f}" for low, high in pairwise(edges)],
    )
    x: Spec = {"type": "quantitative", "title": "weight"}
    bars = (
        alt.Chart(alt.NamedData("bins"))
        .mark_bar(color=MEDIUM, stroke=None, binSpacing=1)
        .encode(
            x=alt.X(
                field="from",
                bin="binned",
                axis=alt.Axis(grid=False, tickCount=5),
                scale=alt.Scale(domain=[0, float(edges[-1])]),
                **x,
            ),
            x2=alt.X2(field="to"),
            y=alt.Y(field="rows", type="quantitative"),
            tooltip=tooltip(weight="", rows="", share=".1%"),
        )
    )
    one = (
        alt.Chart(alt.NamedData("one"))
        .mark_rule(color=GREY)
        .encode(x=alt.X(field="x", type="quantitative"))
    )
    chart = alt.layer(bars, one).properties(height=HEIGHT // 2)
    return finished(chart, bins=bins, one=pd.DataFrame({"x": [1.0]}))
