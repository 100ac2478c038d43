"""Flips single bits of files: each flip is detected or without effect, never another answer."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spear_amal import LabelMatrix, SpearClassifier, TextClassifier, TrainerConfig
from spear_amal.data import TextFeatures
from spear_amal.errors import SpearAmalError
from spear_amal.labeling import LFApplier, ParquetLFApplier, VoteCache, keyword_lf
from spear_amal.studies import read_study
from spear_amal.studies.results_file import StudyFile
from spear_amal.teachers import TeacherFile, save_teacher_outputs
from spear_amal.votes.parquet import MANIFEST, VoteFiles, part_name

SAME, DETECTED, OTHER = "same answer", "detected", "ANOTHER ANSWER"
LFS = [keyword_lf("free", ["free", "win"], 1), keyword_lf("greeting", ["hello", "lunch"], 0)]
TEXTS = [f"{('hello lunch', 'free win')[i % 2]} word{i % 7}" for i in range(61)]
GOLD = np.where(np.arange(61) < 41, np.arange(61) % 2, -1)


def flip_bits(path: Path, read: Callable[[], Any], n: int, seed: int) -> Counter[str]:
    """Flip n bits of a file, one at a time, and count what reading it then gives.

    Any error but the package's own counts under its name.
    """
    chance, whole, counts = np.random.default_rng(seed), path.read_bytes(), Counter[str]()
    right = read()
    for place in chance.integers(8 * len(whole), size=n):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << (place % 8)
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                counts[SAME if read() == right else OTHER] += 1
            except SpearAmalError:
                counts[DETECTED] += 1
            except Exception as error:
                counts[f"{type(error).__name__}: {error}"[:200]] += 1
        path.write_bytes(whole)
    return counts


# -- the files ------------------------------------------------------------------------------------

Readable = tuple[Path, Callable[[], Any]]


def _votes() -> LabelMatrix:
    return LFApplier(LFS).apply(TEXTS, progress_bar=False)


def _answers(votes: LabelMatrix) -> tuple[Any, ...]:
    dense = votes.to_dense().tolist()
    return dense, votes.lf_names, votes.classes, votes.row_ids.tolist(), votes.lf_classes.tolist()


def model(folder: Path) -> Readable:
    """Return a model file, and what asks it for probabilities."""
    path = folder / "model.safetensors"
    features = TextFeatures().fit(TEXTS)
    estimator = SpearClassifier(trainer=TrainerConfig(max_epochs=2))
    estimator.fit(features.transform(TEXTS), GOLD, _votes())
    names = _votes().lf_names
    TextClassifier.from_fitted(estimator, features, ("ham", "spam"), lf_names=names).save(path)

    def read() -> Any:
        found = TextClassifier.load(path)
        return found.predict_proba(TEXTS).tolist(), found.class_names_, found.text_column_

    return path, read


def checkpoint(folder: Path) -> Readable:
    """Return a checkpoint of the last epoch, and what goes on from it."""
    path = folder / "checkpoint.safetensors"
    x = np.random.default_rng(0).normal(size=(61, 5)).astype(np.float32)

    def read() -> Any:
        trainer = TrainerConfig(max_epochs=3, checkpoint=path)
        fitted = SpearClassifier(trainer=trainer, random_state=0).fit(x, GOLD, _votes())
        return fitted.predict_proba(x).tolist(), fitted.best_epoch_, fitted.val_score_

    read()
    return path, read


def votes(folder: Path) -> Readable:
    """Return a label matrix file."""
    path = folder / "votes.npz"
    _votes().save(path)
    return path, lambda: _answers(LabelMatrix.load(path))


def _vote_folder(folder: Path) -> Path:
    import pandas as pd

    pd.DataFrame({"text": TEXTS}).to_parquet(folder / "rows.parquet")
    lfs = [keyword_lf("free", ["free", "win"], 1, column="text")]
    ParquetLFApplier(lfs).apply(folder / "rows.parquet", folder / "votes", progress_bar=False)
    return folder / "votes"


def _of_folder(found: Path) -> Any:
    stored = VoteFiles(found)
    return _answers(stored.to_label_matrix()), stored.shape, stored.about


def manifest(folder: Path) -> Readable:
    """Return the list of parts of a folder of votes."""
    found = _vote_folder(folder)
    return found / MANIFEST, lambda: _of_folder(found)


def part(folder: Path) -> Readable:
    """Return one part of a folder of votes."""
    found = _vote_folder(folder)
    return found / part_name(0), lambda: _of_folder(found)


def study(folder: Path) -> Readable:
    """Return a study file."""
    path = folder / "study.json"
    store = StudyFile(path)
    for seed in range(5):
        store.add(study_row(seed))
    return path, lambda: read_study(path).to_json()


def study_row(seed: int) -> dict[str, Any]:
    """Return a row as studies store it."""
    return {
        **{"corpus": "sms", "method": "spear", "title": "SPEAR", "seed": seed, "labels": 17},
        **{"metric": "accuracy", "features": "tfidf", "protocol": "random", "config": {"a": 1}},
        **{"score": 0.5 + seed / 97, "val_score": 0.25, "seconds": 1.5, "error": None},
    }


def cache(folder: Path) -> Readable:
    """Return the kept votes of an LF; votes that are damaged are computed again."""

    def read() -> Any:
        applier = LFApplier(LFS[:1])
        found, meta = applier.apply(
            TEXTS, progress_bar=False, return_meta=True, cache=VoteCache(folder / "cache")
        )
        return _answers(found), meta

    read()
    (path,) = (folder / "cache").iterdir()
    return path, read


def teacher(folder: Path) -> Readable:
    """Return a file of a teacher's outputs."""
    path = folder / "teacher.npz"
    values = np.random.default_rng(0).normal(size=(61, 2))
    save_teacher_outputs(path, np.arange(61), values, ["ham", "spam"])
    rows = np.zeros((61, 1))
    return path, lambda: TeacherFile(path).logits(rows, np.arange(61), ["ham", "spam"]).tolist()


FILES = (model, checkpoint, votes, manifest, part, study, cache, teacher)
