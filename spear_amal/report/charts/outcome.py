"""Charts of the outcome: what is taken for what, and how far confidence can be believed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from spear_amal.report.charts.style import (
    BLUE,
    GREY,
    HEIGHT,
    INK,
    MEDIUM,
    PALE,
    RED,
    SHORT_NAMES,
    Spec,
    finished,
    kinds_scale,
    names_legend,
    tooltip,
)

BINS = 10
_CONFIDENCE = "probability of the predicted class"
_MOST_CELLS = 12  # classes up to which numbers fit into the cells
_ROOM = 30  # characters of all names together that fit side by side


def confusion_map(counts: np.ndarray, class_names: Sequence[Any]) -> Spec:
    """Draw a confusion matrix (C, C), gold in rows, coloured by the share of the gold class."""
    c = len(class_names)
    names = [str(name) for name in class_names]
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    i, j = np.indices(counts.shape).reshape(2, -1)
    cells = pd.DataFrame(
        {
            "gold": [names[k] for k in i],
            "predicted": [names[k] for k in j],
            "rows": counts.ravel(),
            "share_of_gold": shares.ravel(),
        }
    )
    scale = alt.Scale(domain=names)
    turned = -90 if max(map(len, names), default=0) * c > _ROOM else 0
    axis: Spec = {"ticks": False, "domain": False, "grid": False, "labelExpr": SHORT_NAMES}
    base = alt.Chart(alt.NamedData("cells")).encode(
        x=alt.X(
            field="predicted",
            type="nominal",
            scale=scale,
            axis=alt.Axis(labelAngle=turned, title="predicted", **axis),
        ),
        y=alt.Y(field="gold", type="nominal", scale=scale, axis=alt.Axis(title="gold", **axis)),
        tooltip=tooltip(gold="", predicted="", rows="", share_of_gold=".1%"),
    )
    layers = [
        base.mark_rect(color=BLUE).encode(
            opacity=alt.Opacity(
                field="share_of_gold",
                type="quantitative",
                scale=alt.Scale(domain=[0, 1], range=[0.04, 1]),
                legend=None,
            )
        )
    ]
    if c <= _MOST_CELLS:
        ink = alt.condition("datum.share_of_gold > 0.5", alt.value("white"), alt.value(INK))
        layers.append(base.mark_text(fontSize=12).encode(text=alt.Text(field="rows"), color=ink))
    height = min(560, 60 + c * (44 if c <= _MOST_CELLS else 18))
    return finished(alt.layer(*layers).properties(height=height), cells=cells)


def calibration_chart(confidence: np.ndarray, right: np.ndarray) -> Spec:
    """Draw accuracy against confidence in ten bins; the tooltip has the number of rows.

    Parameters
    ----------
    confidence : ndarray (n,)
    right : ndarray (n,), bool
    """
    bins = calibration_bins(confidence, right)
    start = min(float(bins["from"].min()), 0.5) if len(bins) else 0.0
    scale = alt.Scale(domain=[start, 1], nice=False)
    told = tooltip(confidence="", rows="", right="", accuracy=".1%", mean_confidence=".1%")
    colours = {"accuracy": PALE, "mean confidence": BLUE, "as it should be": GREY}
    looks: Spec = {"scale": kinds_scale(colours), "legend": names_legend(colours)}
    y: Spec = {
        "type": "quantitative",
        "title": "share that is right",
        "scale": alt.Scale(domain=[0, 1]),
    }
    x: Spec = {
        "type": "quantitative",
        "scale": scale,
        "title": "probability of the predicted class",
    }
    bars = (
        alt.Chart(alt.NamedData("bins"))
        .mark_bar(stroke=None)
        .encode(
            x=alt.X(field="from", bin="binned", axis=alt.Axis(grid=False), **x),
            x2=alt.X2(field="to"),
            y=alt.Y(field="accuracy", **y),
            color=alt.Color(field="is_accuracy", type="nominal", **looks),
            tooltip=told,
        )
    )
    dots = (
        alt.Chart(alt.NamedData("bins"))
        .mark_circle(size=50, opacity=1)
        .encode(
            x=alt.X(field="mean_confidence", **x),
            y=alt.Y(field="accuracy", **y),
            color=alt.Color(field="is_mean", type="nominal", **looks),
            tooltip=told,
        )
    )
    line = (
        alt.Chart(alt.NamedData("ends"))
        .mark_line(strokeDash=[4, 4])
        .encode(
            x=alt.X(field="x", **x),
            y=alt.Y(field="x", **y),
            color=alt.Color(field="is_as", type="nominal", **looks),
        )
    )
    # What a layer is, for the legend.
    bins = bins.assign(is_accuracy="accuracy", is_mean="mean confidence")
    ends = pd.DataFrame({"x": [start, 1.0], "is_as": "as it should be"})
    return finished(alt.layer(bars, line, dots).properties(height=HEIGHT), bins=bins, ends=ends)


def confidence_chart(confidence: np.ndarray, right: np.ndarray) -> Spec:
    """Draw how many rows get which confidence, in ten bins, right and wrong ones told apart."""
    bins = calibration_bins(confidence, right)
    wrong = bins["rows"] - bins["right"]
    parts = pd.concat(
        [bins.assign(kind="right", n=bins["right"]), bins.assign(kind="wrong", n=wrong)]
    )
    chart = (
        alt.Chart(alt.NamedData("bins"))
        .mark_bar()
        .encode(
            x=alt.X(
                field="confidence",
                type="ordinal",
                sort=None,
                title=_CONFIDENCE,
                axis=alt.Axis(labelAngle=-45),
            ),
            y=alt.Y(field="n", type="quantitative", title="rows"),
            color=alt.Color(
                field="kind",
                type="nominal",
                scale=kinds_scale({"right": MEDIUM, "wrong": RED}),
                legend=names_legend(["right", "wrong"]),
            ),
            tooltip=tooltip(confidence="", rows="", right="", accuracy=".1%"),
        )
    )
    return finished(chart.properties(height=HEIGHT), bins=parts)


def calibration_bins(confidence: np.ndarray, right: np.ndarray) -> pd.DataFrame:
    """Compute the bins that hold rows: ``from, to, confidence, rows, right, accuracy, ...``."""
    number = np.minimum((confidence * BINS).astype(int), BINS - 1)
    counts = np.bincount(number, minlength=BINS)
    used = np.flatnonzero(counts)
    n_right = np.bincount(number, weights=right, minlength=BINS)[used].astype(int)
    sums = np.bincount(number, weights=confidence, minlength=BINS)[used]
    return pd.DataFrame(
        {
            "from": used / BINS,
            "to": (used + 1) / BINS,
            "confidence": [f"{k / BINS:.0%} to {(k + 1) / BINS:.0%}" for k in used],
            "rows": counts[used],
            "right": n_right,
            "accuracy": n_right / counts[used],
            "mean_confidence": sums / counts[used],
        }
    )
