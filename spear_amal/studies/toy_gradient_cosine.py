"""The example of the poster on gradient similarity: a main loss and one that pulls elsewhere.

Main ``(t - 10)^2``, auxiliary ``t^2``, plain gradient descent on t. The plain sum ends between the
two minima; mixers that ask whether the gradients agree end at the main loss' own. In one dimension
a cosine is 1, 0 or -1, so that the weighted and the unweighted form do the same here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import nn

from spear_amal.loop import LossMixer

MAIN_AT, AUXILIARY_AT = 10.0, 0.0  # minima
RATE, STEPS = 0.01, 400
NEAR = 0.05
STARTS = (-20.0, -5.0, 5.0, 20.0, 30.0)
# Title -> name and options of the mixer.
FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "plain sum": ("fixed", {}),
    "main loss alone": ("single", {}),
    "GCS, weighted": ("gcs", {"form": "weighted"}),
    "GCS, unweighted": ("gcs", {"form": "unweighted"}),
}

Paths = dict[str, dict[float, list[float]]]


class _Point(nn.Module):
    """A model that is one number."""

    def __init__(self, start: float) -> None:
        super().__init__()
        self.t = nn.Parameter(torch.tensor([start], dtype=torch.float64))

    def losses(self) -> dict[str, torch.Tensor]:
        """Return both losses of the one row, each with a graph of its own."""
        return {"main": (self.t - MAIN_AT) ** 2, "auxiliary": (self.t - AUXILIARY_AT) ** 2}


def poster_paths(starts: Sequence[float] = STARTS, steps: int = STEPS, rate: float = RATE) -> Paths:
    """Descend under every mixer from every start.

    Returns
    -------
    dict
        By the mixer's title and the start, the values of t (steps + 1), the start among them.
    """
    return {
        title: {start: descend(name, options, start, steps, rate) for start in starts}
        for title, (name, options) in FORMS.items()
    }


def descend(
    mixer: str, options: Mapping[str, Any], start: float, steps: int = STEPS, rate: float = RATE
) -> list[float]:
    """Return the values of t (steps + 1) under one mixer, in a loop that any user would write."""
    point = _Point(start)
    mix = LossMixer(mixer, ["main", "auxiliary"], model=point, **options)
    optimiser = torch.optim.SGD(point.parameters(), lr=rate)
    values = [start]
    for _ in range(steps):
        optimiser.zero_grad()
        mix(point.losses()).backward()
        optimiser.step()
        values.append(point.t.item())
    return values


def steps_until(values: Sequence[float], goal: float = MAIN_AT, near: float = NEAR) -> int | None:
    """Count the steps after which t stays within `near` of `goal`; None if it does not come.

    Examples
    --------
    >>> steps_until([12.0, 10.01, 9.0, 9.98, 10.0]), steps_until([3.0, 4.0]), steps_until([10.0])
    (3, None, 0)
    """
    outside = [i for i, value in enumerate(values) if abs(value - goal) > near]
    first = outside[-1] + 1 if outside else 0
    return first if first < len(values) else None


def poster_table(paths: Paths) -> pd.DataFrame:
    """Return one line a mixer and start: ``mixer, start, end, steps`` (missing: does not come)."""
    rows = [
        {"mixer": title, "start": start, "end": values[-1], "steps": steps_until(values)}
        for title, by_start in paths.items()
        for start, values in by_start.items()
    ]
    return pd.DataFrame(rows).astype({"steps": "Int64"})
