"""Features of a study by name: TF-IDF, published ones, columns, an encoder's, or a file's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from spear_amal.data import ColumnFeatures, Corpus, TableFeatures, read_table
from spear_amal.data.encoders import make_features
from spear_amal.data.token_features import TokenFeatures
from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.arrays import read_array, read_arrays

FORMS = (
    '"tfidf", "published", "columns", "codes", "columns:a,b", "encoder:NAME", "tokens:NAME", '
    '"file:PATH", or several side by side, as "tfidf+columns:a,b" or "tfidf+encoder:NAME"'
)
ALL_COLUMNS = ("columns", "codes")
NO_FEATURES = ("text", "label", "part")  # columns of the frame that hold something else
_MOST_CODES = 50  # different whole numbers in a column that are taken for codes


def default_features(corpus: Corpus) -> str:
    """Name the features that a corpus gets unasked: its texts', else published, else columns.

    Examples
    --------
    >>> from spear_amal.data import synthetic_corpus
    >>> default_features(synthetic_corpus(n=29, n_test=7))
    'tfidf'
    """
    if "text" in corpus.frame:
        return "tfidf"
    return "columns" if corpus.features is None else "published"


def study_features(corpus: Corpus, name: str, progress: bool = False) -> Any:
    """Make features of all rows of a corpus; nothing is learnt from test rows.

    Parameters
    ----------
    corpus : Corpus of n rows
    name : str
        * "tfidf" : fitted on the pool
        * "published" : as they are
        * "columns" : the published numbers, else all columns of the frame, standardised on the
          pool, categories one-hot (:class:`spear_amal.data.ColumnFeatures`)
        * "codes" : the same, where columns of whole numbers are codes of categories
        * "columns:a,b" : these columns of the frame; also beside texts, as "tfidf+columns:a,b"
        * "tfidf+encoder:NAME" : words and an encoder's vectors side by side
        * "encoder:NAME" : see :func:`spear_amal.data.encoders.make_features`
        * "tokens:NAME" : token numbers, for ``feature_model=encoder:NAME`` alone
        * "file:PATH" : a .npy or .npz array, or a table of numbers (.csv, .parquet, .jsonl), one
          row for each row of the corpus, in order
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
    if name in ALL_COLUMNS:
        return _all_columns(corpus, as_codes=name == "codes")
    if "columns:" in name or "+encoder:" in name or "+tfidf" in name:
        return _side_by_side(corpus, name, progress)
    if kind == "tokens" and detail:
        _need_texts(corpus, name)
        return TokenFeatures(detail).fit([]).transform(corpus.texts)
    if name != "tfidf" and not (kind == "encoder" and detail):
        raise InputError(f"features must be {FORMS}, found {name!r}")
    _need_texts(corpus, name)
    pool = corpus.frame["text"][_in_pool(corpus)]
    made = make_features(name, progress=progress)
    return made.fit(pool.tolist()).transform(corpus.texts)


def _in_pool(corpus: Corpus) -> np.ndarray:
    in_pool: np.ndarray = (corpus.frame["part"] != "test").to_numpy()
    return in_pool


def _need_texts(corpus: Corpus, name: str) -> None:
    if "text" not in corpus.frame:
        raise InputError(
            f"corpus {corpus.name!r} has no texts for {name!r}; its features are "
            f"{default_features(corpus)!r}"
        )


def _all_columns(corpus: Corpus, as_codes: bool) -> Any:
    """Return features (n, D) of the published numbers, or of all columns that are features."""
    if corpus.features is None:
        frame = corpus.frame.drop(columns=[*NO_FEATURES], errors="ignore")
    elif sp.issparse(corpus.features):
        raise InputError(
            f"the published features of corpus {corpus.name!r} are sparse and stay as they are; "
            "ask for 'published'"
        )
    else:
        values = np.asarray(corpus.features)
        frame = pd.DataFrame(values, columns=[f"x{j}" for j in range(values.shape[1])])
    if not len(frame.columns):
        raise InputError(
            f"corpus {corpus.name!r} has no columns but its texts; ask for "
            f"{default_features(corpus)!r}"
        )
    in_pool = _in_pool(corpus)
    if as_codes:
        codes = [name for name in frame if _holds_codes(frame[name][in_pool])]
        frame = frame.astype(dict.fromkeys(codes, "category"))
    made = ColumnFeatures([str(name) for name in frame]).fit(frame[in_pool]).transform(frame)
    # Numbers are dense, and categories mostly zeros.
    return made if made.nnz < made.shape[0] * made.shape[1] / 2 else made.toarray()


def _holds_codes(column: pd.Series) -> bool:
    """Return whether the pool's numbers in a column are few whole ones."""
    if not pd.api.types.is_numeric_dtype(column):
        return False
    distinct = column.dropna().unique()
    return len(distinct) <= _MOST_CODES and bool((distinct == np.round(distinct)).all())


def _side_by_side(corpus: Corpus, name: str, progress: bool) -> Any:
    made = TableFeatures(name, progress=progress)
    given_away = sorted(set(made.columns) & set(NO_FEATURES))
    if given_away:
        raise InputError(f"the column {given_away[0]!r} of a corpus is no feature; leave it out")
    if made.uses_text:
        _need_texts(corpus, name)
    return made.fit(corpus.frame[_in_pool(corpus)]).transform(corpus.frame)


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
    guard = ("an array file", "write it again with numpy.save")
    if path.suffix == ".npy":
        return read_array(path, *guard)
    arrays = read_arrays(path, *guard)
    if len(arrays) != 1:
        raise FileFormatError(f"{path} must hold one array, found {list(arrays)}")
    return next(iter(arrays.values()))


def _table(path: Path) -> np.ndarray:
    frame = read_table(path)
    wrong = [name for name in frame if not pd.api.types.is_numeric_dtype(frame[name])]
    if wrong:
        raise FileFormatError(f"{path}: the column {wrong[0]!r} holds no numbers")
    return frame.to_numpy(dtype=np.float64, na_value=np.nan)
