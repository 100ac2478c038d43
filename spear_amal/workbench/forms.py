"""What a page sends: read here, and answered in a thread, as what computes must be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

TAB = "x-tab"  # header by which a tab is known; workbench.js sends it


def with_form(
    endpoint: Callable[[Request, FormData], Response],
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a route for a function of a request and the form that it sent.

    Parameters
    ----------
    endpoint : callable
        An ordinary function; it runs in a thread.
    """

    async def answer(request: Request) -> Response:
        form = await request.form()
        return await run_in_threadpool(endpoint, request, form)

    return answer


def tab_of(request: Request) -> str:
    """Return by what name the tab is known that sent a request, "" if it says nothing."""
    return request.headers.get(TAB, "")
