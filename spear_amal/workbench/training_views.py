"""What the page of training shows of runs: curves, progress, scores over rule sets."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from spear_amal.workbench.charts import (
    Chart,
    ScoredRun,
    Series,
    interval_chart,
    line_chart,
)
from spear_amal.workbench.history import KeptFiles, RecordedRun, local_time
from spear_amal.workbench.run_events import Curve, Stage, TrainedModel
from spear_amal.workbench.training_job import TrainingJob

_MOST_THIN = 24  # curves of single models that are drawn behind the means
_MOST_RUNS = 24  # of the picture of scores
_WORDS = {"training": "Training the model", "estimating": "Estimating the score on new rows"}


@dataclass(frozen=True)
class StageView:
    """A stage of a run, to be shown.

    Attributes
    ----------
    title : str
    n_models, n_over : int
    share : float
        Of the epochs that may come at most.
    scores, weights : Chart or None
    """

    title: str
    n_models: int
    n_over: int
    share: float
    scores: Chart | None
    weights: Chart | None


@dataclass(frozen=True)
class RunView:
    """A run, to be shown.

    Attributes
    ----------
    id, status : str
    title : str
        What was asked for.
    begun : datetime
    seconds : float
        That it has run, or ran.
    expected : float or None
        Seconds that the last run of its kind took.
    message : str
        Why it failed, or was stopped.
    lines : list of str
        The last ones that it wrote to stderr.
    stages : list of StageView
    model : str or None
        The model file, as seen from the folder of the project.
    """

    id: str
    status: str
    title: str
    begun: datetime
    seconds: float
    expected: float | None
    message: str
    lines: list[str]
    stages: list[StageView]
    model: str | None

    @property
    def is_running(self) -> bool:
        """Whether it is under way."""
        return self.status == "running"

    @property
    def share(self) -> float | None:
        """Share of the way that is done, by the time that the last such run took."""
        if not self.expected:
            return None
        return min(self.seconds / self.expected, 0.99)


def run_view(job: TrainingJob, expected: float | None, folder: Path) -> RunView | None:
    """Return what the page shows of a run; None where its state cannot be read.

    `folder` is that of the project.
    """
    with job.lock:
        state, events = job.state(), job.events
        if "begun" not in state:
            return None
        begun, model = datetime.fromisoformat(state["begun"]), job.model
        status = str(state.get("status", "running"))
        seconds = job.seconds()
        if status == "running":
            seconds = (local_time() - begun).total_seconds()
        return RunView(
            id=job.id,
            status=status,
            title=request_title(state["request"]),
            begun=begun,
            seconds=seconds,
            expected=expected,
            message=str(state.get("message", "")),
            lines=job.last_lines() if status in ("failed", "killed", "running") else [],
            stages=[stage_view(stage) for stage in events.stages],
            model=None
            if model is None or status != "done"
            else Path(os.path.relpath(model, folder)).as_posix(),
        )


def request_title(request: dict[str, Any]) -> str:
    """Return in words what was asked for."""
    source = {"cv": "in folds", "test": "on test rows", "none": "without an estimate"}
    what = "Train" if request["command"] == "train" else "Compare"
    title = f"{what} {request['method']}, {source[request['estimate']]}"
    if request["command"] == "compare" and request["estimate"] == "cv":
        often = f", {request['repeats']} times" if request["repeats"] > 1 else ""
        title += f" ({request['folds']} folds{often})"
    if request.get("max_epochs"):
        title += f", at most {request['max_epochs']} epochs"
    return title


def stage_view(stage: Stage) -> StageView:
    """Return what the page shows of a stage."""
    models = list(stage.models.values())
    return StageView(
        title=_WORDS.get(stage.name, "Comparing on rows that no model saw"),
        n_models=len(models),
        n_over=sum(model.is_over for model in models),
        share=stage.share,
        scores=_score_chart(models),
        weights=_weight_chart(models),
    )


def _group(model: TrainedModel) -> str:
    """Return what a model is one of several of: its name without folds, repeats and seeds."""
    parts = [re.sub(r",? ?(repeat|fold|seed|trial) \d+( of \d+)?", "", p) for p in model.name]
    name = ", ".join(part.strip(", ") for part in parts if part.strip(", ")) or "model"
    return name.replace("Classifier on L+V", "Gold alone")


def _score_chart(models: Sequence[TrainedModel]) -> Chart | None:
    groups: dict[str, list[TrainedModel]] = defaultdict(list)
    for model in models:
        groups[_group(model)].append(model)
    series = []
    if len(models) <= _MOST_THIN:
        series += [
            Series(", ".join(m.name), m.scores, number, is_thin=True)
            for number, members in enumerate(groups.values())
            for m in members
            if len(members) > 1
        ]
    series += [
        Series(f"{name} ({len(members)})" if len(members) > 1 else name, _mean(members), number)
        for number, (name, members) in enumerate(groups.items())
    ]
    about = "Score on validation rows after each epoch, a line for each kind of model."
    return line_chart(about, series, "epoch", "validation score", least=0, most=1)


def _mean(models: Iterable[TrainedModel]) -> Curve:
    return mean_curve([model.scores for model in models])


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """Return the mean of curves; one that has ended counts with its last value.

    Examples
    --------
    >>> mean_curve([[(1, 0.0), (2, 1.0)], [(1, 1.0)]])
    [(1, 0.5), (2, 1.0)]
    """
    begun = [dict(curve) for curve in curves if curve]
    if not begun:
        return []
    last = [curve[max(curve)] for curve in begun]
    epochs = sorted(set().union(*begun))
    latest = [next(iter(curve.values())) for curve in begun]
    mean = []
    for epoch in epochs:
        latest = [
            curve.get(epoch, end if epoch > max(curve) else value)
            for curve, end, value in zip(begun, last, latest, strict=True)
        ]
        mean.append((epoch, sum(latest) / len(latest)))
    return mean


def _weight_chart(models: Sequence[TrainedModel]) -> Chart | None:
    losses = list(dict.fromkeys(loss for model in models for loss in model.weights))
    series = [
        Series(loss, mean_curve([m.weights[loss] for m in models if loss in m.weights]), number)
        for number, loss in enumerate(losses)
    ]
    about = "Mean weight of each loss after each epoch, as it is learnt."
    return line_chart(about, series, "epoch", "weight of the loss", least=0)


# -- scores over rule sets ------------------------------------------------------------------------


def scores_chart(runs: Sequence[RecordedRun], kind: tuple[str, ...]) -> Chart | None:
    """Return a picture of the scores of all runs of a kind, in their order."""
    alike = [run for run in runs if run.estimate is not None and run.kind == kind][-_MOST_RUNS:]
    scored = []
    for former, run in zip([None, *alike], alike, strict=False):
        estimate = run.estimate or {}
        about = (
            f"{run.begun:%d %b %H:%M}: {100 * estimate['score']:.1f} points, 95% interval "
            f"{100 * estimate['low']:.1f} to {100 * estimate['high']:.1f}, {run.n_gold} labelled "
            f"rows, rules {run.rules[:6]}"
        )
        is_new = former is not None and former.rules != run.rules
        link = f"/training/runs/{run.id}"
        scored.append(
            ScoredRun(
                estimate["score"],
                estimate["low"],
                estimate["high"],
                f"{run.begun:%H:%M}",
                about,
                link,
                is_new,
            )
        )
    about = "Estimated score of each run with its 95% interval; rules changed where marked."
    return interval_chart(about, scored, "runs", "estimated score")


@dataclass(frozen=True)
class RuleSetRow:
    """A rule set in the table of the history.

    Attributes
    ----------
    digest : str
    lfs : str
        Digest of what is known of its LFs.
    first, last : datetime
        When it was seen.
    runs : list of RecordedRun
        The latest first.
    note : str
        Why it was kept, where it was not trained with.
    is_present : bool
    """

    digest: str
    lfs: str
    first: datetime
    last: datetime
    runs: list[RecordedRun]
    note: str
    is_present: bool

    @property
    def best(self) -> RecordedRun | None:
        """The latest run with a score, else the latest one."""
        scored = [run for run in self.runs if run.estimate is not None]
        return next(iter([*scored, *self.runs]), None)


def rule_sets(
    runs: Sequence[RecordedRun], kept: Sequence[KeptFiles], present: str
) -> list[RuleSetRow]:
    """Return all rule sets of the history, the one that was used last first."""
    seen: dict[str, list[tuple[datetime, str, RecordedRun | None, str]]] = defaultdict(list)
    for run in runs:
        seen[run.rules].append((run.begun, run.lfs, run, ""))
    for files in kept:
        seen[files.rules].append((files.time, files.lfs, None, files.why))
    rows = []
    for digest, uses in seen.items():
        uses.sort(key=lambda use: use[0])
        trained = [run for _, _, run, _ in reversed(uses) if run is not None]
        note = next((why for *_, why in reversed(uses) if why), "")
        rows.append(
            RuleSetRow(
                digest, uses[-1][1], uses[0][0], uses[-1][0], trained, note, digest == present
            )
        )
    return sorted(rows, key=lambda row: row.last, reverse=True)
