"""Which files of the package does one small ``fit`` enter? ``python tests/walk.py`` lists them.

A file counts when one of its functions runs; being imported is not enough. The figures stand in
docs/design.md, and tests/test_layers.py holds ``fit`` to them.
"""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from collections.abc import Callable
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np

import spear_amal
from spear_amal import GoldClassifier, LabelMatrix, SpearClassifier, TrainerConfig

PACKAGE = Path(spear_amal.__file__).parent
N, M, D = 211, 5, 7  # rows, LFs, features
N_GOLD = 83
SHORT = TrainerConfig(max_epochs=5)


def functions_entered(call: Callable[[], Any]) -> Counter[str]:
    """Count the package's functions that `call` runs, by file relative to the package."""
    codes: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            codes.add(frame.f_code)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        call()
    finally:
        sys.setprofile(before)
    paths = [Path(code.co_filename) for code in codes if code.co_flags & CO_OPTIMIZED]
    return Counter(
        path.relative_to(PACKAGE).as_posix() for path in paths if path.is_relative_to(PACKAGE)
    )


def fits() -> dict[str, Callable[[], Any]]:
    """Return one small fit for each estimator, by the estimator's name.

    Five epochs are enough for AMAL to learn its weights once.
    """
    draw = np.random.default_rng(0)
    y = draw.integers(2, size=N)
    X = draw.normal(size=(N, D)) + y[:, None]
    right = draw.random((N, M)) < 0.8
    votes = np.where(draw.random((N, M)) < 0.5, np.where(right, y[:, None], 1 - y[:, None]), -1)
    L = LabelMatrix.from_dense(votes, classes=["no", "yes"])
    gold = np.where(np.arange(N) < N_GOLD, y, -1)
    return {
        "SpearClassifier": lambda: SpearClassifier(trainer=SHORT).fit(X, gold, L=L),
        "GoldClassifier": lambda: GoldClassifier(trainer=SHORT).fit(X, gold),
    }


def main() -> None:
    """Print the files that each fit enters, with the number of functions in each."""
    for name, fit in fits().items():
        functions = functions_entered(fit)
        print(f"{name}.fit enters {len(functions)} files, {functions.total()} functions:")
        for path, count in sorted(functions.items()):
            print(f"  {count:4d}  {path}")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
