"""What growth.py measures: one panel for each part of the package, jobs by size."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
import torch

from spear_amal import SpearClassifier
from spear_amal.batch import Batch
from spear_amal.data import synthetic_corpus
from spear_amal.estimators.together import fit_together
from spear_amal.label_models import AccuracyModel, DawidSkene, MajorityVote
from spear_amal.labeling import (
    PandasLFApplier,
    keyword_lf,
    labeling_function,
    regex_lf,
    threshold_lf,
)
from spear_amal.losses import ComponentSet, LabelCrossEntropy, teacher_components
from spear_amal.models import JointModel, LinearModel
from spear_amal.training.look_ahead import LookAhead
from spear_amal.votes.label_matrix import LabelMatrix

Job = Callable[[], Any]


@dataclass(frozen=True)
class Panel:
    """Curves over the same sizes.

    Attributes
    ----------
    unit : str
        What a size counts.
    sizes, small : tuple of numbers
    curves : dict of str to function of a size, which makes the job that is timed
    """

    unit: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    curves: dict[str, Callable[[int], Job]]


# -- labelling ------------------------------------------------------------------------------------

WORDS = ("love", "kiss", "wedding", "heart", "gun", "bomb", "police", "spy", "hostage", "agent")


def frame(n: int) -> pd.DataFrame:
    """Rows with a text of about 100 letters and a number."""
    texts = synthetic_corpus(n=500, n_test=0).frame["text"].tolist()
    rng = np.random.default_rng(0)
    drawn = [f"{texts[i % len(texts)][:100]} {i}" for i in rng.permutation(n)]
    return pd.DataFrame({"text": drawn, "x": rng.normal(size=n)})


def applying(lfs: list[Any], n: int) -> Job:
    """Apply LFs to n rows."""
    applier, rows = PandasLFApplier(lfs, classes=2), frame(n)
    return lambda: applier.apply(rows, progress_bar=False)


def row_lfs() -> list[Any]:
    """Ten functions of a row."""
    return [
        labeling_function(f"lf{j}")(lambda x, word=word: 1 if word in x.text.lower() else -1)
        for j, word in enumerate(WORDS)
    ]


def declared_lfs() -> list[Any]:
    """Ten LFs of words and patterns."""
    words = [keyword_lf(f"lf{j}", [word], 1) for j, word in enumerate(WORDS[:5])]
    return words + [regex_lf(f"lf{j}", rf"{word}\w*", 0) for j, word in enumerate(WORDS[5:], 5)]


def numeric_lfs() -> list[Any]:
    """Ten thresholds on a column of numbers."""
    return [threshold_lf(f"lf{j}", "x", 1, above=1 + j / 10) for j in range(10)]


# -- label models ---------------------------------------------------------------------------------

N_LFS, COVERAGE = 50, 0.1


def fitting(model: Any, n_votes: int) -> Job:
    """Fit a label model on about n_votes votes and ask for posteriors."""
    rng = np.random.default_rng(0)
    n = n_votes // int(N_LFS * COVERAGE)
    y = rng.integers(0, 3, n)
    right = rng.random((n, N_LFS)) < 0.7
    votes = np.where(right, y[:, None], rng.integers(0, 3, (n, N_LFS)))
    L = LabelMatrix.from_dense(
        np.where(rng.random((n, N_LFS)) < COVERAGE, votes, -1), classes=range(3)
    )
    return lambda: model.fit(L).predict_proba(L)


# -- meta-gradient --------------------------------------------------------------------------------

BASE = {"C": 16, "H": 128, "K": 2, "B": 128}
N_VALIDATION = 128


def meta_gradient(grown: str, factor: int) -> Job:
    """One look-ahead with features at hand, one of its sizes times `factor`."""
    size = BASE | {grown: BASE[grown] * factor}
    model = JointModel(LinearModel(size["H"], size["C"]))
    torch.nn.init.normal_(model.feature.head.weight, generator=torch.Generator().manual_seed(0))
    teachers = teacher_components(size["K"] - 1)
    components = ComponentSet([LabelCrossEntropy(), *teachers])
    group = batch(size["B"], size["H"], size["C"], len(teachers))
    validation = batch(N_VALIDATION, size["H"], size["C"], 0)
    weights = torch.ones(size["B"], size["K"])

    def job() -> torch.Tensor:
        look = LookAhead(model, components, group, validation, eta=0.5)
        return look.hypergradient(weights)

    return job


def batch(n: int, width: int, n_classes: int, n_teachers: int) -> Batch:
    """Rows of random features."""
    draw = torch.Generator().manual_seed(n)
    empty = torch.zeros(n, 0)
    return Batch(
        torch.arange(n),
        torch.randn(n, width, generator=draw),
        torch.randint(n_classes, (n,), generator=draw),
        empty,
        empty,
        torch.randn(n, n_teachers, n_classes, generator=draw),
    )


# -- training -------------------------------------------------------------------------------------

EPOCHS, FEATURES = 2, 100
MIXERS = {"SPEAR": "fixed", "AMAL": "amal"}
MEMBER_ROWS, SPARSE_ROWS, WORDS_A_ROW = 1_000, 2_000, 50
N_VAL, MEMBER_EPOCHS = 100, 20


def drawn(n: int, features: int = FEATURES) -> dict[str, Any]:
    """Draw n rows with votes, a tenth of them labelled, and V."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n + N_VAL)
    x = rng.standard_normal((n + N_VAL, features), dtype=np.float32)
    x += np.float32(0.3) * y[:, None].astype(np.float32)
    return arguments(x, y, rng)


def drawn_sparse(features: int) -> dict[str, Any]:
    """Draw rows of as many words each, out of more and more."""
    rng = np.random.default_rng(0)
    n = SPARSE_ROWS + N_VAL
    y = rng.integers(0, 2, n)
    words = rng.integers(0, features, (n, WORDS_A_ROW))
    words[:, :5] = 2 * (words[:, :5] // 2) + y[:, None]  # five words a row tell its class
    words = words.clip(max=features - 1)
    indptr = np.arange(0, n * WORDS_A_ROW + 1, WORDS_A_ROW)
    values = np.full(n * WORDS_A_ROW, WORDS_A_ROW**-0.5, dtype=np.float32)
    x = sp.csr_array((values, words.ravel(), indptr), shape=(n, features))
    x.sum_duplicates()
    return arguments(x, y, rng)


def arguments(x: Any, y: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    """What `fit` takes by name; the last rows are V."""
    n = len(y) - N_VAL
    votes = np.where(rng.random((len(y), 10)) < 0.8, y[:, None], 1 - y[:, None])
    votes = np.where(rng.random(votes.shape) < 0.2, votes, -1)
    gold = np.where(np.arange(n) < max(n // 10, 20), y[:n], -1)
    held = {"X_val": x[n:], "y_val": y[n:], "L_val": votes[n:]}
    return {"X": x[:n], "y": gold, "L": votes[:n], **held}


def estimator(mixer: str, epochs: int, seed: int = 0) -> SpearClassifier:
    """Make what trains for some epochs, AMAL with a refresh of its weights before every second."""
    options = {"mixer_options": {"refresh_every": 2, "warmup": 1}} if mixer == "amal" else {}
    trainer = {"max_epochs": epochs, "patience": epochs}
    return SpearClassifier.from_options(mixer=mixer, random_state=seed, **trainer, **options)


def training(mixer: str, data: Callable[[int], dict[str, Any]], size: int) -> Job:
    """Train one model."""
    given = data(size)
    return lambda: quietly(lambda: estimator(mixer, EPOCHS).fit(**given))


def training_together(mixer: str, n_members: int) -> Job:
    """Train models that differ by their seed in lock step."""
    given = drawn(MEMBER_ROWS)

    def job() -> Any:
        return fit_together(
            (estimator(mixer, MEMBER_EPOCHS, seed), given) for seed in range(n_members)
        )

    return lambda: quietly(job)


def quietly(job: Job) -> Any:
    """Do a job without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return job()


PANELS = {
    "Applying 10 LFs": Panel(
        "rows",
        (1_000, 4_000, 16_000, 64_000, 256_000),
        (100, 200),
        {
            "functions of a row": lambda n: applying(row_lfs(), n),
            "words and patterns": lambda n: applying(declared_lfs(), n),
            "thresholds": lambda n: applying(numeric_lfs(), n),
        },
    ),
    "Label models, 20 steps": Panel(
        "votes of 50 LFs",
        (5_000, 20_000, 80_000, 320_000, 1_280_000),
        (500, 1_000),
        {
            "majority vote": partial(fitting, MajorityVote()),
            "Dawid-Skene": partial(fitting, DawidSkene(max_iter=20, tol=0.0)),
            "accuracies": partial(fitting, AccuracyModel(max_iter=20, tol=0.0)),
        },
    ),
    "Meta-gradient": Panel(
        f"times {', '.join(f'{name}={size}' for name, size in BASE.items())}",
        (1, 2, 4, 8, 16, 32),
        (1, 2),
        {
            "classes C": partial(meta_gradient, "C"),
            "width H": partial(meta_gradient, "H"),
            "losses K": partial(meta_gradient, "K"),
            "rows B": partial(meta_gradient, "B"),
        },
    ),
    f"Training, {EPOCHS} epochs": Panel(
        f"rows of {FEATURES} features",
        (1_000, 10_000, 100_000, 1_000_000),
        (200, 400),
        {name: partial(training, mixer, drawn) for name, mixer in MIXERS.items()},
    ),
    "Training on sparse features": Panel(
        f"features; {SPARSE_ROWS:,} rows of {WORDS_A_ROW} words",
        (1_000, 10_000, 100_000, 1_000_000),
        (100, 200),
        {name: partial(training, mixer, drawn_sparse) for name, mixer in MIXERS.items()},
    ),
    "Members in lock step": Panel(
        f"members; {MEMBER_ROWS:,} rows, {MEMBER_EPOCHS} epochs",
        (1, 2, 4, 8, 16, 32, 64),
        (1, 2),
        {name: partial(training_together, mixer) for name, mixer in MIXERS.items()},
    ),
}
