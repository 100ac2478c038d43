"""Templates: what they are given is escaped; what a user wrote is shown and never run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse

from spear_amal.report.page import new_environment
from spear_amal.workbench.highlight import pieces

if TYPE_CHECKING:
    from jinja2 import Environment

    from spear_amal.workbench.preview import Previewer
    from spear_amal.workbench.workspace import Workspace


def workspace_of(request: Request) -> Workspace:
    """Return the workspace that a request is about."""
    workspace: Workspace = request.app.state.workspace
    if not hasattr(request.state, "heard"):  # before the page looks at anything
        request.state.heard = workspace.hub.last
    return workspace


def previewer_of(request: Request) -> Previewer:
    """Return what tries rules on the table of the workspace."""
    previewer: Previewer = request.app.state.previewer
    return previewer


def render(request: Request, template: str, status: int = 200, **context: Any) -> HTMLResponse:
    """Return a page, or a part of one, from a template.

    Parameters
    ----------
    request : Request
    template : str
        Name of a file in the folder of templates. Those of parts begin with an underscore.
    status : int
    **context
        What the template shows, beside ``project``, ``path``, ``snapshot``, and ``heard``: the
        number of the last event before.
    """
    workspace = workspace_of(request)
    general = {
        "project": workspace.project,
        "path": request.url.path,
        "heard": request.state.heard,
        "snapshot": context.pop("snapshot", None) or workspace.snapshot,
    }
    text = environment().get_template(template).render(**general, **context)
    return HTMLResponse(text, status_code=status)


@cache
def environment() -> Environment:
    """Return the templates of the workbench."""
    made = new_environment("spear_amal.workbench")
    made.filters |= {"percent": _percent, "points": _points, "count": _count, "when": _when}
    made.filters["query"] = _query
    made.filters["clock"] = _clock
    made.filters["pieces"] = pieces
    return made


def load_templates() -> None:
    """Read all templates, so that no page has to wait for its own."""
    for name in environment().list_templates(["html"]):
        environment().get_template(name)


def link(path: str, query: Mapping[str, Any], **changes: Any) -> str:
    """Return the address of a view, with some of its values changed.

    Parameters
    ----------
    path : str
    query : mapping
        What the view is told now.
    **changes
        Values to change; None and "" leave one out.

    Examples
    --------
    >>> link("/rows", {"q": "free", "page": 3}, page=None, label="not spam")
    '/rows?q=free&label=not+spam'
    """
    shown = _query({**query, **changes})
    return f"{path}?{shown}" if shown else path


def _query(values: Mapping[str, Any]) -> str:
    """Return values as they stand in an address, without those that are not given."""
    shown = {name: value for name, value in values.items() if value not in (None, "")}
    return urlencode(shown, doseq=True)


def _percent(value: float | None, digits: int = 1) -> str:
    """Return a share as a percentage; a dash for what is not known."""
    return "-" if value is None or value != value else f"{100 * value:.{digits}f}"


def _points(value: float | None, digits: int = 1) -> str:
    """Return a difference of shares in points, with its sign."""
    if value is None or value != value:
        return "-"
    text = f"{100 * value:+.{digits}f}"
    return text.lstrip("+-") if not float(text) else text


def _clock(seconds: float) -> str:
    """Return a time as minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"


def _count(value: int) -> str:
    """Return a whole number with its thousands apart."""
    return f"{value:,}"


def _when(moment: datetime | None) -> str:
    """Return the time of today, the date of another day."""
    if moment is None:
        return "-"
    now = datetime.now(moment.tzinfo)
    if moment.date() == now.date():
        return f"{moment:%H:%M:%S}"
    return f"{moment:%d %b %H:%M}" if moment.year == now.year else f"{moment:%d %b %Y}"
