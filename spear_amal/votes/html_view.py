"""A label matrix as a notebook shows it: a summary, what each LF votes, the first rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from spear_amal.notebook_html import html_block, html_table, more

if TYPE_CHECKING:
    from spear_amal.votes.label_matrix import LabelMatrix

MOST_LFS, FIRST_ROWS, MOST_CLASSES = 30, 5, 4
_CHUNK = 1 << 20  # votes that are counted at once, so that memory stays small


def matrix_html(L: LabelMatrix) -> str:
    """Return the HTML of a label matrix; its time grows with the votes, its memory does not."""
    n, m = L.shape
    covered = int((np.diff(L.codes.indptr) > 0).sum())
    facts = {
        "classes": ", ".join(map(str, L.classes)),
        "votes": f"{L.nnz:,}; at least one on {covered:,} rows ({_percent(covered, n)})",
    }
    title = f"{type(L).__name__}: {n:,} rows, {m:,} labelling functions"
    return html_block(title, facts, [_lfs(L), _rows(L)] if m else [])


def votes_by_class(L: LabelMatrix) -> np.ndarray:
    """Count the votes of each LF for each class, (m, C)."""
    m, width = L.shape[1], L.n_classes + 1
    counts = np.zeros(m * width, dtype=np.int64)
    codes = L.codes
    for start in range(0, codes.nnz, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        places = codes.indices[chunk].astype(np.int64) * width + codes.data[chunk]
        counts += np.bincount(places, minlength=m * width)
    return counts.reshape(m, width)[:, 1:]


def _percent(part: int, whole: int) -> str:
    """Return a share as text."""
    return f"{part / max(whole, 1):.1%}"


def _lfs(L: LabelMatrix) -> str:
    n, m = L.shape
    counts = votes_by_class(L)[:MOST_LFS]
    columns = {
        "LF": L.lf_names[:MOST_LFS],
        "votes": [f"{total:,}" for total in counts.sum(1)],
        "coverage": [_percent(total, n) for total in counts.sum(1)],
        "votes for": [_classes(L, of_lf) for of_lf in counts],
    }
    return html_table(columns, more(m, MOST_LFS, "labelling functions"))


def _classes(L: LabelMatrix, counts: np.ndarray) -> str:
    order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
    shown = [f"{L.classes[code]}: {counts[code]:,}" for code in order[:MOST_CLASSES]]
    return ", ".join([*shown, *(["…"] if len(order) > MOST_CLASSES else [])])


def _rows(L: LabelMatrix) -> str:
    n = min(len(L), FIRST_ROWS)
    votes = L[:n].to_dense()
    said = [
        ", ".join(f"{L.lf_names[j]}: {L.classes[row[j]]}" for j in np.flatnonzero(row >= 0))
        for row in votes
    ]
    return html_table({"row": L.row_ids[:n], "votes": said}, more(len(L), n, "rows"))
