"""The page of report."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.workbench.render import render


def report_page(request: Request) -> Response:
    """Show the page."""
    return render(request, "report.html")


routes = [Route("/report", report_page)]
