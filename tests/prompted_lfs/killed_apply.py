"""Applies a prompted LF in processes that are killed at random moments, until each run is through.

    python tests/prompted_lfs/killed_apply.py [--kills 50]

A run that was killed is given again until it ends. Its votes must be those of an undisturbed run; a
row may be asked twice only where its answer was under way at a kill.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import select
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "llm"))

import numpy as np
import pandas as pd
from scripted_server import Say, ScriptedServer

from spear_amal.labeling import PandasLFApplier, VoteCache
from spear_amal.llm import ChatModel
from spear_amal.prompted_lfs import prompt_lf

CLASSES = ("ham", "spam")
AT_ONCE, DELAY = 4, 0.01


@dataclass
class KillCounts:
    """What became of all runs."""

    kills: int = 0
    runs: int = 0
    rows: int = 0
    asked: int = 0
    faults: list[str] = field(default_factory=list)

    @property
    def extra(self) -> int:
        """Requests beyond one for each row."""
        return self.asked - self.rows


def killed_runs(n_kills: int, n_rows: int, seed: int = 0) -> KillCounts:
    """Kill that many times, in as many runs as it takes; end the last one undisturbed."""
    rng, counts = random.Random(seed), KillCounts()
    with tempfile.TemporaryDirectory() as root:
        log = Path(root) / "asked"
        server, port = _start(_serve, log)
        try:
            expected = _votes(port, Path(root) / "undisturbed", n_rows)
            while counts.kills < n_kills:
                log.write_bytes(b"")
                folder = Path(root) / f"run{counts.runs}"
                while not _is_through(port, folder, n_rows, rng, counts.kills < n_kills):
                    counts.kills += 1
                _judge(counts, expected, folder, Counter(log.read_text().split()), n_rows)
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
    return counts


def _judge(
    counts: KillCounts, expected: np.ndarray, folder: Path, asked: Counter[str], n_rows: int
) -> None:
    counts.runs += 1
    counts.rows += n_rows
    counts.asked += asked.total()
    if not np.array_equal(expected, np.load(folder / "votes.npy")):
        counts.faults.append(f"{folder.name}: other votes than those of an undisturbed run")
    if len(asked) != n_rows:
        counts.faults.append(f"{folder.name}: {len(asked)} of {n_rows} rows were asked about")


def _is_through(
    port: int, folder: Path, n_rows: int, rng: random.Random, may_be_killed: bool
) -> bool:
    """Run the LF in another process, which may be killed; return whether it came to its end."""
    child, done = _start(_apply, port, folder, n_rows)
    if may_be_killed:
        moment = rng.uniform(0, 1.2 * n_rows * DELAY / AT_ONCE + 0.2)
        ended, _, _ = select.select([done], [], [], moment)
        if not ended:
            os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(done)
    return (folder / "votes.npy").exists()


def _start(work, *arguments) -> tuple[int, int]:
    """Start a fork; return its id and what it says first: a port, or the end of a pipe."""
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        if work is not _serve:
            return child, reading
        port = int(os.read(reading, 16))
        os.close(reading)
        return child, port
    os.close(reading)
    try:
        work(*arguments, writing)
    finally:
        os._exit(0)


def _serve(log: Path, writing: int) -> None:
    handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def script(request):
        row = int(request["messages"][-1]["content"].split()[-1])
        os.write(handle, b"%d\n" % row)
        word, share = CLASSES[row % 2], 0.5 + (row % 97) / 200
        top = [
            {"token": word, "logprob": math.log(share)},
            {"token": CLASSES[1 - row % 2], "logprob": math.log(1 - share)},
        ]
        tokens = [
            {"token": '{"answer": "', "logprob": 0.0, "top_logprobs": []},
            {**top[0], "top_logprobs": top},
            {"token": '"}', "logprob": 0.0, "top_logprobs": []},
        ]
        return Say(json.dumps({"answer": word}), logprobs={"content": tokens})

    with ScriptedServer(script, DELAY) as server:
        os.write(writing, str(server.port).encode())
        while True:
            time.sleep(60)


def _apply(port: int, folder: Path, n_rows: int, writing: int) -> None:
    votes = _votes(port, folder, n_rows)
    with open(folder / "aside.npy", "wb") as file:
        np.save(file, votes)
    os.replace(folder / "aside.npy", folder / "votes.npy")
    os.write(writing, b"through")


def _votes(port: int, folder: Path, n_rows: int) -> np.ndarray:
    model = ChatModel(name="tiny", base_url=f"http://127.0.0.1:{port}/v1", concurrency=AT_ONCE)
    lf = prompt_lf("asks", "{text}", CLASSES, model=model, cache_dir=folder / "answers")
    frame = pd.DataFrame({"text": [f"row {row}" for row in range(n_rows)]})
    cache = VoteCache(folder / "votes")
    matrix = PandasLFApplier([lf], CLASSES).apply(frame, progress_bar=False, cache=cache)
    return np.stack([matrix.to_dense()[:, 0], matrix.scores.toarray()[:, 0]])


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    counts = killed_runs(options.kills, n_rows=301)
    sys.stdout.write(
        f"{counts.kills} kills in {counts.runs} runs of 301 rows; {len(counts.faults)} faults; "
        f"{counts.extra} requests more than rows ({AT_ONCE} at once)\n"
    )


if __name__ == "__main__":
    main()
