"""Teachers of the study of rules and a teacher: models of texts that know something else.

Both see the gold labels of L, no other labels, and no votes. They differ from the student in what
they read: "same-gold" words and parts of words, "encoder" the vectors of a frozen sentence encoder,
which was trained on other texts. On rows of L their answers come from models that were fitted on
the other rows of L, so that no label is echoed.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from spear_amal.errors import InputError
from spear_amal.studies.corpus_run import StudySetup, corpus_split
from spear_amal.studies.features import study_features
from spear_amal.studies.split import HeldOutScorer, Split
from spear_amal.teachers import ArrayTeacher

_KINDS = ("same-gold", "encoder")
_FOLDS = 5
_FLOOR = 1e-6  # a probability of 0 has no logarithm
_STRENGTH = {"same-gold": 30.0, "encoder": 10.0}  # inverse regularisation


@dataclass(frozen=True)
class TextTeacher:
    """A fitted teacher.

    Attributes
    ----------
    estimator : fitted classifier of the teacher's own features
    p_train : ndarray (n, C)
        Probabilities on training rows; NaN on rows of L that could not be held out.
    p_val : ndarray (n_validation, C)
    split : Split
        The same rows as the student's, with the teacher's features.
    scorer : HeldOutScorer
        Test rows with the teacher's features.
    """

    estimator: Any
    p_train: np.ndarray
    p_val: np.ndarray
    split: Split
    scorer: HeldOutScorer

    def as_teacher(self) -> ArrayTeacher:
        """Return log probabilities of training rows, then of validation rows."""
        p = np.concatenate([self.p_train, self.p_val])
        return ArrayTeacher(np.log(np.clip(p, _FLOOR, 1)), "text", silent=True)


def text_teacher(setup: StudySetup, seed: int, kind: str, encoder: str) -> TextTeacher:
    """Fit a teacher on the rows of L that the seed draws."""
    x_teacher = _features(setup, kind, encoder)
    split, scorer = corpus_split(replace(setup, x=x_teacher, features=f"{kind} of it"), seed)
    gold, n_classes = np.flatnonzero(split.y_train >= 0), len(split.classes)
    x, y = split.x_train[gold], split.y_train[gold]
    model = LogisticRegression(C=_STRENGTH[kind], max_iter=2000)
    fitted = clone(model).fit(x, y)
    p_train = _wide(fitted.predict_proba(split.x_train), fitted.classes_, n_classes)
    p_train[gold] = np.nan
    folds = min(_FOLDS, int(np.bincount(y, minlength=n_classes)[fitted.classes_].min()))
    if folds > 1:
        cut = StratifiedKFold(folds, shuffle=True, random_state=seed)
        out_of_fold = cross_val_predict(model, x, y, cv=cut, method="predict_proba")
        p_train[gold] = _wide(out_of_fold, fitted.classes_, n_classes)
    p_val = _wide(fitted.predict_proba(split.x_val), fitted.classes_, n_classes)
    return TextTeacher(fitted, p_train, p_val, split, scorer)


def check_teacher_kind(kind: str) -> None:
    """Raise InputError for a teacher that is not known."""
    if kind not in _KINDS:
        raise InputError(f"teacher must be one of {', '.join(_KINDS)}, found {kind!r}")


def _wide(p: np.ndarray, classes: np.ndarray, n_classes: int) -> np.ndarray:
    full = np.zeros((len(p), n_classes))
    full[:, classes] = p
    return full


@functools.lru_cache(maxsize=2)
def _features(setup: StudySetup, kind: str, encoder: str) -> Any:
    """Return features (n, D) of all rows; they are fitted on texts outside the test part."""
    corpus = setup.source.corpus
    if kind == "encoder":
        return study_features(corpus, f"encoder:{encoder}")
    texts, pool = corpus.texts, (corpus.frame["part"] != "test").to_numpy()
    makers = (
        TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32),
        TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 5), min_df=2, sublinear_tf=True, dtype=np.float32
        ),
    )
    pool_texts = [text for text, in_pool in zip(texts, pool, strict=True) if in_pool]
    return sp.csr_array(sp.hstack([m.fit(pool_texts).transform(texts) for m in makers]))
