"""The web application: pages, the stream of events, files of its own; nothing else is served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from spear_amal.errors import SpearAmalError, StaleError
from spear_amal.workbench.jobs import TrainingJobs
from spear_amal.workbench.pages import label, report, rows, rules, suggestions, training
from spear_amal.workbench.preview import Previewer
from spear_amal.workbench.render import render, workspace_of
from spear_amal.workbench.security import HEADERS, Guard
from spear_amal.workbench.suggester import Suggester
from spear_amal.workbench.workspace import Workspace

_STATIC = Path(__file__).parent / "static"


def create_app(workspace: Workspace, token: str, hosts: tuple[str, ...]) -> Starlette:
    """Return the application.

    Parameters
    ----------
    workspace : Workspace
        It is closed when the application ends.
    token : str
    hosts : tuple of str
        Hosts that may be asked for, with ports; see :class:`~spear_amal.workbench.security.Guard`.
    """
    pages = (rules, rows, label, suggestions, training, report)
    app = Starlette(
        routes=[
            Route("/", lambda request: RedirectResponse("/rules"), name="home"),
            Route("/events", events),
            Mount("/static", StaticFiles(directory=_STATIC), name="static"),
            *(route for page in pages for route in page.routes),
        ],
        middleware=[Middleware(Guard, token=token, hosts=hosts)],
        exception_handlers={
            SpearAmalError: say_error,
            HTTPException: say_no_page,
            OSError: say_disk_error,
            Exception: say_fault,
        },
        lifespan=_lifespan,
    )
    app.state.workspace = workspace
    app.state.suggester = Suggester(workspace.project, workspace.hub)
    app.state.jobs = TrainingJobs(workspace)
    app.state.previewer = Previewer(workspace.snapshot.frame, workspace.project.text_column)
    return app


@asynccontextmanager
async def _lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.jobs.watch()
    yield
    await run_in_threadpool(app.state.suggester.close)
    await run_in_threadpool(app.state.jobs.close)
    await run_in_threadpool(app.state.previewer.close)
    await run_in_threadpool(app.state.workspace.close)


async def events(request: Request) -> Response:
    """Stream what changes, from the event on that the tab has heard of."""
    last = request.headers.get("last-event-id") or request.query_params.get("after", "")
    after = int(last) if last.isascii() and last.isdigit() and len(last) < 20 else None
    stream = workspace_of(request).hub.listen(after)
    return EventSourceResponse(
        {"id": str(event.number), "data": event.text} async for event in stream
    )


def say_error(request: Request, error: Exception) -> Response:
    """Return a user's error, with what to do."""
    return _said(request, str(error), 409 if isinstance(error, StaleError) else 422)


def say_disk_error(request: Request, error: Exception) -> Response:
    """Return what the system refused, such as a write to a full disk."""
    reason = getattr(error, "strerror", None) or str(error)
    name = getattr(error, "filename", None)
    where = "" if name is None else f"{name}: "
    message = f"{where}{reason}. This was not done and nothing else is lost; mend it and try again."
    return _said(request, message, 422)


def say_no_page(request: Request, error: Exception) -> Response:
    """Return that an address, or what was asked of it, is none of the workbench's."""
    status, detail = getattr(error, "status_code", 404), getattr(error, "detail", str(error))
    usual = {404: "There is no such page.", 405: "This page cannot be asked for in this way."}
    is_usual = detail == HTTPStatus(status).phrase
    return _said(request, usual.get(status, detail) if is_usual else detail, status)


def say_fault(request: Request, error: Exception) -> Response:
    """Return that something unexpected happened; the server writes the traceback."""
    message = (
        f"Unexpected {type(error).__name__}: {error}. This is a fault of spear-amal or of what it "
        "uses; the terminal of the workbench has the traceback. Please report it."
    )
    response = _said(request, message, status=500)
    response.headers.update(HEADERS)  # the guard does not see this answer
    return response


def _said(request: Request, message: str, status: int) -> Response:
    """Return a message as a part of the page where a part was asked for, else as a page."""
    template = "_message.html" if "hx-request" in request.headers else "problem.html"
    return render(request, template, status=status, message=message)
