"""One run of training or comparing: what is asked for, its process, and how it ended.

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
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, RLock
from typing import Any

from spear_amal.errors import InputError
from spear_amal.io.atomic import write_aside
from spear_amal.io.locks import exclusive, take_lock
from spear_amal.processes import give_way
from spear_amal.workbench.history import local_time
from spear_amal.workbench.run_events import RunEvents

PATIENCE = 10.0  # seconds that a run has to stop when it is asked to
TAIL = 20  # lines of what a run wrote to stderr that are shown
_STEP = 0.4  # seconds between two looks whether it has stopped

STATE_FILE = "job.json"  # a folder with this one is that of a run
_EVENTS, _RESULT, _ERRORS = "events.jsonl", "result.json", "errors.txt"
_OUTPUTS, _MODEL, _LOCK = "outputs.npz", "model.safetensors", "running"
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
            outputs = ["--output", str(folder / _MODEL), "--row-outputs", str(folder / _OUTPUTS)]
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
            state = json.loads((self.folder / STATE_FILE).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return {}
        return state if isinstance(state, dict) else {}

    def change_state(self, **changes: Any) -> None:
        """Write something about the run."""
        with exclusive(self.folder / STATE_FILE):
            state = self.state() | changes
            with write_aside(self.folder / STATE_FILE, durable=False) as temporary:
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
        path = self.folder / _MODEL
        return path if path.is_file() else None

    @property
    def outputs(self) -> Path | None:
        """The file of what the model says of the rows, if it is there."""
        path = self.folder / _OUTPUTS
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
        for _ in range(round(PATIENCE / _STEP)):
            if not self.is_alive:
                return
            waited.wait(_STEP)
        _signal(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
        if self.process is not None:
            self.process.wait()

    def prune(self) -> None:
        """Remove the model, outputs and curves; what was asked for, and its end, stay."""
        for path in self.folder.iterdir():
            if path.name != STATE_FILE:
                with suppress(OSError):
                    path.unlink()


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
