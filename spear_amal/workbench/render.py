"""Templates: what they are given is escaped; what a user wrote is shown and never run."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

from spear_amal.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment

    from spear_amal.workbench.preview import Previewer
    from spear_amal.workbench.workspace import Workspace


def workspace_of(request: Request) -> Workspace:
    """Return the workspace that a request is about."""
    workspace: Workspace = request.app.state.workspace
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
        What the template shows, beside ``project``, ``path`` and ``snapshot``.
    """
    workspace = workspace_of(request)
    general = {
        "project": workspace.project,
        "path": request.url.path,
        "snapshot": context.pop("snapshot", None) or workspace.snapshot,
    }
    text = environment().get_template(template).render(**general, **context)
    return HTMLResponse(text, status_code=status)


@cache
def environment() -> Environment:
    """Return the templates of the workbench."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    made = Environment(
        loader=PackageLoader("spear_amal.workbench"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    made.filters["percent"] = _percent
    return made


def _percent(value: float | None, digits: int = 1) -> str:
    """Return a share as a percentage; a dash for what is not known."""
    return "-" if value is None or value != value else f"{100 * value:.{digits}f}"
