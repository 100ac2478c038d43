"""Whether an ONNX file says what the model says: both are asked about odd rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.data.column_features import CATEGORY, ColumnFeatures
from spear_amal.data.features import TextFeatures
from spear_amal.data.table_features import TableFeatures
from spear_amal.errors import InputError, MissingExtraError

if TYPE_CHECKING:
    from spear_amal.text_classifier import TextClassifier

#: Probabilities of the file and of the model differ by less than this.
TOLERANCE = 1e-5
#: So many rows of the user's are compared at most, from the first on.
MOST_ROWS = 2000
_BATCH = 64
# Texts that are cut into words differently wherever anything is different.
ODD_TEXTS = (
    "",
    " ",
    "\n\t\r\v\f\x1c\x85\u2028",
    "?!... --- ###",
    "a b c d",
    "under_score and CamelCase and \xc4\xd6\xdc \xc9COLE \xe7a \u0130stanbul \u0131I \u017ftrange",
    "\u039f\u0394\u03a5\u03a3\u03a3\u0395\u03a5\u03a3 \u03a3\u0391\u03a3, \u0391\u03a3'\u0391"
    " \u0391\u03a3. \u03a3 \u03a3\u03a3 a\u03a3\u0301 \u0391\u03a3\xad\u0391 \u03a3\u03af"
    "\u03c3\u03c5\u03c6\u03bf\u03c2",
    "full\0of\0zeros \0",
    "emoji \U0001f600\U0001f600 \U0001f469\u200d\U0001f469\u200d\U0001f467 \u270a\U0001f3fd f"
    "lags \U0001f1e9\U0001f1ea",
    "\uff21 \uff46\uff55\uff4c\uff4c width, \ufb01ne ligature, \u2460 \xb2 \xbd \u2163 \u24e6",
    "\u4e2d\u6587 \u30c6\u30b9\u30c8 \ud55c\uad6d\uc5b4 \u0939\u093f\u0928\u094d\u0926\u0940 "
    "\u0e44\u0e17\u0e22 \u0627\u0644\u0639\u0631\u0628\u064a\u0629 \u05e2\u05d1\u05e8\u05d9"
    "\u05ea",
    "e\u0301 combining \u0300\u0301\u0302 A\u030a \xc5 \xc5",
    "\ufeffmark \u200bzero\u200dwidth\u00a0space",
    "\u01c5 \u01c4UNGLA \u1e9e \xdf \u13a0 \u1c90 \U00010400 \U0001d400 \U0001e900",
    "don't can't it's e-mail a.b.c 3.14 1,000 100%",
    "https://example.org/a?b=c&d=e <br /> &amp; @user #tag",
    "word " * 3000,
    "x" * 20000,
)


def require_onnxruntime() -> Any:
    """Return the module ``onnxruntime``; raise MissingExtraError if it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            "onnxruntime", "onnx", "the check of an ONNX file against the model"
        ) from error
    return onnxruntime


def open_session(content: bytes) -> Any:
    """Return a session on a model, on one thread of the CPU, that prints nothing."""
    runtime = require_onnxruntime()
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no type of its own for what it cannot run
        raise InputError(
            f"onnxruntime {runtime.__version__} does not run this model: {error}; a newer one may"
        ) from error


def compare_with_model(session: Any, model: TextClassifier, rows: Any = None) -> tuple[int, float]:
    """Hold a file against the model, on odd rows and those given.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
    model : TextClassifier, fitted
    rows : as for ``TextClassifier.predict``, optional

    Returns
    -------
    n_rows : int
    largest : float
        Difference of two probabilities.

    Raises
    ------
    InputError
        If it is above :data:`TOLERANCE`, or the labels are others; names the row.
    """
    frames = [odd_rows(model.features_)]
    if rows is not None:
        given = model.rows_of(rows)[:MOST_ROWS]
        frames.append(given[_are_whole(model.features_, given)])
    largest = 0.0
    for frame in frames:
        for start in range(0, len(frame), _BATCH):
            part = frame[start : start + _BATCH]
            largest = max(largest, _compare_batch(session, model, part, start))
    return sum(map(len, frames)), largest


def _are_whole(features: TableFeatures, frame: pd.DataFrame) -> np.ndarray:
    """Return which rows (n,) hold no half of a character: onnxruntime takes UTF-8 alone."""
    cells = [column for column in feed(features, frame).values() if column.dtype == object]
    whole = np.ones(len(frame), dtype=bool)
    for column in cells:
        whole &= [cell.encode("utf-8", "replace").decode() == cell for cell in column.tolist()]
    return whole


def _compare_batch(session: Any, model: TextClassifier, frame: pd.DataFrame, start: int) -> float:
    features = model.features_
    label, p = session.run(["label", "probabilities"], feed(features, frame))
    wanted = model.in_class_order(
        model.estimator_._predict_proba(features.transform(frame), None, 0.0)
    )
    differences = np.abs(p - wanted).max(1)
    sure = np.diff(np.sort(wanted, axis=1)[:, -2:])[:, 0] > TOLERANCE
    other = (label != model.classes_[wanted.argmax(1)].astype(str)) & sure
    wrong = ~(differences < TOLERANCE) | other
    if wrong.any():
        row = int(wrong.argmax())
        cells = {name: str(frame[name].iloc[row])[:99] for name in feed(features, frame)}
        raise InputError(
            f"the ONNX file would not predict what the model predicts: row {start + row} (counted "
            f"from 0), {cells!r}, has the probabilities {p[row].tolist()} there and "
            f"{wanted[row].tolist()} here; nothing was written"
        )
    return float(differences.max(initial=0.0))


def feed(features: TableFeatures, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """Return the rows of a table as inputs of an ONNX file."""
    inputs: dict[str, np.ndarray] = {}
    if features.uses_text:
        inputs[features.text_column] = frame[features.text_column].to_numpy(dtype=object)
    for part in features.parts_:
        if isinstance(part, ColumnFeatures):
            inputs |= part.cells(frame)
    return inputs


def odd_rows(features: TableFeatures) -> pd.DataFrame:
    """Return rows as odd as a table may hold: for texts, for numbers and for categories."""
    n = len(ODD_TEXTS)
    columns: dict[str, Any] = {}
    if features.uses_text:
        texts = list(ODD_TEXTS)
        for part in features.parts_:
            if isinstance(part, TextFeatures):
                words = part.vocabulary_[:: max(1, len(part.vocabulary_) // 300)]
                texts += [" ".join(words), " ".join(words).upper(), *words[:20]]
        columns[features.text_column] = pd.Series(texts, dtype=object)
        n = len(texts)
    for part in features.parts_:
        if isinstance(part, ColumnFeatures):
            columns |= _odd_cells(part, n)
    return pd.DataFrame(columns)


def _odd_cells(part: ColumnFeatures, n: int) -> dict[str, Any]:
    columns: dict[str, Any] = {}
    numeric = iter(zip(part.means_.tolist(), part.scales_.tolist(), strict=True))
    for shift, (name, kind) in enumerate(part.kinds_.items()):
        cells: list[Any]
        if kind == CATEGORY:
            cells = ["", " ", "no such category", "\0", *part.categories_[name]]
            cells += [f"\u2003{cell}\n" for cell in part.categories_[name]]
        else:
            mean, scale = next(numeric)
            cells = [np.nan, mean, 0.0, mean - scale, mean + 3 * scale, mean + scale / 3]
        dtype = object if kind == CATEGORY else np.float64
        columns[name] = pd.Series([cells[(i + shift) % len(cells)] for i in range(n)], dtype=dtype)
    return columns
