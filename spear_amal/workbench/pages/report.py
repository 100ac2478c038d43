"""The page of the report: any state of the project, past ones too, as one HTML file."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from spear_amal.errors import InputError
from spear_amal.workbench.history import RecordedRun, local_time
from spear_amal.workbench.moves import move_since_change
from spear_amal.workbench.pages.training import jobs_of
from spear_amal.workbench.render import environment, render
from spear_amal.workbench.training_views import request_title, scores_chart

_STYLE = Path(__file__).parents[1] / "static" / "workbench.css"


def report_page(request: Request) -> Response:
    """Show what the report of a state says."""
    return render(request, "report.html", **_parts(request), is_file=False)


def report_file(request: Request) -> Response:
    """Return the report as one HTML file that needs no other."""
    from markupsafe import Markup

    parts = _parts(request)
    style = Markup(_style())  # a file of the package, nothing of a user's
    text = environment().get_template("report_file.html").render(**parts, style=style, is_file=True)
    name = f"report-{parts['moment']:%Y%m%d-%H%M}.html"
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text, media_type="text/html; charset=utf-8", headers=headers)


def _parts(request: Request) -> dict[str, Any]:
    """Return what the report shows of the present state, or of the one that a run began with."""
    jobs = jobs_of(request)
    chosen = request.query_params.get("run", "")
    runs = jobs.history.runs()
    run: RecordedRun | None
    if chosen:
        run = past = jobs.history.run(chosen)
        if past.state is None:
            raise InputError("the history has no state of that run: it ended too soon")
        state, moment, rules = jobs.history.read_json(past.state), past.begun, past.rules
        runs = [other for other in runs if other.id <= past.id]
    else:
        state, rules = jobs.rules.state()
        moment, run = local_time(), _last_scored(runs, rules)
    scored = None if run is None or run.estimate is None else run
    silent = [lf for lf in state["lfs"] if lf["muted"] or lf["error"]]
    voting = [lf for lf in state["lfs"] if lf not in silent]
    return {
        "voting": voting,
        "silent": silent,
        "state": state,
        "moment": moment,
        "rules": rules,
        "chosen": chosen,
        "run": run,
        "run_title": "" if run is None else request_title(run.request),
        "move": None if scored is None else move_since_change(jobs.history, runs, scored),
        "chart": None if scored is None else scores_chart(runs, scored.kind),
        "runs": runs[::-1],
        "titles": {other.id: request_title(other.request) for other in runs},
    }


def _last_scored(runs: list[RecordedRun], rules: str) -> RecordedRun | None:
    """Return the last run with a score, of these rules if there is one."""
    scored = [run for run in runs if run.estimate is not None]
    own = [run for run in scored if run.rules == rules]
    return next(iter([*own[::-1], *scored[::-1]]), None)


@cache
def _style() -> str:
    return _STYLE.read_text(encoding="utf-8")


routes = [Route("/report", report_page), Route("/report/file", report_file)]
