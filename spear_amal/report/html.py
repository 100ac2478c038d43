"""Pieces of HTML; whatever a user wrote is escaped here and nowhere else."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

import pandas as pd

from spear_amal.report.run_tables import are_numbers

GENERATOR = '<meta name="generator" content="spear_amal">'

STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: #fff; color: #222;
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.2; margin: .5rem 0 .25rem; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; border-bottom: 1px solid #ddd;
  padding-bottom: .25rem; }
p { max-width: 46rem; margin: .5rem 0; }
.date { color: #666; margin-top: 0; }
.table { overflow-x: auto; margin: .75rem 0; }
table { border-collapse: collapse; font-size: .875rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; text-align: left; vertical-align: top;
  border-bottom: 1px solid #e5e5e5; }
th { background: #f4f6f8; white-space: nowrap; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.long { min-width: 14rem; }
.figures { display: grid; gap: 1.5rem; align-items: start;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr)); }
figure { margin: .5rem 0; }
figure img { width: 100%; max-width: 40rem; height: auto; display: block; }
figcaption { font-size: .9rem; color: #444; margin-bottom: .25rem; max-width: 40rem; }
figcaption b { color: #222; }
@media print { h2, figcaption { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""

_LONG = 60  # characters from which a column wraps but keeps some width


def page(title: str, body: Iterable[str]) -> str:
    """Put sections into a whole document that needs nothing from outside."""
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            GENERATOR,
            f"<title>{escape(title)}</title>",
            f"<style>{STYLE}</style>",
            "</head>",
            "<body>",
            *body,
            "</body>",
            "</html>",
            "",
        ]
    )


def paragraph(text: str, kind: str = "") -> str:
    """Make a paragraph."""
    return f"<p{_class(kind)}>{escape(text)}</p>"


def heading(text: str, level: int = 2) -> str:
    """Make a heading."""
    return f"<h{level}>{escape(text)}</h{level}>"


def table(frame: pd.DataFrame) -> str:
    """Make a table of strings; columns of numbers are right-aligned."""
    kinds = {name: _kind(j, frame[name]) for j, name in enumerate(frame.columns)}
    head = "".join(f"<th{_class(kinds[name])}>{escape(str(name))}</th>" for name in frame)
    rows = [
        "<tr>" + "".join(_cell(kinds[name], row[name]) for name in frame) + "</tr>"
        for row in frame.to_dict(orient="records")
    ]
    return (
        f'<div class="table"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def definition_pairs(held: Mapping[str, Any]) -> str:
    """Make a table of names and values."""
    frame = pd.DataFrame({"setting": list(held), "value": [str(value) for value in held.values()]})
    return table(frame)


def figure(image: bytes, title: str, caption: str) -> str:
    """Embed a PNG with its caption."""
    data = base64.b64encode(image).decode()
    return (
        f"<figure><figcaption><b>{escape(title)}.</b> {escape(caption)}</figcaption>"
        f'<img alt="{escape(title)}" src="data:image/png;base64,{data}"></figure>'
    )


def figures(made: Iterable[str]) -> str:
    """Put figures side by side where there is room."""
    return f'<div class="figures">{"".join(made)}</div>'


def _cell(kind: str, value: Any) -> str:
    return f"<td{_class(kind)}>{escape(str(value))}</td>"


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""


def _kind(j: int, column: pd.Series) -> str:
    cells = [str(value) for value in column]
    if j > 0 and are_numbers(cells):
        return "number"
    return "long" if any(len(cell) > _LONG for cell in cells) else ""
