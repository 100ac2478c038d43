"""What a newcomer waits for: the imports."""

from __future__ import annotations

import subprocess
import sys

from harness import Case, benchmark


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
