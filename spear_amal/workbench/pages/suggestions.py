"""The page of suggestions."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.workbench.render import render


def suggestions_page(request: Request) -> Response:
    """Show the page."""
    return render(request, "suggestions.html")


routes = [Route("/suggestions", suggestions_page)]
