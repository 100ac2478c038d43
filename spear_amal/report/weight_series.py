"""Weights over training as runs hold them: histories of models, or rows of studies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from spear_amal.errors import InputError
from spear_amal.history import MODULE, WEIGHT
from spear_amal.report.history_curves import curve, selected_part

BY_EPOCH, MODULES_BY_EPOCH = "weights_by_epoch", "module_weights_by_epoch"  # fields of a row

Run: TypeAlias = pd.DataFrame | Mapping[Any, Any]
Pair: TypeAlias = tuple[str, str]


def loss_series(run: Run) -> dict[str, np.ndarray]:
    """Return the mean weight of each loss by epoch; empty if the run recorded none.

    Parameters
    ----------
    run : DataFrame or mapping
        A ``history_`` (columns "weight/LOSS"; of several folds the mean), a row of a study (field
        "weights_by_epoch"), or the values (epochs,) by loss themselves.
    """
    if isinstance(run, pd.DataFrame):
        return _columns(run, WEIGHT)
    if isinstance(run.get(BY_EPOCH, ()), Mapping):
        run = run[BY_EPOCH]
    elif BY_EPOCH in run or MODULES_BY_EPOCH in run:
        return {}  # a row without them
    return {str(name): _numbers(name, values) for name, values in run.items()}


def module_series(run: Run) -> dict[Pair, np.ndarray]:
    """Return the weight of each (loss, module) by epoch; empty if the run recorded none.

    Parameters
    ----------
    run : DataFrame or mapping
        A ``history_`` (columns "module/LOSS/MODULE"), a row of a study (field
        "module_weights_by_epoch": values by "LOSS/MODULE"), or the values (epochs,) by
        (loss, module) themselves.
    """
    if isinstance(run, pd.DataFrame):
        series: Mapping[Any, Any] = _columns(run, MODULE)
    else:
        series = run.get(MODULES_BY_EPOCH, {} if BY_EPOCH in run else run) or {}
    return {_pair(name): _numbers(name, values) for name, values in series.items()}


def last_epoch(run: Run) -> int | None:
    """Return the number of epochs up to the best score; None where a run does not say.

    A row of a study says so in the field "best_epoch" (from 1). Several folds have a best epoch
    each: then the median of them.
    """
    if not isinstance(run, pd.DataFrame):
        best = np.asarray(run.get("best_epoch"), dtype=float)  # None becomes not-a-number
        return None if np.isnan(best).any() else int(np.median(best))
    part = selected_part(run)
    if "val_score" not in part or not part["val_score"].notna().any():
        return None
    groups = [frame for _, frame in part.groupby("member")] if "member" in part else [part]
    return int(np.median([_best(frame) for frame in groups])) + 1


def _best(history: pd.DataFrame) -> int:
    """Return the epoch that training keeps: best score, then lowest loss, then the earliest."""
    by = ["val_score", *(name for name in ("val_loss",) if name in history)]
    ranked = history.sort_values(by, ascending=[False, True][: len(by)], kind="stable")
    return int(ranked["epoch"].iloc[0])


def at_stages(values: np.ndarray, stages: int, end: int | None = None) -> np.ndarray:
    """Return the values at the ends of equal stages of the first `end` epochs.

    Examples
    --------
    >>> at_stages(np.arange(10.0), 5).tolist(), at_stages(np.arange(10.0), 3, 6).tolist()
    ([1.0, 3.0, 5.0, 7.0, 9.0], [1.0, 3.0, 5.0])
    """
    return np.asarray(values[stage_ends(len(values), stages, end) - 1])


def stage_ends(n_epochs: int, stages: int, end: int | None = None) -> np.ndarray:
    """Return the epochs (from 1) at which stages end; fewer epochs are a stage each."""
    last = min(end or n_epochs, n_epochs)
    return np.unique(np.ceil(np.linspace(0, last, min(stages, last) + 1)[1:]).astype(int))


def runs_of(runs: Run | Sequence[Run]) -> list[Run]:
    """Make a list of one run or of several."""
    return [runs] if isinstance(runs, pd.DataFrame | Mapping) else list(runs)


def recorded(runs: pd.DataFrame) -> dict[str, list[Run]]:
    """Return, by title, the weights by epoch of those rows of studies that hold them."""
    fields = [name for name in (BY_EPOCH, MODULES_BY_EPOCH) if name in runs]
    by_title: dict[str, list[Run]] = {}
    for row in runs.to_dict(orient="records") if fields else ():
        # A frame fills what a row does not have with not-a-number.
        weights = {name: row[name] for name in fields if isinstance(row[name], Mapping)}
        if weights:
            run = {"best_epoch": row.get("best_epoch"), **weights}
            by_title.setdefault(str(row["title"]), []).append(run)
    return by_title


def _columns(history: pd.DataFrame, start: str) -> dict[str, np.ndarray]:
    names = [str(name) for name in history if str(name).startswith(start)]
    curves = {name.removeprefix(start): curve(history, name).to_numpy() for name in names}
    return {name: values for name, values in curves.items() if len(values)}


def _pair(name: Any) -> Pair:
    """Split "LOSS/MODULE" at its first stroke."""
    if isinstance(name, tuple) and len(name) == 2:
        return str(name[0]), str(name[1])
    loss, stroke, module = str(name).partition("/")
    if not stroke:
        raise InputError(f"weights of modules need names LOSS/MODULE, found {name!r}")
    return loss, module


def _numbers(name: Any, values: Any) -> np.ndarray:
    """Return one number an epoch, or raise InputError."""
    try:
        numbers = np.asarray(values, dtype=float)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"weights of {name!r} must be numbers by epoch, found {values!r}"
        ) from error
    if numbers.ndim != 1 or not len(numbers):
        raise InputError(
            f"weights of {name!r} must be a list of one number an epoch, found shape "
            f"{numbers.shape}"
        )
    return numbers
