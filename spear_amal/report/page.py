"""The one writer of HTML pages: a template and its context become one file that needs no other.

Templates escape whatever they are given, so that what a user wrote is shown and never run.
"""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Callable, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

import spear_amal
from spear_amal.io.atomic import refuse_existing, write_aside
from spear_amal.printable import printable
from spear_amal.report.explanations import explanation
from spear_amal.report.figures.style import require_report_extra
from spear_amal.report.formatting import are_numbers

if TYPE_CHECKING:
    from jinja2 import Environment

GENERATOR = "spear_amal"
_PACKAGES = ("numpy", "scipy", "pandas", "scikit-learn", "torch", "altair", "matplotlib")
_WIDTHS = {"long": 60, "wide": 20}  # characters from which a column keeps some width


def write_page(
    path: str | os.PathLike[str],
    template: str,
    context: Callable[[], Mapping[str, Any]],
    overwrite: bool = False,
) -> None:
    """Write one self-contained HTML file: figures, styles and all.

    Parameters
    ----------
    path : path
    template : str
        Name of a file in the folder of templates.
    context : callable
        Returns what the template shows; called once it is clear that the file can be written,
        since figures take seconds to draw.
    overwrite : bool

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    MissingExtraError
        If Jinja2, Altair, vl-convert or matplotlib is not installed.
    """
    refuse_existing(path, overwrite)
    require_report_extra()
    from spear_amal.report.page_parts import PageParts

    parts = PageParts()
    general = {"generator": GENERATOR, "versions": versions(), "page": parts}
    text = _environment().get_template(template).render(**general, **context())
    with write_aside(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def is_own_report(path: str | os.PathLike[str]) -> bool:
    """Check whether a file is a page that ``write_page`` wrote."""
    head = 2_000  # the mark stands among the first lines
    try:
        with open(Path(path), encoding="utf-8") as handle:
            return f'<meta name="generator" content="{GENERATOR}">' in handle.read(head)
    except (OSError, UnicodeDecodeError):
        return False


def now() -> str:
    """Return date and time as a page shows them."""
    return datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")


def versions() -> dict[str, str]:
    """Return the versions of this package, of Python and of what figures and numbers rest on."""
    this = {"spear_amal": spear_amal.__version__, "Python": platform.python_version()}
    return this | {name: metadata.version(name) for name in _PACKAGES}


@cache
def _environment() -> Environment:
    environment = new_environment("spear_amal.report")
    environment.filters |= {"column_kinds": _column_kinds, "explanation": explanation}
    return environment


def new_environment(package: str) -> Environment:
    """Return the templates of a package, which escape what they are given."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,  # no look at each file at each rendering
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )


def _column_kinds(frame: pd.DataFrame) -> list[str]:
    """Return for each column of strings "number" (right-aligned), a width or nothing."""
    kinds = []
    for j, name in enumerate(frame):
        cells = frame[name].astype(str).tolist()
        longest = max(map(len, cells), default=0)
        width = next((kind for kind, least in _WIDTHS.items() if longest > least), "")
        kinds.append("number" if j and are_numbers(cells) else width)
    return kinds
