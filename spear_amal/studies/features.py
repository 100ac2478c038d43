"""Features of a study by name: TF-IDF, published ones, an encoder's, or a file's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data import Corpus, read_table
from spear_amal.data.encoders import make_features
from spear_amal.errors import FileFormatError, InputError

FORMS = '"tfidf", "published", "encoder:NAME" or "file:PATH"'


def default_features(corpus: Corpus) -> str:
    """Name the features that a corpus gets unasked: TF-IDF of its texts, else its published ones.

    Examples
    --------
    >>> from spear_amal.data import synthetic_corpus
    >>> default_features(synthetic_corpus(n=29, n_test=7))
    'tfidf'
    """
    return "tfidf" if "text" in corpus.frame else "published"


def study_features(corpus: Corpus, name: str, progress: bool = False) -> Any:
    """Make features of all rows of a corpus; nothing is learnt from test rows.

    Parameters
    ----------
    corpus : Corpus of n rows
    name : str
        "tfidf" (fitted on the pool), "published", "encoder:NAME" (see
        :func:`spear_amal.data.encoders.make_features`) or "file:PATH": a .npy or .npz array, or a
        table of numbers (.csv, .parquet, .jsonl), one row for each row of the corpus, in order.
    progress : bool
        Show a bar while an encoder is at work.

    Returns
    -------
    csr_array or ndarray (n, D)

    Raises
    ------
    InputError
        If the name is of no such form, or the corpus lacks what it asks for.
    FileFormatError
        If a file does not hold n rows of finite numbers.
    """
    kind, _, detail = name.partition(":")
    if name == "published":
        if corpus.features is None:
            raise InputError(f"corpus {corpus.name!r} has no published features; it has texts")
        return corpus.features
    if kind == "file" and detail:
        return _from_file(Path(detail), len(corpus))
    if name != "tfidf" and not (kind == "encoder" and detail):
        raise InputError(f"features must be {FORMS}, found {name!r}")
    if "text" not in corpus.frame:
        raise InputError(
            f"corpus {corpus.name!r} has no texts for {name!r}; its features are 'published'"
        )
    pool = corpus.frame["text"][(corpus.frame["part"] != "test").to_numpy()]
    made = make_features(name, progress=progress)
    return made.fit(pool.tolist()).transform(corpus.texts)


def _from_file(path: Path, n: int) -> Any:
    if not path.is_file():
        raise InputError(f"there is no file of features {path}; check the path")
    values = _array(path) if path.suffix in (".npy", ".npz") else _table(path)
    if values.ndim != 2 or len(values) != n:
        raise FileFormatError(
            f"{path} holds an array of shape {values.shape}; one row is needed for each of the "
            f"{n} rows of the corpus, in its order"
        )
    if values.dtype.kind not in "iufb" or not np.isfinite(values).all():
        raise FileFormatError(f"{path}: features must be finite numbers")
    return values.astype(np.float32)


def _array(path: Path) -> np.ndarray:
    try:
        content = np.load(path, allow_pickle=False)
        if isinstance(content, np.ndarray):
            return content
        with content:
            if len(content.files) != 1:
                raise FileFormatError(f"{path} must hold one array, found {content.files}")
            return content[content.files[0]]
    except (ValueError, EOFError, OSError) as error:
        if isinstance(error, FileFormatError):
            raise
        raise FileFormatError(f"{path} is no array file or is damaged ({error})") from error


def _table(path: Path) -> np.ndarray:
    frame = read_table(path)
    wrong = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    if wrong:
        raise FileFormatError(f"{path}: the column {wrong[0]!r} holds no numbers")
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)
