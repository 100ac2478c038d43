"""The tables of a study as strings, for the command line, Markdown and the HTML report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from spear_amal.studies.summary import GROUP, summarise

METRIC_NAMES = {"accuracy": "accuracy", "f1": "F1", "macro-f1": "macro F1"}


def study_tables(
    runs: pd.DataFrame, baseline: str | None = None
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Give the tables of some runs, one for each corpus and setting.

    Parameters
    ----------
    runs : DataFrame
    baseline : str, optional
        As for :func:`spear_amal.studies.summarise`.

    Yields
    ------
    str
        Title: corpus, labels, features, protocol.
    str
        What else was set: votes, settings, data, version.
    DataFrame
        One table of :func:`spear_amal.studies.summarise`; see :func:`readable_summary`.
    """
    for key, table in summarise(runs, baseline).groupby(level=list(GROUP), sort=False):
        corpus, features, protocol, labels, study = key
        # Where V is of another size than L, the settings say so.
        as_many = "" if "validation rows" in str(study) else " and as many validation rows"
        title = f"{corpus}: {labels} labels{as_many}, {features}, {protocol} L"
        yield title, str(study), table


def readable_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Turn one table of :func:`spear_amal.studies.summarise` into strings for people."""
    metric, baseline = METRIC_NAMES[table["metric"].iloc[0]], table["baseline"].iloc[0]
    own = list(table.index.get_level_values("method") == baseline)
    shown = pd.DataFrame({"method": list(table["title"])})
    shown[f"test {metric}"] = _numbers(table["score"], "{:.1f}")
    shown["sd"] = _numbers(table["sd"], "{:.1f}")
    bounds = zip(table["low"], table["high"], strict=True)
    against = {
        f"gain over {baseline}": _numbers(table["gain"], "{:+.1f}"),
        "95% interval": [_interval(low, high) for low, high in bounds],
        "wins": _numbers(table["wins"], "{:d}"),
        "losses": _numbers(table["losses"], "{:d}"),
    }
    for name, cells in against.items():
        shown[name] = ["" if mine else cell for mine, cell in zip(own, cells, strict=True)]
    if table["share"].notna().any():
        shown["gap closed"] = _numbers(table["share"], "{:.2f}")
    shown["V - test"] = _numbers(table["optimism"], "{:+.1f}")
    if table["dedup"].notna().any():
        shown["without duplicates"] = _numbers(table["dedup"], "{:.1f}")
    shown["seeds"] = [str(count) for count in table["seeds"]]
    shown["seconds"] = _numbers(table["seconds"], "{:.1f}")
    return shown


def tuning_table(records: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Make the table of what tuning chose, as strings."""
    return pd.DataFrame(
        [
            {
                "corpus": record["corpus"],
                "method": record["method"],
                "chosen": _pairs(record["chosen"]) or "the defaults",
                "held-out score": _points(record["score"]),
                "of the defaults": _points(record["trials"][0]["value"]),
                "trials": str(len(record["trials"])),
            }
            for record in records
        ]
    )


def markdown(table: pd.DataFrame) -> str:
    r"""Write a table of strings in Markdown; a bar within a cell is escaped.

    Examples
    --------
    >>> print(markdown(pd.DataFrame({"a": ["1|2"], "b": [""]})))
    | a | b |
    |---|---|
    | 1\|2 |  |
    """
    lines = ["| " + " | ".join(table.columns) + " |", "|" + "---|" * len(table.columns)]
    for row in table.itertuples(index=False):
        lines.append("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |")
    return "\n".join(lines)


def _points(value: float | None) -> str:
    return "n/a" if value is None else f"{100 * value:.1f}"


def _numbers(values: pd.Series, form: str) -> list[str]:
    return ["n/a" if value != value else form.format(value) for value in values]


def _interval(low: float, high: float) -> str:
    return "n/a" if low != low else f"{low:+.1f} to {high:+.1f}"


def _pairs(options: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in options.items()
    )
