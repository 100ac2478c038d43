"""The look of all charts, and how a chart of Altair becomes a specification for a page.

Everything that a user wrote goes into data, never into an expression, a field's name or a title:
Vega shows it as text. Colours of text and axes are those of the page, so charts follow it from
light to dark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import pandas as pd

from spear_amal.printable import on_one_line
from spear_amal.report.figures.style import COLOURS, STRONG

if TYPE_CHECKING:
    import altair as alt

Spec: TypeAlias = dict[str, Any]

INK = "currentColor"  # of the page
BLUE, ORANGE, VIOLET, RED = COLOURS[0], COLOURS[1], COLOURS[3], STRONG
PALE, MEDIUM = "#B9D7EA", "#56A0D3"
GREY = "#8A8A8A"
PALETTE = [*COLOURS[:-1], GREY]
STEP = 19  # pixels for one name in a list of lines or bars
_ROOM = 52  # characters of a legend in one line
HEIGHT = 260  # pixels of a chart with a free height
# Long names keep both ends: those of a family often differ in the last word only.
SHORT_NAMES = (
    "length(datum.label) > 27 ? slice(datum.label, 0, 13) + '…' + slice(datum.label, -13) "
    ": datum.label"
)
DASHES = [[1, 0], [6, 3], [6, 2, 1, 2], [2, 2]]

#: Vega-Lite's configuration for every chart; the page's script sets limits by its width.
LOOK: Spec = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": INK,
        "titleColor": INK,
        "domainColor": GREY,
        "tickColor": GREY,
        "gridColor": GREY,
        "gridOpacity": 0.25,
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {
        "labelColor": INK,
        "titleColor": INK,
        "orient": "top",
        "title": None,
        "labelFontSize": 11,
        "symbolStrokeWidth": 2,
    },
    "range": {"category": PALETTE},
}


def finished(chart: alt.TopLevelMixin, **frames: pd.DataFrame) -> Spec:
    """Return the specification of a chart with its data, as wide as the place it stands in.

    Parameters
    ----------
    chart : Chart
        Its data are ``alt.NamedData`` with the names of `frames`.
    **frames : DataFrame
        Not-a-number becomes null, which draws nothing.
    """
    spec: Spec = chart.to_dict()
    # Neither is needed to draw: the address of the schema, and a look that pages have of their own.
    for name in ("$schema", "config"):
        spec.pop(name, None)
    return spec | {
        "width": "container",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "datasets": {name: records(frame) for name, frame in frames.items()},
    }


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return rows as Vega-Lite reads them: plain numbers, text on one line, None for missing."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in frame.to_dict(orient="records")
    ]


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return None if value is None or value is pd.NA else on_one_line(str(value))


def tooltip(**fields: str) -> list[alt.Tooltip]:
    """Return what is told of a mark under the pointer.

    Parameters
    ----------
    **fields : str
        By the field's name, its format, such as ".1%"; "" for words and whole numbers. The field
        is shown with blanks for underscores.
    """
    import altair as alt

    return [
        alt.Tooltip(
            field=name,
            type="quantitative" if form else "nominal",
            title=name.replace("_", " "),
            format=form or alt.Undefined,
        )
        for name, form in fields.items()
    ]


def names_axis(field: str, names: list[str]) -> alt.Y:
    """Return an axis with one name a line, in the given order."""
    import altair as alt

    domain = [on_one_line(str(name)) for name in names]
    axis = alt.Axis(title=None, grid=False, ticks=False, domain=False, labelExpr=SHORT_NAMES)
    return alt.Y(field=field, type="nominal", scale=alt.Scale(domain=domain), axis=axis)


def names_legend(names: Iterable[object]) -> alt.Legend:
    """Return a legend with as many names side by side as a phone has room for."""
    import altair as alt

    longest = max((len(str(name)) for name in names), default=0)
    return alt.Legend(columns=max(1, _ROOM // (longest + 4)))


def kinds_scale(looks: Mapping[str, Any]) -> alt.Scale:
    """Return a scale from kinds to looks (colours, shapes), in their order."""
    import altair as alt

    return alt.Scale(domain=list(looks), range=list(looks.values()))


@cache
def vega_bundle() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, of the version that Altair writes for.

    It comes with vl-convert, so that no network is needed.
    """
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    newest = vl_convert.get_vegalite_versions()[-1]
    chosen = version if version in vl_convert.get_vegalite_versions() else newest
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", chosen)
    return bundle.replace("</script", "<\\/script")
