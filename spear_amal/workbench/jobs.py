"""Training in the background: a process of its own, which outlives the server if need be.

The runs of a project are started one at a time and followed; how each ended is written once, by
whichever server sees it first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any

from spear_amal.errors import InputError, SpearAmalError
from spear_amal.io.locks import exclusive
from spear_amal.row_outputs import read_row_outputs
from spear_amal.workbench.history import RecordedRun, RuleFiles, RuleHistory, local_time
from spear_amal.workbench.present_rules import PresentRules
from spear_amal.workbench.project_state import gold_counts, lf_records, project_state
from spear_amal.workbench.snapshot import Snapshot
from spear_amal.workbench.training_job import (
    PATIENCE,
    STATE_FILE,
    JobRequest,
    TrainingJob,
    outcome_of,
)
from spear_amal.workbench.workspace import Workspace

LOOK_EVERY = 0.4  # seconds between two looks at what a run has written
_SETTLE = 5.0  # seconds that a start waits for LFs that are running
KEPT_RUNS = 20  # runs whose models, outputs and curves are kept


class TrainingJobs:
    """The runs of a project, one at a time.

    Parameters
    ----------
    workspace : Workspace

    Attributes
    ----------
    history : RuleHistory
    rules : PresentRules
        Those of now, beside the history.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.project.state / "runs"
        self.history = RuleHistory(workspace.project.state)
        self.rules = PresentRules(workspace, self.history)
        self._lock = RLock()
        self._jobs: dict[str, TrainingJob] = {}
        self._over = Event()
        self._threads: list[Thread] = []
        self._is_watched = False

    def watch(self) -> None:
        """Begin to follow runs, those that another server started too."""
        with self._lock:
            if not self._is_watched and not self._over.is_set():
                self._is_watched = True
                self._in_thread(self._watch)

    def close(self) -> None:
        """Stop watching; a run that is under way goes on, and is found again."""
        self._over.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    # -- looking ---------------------------------------------------------------------------------

    def ids(self) -> list[str]:
        """Return the ids of the runs whose folders are there, the oldest first."""
        if not self._folder.is_dir():
            return []
        return sorted(path.name for path in self._folder.iterdir() if (path / STATE_FILE).is_file())

    def job(self, run: str) -> TrainingJob | None:
        """Return a run by its id; None where nothing is left of it, or nothing ever was."""
        job = self._jobs.get(run)
        if job is None:
            if run not in self.ids():
                return None
            with self._lock:
                job = self._jobs.setdefault(run, TrainingJob.at(self._folder / run))
        job.read_events()
        return job

    def _latest(self) -> TrainingJob | None:
        """Return the run that began last, without reading what it has written since."""
        ids = self.ids()
        if not ids:
            return None
        with self._lock:
            return self._jobs.setdefault(ids[-1], TrainingJob.at(self._folder / ids[-1]))

    @property
    def latest(self) -> TrainingJob | None:
        """The run that began last."""
        job = self._latest()
        return None if job is None else self.job(job.id)

    @property
    def running(self) -> TrainingJob | None:
        """The run that is under way."""
        for run in reversed(self.ids()):
            job = self.job(run)
            if job is not None and job.status == "running" and job.is_alive:
                return job
        return None

    def seconds_of(self, request: Mapping[str, Any]) -> float | None:
        """Return how long the last run took of which the same was asked; None if there is none."""
        for run in reversed(self.history.runs()):
            if run.status == "done" and run.request == dict(request):
                return float(run.outcome["seconds"])
        return None

    # -- starting and stopping -------------------------------------------------------------------

    def start(self, request: JobRequest) -> TrainingJob:
        """Start a run with the files as they are now.

        Raises
        ------
        InputError
            If another one is under way, or no such run can be asked for.
        """
        project = self._workspace.project
        self._workspace.wait(lambda snapshot: snapshot.is_idle, _SETTLE)
        snapshot = self._workspace.snapshot
        self._folder.mkdir(parents=True, exist_ok=True)
        with exclusive(self._folder), self._lock:
            if self.running is not None:
                raise InputError("a run is under way already: wait for it, or stop it")
            begun = local_time()
            run = f"{begun.astimezone(UTC):%Y%m%d-%H%M%S-%f}"  # sorts by time
            folder = (self._folder / run).resolve()
            words = request.words(folder, "test" in project.settings)
            files = self.rules.files()
            asked = asdict(request) | {
                "method": request.method or project.settings.get("method", "recommended"),
                "metric": project.settings.get("metric", "accuracy"),
            }
            folder.mkdir()
            job = self._jobs[run] = TrainingJob.at(folder)
            job.change_state(words=words, request=asked, begun=begun.isoformat())
            rules = self.history.keep_files(files)
            lfs = self.history.keep_json(lf_records(snapshot))
            self.history.begin(RecordedRun(run, begun, asked, rules, lfs, gold_counts(snapshot)))
            job.start(words, project.folder)
        self.watch()
        self._in_thread(lambda: self._keep_state(run, files, snapshot))
        self._workspace.hub.publish("job", run=run, status="running")
        self._workspace.hub.publish("history", run=run)
        return job

    def stop(self, run: str) -> None:
        """Stop a run; return when it is over.

        Raises
        ------
        InputError
            If there is no such run.
        """
        job = self.job(run)
        if job is None:
            raise InputError(f"there is no run {run!r}")
        if job.status == "running" and job.is_alive:
            job.change_state(is_stopping=True)
            job.stop()
        self._finish(job)

    def _in_thread(self, work: Callable[[], None]) -> None:
        thread = Thread(target=work, daemon=True)
        self._threads = [other for other in self._threads if other.is_alive()] + [thread]
        thread.start()

    def _keep_state(self, run: str, files: RuleFiles, snapshot: Snapshot) -> None:
        """Keep what a report shows of the project as it is at the start of a run."""
        workspace = self._workspace
        state = project_state(snapshot, workspace.project, files)
        self.history.set_state(run, self.history.keep_json(state))
        workspace.hub.publish("history", run=run)

    # -- watching --------------------------------------------------------------------------------

    def _watch(self) -> None:
        """Follow the runs until closed."""
        self.find_former()
        while not self._over.wait(LOOK_EVERY):
            self.look()

    def look(self) -> None:
        """Read what the run that began last has written; finish it if it is over."""
        job = self._latest()
        if job is None or job.status != "running":
            return
        is_alive = job.is_alive  # first: what it wrote before its end is read below
        if job.read_events():
            self._workspace.hub.publish("job", run=job.id, status="running")
        if not is_alive:
            self._finish(job)

    def find_former(self) -> None:
        """Finish runs that ended while nobody looked; show what the last one says of the rows."""
        for run in self.ids():
            job = self.job(run)
            if job is not None and job.status == "running" and not job.is_alive:
                self._finish(job)
        for run in reversed(self.ids()):
            job = self.job(run)
            if job is not None and job.outputs is not None:
                if self._workspace.snapshot.outputs is None:
                    self._show_outputs(job.outputs)
                return

    def _show_outputs(self, path: Path) -> None:
        # Outputs of a file that somebody damaged must not end the watching.
        with suppress(SpearAmalError, OSError):
            self._workspace.take_outputs(path)

    def _finish(self, job: TrainingJob) -> None:
        """Write how a run ended, once, whoever sees it first."""
        with exclusive(self._folder):
            if job.status != "running" or not job.state():
                return
            job.read_events()
            outcome = outcome_of(job)
            is_done = outcome["status"] == "done"
            if is_done and job.outputs is not None:
                with suppress(SpearAmalError, OSError):
                    unseen = read_row_outputs(job.outputs).unseen
                    if unseen is not None:
                        parts = {name: _listed(value) for name, value in vars(unseen).items()}
                        outcome["unseen"] = self.history.keep_json(parts)
            self.history.end(job.id, outcome)
            job.change_state(status=outcome["status"], message=outcome["message"])
            self._prune()
        if is_done and job.outputs is not None:
            self._show_outputs(job.outputs)
        self._workspace.hub.publish("job", run=job.id, status=outcome["status"])
        self._workspace.hub.publish("history", run=job.id)

    def _prune(self) -> None:
        """Remove models, outputs and curves of runs that are long over; their scores stay."""
        for run in self.ids()[:-KEPT_RUNS]:
            TrainingJob.at(self._folder / run).prune()


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
