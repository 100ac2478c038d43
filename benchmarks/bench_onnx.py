"""An exported ONNX file under onnxruntime against the classifier that it came from; one thread."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
from harness import Case, benchmark

from spear_amal import TextClassifier

BATCH = 64


def texts(n: int) -> list[str]:
    """Short texts of words that are common and words that are rare."""
    rng = random.Random(0)
    words = [f"word{int(rng.paretovariate(0.7))}" for _ in range(20 * n)]
    return [" ".join(words[20 * i : 20 * i + rng.randint(5, 20)]) for i in range(n)]


def case(method: str, n: int) -> Case:
    """Predict all rows, in batches: by the file, and by the classifier."""
    import pandas as pd

    from spear_amal.export.onnx_check import open_session
    from spear_amal.export.onnx_file import metadata, onnx_model

    rows = texts(n)
    frame = pd.DataFrame({"text": rows, "label": [f"c{len(row) % 3}" for row in rows]})
    clf = TextClassifier(method, max_epochs=2).fit(frame[:1000])
    session = open_session(onnx_model(clf, metadata(clf, None, False)).SerializeToString())

    def batches(predict: Callable[[list[str]], Any]) -> Callable[[], Any]:
        parts = [rows[start : start + BATCH] for start in range(0, n, BATCH)]
        return lambda: np.concatenate([predict(part) for part in parts])

    def by_file(part: list[str]) -> Any:
        return session.run(["probabilities"], {"text": np.array(part, dtype=object)})[0]

    return Case(
        batches(by_file),
        batches(clf.predict_proba),
        lambda ours, peer: np.testing.assert_allclose(ours, peer, atol=1e-5),
        f"{n} texts in batches of {BATCH}, {clf.estimator_.n_features_in_} n-grams, {method}",
    )


@benchmark("onnx", peer="TextClassifier.predict_proba", goal=1.0)
def linear(small: bool) -> Case:
    """Words and a linear model."""
    return case("only-l", 500 if small else 5000)


@benchmark("onnx-folds", peer="TextClassifier.predict_proba", goal=1.0)
def folds(small: bool) -> Case:
    """The mean of five linear models."""
    return case("only-l:crossfit=5", 500 if small else 5000)


@benchmark("onnx-mlp", peer="TextClassifier.predict_proba", goal=1.0)
def mlp(small: bool) -> Case:
    """Two hidden layers of 512."""
    return case("only-l:feature_model=mlp", 500 if small else 5000)
