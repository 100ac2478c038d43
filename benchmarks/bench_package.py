"""What a newcomer waits for: the import, and the training of the demo."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from harness import Case, benchmark

LFS = Path(__file__).parents[1] / "labeling_functions" / "plots.py"


def in_new_process(code: str) -> None:
    """Run code in an interpreter of its own; its start is part of the wait."""
    subprocess.run([sys.executable, "-c", code], check=True)


@benchmark("import", peer="import snorkel", limit_s=1.5)
def package(small: bool) -> Case:
    """Import the package, which loads names when they are used."""
    return Case(
        ours=lambda: in_new_process("import spear_amal"),
        peer=lambda: in_new_process("import snorkel"),
        size="fresh process",
        memory=False,
        repeats=3 if small else 9,
    )


@benchmark("import-labelling", peer="import snorkel.labeling", limit_s=1.5)
def labelling(small: bool) -> Case:
    """Import all of the labelling half."""
    return Case(
        ours=lambda: in_new_process("import spear_amal.labeling"),
        peer=lambda: in_new_process("import snorkel.labeling"),
        size="fresh process",
        memory=False,
        repeats=1 if small else 5,
    )


@benchmark("import-estimators", peer="import torch, sklearn")
def estimators(small: bool) -> Case:
    """Import the estimators, and torch with them."""
    return Case(
        ours=lambda: in_new_process("from spear_amal import SpearClassifier"),
        peer=lambda: in_new_process("import torch, sklearn.base"),
        size="fresh process",
        memory=False,
        repeats=1 if small else 5,
    )


@benchmark("demo", limit_s=60)
def demo(small: bool) -> Case:
    """Train all methods that ``spear-amal demo`` compares, on one thread as there."""
    from spear_amal.cli.demo import METHODS
    from spear_amal.data import load_corpus, synthetic_corpus
    from spear_amal.errors import DataUnavailableError
    from spear_amal.labeling import PandasLFApplier, load_lfs
    from spear_amal.studies import compare_on_split, make_split, one_thread

    try:
        corpus = (
            synthetic_corpus(n=600, n_test=100) if small else load_corpus("plots", offline=True)
        )
    except DataUnavailableError:
        corpus = synthetic_corpus()
    loaded = load_lfs(LFS)
    votes = PandasLFApplier(loaded.lfs, classes=loaded.classes).apply(
        corpus.frame, progress_bar=False
    )
    task, scorer = make_split(corpus, votes, 0)

    def ours() -> Any:
        with one_thread():
            return compare_on_split(task, scorer, METHODS, 0, max_epochs=2 if small else 100)

    def check(comparison: Any, _: None) -> None:
        if len(comparison.rows) != len(METHODS):
            raise AssertionError(f"{len(comparison.rows)} methods, needed {len(METHODS)}")

    return Case(
        ours=ours,
        check=check,
        size=f"{corpus.name}, {len(corpus):,} rows, {len(METHODS)} methods",
        repeats=1 if small else 3,
    )
