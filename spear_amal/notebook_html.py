"""HTML for notebooks: what an object is, in a few lines and small tables; all text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from spear_amal.printable import printable

LONGEST = 300  # characters of one value
_CELL = "text-align:left;vertical-align:top;padding:.15em .6em"
_NUMBER = "text-align:right;vertical-align:top;padding:.15em .6em"
_CODE = "margin:.3em 0;padding:.4em .6em;max-height:24em;overflow:auto;border-left:3px solid #8884"


def html_block(
    title: object,
    facts: Mapping[str, object] | None = None,
    parts: Iterable[str] = (),
) -> str:
    """Return a heading, facts in a line each, and further parts, as the HTML of an object.

    Parameters
    ----------
    title : object
    facts : mapping, optional
        What is known, by its name.
    parts : iterable of str
        HTML that the functions of this module made.

    Examples
    --------
    >>> html_block("LF <a>", {"votes": 3})
    '<div><div><b>LF &lt;a&gt;</b></div><div>votes: 3</div></div>'
    """
    lines = [f"<div>{_text(name)}: {_text(value)}</div>" for name, value in (facts or {}).items()]
    return f"<div><div><b>{_text(title)}</b></div>{''.join(lines)}{''.join(parts)}</div>"


def html_table(columns: Mapping[str, Iterable[object]], note: str = "") -> str:
    """Return columns of values as an HTML table; columns of numbers stand at the right.

    Parameters
    ----------
    columns : mapping of str to iterable of n values
    note : str
        A line below the table, such as how many rows are left out.

    Examples
    --------
    >>> "<td" in html_table({"LF": ["a"], "votes": [3]})
    True
    """
    cells = {name: list(values) for name, values in columns.items()}
    styles = [
        _NUMBER if values and all(map(_is_number, values)) else _CELL for values in cells.values()
    ]
    head = "".join(
        f'<th style="{style}">{_text(name)}</th>' for name, style in zip(cells, styles, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{style}">{_text(value)}</td>'
            for value, style in zip(row, styles, strict=True)
        )
        + "</tr>"
        for row in zip(*cells.values(), strict=True)
    )
    below = f"<div><small>{_text(note)}</small></div>" if note else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{below}"


def html_code(source: str) -> str:
    """Return source code as HTML.

    Examples
    --------
    >>> html_code("x < 3").endswith("x &lt; 3</pre>")
    True
    """
    return f'<pre style="{_CODE}">{escape(printable(source))}</pre>'


def more(total: int, shown: int, what: str) -> str:
    """Return a note on what is not shown; empty if all is.

    Examples
    --------
    >>> more(30, 20, "LFs"), more(3, 20, "LFs")
    ('and 10 more LFs', '')
    """
    return f"and {total - shown:,} more {what}" if total > shown else ""


def _is_number(value: object) -> bool:
    if isinstance(value, str):
        return value.rstrip("%").replace(",", "").replace(".", "", 1).isdecimal()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: object) -> str:
    text = printable(str(value))
    return escape(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")
