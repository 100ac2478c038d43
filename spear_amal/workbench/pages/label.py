"""Labelling by keys: one row at a time, each label on the disk before the next row is shown."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from spear_amal.errors import InputError, StaleError
from spear_amal.workbench.gold_origin import COPY, ENOUGH, RANDOM, gold_origin
from spear_amal.workbench.label_queues import QUEUES, LabelQueue
from spear_amal.workbench.label_session import KEEP, LABEL, SKIP, LabelSession
from spear_amal.workbench.matches import row_text
from spear_amal.workbench.pages.rows import (
    RowState,
    ShownRow,
    chances_of_row,
    gold_source,
    id_of,
    row_state,
    votes_of_row,
)
from spear_amal.workbench.render import render, workspace_of
from spear_amal.workbench.row_query import RowQuery, query_conditions
from spear_amal.workbench.snapshot import Snapshot

#: Keys of the classes in their order: letters that no other key of these pages is.
CLASS_KEYS = "123456789abcdefhilmnopqrtw"
_COOKIE = "spear_amal_labels"
_SHOWN_SECONDS = 300.0  # for which other tabs leave out a row that one tab shows
_LISTED = 100


@dataclass(frozen=True)
class LabelView:
    """Where a page of labelling is.

    Attributes
    ----------
    kind : str
        Of the queue.
    query : RowQuery
    row : int or None
        None where the queue is at its end.
    tab : str
        The page: rows that it shows are not shown by others meanwhile.
    last : int or None
        The step that this page takes back next.
    said : str
        What was done just now.
    with_done : bool
        Whether one walks over labelled rows too.
    """

    kind: str
    query: RowQuery
    row: int | None
    tab: str
    last: int | None = None
    said: str = ""
    with_done: bool = False

    def address(self, row: int | None = None, with_done: bool | None = None, **more: Any) -> str:
        """Return the address of the queue, or of one row in it."""
        walk = self.with_done if with_done is None else with_done
        more = {"queue": self.kind, "row": row, "walk": "all" if walk else None} | more
        return self.query.address("/label", **more)

    @property
    def chosen(self) -> str:
        """How its rows come up: of all rows at random only without a search."""
        if self.kind == RANDOM and query_conditions(self.query):
            return "search"
        return "row" if self.kind == "search" and not query_conditions(self.query) else self.kind


def label_page(request: Request) -> Response:
    """Show a row to label: one that is named, or the next of a queue."""
    params, state = request.query_params, row_state(request)
    snapshot = workspace_of(request).snapshot
    kind, query = params.get("queue") or "next", RowQuery.of(params.multi_items())
    session_id, session = _session(request, state)
    tab = params.get("tab") or secrets.token_hex(6)
    row = _whole(params.get("row"))
    if row is None:
        closed = _closed(state, session, snapshot.table, tab)
        queue = state.queues.get(kind, snapshot, query, closed)
        row = queue.following(None, snapshot, closed)
    else:
        row = _row(row, snapshot)
    last = _whole(params["last"]) if "last" in params else session.last(snapshot.table)
    view = LabelView(kind, query, row, tab, last, with_done=_walks_over_all(params))
    return _with_session(_shown(request, view), session_id)


async def give_label(request: Request) -> Response:
    """Label, skip or keep a row, or undo that, and show the next one."""
    form = await request.form()
    return await run_in_threadpool(_act, request, form)


def _act(request: Request, form: FormData) -> Response:
    state = row_state(request)
    session_id, session = _session(request, state)
    view = LabelView(
        kind=request.query_params.get("queue") or "next",
        query=RowQuery.of(request.query_params.multi_items()),
        row=_whole(form.get("row")),
        tab=_text(form, "tab") or secrets.token_hex(6),
        last=_whole(form.get("last")),
        with_done=_walks_over_all(request.query_params),
    )
    try:
        view = _done(request, session, view, form)
    except StaleError as error:
        return _conflict(request, view, form, error)
    if "hx-request" in request.headers:
        response = _shown(request, view)
    else:
        response = RedirectResponse(view.address(view.row), status_code=303)
    return _with_session(response, session_id)


def _done(request: Request, session: LabelSession, view: LabelView, form: FormData) -> LabelView:
    """Run what a form asks for; return where the page goes on from there."""
    workspace, state = workspace_of(request), row_state(request)
    snapshot, table = workspace.snapshot, _text(form, "table")
    if table != snapshot.table:
        raise StaleError("The table has changed on the disk since this page was shown.")
    if _text(form, "do") == "undo":
        return _undone(request, session, view)
    row = _row(view.row, snapshot)
    # The order is that of before the label: afterwards the row may be in the search no more.
    queue = state.queues.get(
        view.kind, snapshot, view.query, _closed(state, session, table, view.tab)
    )
    step, said = _step(request, session, view, form)
    snapshot, closed = workspace.snapshot, _closed(state, session, table, view.tab)
    following = queue.following(row, snapshot, closed)
    if following is None and view.kind == "next":
        queue = state.queues.get(view.kind, snapshot, view.query, closed)
        following = queue.following(row, snapshot, closed)
    return replace(view, row=following, last=step, said=said)


def _step(
    request: Request, session: LabelSession, view: LabelView, form: FormData
) -> tuple[int | None, str]:
    """Label, skip or keep a row; the number of that step, and what was done in words."""
    workspace, row = workspace_of(request), _row(view.row, workspace_of(request).snapshot)
    table, do = _text(form, "table"), _text(form, "do")
    seen = _text(form, "seen") or None
    if do == "go on":
        return view.last, ""
    is_new = do == "new"
    label = None if do == "clear" else _text(form, "new" if is_new else "label").strip() or None
    if do == "keep" or (view.kind == "disagree" and label is not None and label == seen):
        return session.add(row, table, KEEP, (seen, seen), view.last).number, f"Row {row} kept"
    if do == "skip":
        return session.add(row, table, SKIP, (seen, seen), view.last).number, f"Row {row} skipped"
    if label is None and do != "clear":
        raise InputError("no label was given: press the key of a class, or name a new one")
    copies = workspace.copies_of(row) if _text(form, "copies") else ()
    own = [row, *copies]
    chosen = dict.fromkeys(copies, COPY) | {row: view.chosen}
    shown = dict.fromkeys(own, seen)
    rows = workspace.label(own, label, shown, view.tab, table, is_new, chosen)
    step = session.add(row, table, LABEL, (seen, label), view.last, copies)
    others = len(set(rows) - {row})
    alike = f" and {others} more with the same text" if others else ""
    what = f"is {label}" if label is not None else "has no label any more"
    return step.number, f"Row {row}{alike} {what}"


def _undone(request: Request, session: LabelSession, view: LabelView) -> LabelView:
    """Undo the last step of a page; return the page at its row again."""
    workspace = workspace_of(request)
    step = None if view.last is None else session.steps.get(view.last)
    if step is None or step.table != workspace.snapshot.table:
        raise InputError("there is nothing to take back")
    if step.deed == LABEL:
        try:
            rows = [step.row, *step.copies]
            seen, how = dict.fromkeys(rows, step.after), {step.row: view.chosen}
            workspace.label(rows, step.before, seen, view.tab, step.table, chosen=how)
        except StaleError:
            session.steps.pop(step.number, None)
            raise
    session.steps.pop(step.number, None)
    said = f"Taken back: row {step.row}"
    return replace(view, row=step.row, last=step.previous, said=said)


# -- what is shown --------------------------------------------------------------------------------


def _shown(request: Request, view: LabelView) -> Response:
    """Return the page, or the part of it that changes."""
    state, is_part = row_state(request), "hx-request" in request.headers
    snapshot = workspace_of(request).snapshot
    if view.row is not None:
        now = time.monotonic()
        state.shown[view.tab] = ShownRow(snapshot.table, view.row, now)
        for tab, shown in list(state.shown.items()):
            if now - shown.since > _SHOWN_SECONDS:
                state.shown.pop(tab, None)
    response = render(
        request,
        "_label.html" if is_part else "label.html",
        snapshot=snapshot,
        conflict=None,
        **_context(request, view, snapshot),
    )
    if is_part:
        response.headers["HX-Replace-Url"] = view.address(view.row)
    return response


def _context(request: Request, view: LabelView, snapshot: Snapshot) -> dict[str, Any]:
    state = row_state(request)
    _, session = _session(request, state)
    closed = _closed(state, session, snapshot.table, view.tab)
    queue = state.queues.get(view.kind, snapshot, view.query, closed)
    n_classes = len(snapshot.classes)
    gold = snapshot.gold[snapshot.gold >= 0]
    return {
        "view": view,
        "queues": QUEUES,
        "origin": gold_origin(snapshot) if view.kind == RANDOM else None,
        "enough": ENOUGH,
        "conditions": query_conditions(view.query),
        "n_waiting": _n_waiting(request, view, queue, snapshot, closed),
        "keys": [*CLASS_KEYS[:n_classes], *[""] * (n_classes - len(CLASS_KEYS))],
        "counts": np.bincount(gold, minlength=n_classes).tolist(),
        "given": session.labels(),
        "listed": [
            (found, row_text(snapshot, found.row))
            for found in list(queue.against.values())[:_LISTED]
        ],
        **_about_row(request, view, queue, snapshot),
    }


def _n_waiting(
    request: Request,
    view: LabelView,
    queue: LabelQueue,
    snapshot: Snapshot,
    closed: frozenset[int],
) -> int:
    """Return how many rows wait; of what to label next those that may still be chosen."""
    if view.kind == "next":
        queue = LabelQueue(row_state(request).search.find(snapshot, view.query).rows)
    return int(queue.is_waiting(snapshot, closed).sum())


def _about_row(
    request: Request, view: LabelView, queue: LabelQueue, snapshot: Snapshot
) -> dict[str, Any]:
    row = view.row
    if row is None:
        return {}
    votes = votes_of_row(request, snapshot, row)
    return {
        "text": row_text(snapshot, row),
        "id": id_of(snapshot, row),
        "gold": int(snapshot.gold[row]),
        "gold_source": gold_source(request, snapshot, row),
        "spans": row_state(request).search.spans(snapshot, view.query, [row])[0],
        "reason": "drawn at random" if view.chosen == RANDOM else queue.reasons.get(row, ""),
        "against": queue.against.get(row),
        "before": queue.beside(row, -1, snapshot, view.with_done),
        "after": queue.beside(row, 1, snapshot, view.with_done),
        "n_copies": len(workspace_of(request).copies_of(row)),
        "votes": [vote for vote in votes if vote["vote"] >= 0 and vote["lf"].is_active],
        "chances": chances_of_row(snapshot, row),
    }


def _conflict(request: Request, view: LabelView, form: FormData, error: StaleError) -> Response:
    """Show that a row has another label than the page showed, and let the user choose."""
    snapshot = workspace_of(request).snapshot
    is_label = _text(form, "table") == snapshot.table and "label" in form
    conflict = {
        "message": str(error),
        "row": view.row,
        "present": snapshot.label_of(_row(view.row, snapshot)) if is_label else None,
        "chosen": _text(form, "label") if is_label else None,
        "is_label": is_label,
    }
    if "hx-request" in request.headers:
        return render(
            request, "_label_conflict.html", 409, snapshot=snapshot, view=view, conflict=conflict
        )
    if view.row is not None and view.row >= len(snapshot.texts):
        view = replace(view, row=None)
    return render(
        request,
        "label.html",
        409,
        snapshot=snapshot,
        conflict=conflict,
        **_context(request, view, snapshot),
    )


# -- sessions and forms ---------------------------------------------------------------------------


def _session(request: Request, state: RowState) -> tuple[str, LabelSession]:
    """Return the session of a browser, and what its cookie says."""
    session_id = request.cookies.get(_COOKIE) or ""
    if session_id not in state.sessions:
        session_id = getattr(request.state, "label_session", None) or secrets.token_hex(12)
        request.state.label_session = session_id
    return session_id, state.sessions.setdefault(session_id, LabelSession())


def _with_session(response: Response, session_id: str) -> Response:
    response.set_cookie(_COOKIE, session_id, httponly=True, samesite="strict")
    return response


def _closed(state: RowState, session: LabelSession, table: str, tab: str) -> frozenset[int]:
    """Return the rows that a queue passes over: skipped, kept, or shown by another tab."""
    oldest = time.monotonic() - _SHOWN_SECONDS
    elsewhere = {
        shown.row
        for other, shown in list(state.shown.items())
        if other != tab and shown.table == table and shown.since > oldest
    }
    return frozenset(session.rows_of(SKIP, table) | session.rows_of(KEEP, table) | elsewhere)


def _walks_over_all(params: Mapping[str, str]) -> bool:
    """Return whether labelled rows are walked over too: if asked, or if the search is of them."""
    return params.get("walk") == "all" or params.get("gold", "none") != "none"


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


def _whole(text: Any) -> int | None:
    """Return a number of a form or an address, None where there is none."""
    if not isinstance(text, str) or not text.strip():
        return None
    if not (text.isascii() and text.isdecimal()) or len(text) > 15:
        raise InputError(f"needed is the number of a row, found {text!r}")
    return int(text)


def _row(row: int | None, snapshot: Snapshot) -> int:
    if row is None or row >= len(snapshot.texts):
        raise InputError(f"there is no row {row}: the table has {len(snapshot.texts)} rows")
    return row


routes = [
    Route("/label", label_page, methods=["GET"]),
    Route("/label", give_label, methods=["POST"]),
]
