"""Times of the workbench as its user has them: in a real browser, typed letter by letter.

    python benchmarks/workbench.py --json docs/results/workbench.json

takes about five minutes, in which nothing else should run. For each run, of a number of texts of a
corpus (repeated, with a number each): seconds from the start of the command to the address, from
the address to the first page, and from a letter to its preview on the screen; what a preview costs
the server's processor; memory of the server, and of all its processes with what they share counted
once, at tenths of the way. Needs Playwright and a Chromium.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import psutil
from workbench_pictures import browser
from workbench_project import served_workbench

from spear_amal.data import load_corpus
from spear_amal.package_build import package_build

KEYWORDS = ("free, prize, claim", "call now, urgent", "lunch, home, tonight", "txt, stop")
PATTERNS = (r"\bfree\b", r"(?i)\bwin(ner|s)?\b", r"\d{5,}", r"(https?://|www\.)\S+", r"[A-Z]{4,}")
LFS = """
from spear_amal.labeling import keyword_lf

CLASSES = {classes!r}
free = keyword_lf("free", ["free", "prize"], label={last!r})
home = keyword_lf("home", ["home", "lunch"], label={first!r})
"""
# Changes what stands in the field, and waits until the preview of that is on the screen.
WAIT = """(value) => new Promise((done) => {
  const field = document.querySelector("fieldset:not([disabled]) [data-main]");
  const begun = performance.now();
  document.body.addEventListener("htmx:afterSettle", function heard(event) {
    if (event.detail.target.id !== "preview") return;
    document.body.removeEventListener("htmx:afterSettle", heard);
    requestAnimationFrame(() => done(performance.now() - begun));
  });
  field.value = value;
  field.dispatchEvent(new Event("input", { bubbles: true }));
})"""


class Run(NamedTuple):
    """What is measured: so many previews, as far as so many seconds suffice."""

    corpus: str
    rows: int
    previews: int
    seconds: float

    @classmethod
    def of(cls, text: str) -> Run:
        """Return a run from CORPUS:ROWS:PREVIEWS:SECONDS."""
        corpus, rows, previews, seconds = text.split(":")
        return cls(corpus, int(rows), int(previews), float(seconds))


RUNS = (
    Run("sms", 20_000, 1000, 160),
    Run("sms", 200_000, 300, 100),
    Run("plots", 20_000, 100, 40),
)


def write_project(folder: Path, corpus_name: str, n_rows: int) -> float:
    """Write a project of many texts, 300 of them with a label; return their length in MB."""
    corpus = load_corpus(corpus_name, offline=True)
    rows = np.resize(np.arange(len(corpus.frame)), n_rows)
    texts = corpus.frame["text"].to_numpy()[rows]
    labels = np.array(corpus.classes, dtype=object)[corpus.labels[rows]]
    labels[np.random.default_rng(0).permutation(n_rows)[300:]] = None
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"text": [f"{text} {i}" for i, text in enumerate(texts)]})
    frame.assign(label=labels).to_csv(folder / "rows.csv", index=False)
    lfs = LFS.format(classes=tuple(corpus.classes), first=corpus.classes[0], last=corpus.classes[1])
    (folder / "lfs.py").write_text(lfs, encoding="utf-8")
    (folder / "spear.toml").write_text('data = "rows.csv"\nlfs = "lfs.py"\n', encoding="utf-8")
    return float(frame["text"].str.len().sum()) / 1e6


class Watched:
    """The server, with the processes that it started."""

    def __init__(self, pid: int) -> None:
        self.server = psutil.Process(pid)

    def memory(self) -> tuple[float, float]:
        """Return the memory of the server, and of all, in MB."""
        family = [self.server, *self.server.children(recursive=True)]
        shared = sum(process.memory_full_info().pss for process in family)
        return round(self.server.memory_info().rss / 1e6, 1), round(shared / 1e6, 1)

    def seconds(self) -> float:
        """Return the time that the server had of the processor."""
        times = self.server.cpu_times()
        return times.user + times.system


def typed() -> list[tuple[str, str]]:
    """Return what stands in the field after each letter: kind and text."""
    whole = [("keyword", text) for text in KEYWORDS] + [("regex", text) for text in PATTERNS]
    return [(kind, text[:end]) for kind, text in whole for end in range(1, len(text) + 1)]


def measure(run: Run, folder: Path) -> dict[str, Any]:
    """Return the figures of one run."""
    size = write_project(folder, run.corpus, run.rows)
    begun = time.perf_counter()
    with served_workbench(folder) as served, browser() as chromium:
        ready = time.perf_counter() - begun
        page = chromium.new_page()
        page.set_default_timeout(600_000)
        begun = time.perf_counter()
        page.goto(served.address)
        page.locator("#lf-list tr").first.wait_for()
        first = time.perf_counter() - begun
        previews = type_all(page, run, Watched(served.pid))
    return {
        **{"corpus": run.corpus, "rows": run.rows, "megabytes": round(size, 1)},
        "seconds_to_address": round(ready, 2),
        "seconds_to_first_page": round(first, 3),
        **previews,
    }


def type_all(page: Any, run: Run, watched: Watched) -> dict[str, Any]:
    """Type letter by letter, round and round, and return the figures of the previews."""
    letters = typed()
    milliseconds: list[float] = []
    memory = [watched.memory()]
    worked, begun = watched.seconds(), time.perf_counter()
    for i in range(run.previews):
        kind, text = letters[i % len(letters)]
        if time.perf_counter() - begun > run.seconds:
            break
        if not page.locator(f"#kind-{kind}").is_checked():
            page.locator(f"#kind-{kind}").check(force=True)
        milliseconds.append(page.evaluate(WAIT, text))
        if (i + 1) % max(1, run.previews // 10) == 0:
            memory.append(watched.memory())
    worked = watched.seconds() - worked
    slowest = np.argsort(milliseconds)[::-1][:5].tolist()
    return {
        "previews": len(milliseconds),
        "preview_median_ms": round(float(np.median(milliseconds)), 1),
        "preview_p95_ms": round(float(np.quantile(milliseconds, 0.95)), 1),
        "preview_slowest_ms": {
            letters[i % len(letters)][1]: round(milliseconds[i]) for i in slowest
        },
        "server_ms_of_the_processor_each": round(1000 * worked / len(milliseconds), 1),
        "server_mb": [server for server, _ in memory],
        "all_processes_mb": [all_of_them for _, all_of_them in memory],
    }


def main() -> None:
    """Measure and print; write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    form = "CORPUS:ROWS:PREVIEWS:SECONDS"
    parser.add_argument("--runs", type=Run.of, nargs="*", default=RUNS, metavar=form)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    about = {
        "build": package_build(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load_at_start": [round(value, 1) for value in os.getloadavg()],
    }
    print(json.dumps(about), flush=True)
    results = []
    for run in arguments.runs:
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(run, Path(folder) / "project"))
        print(json.dumps(results[-1]), flush=True)
    if arguments.json:
        about["load_at_end"] = [round(value, 1) for value in os.getloadavg()]
        arguments.json.write_text(json.dumps({**about, "runs": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
