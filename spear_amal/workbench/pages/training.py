"""The page of training: runs in the background, their curves and scores, the history of rules."""

from __future__ import annotations

from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from spear_amal.errors import InputError
from spear_amal.workbench.forms import with_form
from spear_amal.workbench.gold_origin import gold_origin
from spear_amal.workbench.history import RecordedRun
from spear_amal.workbench.jobs import TrainingJobs
from spear_amal.workbench.moves import move_since_change
from spear_amal.workbench.project_state import lf_records
from spear_amal.workbench.render import render, workspace_of
from spear_amal.workbench.rule_diff import rule_diff
from spear_amal.workbench.since_training import random_score
from spear_amal.workbench.training_job import JobRequest, TrainingJob
from spear_amal.workbench.training_views import (
    request_title,
    rule_sets,
    run_view,
    scores_chart,
)

#: What the form offers beside the method of the project; others are written into ``spear.toml``.
METHODS = (
    ("recommended", "a pool of gold alone and AMAL"),
    ("amal", "one model, weights learnt row by row"),
    ("spear", "one model, fixed weights: quick"),
    ("label-model", "a classifier taught by the votes"),
    ("only-lv:crossfit=5", "gold alone, no rules"),
)


def jobs_of(request: Request) -> TrainingJobs:
    """Return the runs of the project that a request is about."""
    jobs: TrainingJobs = request.app.state.jobs
    return jobs


def training_page(request: Request) -> Response:
    """Show the form, the last run and the history."""
    workspace, snapshot = workspace_of(request), workspace_of(request).snapshot
    settings = workspace.project.settings
    return render(
        request,
        "training.html",
        snapshot=snapshot,
        methods=METHODS,
        default_method=settings.get("method", "recommended"),
        has_test="test" in settings,
        n_gold=int((snapshot.gold >= 0).sum()),
        origin=gold_origin(snapshot),
        n_lfs=len(snapshot.active),
        n_muted=sum(lf.is_muted for lf in snapshot.lfs),
        **_job_parts(request, jobs_of(request).latest, "/training/job"),
        **_history_parts(request),
    )


def job_part(request: Request) -> Response:
    """Show the last run anew."""
    return render(
        request, "_job.html", **_job_parts(request, jobs_of(request).latest, "/training/job")
    )


def history_part(request: Request) -> Response:
    """Show the history anew."""
    return render(request, "_history.html", **_history_parts(request))


def start(request: Request, form: FormData) -> Response:
    """Start a run."""
    jobs = jobs_of(request)
    epochs = str(form.get("max_epochs", "")).strip()
    job = jobs.start(
        JobRequest(
            command=str(form.get("command", "train")),
            method=str(form.get("method", "")),
            estimate=str(form.get("estimate", "cv")),
            folds=_number(form, "folds", 5),
            repeats=_number(form, "repeats", 1),
            max_epochs=_number(form, "max_epochs", 0) if epochs else None,
        )
    )
    return _after(request, job)


def stop(request: Request, form: FormData) -> Response:
    """Stop a run."""
    jobs, run = jobs_of(request), str(form.get("run", ""))
    jobs.stop(run)
    return _after(request, jobs.job(run))


def _after(request: Request, job: TrainingJob | None) -> Response:
    if "hx-request" not in request.headers:
        return RedirectResponse("/training", status_code=303)
    return render(request, "_job.html", **_job_parts(request, job, "/training/job"))


def _number(form: FormData, name: str, default: int) -> int:
    text = str(form.get(name, "")).strip() or str(default)
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        raise InputError(f"{name} must be a whole number from 1 to 10000, found {text!r}")
    return int(text)


def run_page(request: Request) -> Response:
    """Show one run."""
    job, run = _run_of(request)
    source = f"/training/runs/{request.path_params['run']}/part"
    parts = _job_parts(request, job, source)
    if run is not None:
        parts |= {"run": run, "run_title": request_title(run.request)}
    return render(request, "run.html", **parts)


def run_part(request: Request) -> Response:
    """Show one run anew."""
    job, _ = _run_of(request)
    return render(request, "_job.html", **_job_parts(request, job, request.url.path))


def _run_of(request: Request) -> tuple[TrainingJob | None, RecordedRun | None]:
    jobs, name = jobs_of(request), request.path_params["run"]
    job = jobs.job(name)
    run = next((run for run in jobs.history.runs() if run.id == name), None)
    if job is None and run is None:
        raise InputError(f"the history has no run {name!r}")
    return job, run


def _job_parts(request: Request, job: TrainingJob | None, source: str) -> dict[str, Any]:
    """Return what the part about a run shows."""
    jobs, folder = jobs_of(request), workspace_of(request).project.folder
    snapshot = workspace_of(request).snapshot
    parts: dict[str, Any] = {"view": None, "run": None, "move": None, "source": source}
    parts |= {"random": None, "n_gold_now": int((snapshot.gold >= 0).sum())}
    if job is None:
        return parts
    runs = jobs.history.runs()
    run = next((run for run in runs if run.id == job.id), None)
    expected = None if run is None or run.outcome else jobs.seconds_of(run.request)
    move = None if run is None else move_since_change(jobs.history, runs, run)
    parts |= {"view": run_view(job, expected, folder), "run": run, "move": move}
    if run is not None and "unseen" in run.outcome:
        parts["random"] = random_score(jobs.history.read_json(run.outcome["unseen"]), snapshot)
    return parts


def _history_parts(request: Request) -> dict[str, Any]:
    jobs = jobs_of(request)
    runs, present = jobs.history.runs(), jobs.rules.files().digest
    sets = rule_sets(runs, jobs.history.kept(), present)
    scored = [run for run in runs if run.estimate is not None]
    chart = scores_chart(runs, scored[-1].kind) if scored else None
    counts = {}
    for row in sets:
        records = jobs.history.read_json(row.lfs)
        muted = sum(record["muted"] for record in records)
        counts[row.lfs] = {"active": len(records) - muted, "muted": muted}
    return {
        "chart": chart,
        "kind_title": _kind_title(scored[-1]) if scored else "",
        "sets": sets,
        "counts": counts,
        "is_present_kept": any(row.is_present for row in sets),
        "n_test_looks": sum(run.request["estimate"] == "test" for run in runs if run.estimate),
    }


def _kind_title(run: RecordedRun) -> str:
    estimate = run.estimate or {}
    source = "test rows" if estimate["source"] == "test table" else "folds of the labelled rows"
    command = "compare" if run.request["command"] == "compare" else "train"
    return f"Estimated {estimate['metric']} of {run.request['method']}, {source} ({command})"


def rule_set_page(request: Request) -> Response:
    """Show a rule set, and what differs from the present one, or from another one."""
    jobs, digest = jobs_of(request), request.path_params["digest"]
    history, snapshot = jobs.history, workspace_of(request).snapshot
    files, present = history.files(digest), jobs.rules.files()
    other = request.query_params.get("from", "")
    runs = history.runs()
    sets = rule_sets(runs, history.kept(), present.digest)
    lfs = {row.digest: row.lfs for row in sets}
    before = history.files(other) if other else present
    records = history.read_json(lfs[other]) if other in lfs else lf_records(snapshot)
    own = history.read_json(lfs[digest]) if digest in lfs else []
    lfs_file = workspace_of(request).project.lfs
    return render(
        request,
        "rule_set.html",
        snapshot=snapshot,
        digest=digest,
        other=other,
        is_present=digest == present.digest and not other,
        diff=rule_diff(before, files, records, own),
        seen=present.digest,
        files=files.texts(),
        runs=[run for run in reversed(runs) if run.rules == digest],
        others=[row for row in sets if row.digest not in (digest, present.digest)],
        lfs_name="lfs.py" if lfs_file is None else lfs_file.name,
    )


def restore(request: Request, form: FormData) -> Response:
    """Go back to a rule set."""
    jobs, digest = jobs_of(request), request.path_params["digest"]
    wanted, present = jobs.history.files(digest), jobs.rules.files()
    if wanted.lfs != present.lfs and form.get("overwrite") != "yes":
        raise InputError("the Python file would be overwritten: say that it may be")
    jobs.rules.go_back(digest, str(form.get("seen", "")))
    if "hx-request" not in request.headers:
        return RedirectResponse("/rules", status_code=303)
    return render(request, "_restored.html", digest=digest)


routes = [
    Route("/training", training_page),
    Route("/training/job", job_part),
    Route("/training/history", history_part),
    Route("/training/start", with_form(start), methods=["POST"]),
    Route("/training/stop", with_form(stop), methods=["POST"]),
    Route("/training/runs/{run}", run_page),
    Route("/training/runs/{run}/part", run_part),
    Route("/training/rules/{digest}", rule_set_page),
    Route("/training/rules/{digest}/restore", with_form(restore), methods=["POST"]),
]
