"""How cost grows with rows, votes, classes, features, members and more: curves on logarithmic axes.

    python benchmarks/growth.py                  # docs/figures/growth.png
    python benchmarks/growth.py --only Members   # panels with this in their title
    python benchmarks/growth.py --small --output /tmp/growth.png --json /tmp/growth.json

The numbers are in docs/results/growth.json; those of panels that are not measured anew are kept.
A slope of 1 is growth in proportion; the grey line has it. Legends give the slope of the last
doubling or more that was measured, where fixed costs count least.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import growth_jobs
import machine
import numpy as np
from harness import timed

from spear_amal.io.atomic import write_aside
from spear_amal.report.figures.style import FAINT, line_style, panel_grid, png

DOCS = Path(__file__).parents[1] / "docs"
REPEATS = 5
LONG = 2.0  # seconds; what takes longer is timed once

Curve = list[tuple[float, float]]  # size, seconds


def main() -> None:
    """Measure and draw."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--output", type=Path, default=DOCS / "figures" / "growth.png")
    parser.add_argument("--json", type=Path, default=DOCS / "results" / "growth.json")
    parser.add_argument("--only", default="", help="part of the titles of panels to measure anew")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--small", action="store_true", help="two small sizes a curve")
    asked = parser.parse_args()
    machine.pin_threads(asked.threads)
    stored = json.loads(asked.json.read_text(encoding="utf-8")) if asked.json.exists() else {}
    kept = {title: panel for title, panel in stored.items() if title in growth_jobs.PANELS}
    for title, panel in growth_jobs.PANELS.items():
        if asked.only in title:
            kept[title] = {**machine.about(), "curves": measure(panel, asked.small)}
            slopes = (f"{name} {slope(curve):.2f}" for name, curve in kept[title]["curves"].items())
            print(f"{title}: slopes {', '.join(slopes)}", flush=True)
            with write_aside(asked.json) as path:
                path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
    found = {title: kept[title]["curves"] for title in growth_jobs.PANELS if title in kept}
    with write_aside(asked.output) as path:
        path.write_bytes(draw(found))


def measure(panel: growth_jobs.Panel, small: bool) -> dict[str, Curve]:
    """Time each curve's jobs, in the order of their sizes."""
    return {
        name: [(n, timed(make(n), 1)) for n in panel.small]
        if small
        else [(n, typical(make(n))) for n in panel.sizes]
        for name, make in panel.curves.items()
    }


def typical(call: Callable[[], Any]) -> float:
    """Median seconds, after one call to warm up."""
    once = timed(call, 1)
    if once > LONG:
        return once
    calls = max(1, int(0.02 / max(once, 1e-6)))  # at least 20 ms between two looks at the clock
    return statistics.median(timed(call, calls) for _ in range(REPEATS))


def slope(curve: Sequence[tuple[float, float]]) -> float:
    """Exponent between the last two sizes."""
    (x0, y0), (x1, y1) = curve[-2:]
    return float(np.log(y1 / y0) / np.log(x1 / x0))


def draw(found: dict[str, dict[str, Curve]]) -> bytes:
    """Draw one panel for each title, two side by side."""
    figure, axes = panel_grid(len(found), 3.1, 0.0)
    for ax, (title, curves) in zip(axes, found.items(), strict=True):
        panel = growth_jobs.PANELS[title]
        for i, (name, curve) in enumerate(curves.items()):
            x, y = np.array(curve).T
            label = f"{name} ({slope(curve):.2f})"
            ax.loglog(x, y, marker="o", markersize=3, label=label, **line_style(i))
        guide(ax, list(curves.values()))
        ax.set_title(title, fontsize=10, loc="left")
        ax.set_xlabel(panel.unit, fontsize=9)
        ax.grid(alpha=0.3)
        ax.legend(fontsize=7, frameon=False)
    figure.supylabel("seconds", fontsize=9)
    return png(figure)


def guide(ax: Any, curves: list[Curve]) -> None:
    """Draw slope 1 below all curves."""
    x = np.array([curves[0][0][0], curves[0][-1][0]])
    start = min(y / size for curve in curves for size, y in curve) * x[0] * 0.6
    ax.loglog(x, start * x / x[0], color=FAINT, linewidth=1, zorder=0)


if __name__ == "__main__":
    main()
