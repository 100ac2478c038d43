"""Votes in a folder, on Parquet files of any size: whether they are of the texts of later data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spear_amal.errors import InputError
from spear_amal.io.atomic import write_aside
from spear_amal.io.guard import guarded_reading
from spear_amal.labeling.blank_texts import has_text
from spear_amal.labeling.cell_values import plain_values
from spear_amal.labeling.parquet_files import source_files
from spear_amal.labeling.row_digests import cell_text, text_digest

#: File beside votes in parts: what they are of.
VOTED_TEXTS = "rows.json"
#: What to do about votes on other rows.
APPLY_AGAIN = "apply the labelling functions to this data again"


def have_column(data: Sequence[Path], column: str, folder: Path) -> bool:
    """Return whether all Parquet files have a column; those of votes in a folder do not count."""
    import pyarrow.parquet as pq

    for source in source_files(list(data), output=folder):
        with guarded_reading(source.path, "a Parquet file", "write it again"):
            if column not in pq.read_schema(source.path).names:
                return False
    return True


def mark_folder(folder: Path, data: Sequence[Path], column: str) -> int:
    """Write digests of the texts, in their order, beside votes on Parquet files.

    Return how many rows have no text.
    """
    import pyarrow.parquet as pq

    texts, n_blank = _TextsInOrder(), 0
    for source in source_files(list(data), output=folder):
        with pq.ParquetFile(source.path) as file:
            for batch in file.iter_batches(columns=[column]):
                listed = batch.column(0).to_pylist()
                texts.add(listed)
                n_blank += int((~has_text(listed)).sum())
    with write_aside(folder / VOTED_TEXTS) as temporary:
        temporary.write_text(json.dumps(texts.noted()), encoding="utf-8")
    return n_blank


def has_texts(folder: Path) -> bool:
    """Return whether a folder of votes says which texts they are on."""
    return (folder / VOTED_TEXTS).is_file()


class _TextsInOrder:
    """A running digest of texts, noted every so many rows: the first other one tells where."""

    EVERY = 256

    def __init__(self) -> None:
        self._digest, self._n = hashlib.blake2b(digest_size=16), 0
        self._notes: list[str] = []

    def add(self, texts: Sequence[Any]) -> None:
        """Go on with further texts."""
        for text in plain_values(list(texts)):
            self._digest.update(text_digest(cell_text(text)).to_bytes(8, "little"))
            self._n += 1
            if self._n % self.EVERY == 0:
                self._notes.append(self._digest.hexdigest()[:8])

    def noted(self) -> dict[str, Any]:
        """Return what is kept: the digest of all texts, and those on the way."""
        return {"texts": self._digest.hexdigest(), "every": self.EVERY, "notes": self._notes}


def check_folder(folder: Path, texts: Sequence[Any]) -> None:
    """Raise InputError unless data of as many rows have the texts of the rows voted on, in order.

    Votes of another way than the command's have no digest, and are taken by position.
    """
    if not has_texts(folder):
        return
    present = _TextsInOrder()
    present.add(texts)
    found = present.noted()
    with guarded_reading(folder / VOTED_TEXTS, "a digest of the rows voted on", APPLY_AGAIN):
        stored = json.loads((folder / VOTED_TEXTS).read_text(encoding="utf-8"))
        notes, every, same = stored["notes"], stored["every"], stored["texts"] == found["texts"]
    if not same:
        pairs = zip(notes, found["notes"], strict=False)
        block = next((i for i, (a, b) in enumerate(pairs) if a != b), len(notes))
        first, last = block * every, min((block + 1) * every, len(texts)) - 1
        raise InputError(
            f"{folder} holds votes on rows of other texts, or of these in another order, the first "
            f"of them among rows {first} to {last} (counted from 0): give the data as they were, "
            f"or {APPLY_AGAIN}"
        )
