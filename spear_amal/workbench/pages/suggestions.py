"""The page of suggestions: candidates for LFs, to accept, to edit or to reject for good."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.declared_lfs import describe
from spear_amal.errors import InputError
from spear_amal.suggest import Candidate
from spear_amal.workbench.forms import with_form
from spear_amal.workbench.gold_origin import gold_origin
from spear_amal.workbench.preview import Preview
from spear_amal.workbench.render import link, previewer_of, render, workspace_of
from spear_amal.workbench.rule_form import RuleForm
from spear_amal.workbench.snapshot import Snapshot
from spear_amal.workbench.suggester import Suggester, SuggestionState

_ROWS = 8  # of a kind


# -- pages and parts ------------------------------------------------------------------------------


def suggestions_page(request: Request) -> Response:
    """Show all candidates, and what was rejected."""
    return render(request, "suggestions.html", **_parts(request))


def suggestions_part(request: Request) -> Response:
    """Show the candidates alone."""
    return render(request, "_suggestions.html", **_parts(request))


def rows_part(request: Request) -> Response:
    """Show rows on which a candidate would vote, wrong and right ones apart."""
    snapshot = workspace_of(request).snapshot
    candidate = _candidate(request, request.query_params.get("signature", ""))
    preview: Preview = previewer_of(request).preview(candidate.rule, snapshot, _ROWS)
    return render(request, "_suggestion_rows.html", snapshot=snapshot, preview=preview)


# -- changes --------------------------------------------------------------------------------------


def accept(request: Request, sent: FormData) -> Response:
    """Make a candidate an LF."""
    workspace = workspace_of(request)
    candidate = _candidate(request, str(sent.get("signature", "")))
    rule, taken = candidate.rule, {lf.name for lf in workspace.snapshot.lfs}
    name, number = rule.name, 1
    while name in taken:
        number += 1
        name = f"{rule.name}_{number}"
    workspace.add_rule(rule.model_copy(update={"name": name}))
    return _answer(request, candidate, f"{name} is an LF now. It stands among the rules.")


def reject(request: Request, sent: FormData) -> Response:
    """Keep a candidate from being suggested again."""
    candidate = _candidate(request, str(sent.get("signature", "")))
    workspace_of(request).reject(candidate.signature)
    said = f"“{candidate.words}” will not be suggested again. It is listed at the end of the page."
    return _answer(request, candidate, said)


def allow(request: Request, sent: FormData) -> Response:
    """Undo a rejection."""
    signature = str(sent.get("signature", ""))
    workspace_of(request).reject(signature, False)
    return _answer(request, None, f"“{signature}” may be suggested again.")


# -- what templates show --------------------------------------------------------------------------


def _answer(request: Request, gone: Candidate | None, said: str) -> Response:
    """Return the list without a candidate that is dealt with, until there is a new list."""
    suggester = _suggester(request)
    if gone is not None:
        suggester.leave_out(gone.signature)
    return render(request, "_suggestions.html", said=said, **_parts(request))


def _suggester(request: Request) -> Suggester:
    suggester: Suggester = request.app.state.suggester
    return suggester


def _candidate(request: Request, signature: str) -> Candidate:
    """Return a candidate that the page showed.

    Raises
    ------
    InputError
        If it is gone.
    """
    found = _suggester(request).candidate(signature)
    if found is None:
        raise InputError("this suggestion is gone: the rules, or the labels, have changed since")
    return found


def _parts(request: Request) -> dict[str, Any]:
    snapshot: Snapshot = workspace_of(request).snapshot
    state: SuggestionState = _suggester(request).of(snapshot)
    return {
        "snapshot": snapshot,
        "state": state,
        "origin": gold_origin(snapshot),
        "code_of": {name: code for code, name in enumerate(snapshot.classes)},
        "describe": describe,
        "edit_link": _edit_link,
    }


def _edit_link(candidate: Candidate) -> str:
    """Return the address of the editor with a candidate in it."""
    return link("/rules", {**RuleForm.of_rule(candidate.rule).query(), "replaces": ""})


routes = [
    Route("/suggestions", suggestions_page),
    Route("/parts/suggestions", suggestions_part),
    Route("/parts/suggestions/rows", rows_part),
    Route("/suggestions/accept", with_form(accept), methods=["POST"]),
    Route("/suggestions/reject", with_form(reject), methods=["POST"]),
    Route("/suggestions/allow", with_form(allow), methods=["POST"]),
]
