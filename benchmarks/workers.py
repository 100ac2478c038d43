"""Two jobs by turns, each in a process of its own: other builds and packages that need the process.

A worker does its job once in small, so that imports and first uses count for nothing, then once for
each line that it is sent, and answers with processor time, peak memory and what came out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import Skip

HERE = Path(__file__).resolve().parent
TREE = HERE.parent


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes
    ----------
    job : str
        A name in ``side_jobs.JOBS``.
    tree : Path
        The checkout whose package it runs.
    times : float
        What its seconds are multiplied with, where it does a part of the work.
    """

    job: str
    tree: Path = TREE
    times: float = 1.0


class Worker:
    """A process that does one job again and again; a context that ends it."""

    def __init__(self, side: Side, small: bool) -> None:
        self.side = side
        paths = [str(side.tree), *filter(None, [os.environ.get("PYTHONPATH")])]
        self._errors = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "side_jobs.py"), side.job, str(side.tree)]
            + ["small"] * small,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *caught: object) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()

    def ready(self) -> None:
        """Wait until it may be sent the first line.

        Raises
        ------
        Skip
            If the job cannot be done on this machine.
        """
        answer = self._answer()
        if "skip" in answer:
            raise Skip(answer["skip"])

    def do(self) -> dict[str, Any]:
        """Have the job done once; its ``seconds``, ``wall_s``, ``mb`` and ``result``."""
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        done = self._answer()
        return {**done, "seconds": done["seconds"] * self.side.times}

    def _answer(self) -> dict[str, Any]:
        line = self._process.stdout.readline()
        if line:
            return json.loads(line)
        self._process.wait()
        self._errors.seek(0)
        told = self._errors.read().decode(errors="replace")
        raise RuntimeError(f"{self.side.job} failed in {self.side.tree}:\n{told}")


def by_turns(
    ours: Side, peer: Side | None, rounds: int, small: bool
) -> dict[str, list[dict[str, Any]]]:
    """Do both jobs `rounds` times, one after the other, on one thread each."""
    sides = {"ours": ours} | ({} if peer is None else {"peer": peer})
    workers: dict[str, Worker] = {}
    try:
        for name, side in sides.items():
            workers[name] = Worker(side, small)
            workers[name].ready()
        done: dict[str, list[dict[str, Any]]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, worker in workers.items():
                done[name].append(worker.do())
        return done
    finally:
        for worker in workers.values():
            worker.__exit__()


def row_values(done: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What a row of the table holds of rounds: the least times, all of them, and peak memory."""
    row: dict[str, Any] = {}
    for side, rounds in done.items():
        row[f"{side}_runs"] = [one["seconds"] for one in rounds]
        row[f"{side}_s"] = min(row[f"{side}_runs"])
        row[f"{side}_wall_s"] = min(one["wall_s"] for one in rounds)
        row[f"{side}_result"] = rounds[-1]["result"]
        peaks = [one["mb"] for one in rounds if one["mb"] is not None]
        row[f"{side}_mb"] = max(peaks) if peaks else None
    return row
