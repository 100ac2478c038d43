"""The page of training."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.workbench.render import render


def training_page(request: Request) -> Response:
    """Show the page."""
    return render(request, "training.html")


routes = [Route("/training", training_page)]
