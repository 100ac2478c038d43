"""Training in the background: a process of its own, which outlives the server if need be.

All that is known of a run stands in its folder: the state (``job.json``), what the command says
(``events.jsonl``), its result and its errors. A server that comes later finds a run by these, and a
run that goes on by a lock that its process holds from birth to death.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, RLock, Thread
from typing import Any

from spear_amal.declared_lfs import change_rules, read_rules_file
from spear_amal.errors import InputError, SpearAmalError, StaleError
from spear_amal.io.atomic import write_aside
from spear_amal.io.locks import exclusive, take_lock
from spear_amal.processes import give_way
from spear_amal.row_outputs import read_row_outputs
from spear_amal.workbench.history import RecordedRun, RuleFiles, RuleHistory, local_time
from spear_amal.workbench.identity_cache import IdentityCache
from spear_amal.workbench.project_state import gold_counts, lf_records, project_state
from spear_amal.workbench.run_events import RunEvents
from spear_amal.workbench.since_training import changed_lfs
from spear_amal.workbench.snapshot import Snapshot
from spear_amal.workbench.workspace import Workspace

LOOK_EVERY = 0.4  # seconds between two looks at what a run has written
PATIENCE = 10.0  # seconds that a run has to stop when it is asked to
TAIL = 20  # lines of what a run wrote to stderr that are shown
_SETTLE = 5.0  # seconds that a start waits for LFs that are running
KEPT_RUNS = 20  # runs whose models, outputs and curves are kept

_STATE, _EVENTS, _RESULT, _ERRORS = "job.json", "events.jsonl", "result.json", "errors.txt"
_OUTPUTS, MODEL, _LOCK = "outputs.npz", "model.safetensors", "running"
#: What runs the command line. -P as for spear-amal itself: the project's files are no modules.
PROGRAM = (sys.executable, "-P", "-m", "spear_amal")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class JobRequest:
    """What is to be trained, or compared.

    Attributes
    ----------
    command : {"train", "compare"}
    method : str
        "" takes the method of ``spear.toml``.
    estimate : {"cv", "test", "none"}
        On what the score is estimated: the labelled rows in folds, test rows; "none" for train.
    folds, repeats : int
        Of a comparison.
    max_epochs : int or None
        None takes that of ``spear.toml``.
    """

    command: str = "train"
    method: str = ""
    estimate: str = "cv"
    folds: int = 5
    repeats: int = 1
    max_epochs: int | None = None

    def words(self, folder: Path, has_test: bool) -> list[str]:
        """Return the words of the command line, with outputs in a folder.

        Raises
        ------
        InputError
            If no such thing can be asked for.
        """
        if self.command not in ("train", "compare"):
            raise InputError(f"the workbench runs train and compare, not {self.command!r}")
        if self.estimate not in ("cv", "test", *(("none",) if self.command == "train" else ())):
            raise InputError(f"{self.command} cannot estimate a score by {self.estimate!r}")
        if self.estimate == "test" and not has_test:
            raise InputError("there are no test rows: spear.toml names none (key 'test')")
        words = [self.command, "--json", "--force", "--events", str(folder / _EVENTS)]
        words += ["--method", self.method] if self.method else []
        words += [] if self.max_epochs is None else ["--max-epochs", str(self.max_epochs)]
        if self.command == "train":
            outputs = ["--output", str(folder / MODEL), "--row-outputs", str(folder / _OUTPUTS)]
            return [*words, *outputs, "--estimate", self.estimate]
        folds = ["--folds", str(self.folds), "--repeats", str(self.repeats)]
        words += ["--output", str(folder / "comparison.json"), *folds]
        return words if self.estimate == "test" else [*words, "--in-folds"]


@dataclass
class TrainingJob:
    """A run in its folder.

    Attributes
    ----------
    folder : Path
    events : RunEvents
    process : Popen or None
        None where another server started it.
    """

    folder: Path
    events: RunEvents
    process: subprocess.Popen[bytes] | None = None
    lock: RLock = field(default_factory=RLock)

    @classmethod
    def at(cls, folder: Path) -> TrainingJob:
        """Return the run of a folder."""
        return cls(folder, RunEvents(folder / _EVENTS))

    @property
    def id(self) -> str:
        """Name of the folder."""
        return self.folder.name

    def state(self) -> dict[str, Any]:
        """Read what is written of the run: ``words, request, begun, pid``, and ``status`` if over.

        Empty where the server died before it wrote that.
        """
        try:
            state = json.loads((self.folder / _STATE).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def change_state(self, **changes: Any) -> None:
        """Write something about the run."""
        with exclusive(self.folder / _STATE):
            state = self.state() | changes
            with write_aside(self.folder / _STATE, durable=False) as temporary:
                temporary.write_text(json.dumps(state), encoding="utf-8")

    @property
    def status(self) -> str:
        """One of running, done, failed, stopped and killed."""
        return str(self.state().get("status", "running"))

    @property
    def is_alive(self) -> bool:
        """Whether the process runs, whoever started it."""
        if self.process is not None:
            return self.process.poll() is None
        return any(_is_locked(self.folder / name) for name in (_LOCK, _EVENTS))

    def read_events(self) -> bool:
        """Read what the run has written since; return whether there was anything."""
        with self.lock:
            return self.events.read()

    def seconds(self) -> float:
        """Return how long it ran until it wrote something for the last time."""
        begun = self.state().get("begun")
        with suppress(FileNotFoundError):
            if begun is not None:
                wrote = (self.folder / _EVENTS).stat().st_mtime
                return max(wrote - datetime.fromisoformat(begun).timestamp(), 0.0)
        return 0.0

    def result(self) -> dict[str, Any]:
        """Read the document that the command printed; empty where there is none."""
        try:
            document = json.loads((self.folder / _RESULT).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def last_lines(self) -> list[str]:
        """Read the last lines that the command wrote to stderr."""
        try:
            with open(self.folder / _ERRORS, "rb") as handle:
                handle.seek(max(handle.seek(0, os.SEEK_END) - 20_000, 0))
                text = handle.read().decode(errors="replace")
        except FileNotFoundError:
            return []
        return [line for line in text.splitlines() if line.strip()][-TAIL:]

    @property
    def model(self) -> Path | None:
        """The model file that was trained, if it is there."""
        path = self.folder / MODEL
        return path if path.is_file() else None

    def start(self, words: list[str], cwd: Path) -> None:
        """Start the process."""
        environment = os.environ | dict.fromkeys(_THREADS, "1") | {"PYTHONUTF8": "1"}
        with (
            open(self.folder / _LOCK, "wb") as lock,
            open(self.folder / _RESULT, "wb") as out,
            open(self.folder / _ERRORS, "wb") as errors,
        ):
            with suppress(OSError):  # a file system without locks: a later server takes it for dead
                take_lock(lock.fileno())
            self.process = subprocess.Popen(
                [*PROGRAM, *words],
                cwd=cwd,
                env=environment,
                stdin=lock,
                stdout=out,
                stderr=errors,
                start_new_session=True,
            )
        give_way(self.process.pid)  # pages are to be quick meanwhile
        self.change_state(pid=self.process.pid)

    def stop(self) -> None:
        """End the process and all that it started: by request, and by force if they do not."""
        pid = self.state().get("pid")
        if not self.is_alive or not isinstance(pid, int):
            return
        _signal(pid, signal.SIGTERM)
        waited = Event()
        for _ in range(round(PATIENCE / LOOK_EVERY)):
            if not self.is_alive:
                return
            waited.wait(LOOK_EVERY)
        _signal(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        if self.process is not None:
            self.process.wait()


class TrainingJobs:
    """The runs of a project, one at a time.

    Parameters
    ----------
    workspace : Workspace

    Attributes
    ----------
    history : RuleHistory
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._folder = workspace.project.state / "runs"
        self.history = RuleHistory(workspace.project.state)
        self._lock = RLock()
        self._jobs: dict[str, TrainingJob] = {}
        self._over = Event()
        self._threads: list[Thread] = []
        self._is_watched = False
        self._state: tuple[tuple[int, str], dict[str, Any]] | None = None
        self._records = IdentityCache(1)

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
        return sorted(path.name for path in self._folder.iterdir() if (path / _STATE).is_file())

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
            files = RuleFiles.read(project.lfs, project.rules)
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
            path = self._folder / run / _OUTPUTS
            if path.is_file():
                if self._workspace.snapshot.outputs is None:
                    self._show_outputs(path)
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
            path = job.folder / _OUTPUTS
            if outcome["status"] == "done" and path.is_file():
                with suppress(SpearAmalError, OSError):
                    unseen = read_row_outputs(path).unseen
                    if unseen is not None:
                        parts = {name: _listed(value) for name, value in vars(unseen).items()}
                        outcome["unseen"] = self.history.keep_json(parts)
            self.history.end(job.id, outcome)
            job.change_state(status=outcome["status"], message=outcome["message"])
            self._prune()
        if outcome["status"] == "done" and path.is_file():
            self._show_outputs(path)
        self._workspace.hub.publish("job", run=job.id, status=outcome["status"])
        self._workspace.hub.publish("history", run=job.id)

    def _prune(self) -> None:
        """Remove models, outputs and curves of runs that are long over; their scores stay."""
        for run in self.ids()[:-KEPT_RUNS]:
            for path in (self._folder / run).iterdir():
                if path.name != _STATE:
                    with suppress(OSError):
                        path.unlink()

    # -- going back ------------------------------------------------------------------------------

    def present_state(self) -> tuple[dict[str, Any], str]:
        """Compute what a report shows of the project as it is, and the digest of its rules."""
        workspace, files = self._workspace, self.files_now()
        snapshot, key = workspace.snapshot, (workspace.snapshot.revision, files.digest)
        with self._lock:
            if self._state is not None and self._state[0] == key:
                return self._state[1], files.digest
        state = project_state(snapshot, workspace.project, files)
        with self._lock:
            self._state = (key, state)
        return state, files.digest

    def files_now(self) -> RuleFiles:
        """Return the rule files as they are on the disk."""
        project = self._workspace.project
        return RuleFiles.read(project.lfs, project.rules)

    def changed_lfs(self, snapshot: Snapshot) -> dict[str, str] | None:
        """Return what happened to LFs since the last training, see :mod:`.since_training`."""
        said = hash(tuple((x.name, x.label, x.about, x.is_muted) for x in snapshot.lfs))
        about = (snapshot.texts, said, *(lf.votes for lf in snapshot.lfs))
        records = self._records.get("lfs", about, lambda: lf_records(snapshot))
        return changed_lfs(self.history, self.history.runs(), records)

    def go_back(self, rules: str, seen: str) -> None:
        """Write the files of a rule set over the present ones, which are kept before.

        Suggestions that were rejected stay so.

        Parameters
        ----------
        rules : str
            Digest of the rule set.
        seen : str
            Digest of the present files, as the page showed them.

        Raises
        ------
        StaleError
            If the files have changed since.
        InputError
            If the history has no such rule set.
        """
        project = self._workspace.project
        wanted = self.history.files(rules)
        with exclusive(project.rules):
            present = self.files_now()
            if present.digest != seen:
                raise StaleError(
                    "the rules have changed on the disk since this page was shown; nothing was "
                    "written: look at the difference anew"
                )
            lfs = self.history.keep_json(lf_records(self._workspace.snapshot))
            self.history.keep_files(present)
            self.history.add_kept(present.digest, lfs, f"before going back to {rules}")
            rejected = _rejected(project.rules)
            wanted.write(project.lfs, project.rules)
        if rejected - _rejected(project.rules):
            change_rules(
                project.rules, lambda file: replace(file, rejected=file.rejected | rejected)
            )
        self._workspace.hub.publish("history")


def outcome_of(job: TrainingJob) -> dict[str, Any]:
    """Return how a run ended, by what it left: ``status, message, seconds`` and scores."""
    events, state, result = job.events, job.state(), job.result()
    end = events.end or {}
    outcome: dict[str, Any] = {
        "status": str(end.get("status", "killed")),
        "message": str(end.get("message", "")),
        "seconds": round(job.seconds(), 1),
        "ended": local_time().isoformat(),
    }
    if state.get("is_stopping") and outcome["status"] != "done":
        outcome |= {"status": "stopped", "message": "It was stopped here."}
    elif outcome["status"] == "done" and not result:
        outcome |= {"status": "failed", "message": "it ended without a result"}
    elif not end:
        outcome |= _without_end(job)
    if outcome["status"] == "done":
        outcome |= _scores(result, state)
    return outcome


def _without_end(job: TrainingJob) -> dict[str, str]:
    """Return what is to be said of a process that ended without a word of its own."""
    code = None if job.process is None else job.process.poll()
    if code is not None and code > 0:
        last = next(iter(job.last_lines()[-1:]), "")
        return {"status": "failed", "message": last or f"it ended with exit code {code}"}
    by = "" if code is None else f" by {signal.Signals(-code).name}"
    return {
        "status": "killed",
        "message": f"its process was killed{by}, or the machine went down; if memory was short, "
        "close other programs and start it again",
    }


def _scores(result: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the estimate of a finished command, and what it says of the rules."""
    lines = [str(line) for line in result.get("lines", ())]
    if state.get("request", {}).get("command") == "train":
        return {"estimate": result.get("estimate"), "lines": lines}
    table = result["tables"][0]["rows"] if result.get("tables") else []
    others = [row for row in table if row.get("gain") is not None]
    judged = [row for row in others if row["method"] != "majority"] or others
    scores: dict[str, Any] = {"verdict": result.get("verdict"), "lines": lines, "methods": table}
    if judged:
        names = ("score", "low", "high", "gain", "gain_low", "gain_high", "title")
        source = "test table" if state["request"]["estimate"] == "test" else "outer folds"
        judged_row = {name: judged[0][name] for name in names}
        metric = state["request"]["metric"]
        shown = "accuracy" if metric == "auto" else metric
        scores["estimate"] = judged_row | {"metric": shown, "source": source, "rows": None}
    return scores


def _rejected(rules: Path) -> frozenset[str]:
    """Return the rejected suggestions of a file of rules; none where it cannot be read."""
    try:
        return read_rules_file(rules).rejected
    except InputError:
        return frozenset()


def _listed(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _is_locked(path: Path) -> bool:
    """Return whether a process holds the lock of a file."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        return not take_lock(descriptor)
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _signal(pid: int, number: int) -> None:
    """Send a signal to a process and all that it started: they are a session of their own."""
    with suppress(ProcessLookupError, PermissionError):
        if hasattr(os, "killpg"):
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
