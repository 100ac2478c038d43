"""The page of rules: the list of LFs, one of them closely, and the editor with its preview."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.declared_lfs import Rule, describe, make_lf, rule_from_fields
from spear_amal.errors import InputError, StaleError
from spear_amal.labeling.grades import GRADES
from spear_amal.workbench.forms import tab_of, with_form
from spear_amal.workbench.killable import SupersededError
from spear_amal.workbench.lf_detail import matched_words, quarrels, rows_with_votes
from spear_amal.workbench.lf_list import SHOWS, LFView, lf_lines
from spear_amal.workbench.render import link, render, workspace_of
from spear_amal.workbench.rule_form import KINDS, RuleForm, proposed_name
from spear_amal.workbench.snapshot import DECLARED, LFState, Snapshot

_ROWS_OF_PREVIEW = 20
_ROWS_OF_LF = 50
# Above so many rows with votes the words of an LF are not counted: it would take seconds.
_MOST_ROWS_FOR_WORDS = 20_000


# -- pages ----------------------------------------------------------------------------------------


def rules_page(request: Request) -> Response:
    """Show the list of LFs, and the editor as the address describes it."""
    snapshot = workspace_of(request).snapshot
    name = request.query_params.get("edit", "")
    edited = snapshot.named(name) if name else None
    if name and (edited is None or edited.rule is None):
        raise HTTPException(404, f"There is no rule {name!r} to edit.")
    form = RuleForm.of(request.query_params) if edited is None else RuleForm.of_rule(edited.rule)
    return render(
        request,
        "rules.html",
        snapshot=snapshot,
        removed=request.query_params.get("removed", ""),
        **_list(request, snapshot, LFView.of(request.query_params)),
        **_editor(snapshot, form, workspace_of(request).project.text_column),
        **_preview(request, snapshot, form),
    )


def lf_page(request: Request) -> Response:
    """Show one LF closely."""
    workspace = workspace_of(request)
    snapshot, name = workspace.snapshot, request.path_params["name"]
    lf = snapshot.named(name)
    if lf is None:
        raise HTTPException(404, f"There is no LF {name!r}; was it renamed or removed?")
    line = lf_lines(snapshot, workspace.rule_table(), LFView())[snapshot.lfs.index(lf)]
    words = _words(lf, snapshot, workspace.project.text_column)
    return render(
        request,
        "lf.html",
        snapshot=snapshot,
        line=line,
        effect=workspace.effect_of_muting(name),
        rows=_rows(request, lf, snapshot),
        n_rows=_numbers(lf, snapshot),
        quarrels=quarrels(lf, snapshot),
        words=words,
        grades=GRADES,
        seen=_seen(lf),
        rule_text=describe(lf.rule) if lf.rule is not None else "",
    )
