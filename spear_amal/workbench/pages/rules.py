"""The page of rules: the list of LFs, one of them closely, and the editor with its preview."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np
import pandas as pd
from starlette.datastructures import FormData, ImmutableMultiDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.declared_lfs import PromptRule, Rule, describe, make_lf, rule_from_fields
from spear_amal.errors import InputError, SpearAmalError, StaleError
from spear_amal.labeling.builders import TextLF
from spear_amal.labeling.grades import GRADES
from spear_amal.workbench.forms import tab_of, with_form
from spear_amal.workbench.gold_origin import gold_origin
from spear_amal.workbench.killable import SupersededError
from spear_amal.workbench.lf_detail import matched_words, quarrels, rows_with_votes
from spear_amal.workbench.lf_list import SHOWS, LFView, lf_lines
from spear_amal.workbench.pages.training import jobs_of
from spear_amal.workbench.prompt_trial import try_rule
from spear_amal.workbench.render import link, previewer_of, render, workspace_of
from spear_amal.workbench.rule_form import KINDS, RuleForm, proposed_name
from spear_amal.workbench.snapshot import LFState, Snapshot
from spear_amal.workbench.workspace import Workspace

_ROWS_OF_PREVIEW = 20
_ROWS_OF_LF = 50
# With votes on more rows the words of an LF are not counted: it would take seconds.
_MOST_ROWS_FOR_WORDS = 20_000


# -- pages ----------------------------------------------------------------------------------------


def rules_page(request: Request) -> Response:
    """Show the list of LFs, and the editor as the address describes it."""
    workspace = workspace_of(request)
    snapshot, query = workspace.snapshot, request.query_params
    form, seen = RuleForm.of(query), None
    if name := query.get("edit") or form.replaces:
        edited = snapshot.named(name)
        seen = None if edited is None else edited.rule
        if query.get("edit"):
            if seen is None:
                raise HTTPException(404, f"There is no rule {name!r} that could be edited here.")
            form = RuleForm.of_rule(seen)
    return render(
        request,
        "rules.html",
        snapshot=snapshot,
        removed=query.get("removed", ""),
        **_list_parts(request, snapshot, LFView.of(query)),
        **_editor_parts(workspace, snapshot, form, seen),
        **_preview_parts(request, snapshot, form),
    )


def lf_page(request: Request) -> Response:
    """Show one LF closely."""
    snapshot, name = workspace_of(request).snapshot, request.path_params["name"]
    lf = snapshot.named(name)
    if lf is None:
        raise HTTPException(404, f"There is no LF {name!r}; was it renamed or removed?")
    return _lf_closely(request, "lf.html", snapshot, lf)


# -- parts ----------------------------------------------------------------------------------------


def list_part(request: Request) -> Response:
    """Show the list of LFs alone."""
    snapshot, view = workspace_of(request).snapshot, LFView.of(request.query_params)
    parts = _list_parts(request, snapshot, view)
    return render(request, "_lf_list.html", snapshot=snapshot, **parts)


def lf_part(request: Request) -> Response:
    """Show what is known of one LF alone, or that it is gone."""
    snapshot, name = workspace_of(request).snapshot, request.query_params.get("name", "")
    lf = snapshot.named(name)
    if lf is None:
        return render(request, "_message.html", message=f"{name} was renamed or removed.")
    return _lf_closely(request, "_lf.html", snapshot, lf)


def _lf_closely(request: Request, template: str, snapshot: Snapshot, lf: LFState) -> Response:
    workspace = workspace_of(request)
    lines = lf_lines(snapshot, workspace.rule_table(), LFView())
    return render(
        request,
        template,
        snapshot=snapshot,
        line=next(line for line in lines if line.lf is lf),
        effect=workspace.effect_of_muting(lf.name),
        rows=_rows_of(request, lf, snapshot),
        quarrels=quarrels(lf, snapshot),
        words=_words_of(lf, snapshot),
        seen=_as_json(lf.rule),
        grades=GRADES,
    )


def preview_part(request: Request, sent: FormData) -> Response:
    """Show what the rule in the editor would do; 204 where a newer one was asked for."""
    snapshot, form = workspace_of(request).snapshot, RuleForm.of(sent)
    try:
        parts = _preview_parts(request, snapshot, form, tab_of(request))
    except SupersededError:
        return Response(status_code=204)
    return render(request, "_rule_preview.html", snapshot=snapshot, form=form, **parts)


# -- changes --------------------------------------------------------------------------------------


def save_rule(request: Request, sent: FormData) -> Response:
    """Make the rule in the editor an LF, or change the one that is edited."""
    workspace = workspace_of(request)
    form = RuleForm.of(sent)
    rule = _rule_of(form, workspace.snapshot)
    try:
        workspace.add_rule(rule, form.replaces or None, _from_json(str(sent.get("seen", ""))))
    except StaleError as error:
        return _stale(request, form, error)
    snapshot = workspace.snapshot
    kept = {"kind": form.kind, "label": form.label, "column": rule.column}
    fresh = RuleForm.of(ImmutableMultiDict(kept))
    return render(
        request,
        "_rule_saved.html",
        snapshot=snapshot,
        saved=rule.name,
        was_edited=bool(form.replaces),
        **_editor_parts(workspace, snapshot, fresh, None),
        **_list_parts(request, snapshot, LFView.of(sent)),
        **_preview_parts(request, snapshot, fresh),
    )


def _stale(request: Request, form: RuleForm, error: StaleError) -> Response:
    """Return what the file says now; what was typed stays in the editor."""
    workspace = workspace_of(request)
    now = workspace.snapshot.named(form.replaces)
    rule = None if now is None else now.rule
    return render(
        request,
        "_rule_stale.html",
        status=409,
        message=str(error),
        now=None if rule is None else describe(rule),
        replaces=form.replaces if rule is not None else "",
        seen=_as_json(rule),
    )


def remove_rule(request: Request, sent: FormData) -> Response:
    """Remove a declared rule; the page that follows has it in the editor, not saved."""
    workspace = workspace_of(request)
    name = str(sent.get("name", ""))
    lf = workspace.snapshot.named(name)
    workspace.remove_rule(name, _from_json(str(sent.get("seen", ""))))
    values = {} if lf is None else {**RuleForm.of_rule(lf.rule).query(), "replaces": ""}
    address = link("/rules", values, removed=name)
    return Response(status_code=204, headers={"HX-Redirect": address})


def mute_lf(request: Request, sent: FormData) -> Response:
    """Leave an LF out, or take it in again, and say what that changed."""
    workspace = workspace_of(request)
    name, muted = str(sent.get("name", "")), sent.get("muted") == "1"
    effect = workspace.effect_of_muting(name)
    workspace.mute(name, muted)
    snapshot = workspace.snapshot
    parts = _list_parts(request, snapshot, LFView.of(sent))
    return render(
        *(request, "_lf_muted.html"),
        snapshot=snapshot,
        name=name,
        muted=muted,
        effect=effect,
        **parts,
    )


def ask_model(request: Request, sent: FormData) -> Response:
    """Run an LF that asks a language model on all rows, as the page said that it would."""
    workspace = workspace_of(request)
    workspace.ask(str(sent.get("name", "")), int(str(sent.get("n_open", "0")) or 0))
    snapshot = workspace.snapshot
    parts = _list_parts(request, snapshot, LFView.of(sent))
    return render(request, "_lf_list.html", snapshot=snapshot, **parts)


def try_prompt(request: Request, sent: FormData) -> Response:
    """Show what the model of the rule in the editor answers about ten rows."""
    snapshot, form = workspace_of(request).snapshot, RuleForm.of(sent)
    complaint, trial = "", None
    try:
        rule = _rule_of(form, snapshot)
        if not isinstance(rule, PromptRule):
            raise InputError("only rules that ask a model are tried on ten rows")
        trial = try_rule(rule, snapshot)
    except SpearAmalError as error:
        complaint = str(error)
    return render(
        *(request, "_rule_trial.html"),
        snapshot=snapshot,
        form=form,
        trial=trial,
        complaint=complaint,
    )


def run_again(request: Request, sent: FormData) -> Response:
    """Run an LF again, or stop it."""
    workspace = workspace_of(request)
    change = workspace.stop if sent.get("stop") == "1" else workspace.run_again
    change(str(sent.get("name", "")))
    snapshot = workspace.snapshot
    parts = _list_parts(request, snapshot, LFView.of(sent))
    return render(request, "_lf_list.html", snapshot=snapshot, **parts)


# -- what templates show --------------------------------------------------------------------------


def _list_parts(request: Request, snapshot: Snapshot, view: LFView) -> dict[str, Any]:
    since = jobs_of(request).rules.changed_lfs(snapshot)
    lines = lf_lines(snapshot, workspace_of(request).rule_table(), view, since)
    return {
        "lines": lines,
        "view": view,
        "grades": GRADES,
        "shows": SHOWS,
        "origin": gold_origin(snapshot),
        "since": Counter((since or {}).values()),
    }


def _editor_parts(
    workspace: Workspace, snapshot: Snapshot, form: RuleForm, seen: Rule | None
) -> dict[str, Any]:
    project, frame = workspace.project, snapshot.frame
    numbers = [
        str(name) for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name].dtype)
    ]
    texts = [str(name) for name in frame.columns if str(name) not in numbers]
    first = [project.text_column]
    taken_out = {project.label_column, *first}
    return {
        "form": form,
        "kinds": KINDS,
        "text_columns": first + [name for name in texts if name not in taken_out],
        "number_columns": [name for name in numbers if name not in taken_out],
        "seen": _as_json(seen),
    }


def _preview_parts(
    request: Request, snapshot: Snapshot, form: RuleForm, tab: str | None = None
) -> dict[str, Any]:
    parts: dict[str, Any] = {"preview": None, "complaint": "", "by_class": [], "proposed": ""}
    if form.is_empty:
        return parts
    parts["proposed"] = proposed_name(form, {lf.name for lf in snapshot.lfs}, snapshot.texts)
    try:
        rule = _rule_of(form, snapshot)
        if isinstance(rule, PromptRule):  # nothing is sent as somebody types
            return parts
        preview = previewer_of(request).preview(rule, snapshot, _ROWS_OF_PREVIEW, tab)
    except InputError as error:
        about = f"rule {form.value('name').strip() or parts['proposed']!r}: "
        return {**parts, "complaint": str(error).removeprefix(about)}
    gold = snapshot.gold[preview.fires]
    counts = np.bincount(gold[gold >= 0], minlength=len(snapshot.classes)).tolist()
    by_class = sorted((-n, code) for code, n in enumerate(counts) if n)
    return {**parts, "preview": preview, "by_class": [(code, -n) for n, code in by_class]}


def _rule_of(form: RuleForm, snapshot: Snapshot) -> Rule:
    taken = {lf.name for lf in snapshot.lfs} - {form.replaces}
    return rule_from_fields(form.rule_fields(snapshot.texts, taken))


def _rows_of(request: Request, lf: LFState, snapshot: Snapshot) -> dict[str, Any]:
    """Return rows of an LF by kind; those of a declared rule with what it matched."""
    if lf.rule is None or lf.is_prompted or lf.error is not None:
        return rows_with_votes(lf, snapshot, _ROWS_OF_LF)
    preview = previewer_of(request).preview(lf.rule, snapshot, _ROWS_OF_LF)
    others = tuple(row for row in preview.rows if row.gold < 0)
    return {"wrong": preview.wrong_rows, "right": preview.right_rows, "other": others}


def _words_of(lf: LFState, snapshot: Snapshot) -> list[Any]:
    if lf.rule is None or (lf.votes >= 0).sum() > _MOST_ROWS_FOR_WORDS:
        return []
    declared = make_lf(lf.rule)
    if not isinstance(declared, TextLF):
        return []
    return matched_words(
        lf, snapshot, declared.matched_words, snapshot.frame[declared.column].tolist()
    )


def _as_json(rule: Rule | None) -> str:
    """Return a rule as a page keeps it, to say later what it saw."""
    return "" if rule is None else rule.model_dump_json()


def _from_json(text: str) -> Rule | None:
    if not text:
        return None
    try:
        fields = json.loads(text)
        return rule_from_fields(fields if isinstance(fields, dict) else {})
    except (ValueError, RecursionError) as error:
        raise InputError(f"the page sent no rule that it saw ({error}); load it anew") from error


routes = [
    Route("/rules", rules_page),
    Route("/rules", with_form(save_rule), methods=["POST"]),
    Route("/rules/{name:path}", lf_page),
    Route("/parts/rules/list", list_part),
    Route("/parts/rules/lf", lf_part),
    Route("/parts/rules/preview", with_form(preview_part), methods=["POST"]),
    Route("/parts/rules/mute", with_form(mute_lf), methods=["POST"]),
    Route("/parts/rules/remove", with_form(remove_rule), methods=["POST"]),
    Route("/parts/rules/run", with_form(run_again), methods=["POST"]),
    Route("/parts/rules/ask", with_form(ask_model), methods=["POST"]),
    Route("/parts/rules/try", with_form(try_prompt), methods=["POST"]),
]
