"""The page of rows."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.workbench.render import render


def rows_page(request: Request) -> Response:
    """Show the page."""
    return render(request, "rows.html")


routes = [Route("/rows", rows_page)]
