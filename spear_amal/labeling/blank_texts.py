"""Rows without a text: no labelling function sees them, and all of them abstain there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from spear_amal.labeling.cell_values import as_list


def has_text(texts: Iterable[Any]) -> np.ndarray:
    """Return which texts (n,) are there: not missing, and more than white space.

    Examples
    --------
    >>> has_text(["hello", "", "  ", None]).tolist()
    [True, False, False, False]
    """
    return np.array([text is not None and str(text).strip() != "" for text in as_list(texts)], bool)
