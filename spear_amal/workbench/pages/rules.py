"""The page of rules."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.workbench.render import render


def rules_page(request: Request) -> Response:
    """Show the page."""
    return render(request, "rules.html")


routes = [Route("/rules", rules_page)]
