"""Rows of benchmarks as a table on the screen, and as Markdown in a page's marked place."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench:begin -->", "<!-- bench:end -->"
MARKS = {True: "✓", False: "✗", None: ""}
HEADS = ("benchmark", "size", "ours", "peer", "compared with", "ratio", "goal", "", "MB", "peer MB")
TEXT = ("benchmark", "size", "compared with", "")  # to the left; the others are numbers
WIDTH = 160


def cells(row: dict[str, Any]) -> list[str]:
    """Write one row under :data:`HEADS`."""
    return [
        *(row["benchmark"], row["size"], seconds(row["ours_s"]), seconds(row["peer_s"])),
        *(row["peer"], number(row["ratio"]) + spread(row), goal(row), MARKS[row.get("met")]),
        *(number(row["ours_mb"]), number(row["peer_mb"])),
    ]


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Ratio: the peer's time over ours. MB: peak memory of the job alone.")
    for name in HEADS:
        table.add_column(name, justify="left" if name in TEXT else "right")
    for row in rows:
        table.add_row(*cells(row))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def markdown(rows: list[dict[str, Any]]) -> str:
    """Table in Markdown, and a line for each machine and set of versions that made rows of it."""
    rules = [":---" if name in TEXT else "---:" for name in HEADS]
    written = [HEADS, rules, *map(cells, rows)]
    lines = ["| " + " | ".join(c.replace("|", "\\|") for c in one) + " |" for one in written]
    made = Counter(json.dumps(_origin(row)) for row in rows)
    return "\n".join([*lines, "", *(_origin_line(json.loads(one), n) for one, n in made.items())])


def _origin(row: dict[str, Any]) -> list[Any]:
    names = ("machine", "threads", "commit", "against")
    return [*(row.get(name) for name in names), row.get("versions", {})]


def _origin_line(origin: list[Any], n: int) -> str:
    machine, threads, commit, before, versions = origin
    listed = ", ".join(f"{name} {version}" for name, version in versions.items())
    build = "" if commit is None else f", commit {commit}"
    build += "" if before is None else f" against {before}"
    return f"{n} rows from {machine}, {threads} threads{build}: {listed}."


def fill(page: Path, rows: list[dict[str, Any]]) -> None:
    """Put the table into a page, in place of what stands between its marks.

    Raises
    ------
    ValueError
        If the page does not hold each mark once, in order.
    """
    text = page.read_text(encoding="utf-8")
    if not (text.count(BEGIN) == text.count(END) == 1 and text.index(BEGIN) < text.index(END)):
        raise ValueError(f"{page} needs {BEGIN} and, after it, {END}, once each")
    before, after = text.partition(BEGIN)[0], text.partition(END)[2]
    page.write_text(f"{before}{BEGIN}\n{markdown(rows)}\n{END}{after}", encoding="utf-8")


def seconds(value: float | None) -> str:
    """Write a time in the unit that suits it."""
    if value is None:
        return ""
    if value < 1e-3:
        return f"{value * 1e6:.0f} µs"
    return f"{value * 1e3:.1f} ms" if value < 1 else f"{value:.2f} s"


def number(value: float | None) -> str:
    """Three digits, or nothing."""
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def spread(row: dict[str, Any]) -> str:
    """Write the least and the largest ratio of single rounds, where there were several."""
    rounds = list(zip(row.get("ours_runs", []), row.get("peer_runs", []), strict=False))
    if len(rounds) < 2:
        return ""
    ratios = [peer / ours for ours, peer in rounds]
    return f" ({number(min(ratios))} to {number(max(ratios))})"


def goal(row: dict[str, Any]) -> str:
    """Say what was wanted."""
    wanted = (("goal", "≥ {}"), ("limit_s", "≤ {} s"), ("memory_goal", "MB ≥ {}"))
    found = [(form, row.get(name)) for name, form in wanted]
    return ", ".join(form.format(number(value)) for form, value in found if value is not None)
