"""The pages of rows: a search, and one row with all that is known of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from spear_amal.data import read_rows
from spear_amal.declared_lfs import Rule, rule_from_fields
from spear_amal.errors import SpearAmalError
from spear_amal.workbench.label_queues import LabelQueues
from spear_amal.workbench.label_session import LabelSession
from spear_amal.workbench.matches import row_text
from spear_amal.workbench.render import previewer_of, render, workspace_of
from spear_amal.workbench.row_query import ColumnSlice, RowQuery, query_conditions
from spear_amal.workbench.row_search import (
    TIED,
    RowSearch,
    RowsFound,
    confidence,
    predicted,
)
from spear_amal.workbench.snapshot import LFState, Snapshot

PAGE_ROWS = 50
_LONGEST_CELL = 2_000
_LOCK = Lock()


class ShownRow(NamedTuple):
    """A row that a tab shows, in a state of the table, and since when in seconds."""

    table: str
    row: int
    since: float


@dataclass
class RowState:
    """What the pages of rows keep between requests, all tabs together."""

    search: RowSearch
    sessions: dict[str, LabelSession] = field(default_factory=dict)
    shown: dict[str, ShownRow] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.queues = LabelQueues(self.search)


def row_state(request: Request) -> RowState:
    """Return what is kept for a workspace."""
    state = request.app.state
    with _LOCK:
        if getattr(state, "rows", None) is None:
            state.rows = RowState(_search_of(request))
    kept: RowState = state.rows
    return kept


def _search_of(request: Request) -> RowSearch:
    text_column = workspace_of(request).project.text_column
    return RowSearch(previewer_of(request).rule_search, text_column)


def rows_page(request: Request) -> Response:
    """Show the rows of a search."""
    snapshot = workspace_of(request).snapshot
    params = request.query_params
    try:
        query = RowQuery.of(params.multi_items())
        page = max(int(params.get("page") or 1), 1)
        found = row_state(request).search.find(snapshot, query)
    except (SpearAmalError, ValueError) as error:
        return render(
            request,
            "rows.html",
            snapshot=snapshot,
            **_form(snapshot, _kept(params)),
            error=str(error),
        )
    n_pages = max(-(-len(found.rows) // PAGE_ROWS), 1)
    page = min(page, n_pages)
    address = query.address("/rows", page=None if page == 1 else page)
    if address != request.url.path + (f"?{request.url.query}" if request.url.query else ""):
        # One view has one address, without the fields that were left empty.
        if "hx-request" not in request.headers:
            return RedirectResponse(address, status_code=303)
    response = render(
        request,
        "rows.html",
        snapshot=snapshot,
        error="",
        found=found,
        page=page,
        n_pages=n_pages,
        rows=_listed(request, snapshot, found, page),
        summary=_summary(request, snapshot, found),
        **_form(snapshot, query),
    )
    response.headers["HX-Push-Url"] = address
    return response


def row_page(request: Request) -> Response:
    """Show one row."""
    snapshot = workspace_of(request).snapshot
    row = int(request.path_params["row"])
    if row >= len(snapshot.texts):
        raise HTTPException(404, f"There is no row {row}: the table has {len(snapshot.texts)}.")
    query = RowQuery.of(request.query_params.multi_items())
    found = row_state(request).search.find(snapshot, query)
    before, after = found.neighbours(row)
    spans = row_state(request).search.spans(snapshot, query, [row])[0]
    votes = votes_of_row(request, snapshot, row)
    return render(
        request,
        "row.html",
        snapshot=snapshot,
        row=row,
        id=id_of(snapshot, row),
        query=query,
        place=found.place(row),
        n_found=len(found.rows),
        before=before,
        after=after,
        text=row_text(snapshot, row),
        spans=[*spans, *(span for vote in votes for span in vote["spans"])],
        votes=votes,
        cells=_cells(request, snapshot, row),
        gold_source=gold_source(request, snapshot, row),
        chances=chances_of_row(snapshot, row),
        weights=_weights(snapshot, row),
    )


# -- parts of the pages ---------------------------------------------------------------------------


def _kept(params: Any) -> RowQuery:
    """Return as much of a query as can be shown again in the form."""
    return RowQuery(words=params.get("words") or "", regex=params.get("regex") or "")


def _form(snapshot: Snapshot, query: RowQuery) -> dict[str, Any]:
    return {
        "query": query,
        "conditions": query_conditions(query),
        "lf_names": [lf.name for lf in snapshot.lfs],
        "columns": [str(column) for column in snapshot.frame],
        "lf_fields": [*query.lf_votes, ("", "any")],
        "slice_fields": [*query.slices, ColumnSlice("")],
        "next_page": lambda number: query.address("/rows", page=None if number == 1 else number),
    }


def _listed(
    request: Request, snapshot: Snapshot, found: RowsFound, page: int
) -> list[dict[str, Any]]:
    """Return what is shown of the rows on one page of a search."""
    rows = found.rows[(page - 1) * PAGE_ROWS : page * PAGE_ROWS].tolist()
    counts = row_state(request).search.summary(snapshot).counts
    model, sure = predicted(snapshot), confidence(snapshot)
    spans = row_state(request).search.spans(snapshot, found.query, rows)
    return [
        {
            "row": row,
            "id": id_of(snapshot, row),
            "text": row_text(snapshot, row),
            "spans": spans[place],
            "gold": int(snapshot.gold[row]),
            "model": int(model[row]),
            "confidence": float(sure[row]),
            "votes": [(code, int(n)) for code, n in enumerate(counts[row]) if n],
            "address": found.query.address(f"/rows/{row}"),
        }
        for place, row in enumerate(rows)
    ]


def _summary(request: Request, snapshot: Snapshot, found: RowsFound) -> dict[str, Any]:
    """Return counts over the rows of a search, each with the query for just these."""
    kinds = {
        "gold": snapshot.gold,
        "model": predicted(snapshot),
        "majority": row_state(request).search.summary(snapshot).majority,
    }
    counts = {}
    for kind, codes in kinds.items():
        here = codes[found.rows]
        counts[kind] = [
            (code, int(n), found.query.changed(**{kind: f"class:{name}"}).address("/rows"))
            for code, name in enumerate(snapshot.classes)
            if (n := (here == code).sum())
        ]
    majority = kinds["majority"][found.rows]
    return {
        **counts,
        "n_labelled": int((snapshot.gold[found.rows] >= 0).sum()),
        "n_tied": int((majority == TIED).sum()),
        "n_silent": int((majority == -1).sum()),
    }


def id_of(snapshot: Snapshot, row: int) -> str:
    """Return the id of a row, "" where its position says the same."""
    text = "" if snapshot.ids is None else str(snapshot.ids[row])
    return "" if text == str(row) else text


def votes_of_row(request: Request, snapshot: Snapshot, row: int) -> list[dict[str, Any]]:
    """Return every LF with its vote on a row, those that vote first, and what it matched there."""
    votes = []
    for lf in snapshot.lfs:
        code = int(lf.votes[row])
        spans = _matched(request, snapshot, lf, row) if code >= 0 else ()
        votes.append({"lf": lf, "vote": code, "spans": spans})
    return sorted(votes, key=lambda vote: (vote["vote"] < 0, vote["lf"].is_muted))


def _matched(
    request: Request, snapshot: Snapshot, lf: LFState, row: int
) -> Sequence[tuple[int, int]]:
    """Return starts and ends of what an LF matched in the text of a row, where it tells."""
    text_column = workspace_of(request).project.text_column
    rule = lf.rule or _as_rule(lf)
    if rule is None or rule.column not in (text_column, read_rows.LF_COLUMN):
        return ()
    if rule.column not in snapshot.frame:  # LFs know the texts by another name
        rule = rule.model_copy(update={"column": text_column})
    if rule.column != text_column:
        return ()
    return previewer_of(request).rule_search(snapshot).shown(rule, [row])[1][0]


def _as_rule(lf: LFState) -> Rule | None:
    """Return a Python LF that looks for a pattern as a rule that does, None if none can."""
    if lf.pattern is None:
        return None
    fields = {"name": "matched", "label": 0, "column": lf.column, "pattern": lf.pattern}
    try:
        return rule_from_fields({"kind": "regex", **fields})
    except SpearAmalError:
        return None


def chances_of_row(snapshot: Snapshot, row: int) -> list[dict[str, Any]]:
    """Return what model and rule model say of a row, for each class; NaN where they do not."""
    outputs = snapshot.outputs
    if outputs is None:
        return []
    model, rules = outputs.proba[row], outputs.rule_proba
    return [
        {
            "code": code,
            "model": float(model[code]) if code < len(model) else float("nan"),
            "rules": float("nan") if rules is None else float(rules[row, code]),
        }
        for code in range(len(snapshot.classes))
    ]


def _weights(snapshot: Snapshot, row: int) -> dict[str, float]:
    """Return the learnt weights of the losses that say something of a row."""
    if snapshot.outputs is None or snapshot.outputs.weights is None:
        return {}
    return {
        str(name): float(value)
        for name, value in snapshot.outputs.weights.iloc[row].items()
        if np.isfinite(value)
    }


def _cells(request: Request, snapshot: Snapshot, row: int) -> dict[str, str]:
    """Return the other columns of a row."""
    project = workspace_of(request).project
    hidden = {project.text_column, project.label_column}
    cells = snapshot.frame.iloc[row]
    return {
        str(name): _cell(value)
        for name, value in zip(snapshot.frame.columns, cells.tolist(), strict=True)
        if name not in hidden
    }


def _cell(value: Any) -> str:
    text = "" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)
    return text if len(text) <= _LONGEST_CELL else f"{text[:_LONGEST_CELL]}…"


def gold_source(request: Request, snapshot: Snapshot, row: int) -> str:
    """Return in words where the label of a row is from, "" without one."""
    project, code = workspace_of(request).project, int(snapshot.gold[row])
    if code < 0:
        return ""
    own = None
    if project.label_column in snapshot.frame:
        own = _cell(snapshot.frame[project.label_column].iloc[row]).strip()
    if not own or own == "-1":
        return f"given in the workbench ({project.gold.name})"
    if own not in (snapshot.classes[code], f"{snapshot.classes[code]}.0"):
        return f"corrected in the workbench ({project.gold.name}); the table says {own}"
    return "from the table"


routes = [Route("/rows", rows_page), Route("/rows/{row:int}", row_page)]
