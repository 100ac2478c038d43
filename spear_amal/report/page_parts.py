"""What a page gathers while it is written: headings for the contents, figures, their scripts."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from spear_amal.printable import printable
from spear_amal.report.charts.style import LOOK, vega_bundle
from spear_amal.report.figures.style import png

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class PageParts:
    """Headings and figures of one page, in the order in which a template asks for them.

    Attributes
    ----------
    headings : dict of str to str
        Text of each heading by the id that links lead to.
    """

    def __init__(self) -> None:
        self.headings: dict[str, str] = {}
        self._has_charts = False

    @property
    def style(self) -> Markup:
        """The style sheet."""
        return Markup(_text_of("page.css"))  # our own file

    def heading(self, text: str) -> str:
        """Note a heading; return its id."""
        name = f"part-{len(self.headings) + 1}"
        self.headings[name] = text
        return name

    def drawn(self, drawing: Figure | Mapping[str, Any], title: str) -> Markup:
        """Return a picture, or the specification of a chart for the script that draws it."""
        title = printable(title)
        if not isinstance(drawing, Mapping):
            data = base64.b64encode(png(drawing)).decode()
            return Markup('<img alt="{}" src="data:image/png;base64,{}">').format(title, data)
        self._has_charts = True
        return Markup('<div class="chart" role="img" aria-label="{}">{}</div>').format(
            title, _json_element(drawing)
        )

    def data(self) -> Markup:
        """Return what scripts read beside the charts: how all of them look."""
        return _json_element(LOOK, "chart-config") if self._has_charts else Markup()

    def scripts(self) -> list[Markup]:
        """Return the scripts of the page; Vega-Lite's are the bulk of it, and in it only once."""
        bundle = [vega_bundle()] if self._has_charts else []
        return [Markup(script) for script in (*bundle, _text_of("page.js"))]

    def policy(self) -> str:
        """Return what a browser may load and run: these very scripts, and nothing from outside."""
        digests = (hashlib.sha256(script.encode()).digest() for script in self.scripts())
        allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
        return (
            f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
            "img-src data: blob:"
        )


def _json_element(value: Any, name: str = "") -> Markup:
    """Return data for scripts; what users wrote can neither end the element nor be run."""
    text = htmlsafe_json_dumps(value, json.dumps, allow_nan=False, separators=(",", ":"))
    identity = Markup(' id="{}"').format(name) if name else ""
    return Markup('<script type="application/json"{}>{}</script>').format(identity, text)


@cache
def _text_of(name: str) -> str:
    return (files("spear_amal.report") / "templates" / name).read_text(encoding="utf-8")
