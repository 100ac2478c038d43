"""Votes however they are given: in memory, or in a folder that is read part by part."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from spear_amal.label_matrix import LabelMatrix
from spear_amal.vote_files import VoteFiles


def open_votes(L: Any) -> LabelMatrix | VoteFiles:
    """Take a label matrix, an array (n, m) of votes, VoteFiles, or the path of such a folder."""
    if isinstance(L, str | os.PathLike):
        return VoteFiles(L)
    return L if isinstance(L, LabelMatrix | VoteFiles) else LabelMatrix.from_dense(L)


def parts_of(votes: LabelMatrix | VoteFiles) -> Iterator[tuple[slice, LabelMatrix]]:
    """Rows and votes of each part, in order; what is in memory is one part."""
    start = 0
    for part in [votes] if isinstance(votes, LabelMatrix) else votes.parts():
        yield slice(start, start + len(part)), part
        start += len(part)
