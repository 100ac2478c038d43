"""Digests of rows: what labelling functions may see of a row, in 64 bits."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.labeling.cell_values import as_list, is_missing


def row_digests(frame: pd.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Return a digest (n,) uint64 of the cells of each row, the same for CSV, JSON and Parquet."""
    cells = [list(map(cell_text, as_list(frame[name]))) for name in columns]
    made = (text_digest("\0".join(row)) for row in zip(*cells, strict=True))
    return np.fromiter(made, dtype=np.uint64, count=len(frame))


def cell_text(value: Any) -> str:
    """Return a cell as a text that is the same whatever file it came from."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""  # as an empty cell of CSV, of which nobody knows what it was
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def text_digest(text: str) -> int:
    """Return a digest of a text, of 64 bits."""
    made = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
    return int.from_bytes(made.digest(), "little")


def digests_of_texts(texts: Sequence[Any]) -> np.ndarray:
    """Return digests (n,) uint64 of texts, without regard to white space around them."""
    made = (text_digest("" if is_missing(text) else str(text).strip()) for text in texts)
    return np.fromiter(made, dtype=np.uint64, count=len(texts))
