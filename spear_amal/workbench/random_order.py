"""An order of the rows by chance, the same one from one day to the next."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import cached_property

import numpy as np

from spear_amal.labeling.blank_texts import has_text
from spear_amal.workbench.gold_file import squeezed


class RandomOrder:
    """An order that has nothing to do with what texts say, and stays when rows are added.

    The first rows of it are a random sample of all rows, whoever labelled them and why.

    Parameters
    ----------
    texts : sequence of str (n,)

    Examples
    --------
    >>> RandomOrder(["a", "b", " ", "a"]).ranks.tolist()
    [0, 2, -1, 1]
    """

    def __init__(self, texts: Sequence[str] = ()) -> None:
        self.texts = texts

    @cached_property
    def ranks(self) -> np.ndarray:
        """Place of each row (n,) in the order, from 0 on; -1 for rows without a text."""
        times: Counter[str] = Counter()
        drawn = np.empty(len(self.texts), dtype=np.uint64)
        for row, text in enumerate(self.texts):
            key = squeezed(text)
            content = f"{times[key]} {key}".encode("utf-8", "surrogatepass")
            times[key] += 1  # rows with one text are drawn one by one
            digest = hashlib.blake2b(content, digest_size=8).digest()
            drawn[row] = int.from_bytes(digest, "little")
        readable = np.flatnonzero(has_text(self.texts))
        ranks = np.full(len(drawn), -1, dtype=np.int64)
        ranks[readable[np.argsort(drawn[readable], kind="stable")]] = np.arange(len(readable))
        return ranks
