"""The history of rule sets and what they scored: a file that only grows, and contents by digest.

A line of ``history.jsonl`` says that a run began (with which rules, labels and settings) or ended
(with which scores), or that files were kept before older ones took their place.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.atomic import write_aside, written_together
from spear_amal.io.locks import exclusive

_FILE, _CONTENTS = "history.jsonl", "contents"
_DIGITS = 16  # of a digest, in hexadecimal


@dataclass(frozen=True)
class RuleFiles:
    """The files that make a rule set.

    Attributes
    ----------
    lfs, rules : bytes or None
        Of the Python file and of the declared rules; None where there is no such file.
    """

    lfs: bytes | None
    rules: bytes | None

    @classmethod
    def read(cls, lfs: Path | None, rules: Path) -> RuleFiles:
        """Read the files as they are now."""
        return cls(None if lfs is None else _bytes_of(lfs), _bytes_of(rules))

    @cached_property
    def digest(self) -> str:
        """What tells this rule set from others; of the declared rules it is their meaning."""
        lfs = "-" if self.lfs is None else _digest(self.lfs)
        return _digest(f"{lfs}+{_digest(_meaning(self.rules or b''))}".encode())

    def texts(self) -> dict[str, str]:
        """Return the contents as text, by what the files are called here."""
        parts = {"lfs.py": self.lfs, "rules.toml": self.rules}
        return {name: (part or b"").decode(errors="replace") for name, part in parts.items()}

    def write(self, lfs: Path | None, rules: Path) -> None:
        """Write both files, or none; a file that the rule set lacks is removed."""
        given = [(rules, self.rules), *([] if lfs is None else [(lfs, self.lfs)])]
        with written_together():
            for path, content in given:
                if content is not None:
                    with write_aside(path) as temporary:
                        temporary.write_bytes(content)
        for path, content in given:
            if content is None:
                path.unlink(missing_ok=True)


@dataclass(frozen=True)
class RecordedRun:
    """A training or a comparison, as the history knows it.

    Attributes
    ----------
    id : str
        Sorts by time.
    begun : datetime
    request : dict
        What was asked for: command, method, estimate, folds.
    rules : str
        Digest of the rule set.
    lfs : str
        Digest of what is known of each LF, see :func:`.project_state.lf_records`.
    gold : dict of str to int
        Labelled rows by class.
    outcome : dict
        How it ended: ``status``, ``seconds``, ``message``, ``estimate``, ``verdict``; empty while
        it runs.
    state : str or None
        Digest of what a report shows of the project as it was.
    """

    id: str
    begun: datetime
    request: dict[str, Any]
    rules: str
    lfs: str
    gold: dict[str, int]
    outcome: dict[str, Any] = field(default_factory=dict)
    state: str | None = None

    @property
    def status(self) -> str:
        """One of running, done, failed, stopped and killed."""
        return str(self.outcome.get("status", "running"))

    @property
    def estimate(self) -> dict[str, Any] | None:
        """The estimated score with its interval: ``metric, score, low, high, rows, source``."""
        return self.outcome.get("estimate")

    @property
    def verdict(self) -> str | None:
        """What a comparison says of the rules, in a sentence."""
        return self.outcome.get("verdict")

    @property
    def methods(self) -> list[dict[str, Any]]:
        """The rows of a comparison: ``title, score, low, high, gain, gain_low, gain_high``."""
        return self.outcome.get("methods") or []

    @property
    def lines(self) -> list[str]:
        """What the command said at its end, beside the score, the verdict and its outputs."""
        said = self.outcome.get("lines") or []
        outputs = ("Estimated", "Model written", "Runs are in", "The model predicts with the rules")
        return [line for line in said if not line.startswith(outputs) and line != self.verdict]

    @property
    def kind(self) -> tuple[str, ...]:
        """What runs have in common whose scores can be held against each other."""
        estimate = self.estimate or {}
        names = ("command", "method")
        asked = [str(self.request.get(name, "")) for name in names]
        return (*asked, str(estimate.get("metric", "")), str(estimate.get("source", "")))

    @property
    def n_gold(self) -> int:
        """Number of labelled rows."""
        return sum(self.gold.values())


@dataclass(frozen=True)
class KeptFiles:
    """Rule files that were kept before others took their place."""

    time: datetime
    rules: str
    lfs: str
    why: str


class RuleHistory:
    """The history of a project, in a folder of its own.

    Any process may add to it at any time; what others added is read anew.

    Parameters
    ----------
    folder : Path
        Made when first written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    # -- contents by digest ----------------------------------------------------------------------

    def keep(self, content: bytes) -> str:
        """Write a content, once; return its digest."""
        digest = _digest(content)
        path = self._place(digest)
        if not path.exists():
            with write_aside(path) as temporary:
                temporary.write_bytes(content)
        return digest

    def keep_json(self, value: Any) -> str:
        """Write a value of JSON as a content."""
        return self.keep(json.dumps(value, sort_keys=True, allow_nan=False).encode())

    def content(self, digest: str) -> bytes:
        """Read a content.

        Raises
        ------
        InputError
            If there is none.
        FileFormatError
            If it was changed since it was written.
        """
        if not (digest.isalnum() and digest.isascii()):
            raise InputError(f"the history holds nothing that is called {digest!r}")
        path = self._place(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise InputError(f"the history holds nothing that is called {digest!r}") from None
        if _digest(content) != digest:
            raise FileFormatError(f"{path} was changed since it was written; remove it")
        return content

    def read_json(self, digest: str) -> Any:
        """Read what :meth:`keep_json` wrote."""
        return json.loads(self.content(digest))

    def keep_files(self, files: RuleFiles) -> str:
        """Write a rule set; return its digest."""
        parts = {
            name: None if part is None else self.keep(part)
            for name, part in (("lfs", files.lfs), ("rules", files.rules))
        }
        path = self._place(files.digest)
        if not path.exists():
            with write_aside(path) as temporary:
                temporary.write_text(json.dumps(parts), encoding="utf-8")
        return files.digest

    def files(self, digest: str) -> RuleFiles:
        """Read a rule set.

        Raises
        ------
        InputError
            If there is none of that digest.
        """
        unknown = InputError(f"the history has no rule set {digest!r}")
        if not (digest.isalnum() and digest.isascii()):
            raise unknown
        try:
            parts = json.loads(self._place(digest).read_text(encoding="utf-8"))
            named = [parts["lfs"], parts["rules"]]
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            raise unknown from None
        return RuleFiles(*(None if part is None else self.content(part) for part in named))

    def _place(self, digest: str) -> Path:
        return self._folder / _CONTENTS / digest

    # -- what happened ---------------------------------------------------------------------------

    def begin(self, run: RecordedRun) -> None:
        """Add that a run begins."""
        said = {name: getattr(run, name) for name in ("request", "rules", "lfs", "gold")}
        self._add("begin", run=run.id, time=run.begun.isoformat(), **said)

    def set_state(self, run: str, state: str) -> None:
        """Add what a report shows of the project as it was when a run began."""
        self._add("state", run=run, state=state)

    def end(self, run: str, outcome: Mapping[str, Any]) -> None:
        """Add how a run ended."""
        self._add("end", run=run, outcome=dict(outcome))

    def add_kept(self, rules: str, lfs: str, why: str) -> None:
        """Add that rule files were kept, and why."""
        self._add("kept", time=local_time().isoformat(), rules=rules, lfs=lfs, why=why)

    def _add(self, kind: str, **values: Any) -> None:
        path = self._folder / _FILE
        line = json.dumps({"kind": kind, **values}, allow_nan=False)
        with exclusive(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            try:
                size = os.fstat(descriptor).st_size
                if size:
                    os.lseek(descriptor, size - 1, os.SEEK_SET)
                    if os.read(descriptor, 1) != b"\n":  # of a writer that was killed
                        line = f"\n{line}"
                os.write(descriptor, f"{line}\n".encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def runs(self) -> list[RecordedRun]:
        """Return all runs, the oldest first."""
        runs: dict[str, dict[str, Any]] = {}
        for entry in self._entries():
            if entry["kind"] == "begin":
                runs[entry["run"]] = {"id": entry["run"], "begun": entry["time"]} | {
                    name: entry[name] for name in ("request", "rules", "lfs", "gold")
                }
            elif entry.get("run") in runs:
                name = {"state": "state", "end": "outcome"}[entry["kind"]]
                runs[entry["run"]].setdefault(name, entry[name])
        return [
            RecordedRun(**fields | {"begun": datetime.fromisoformat(fields["begun"])})
            for _, fields in sorted(runs.items())
        ]

    def kept(self) -> list[KeptFiles]:
        """Return the rule files that were kept, the oldest first."""
        names = ("rules", "lfs", "why")
        return [
            KeptFiles(datetime.fromisoformat(entry["time"]), *(entry[name] for name in names))
            for entry in self._entries()
            if entry["kind"] == "kept"
        ]

    def run(self, run: str) -> RecordedRun:
        """Return a run by its id.

        Raises
        ------
        InputError
            If there is none.
        """
        for other in self.runs():
            if other.id == run:
                return other
        raise InputError(f"the history has no run {run!r}")

    def _entries(self) -> list[dict[str, Any]]:
        """Return what the lines say; a line that was cut short by a kill says nothing."""
        try:
            lines = (self._folder / _FILE).read_bytes().splitlines()
        except FileNotFoundError:
            return []
        entries = []
        for line in lines:
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and entry.get("kind") in ("begin", "state", "end", "kept"):
                entries.append(entry)
        return entries


def local_time() -> datetime:
    """Return the time, with the time zone."""
    return datetime.now().astimezone()


def _bytes_of(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _meaning(rules: bytes) -> bytes:
    """Return what a file of rules says, without comments and rejected suggestions."""
    try:
        content = tomllib.loads(rules.decode("utf-8-sig"))
    except ValueError:
        return rules
    content.pop("rejected", None)
    return json.dumps(content, sort_keys=True, default=str).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:_DIGITS]
