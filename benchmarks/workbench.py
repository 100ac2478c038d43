"""Times of the workbench as its user has them: in a real browser, typed letter by letter.

    python benchmarks/workbench.py --json docs/results/workbench.json

For each number of rows: seconds from the start of the command to the address, from the address to
the first page, and from a letter to its preview on the screen (median and 95th percentile), and the
memory of the server's processes at tenths of the previews. Texts are those of the corpus `sms`,
repeated with a number each. Needs Playwright and a Chromium; nothing else should run meanwhile.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from workbench_pictures import browser
from workbench_project import served_workbench

from spear_amal.data import load_corpus
from spear_amal.package_build import package_build

KEYWORDS = ("free, prize, claim", "call now, urgent", "lunch, home, tonight", "txt, stop")
PATTERNS = (r"\bfree\b", r"(?i)\bwin(ner|s)?\b", r"\d{5,}", r"(https?://|www\.)\S+", r"[A-Z]{4,}")
LFS = """
from spear_amal.labeling import keyword_lf

CLASSES = ("ham", "spam")
free = keyword_lf("free", ["free", "prize"], label="spam")
home = keyword_lf("home", ["home", "lunch"], label="ham")
"""
# Sends one version of the form and waits until its own answer is shown; 0 ms of the page's delay.
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


def write_project(folder: Path, n_rows: int) -> Path:
    """Write a project of many short messages, 300 of them with a label."""
    corpus = load_corpus("sms", offline=True)
    rows = np.resize(np.arange(len(corpus.frame)), n_rows)
    texts = corpus.frame["text"].to_numpy()[rows]
    labels = np.array(corpus.classes, dtype=object)[corpus.labels[rows]]
    labels[np.random.default_rng(0).permutation(n_rows)[300:]] = None
    folder.mkdir(parents=True)
    frame = pd.DataFrame({"text": [f"{text} {i}" for i, text in enumerate(texts)]})
    frame.assign(label=labels).to_csv(folder / "rows.csv", index=False)
    (folder / "lfs.py").write_text(LFS, encoding="utf-8")
    (folder / "spear.toml").write_text('data = "rows.csv"\nlfs = "lfs.py"\n', encoding="utf-8")
    return folder


def memory_of(pid: int) -> float:
    """Return the resident memory of a process and of those that it started, in MB."""
    import psutil

    process = psutil.Process(pid)
    family = [process, *process.children(recursive=True)]
    return sum(one.memory_info().rss for one in family) / 1e6


def typed() -> list[tuple[str, str]]:
    """Return what stands in the field after each letter: kind and text."""
    whole = [("keyword", text) for text in KEYWORDS] + [("regex", text) for text in PATTERNS]
    return [(kind, text[:end]) for kind, text in whole for end in range(1, len(text) + 1)]


def measure(n_rows: int, n_previews: int, folder: Path) -> dict[str, Any]:
    """Return the figures of one number of rows."""
    begun = time.perf_counter()
    with served_workbench(write_project(folder, n_rows)) as served, browser() as chromium:
        ready = time.perf_counter() - begun
        page = chromium.new_page()
        page.set_default_timeout(600_000)
        begun = time.perf_counter()
        page.goto(served.address)
        page.locator("#lf-list tr").first.wait_for()
        first = time.perf_counter() - begun
        seconds: list[float] = []
        memory = [memory_of(served.pid)]
        letters = typed()
        kind_now = "keyword"
        for i in range(n_previews):
            kind, text = letters[i % len(letters)]
            if kind != kind_now:
                page.locator(f"#kind-{kind}").check(force=True)
                kind_now = kind
            seconds.append(page.evaluate(WAIT, text) / 1000)
            if (i + 1) % max(1, n_previews // 10) == 0:
                memory.append(memory_of(served.pid))
    return {
        "rows": n_rows,
        "seconds_to_address": round(ready, 2),
        "seconds_to_first_page": round(first, 3),
        "previews": n_previews,
        "preview_median_ms": round(1000 * float(np.median(seconds)), 1),
        "preview_p95_ms": round(1000 * float(np.quantile(seconds, 0.95)), 1),
        "memory_mb": [round(value, 1) for value in memory],
    }


def main() -> None:
    """Measure and print; write the JSON file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, nargs="*", default=[20_000, 200_000])
    parser.add_argument("--previews", type=int, default=1000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    results = []
    for n_rows in arguments.rows:
        with tempfile.TemporaryDirectory() as folder:
            results.append(measure(n_rows, arguments.previews, Path(folder) / "project"))
        print(json.dumps(results[-1]), flush=True)
    if arguments.json:
        about = {
            "build": package_build(),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
        }
        arguments.json.write_text(json.dumps({**about, "runs": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
