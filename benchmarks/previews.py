"""Times of previews without a browser, and memory over many of them.

Run ``SPEAR_AMAL_DATA=DIR python benchmarks/previews.py sms 20000``: texts of a corpus, repeated
with three random words of others in each until there are so many rows. Seconds of the processor
are of the process of the server alone; a time limit for ``re`` counts in real time.
"""

from __future__ import annotations

import argparse
import itertools
import os
import random
import statistics
import time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import psutil

from spear_amal.data import load_corpus
from spear_amal.declared_lfs import KeywordRule, RegexRule, Rule, ThresholdRule, describe
from spear_amal.workbench.preview import Previewer
from spear_amal.workbench.snapshot import DECLARED, LFState, Snapshot

PATTERNS = (
    r"free|win",
    r"\b(call|text|check)\b",
    r"https?://\S+",
    r"[0-9]{3,}",
    r"(?i)\b(subscribe|my channel)\b",
    r"^\w+ \w+\b",
    r"love(?! it)",
)
WORDS = (("free", "win"), ("love", "like"), ("the", "you"), ("check",))


def varied_texts(base: list[str], n: int) -> list[str]:
    """Return n texts: those of a corpus, and copies with other words among theirs."""
    generator = random.Random(0)
    words = [word for text in base for word in text.split()]
    texts = base[:n]
    for text in itertools.islice(itertools.cycle(base), max(n - len(base), 0)):
        parts = text.split(" ")
        for word in generator.choices(words, k=3):
            parts.insert(generator.randrange(len(parts) + 1), word)
        texts.append(" ".join(parts))
    return texts


def snapshot_of(texts: list[str]) -> Snapshot:
    """Return a state with gold on every fiftieth row, and twenty LFs."""
    n, generator = len(texts), np.random.default_rng(0)
    gold = np.where(np.arange(n) % 50 == 0, generator.integers(0, 2, n), -1)
    lfs = []
    for k in range(20):
        votes = np.where(generator.random(n) < 0.1, k % 2, -1).astype(np.int16)
        lfs.append(LFState(f"lf_{k}", DECLARED, votes))
    frame = pd.DataFrame({"text": texts, "length": [len(text) for text in texts]})
    return Snapshot(1, frame, texts, None, ("no", "yes"), gold, tuple(lfs))


def typed_rules() -> list[Rule]:
    """Return rules as they are typed: each word and pattern, and beginnings of it."""
    common = {"name": "typed", "label": "yes"}
    rules: list[Rule] = [
        KeywordRule(**common, keywords=words[:stop])
        for words in WORDS
        for stop in range(1, len(words) + 1)
    ]
    rules += [RegexRule(**common, pattern=pattern) for pattern in PATTERNS]
    rules.append(ThresholdRule(**common, column="length", at_least=100))
    return rules


def main() -> None:
    """Print the times of each rule, and the memory before and after many previews."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", choices=("sms", "youtube", "plots"))
    parser.add_argument("rows", type=int)
    parser.add_argument("--previews", type=int, default=1000)
    arguments = parser.parse_args()
    texts = varied_texts(list(load_corpus(arguments.corpus).texts), arguments.rows)
    snapshot, rules = snapshot_of(texts), typed_rules()
    previewer = Previewer(snapshot.frame, "text")
    try:
        real, busy, memory = measured(previewer, snapshot, rules, arguments.previews)
    finally:
        previewer.close()
    print(f"{len(texts):,} rows, {sum(map(len, texts)) / 1e6:.0f} MB of text")
    for k, rule in enumerate(rules):
        middle = [1000 * statistics.median(times[k :: len(rules)]) for times in (busy, real)]
        print(f"{middle[0]:6.0f} ms of the processor {middle[1]:6.0f} ms  {describe(rule)}")
    for name, times in (("processor", busy), ("real time", real)):
        print(f"{name}: 95 % under {1000 * np.quantile(times, 0.95):.0f} ms")
    print("memory in MB, at tenths of the way:", [round(size / 1e6) for size in memory])


def measured(
    previewer: Previewer, snapshot: Snapshot, rules: list[Rule], n_previews: int
) -> tuple[list[float], list[float], list[int]]:
    """Return times of previews, real and of the processor, and memory as they go on."""
    real, busy, memory = [], [], []
    for rule in rules:  # the first ones wait until all is prepared
        previewer.preview(rule, snapshot)
    process = psutil.Process()
    for k, rule in enumerate(itertools.islice(itertools.cycle(rules), n_previews)):
        started, worked = time.perf_counter(), time.process_time()
        previewer.preview(rule, snapshot, tab="one")
        real.append(time.perf_counter() - started)
        busy.append(time.process_time() - worked)
        if k % max(n_previews // 10, 1) == 0:
            memory.append(process.memory_info().rss)
    return real, busy, memory


if __name__ == "__main__":
    main()
