"""What a study runs on: a corpus by name, or a WRENCH folder or archive, with its LFs' votes."""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp

from spear_amal.data import CORPORA, Corpus, corpus_file, load_corpus
from spear_amal.data.corpora.wrench import wrench_corpus
from spear_amal.data.download.archives import is_archive
from spear_amal.errors import DataUnavailableError, InputError
from spear_amal.io.shipped import shipped_file
from spear_amal.labeling import PandasLFApplier, exemplar_matrix, load_lfs, read_rules
from spear_amal.seeds import random_generator
from spear_amal.votes.class_set import ClassNames, class_names
from spear_amal.votes.label_matrix import LabelMatrix

LFS_OF = {"generated": "plots"}  # corpora that borrow the LFs of another one
PUBLISHED_RULES = {"sms": "rules.tsv"}
_DIGITS = 12  # hexadecimal digits that tell data apart: 48 bits

# Votes of this process by the digests of rows and LF file: applying LFs may take a while.
_VOTES: dict[tuple[str, str], LabelMatrix] = {}


@dataclass(frozen=True, eq=False)
class CorpusVotes:
    """A corpus and the votes on all its rows.

    Attributes
    ----------
    corpus : Corpus
    votes : LabelMatrix (n, m)
    lfs : str
        Where the votes come from, in words.
    exemplars : csr_array (n, m) of bool, or None
        Which row LF j was written from, where the LFs say so.
    """

    corpus: Corpus
    votes: LabelMatrix
    lfs: str
    exemplars: sp.csr_array | None = None

    @property
    def name(self) -> str:
        """Name of the corpus."""
        return self.corpus.name

    @cached_property
    def digest(self) -> str:
        """Twelve hexadecimal digits of rows, gold, parts, features and votes."""
        frame, codes = self.corpus.frame, self.votes.codes
        parts: list[Any] = [self.corpus.labels, "\0".join(frame["part"])]
        parts += [self.corpus.features, codes, self.votes.scores]
        return votes_digest([*parts, "\0".join(frame["text"]) if "text" in frame else None])


def votes_digest(parts: Iterable[Any]) -> str:
    """Return twelve hexadecimal digits of strings, arrays and sparse matrices; None counts too.

    Examples
    --------
    >>> same = votes_digest(["a", None]) == votes_digest(["a", None])
    >>> same, votes_digest(["a"]) == votes_digest(["b"])
    (True, False)
    """
    digest = hashlib.sha256()
    for part in parts:
        digest.update(f"|{type(part).__name__}".encode())
        if sp.issparse(part):
            rows = part.tocsr()
            for array in (rows.indptr.astype(np.int64), rows.indices.astype(np.int64), rows.data):
                digest.update(np.ascontiguousarray(array).tobytes())
        elif isinstance(part, str):
            digest.update(part.encode("utf-8", "surrogatepass"))
        elif part is not None:
            digest.update(f"{part.shape}{part.dtype}".encode())
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:_DIGITS]


def load_corpus_votes(
    source: str | os.PathLike[str] | Corpus | CorpusVotes,
    *,
    lfs: str | os.PathLike[str] | None = None,
    data_dir: str | os.PathLike[str] | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    offline: bool = False,
    progress: bool = False,
) -> CorpusVotes:
    """Load a corpus and its votes.

    Parameters
    ----------
    source : str, path, Corpus or CorpusVotes
        A key of :data:`spear_amal.data.CORPORA`, else a WRENCH folder (``./sms`` names a folder
        even where a corpus has that name) or an archive of one, else a corpus of your own.
    lfs : path, optional
        File of labelling functions. Default: the published votes of the corpus; for "sms" the
        published rules where they are at hand; else the package's own file
        ``labeling_functions/NAME.py``.
    data_dir, cache_dir, offline : optional
        As for :func:`spear_amal.data.load_corpus`.
    progress : bool
        Show a bar while fetching and while LFs are applied.

    Raises
    ------
    InputError
        If there is no such corpus or folder, or no votes can be had.
    FileFormatError
        If a WRENCH folder lacks a part, or holds votes or labels that are no class; if an archive
        is damaged or unsafe.
    """
    if isinstance(source, CorpusVotes):
        return source
    corpus = _corpus(source, data_dir, cache_dir, offline, progress, lfs)
    if lfs is not None:
        return _apply_file(corpus, Path(lfs), progress)
    if corpus.label_matrix is not None:
        return CorpusVotes(corpus, corpus.label_matrix, "published votes")
    return _apply_known(corpus, data_dir, cache_dir, progress)


def _corpus(
    source: Any,
    data_dir: Any,
    cache_dir: Any,
    offline: bool,
    progress: bool,
    lfs: Any = None,
) -> Corpus:
    if isinstance(source, Corpus):
        return source
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"a corpus is given by its name, as a folder or as a Corpus, found {source!r}"
        )
    name = os.fspath(source)
    if name in CORPORA:
        return load_corpus(name, data_dir, cache_dir, offline, progress)
    if Path(name).is_dir() or (Path(name).is_file() and is_archive(Path(name))):
        return wrench_corpus(Path(name))
    if Path(name).is_file():
        raise InputError(
            f"{name} is a file, and a study runs on a corpus, or on a folder or archive in WRENCH "
            "format, that has test rows. For a partly labelled table of your own: spear-amal "
            f"compare --data {shlex.quote(name)} --lfs {shlex.quote(os.fspath(lfs or 'lfs.py'))}"
        )
    near = get_close_matches(name, CORPORA, n=2)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    raise InputError(
        f"{name!r} is neither a corpus nor a folder; {hint}corpora: {', '.join(sorted(CORPORA))}; "
        "a folder (or .tar.gz, .zip) must be in WRENCH format (train.json, valid.json, test.json, "
        "label.json)"
    )


def _apply_known(corpus: Corpus, data_dir: Any, cache_dir: Any, progress: bool) -> CorpusVotes:
    """Apply the LFs that belong to a corpus by its name."""
    if corpus.name in PUBLISHED_RULES:
        try:
            path = corpus_file(corpus.name, PUBLISHED_RULES[corpus.name], data_dir, cache_dir)
            rules = read_rules(path, encoding="latin-1")
            return _source(corpus, rules, None, path, "published rules", progress)
        except DataUnavailableError:
            pass  # the LFs that come with the package serve as well
    path = shipped_file("labeling_functions", f"{LFS_OF.get(corpus.name, corpus.name)}.py")
    if not path.is_file():
        raise InputError(
            f"corpus {corpus.name!r} has no votes of its own, and there are no labelling functions "
            f"at {path}; name a file of them with --lfs (lfs=)"
        )
    return _apply_file(corpus, path, progress)


def _apply_file(corpus: Corpus, path: Path, progress: bool) -> CorpusVotes:
    if "text" not in corpus.frame:
        raise InputError(
            f"corpus {corpus.name!r} has no texts that labelling functions could read; leave out "
            "--lfs (lfs=) to use its published votes"
        )
    loaded = load_lfs(path)
    return _source(corpus, loaded.lfs, loaded.classes, path, path.name, progress)


def _source(
    corpus: Corpus, lfs: list[Any], classes: Any, path: Path, words: str, progress: bool
) -> CorpusVotes:
    votes = _vote(corpus, lfs, classes, path, progress)
    exemplars = exemplar_matrix(lfs, corpus.texts)
    return CorpusVotes(corpus, votes, words, exemplars if exemplars.nnz else None)


def _vote(corpus: Corpus, lfs: list[Any], classes: Any, path: Path, progress: bool) -> LabelMatrix:
    stated = class_names(classes)
    known = corpus.classes if stated is None or stated.mere_codes else stated
    if [str(name).casefold() for name in known] != [name.casefold() for name in corpus.classes]:
        raise InputError(
            f"{path} has the classes {list(known)}, corpus {corpus.name!r} has "
            f"{list(corpus.classes)}; CLASSES must be the same, in the same order"
        )
    key = (
        votes_digest(["\0".join(corpus.frame["text"]), "\0".join(corpus.classes)]),
        votes_digest([path.read_bytes().hex(), ",".join(str(lf.name) for lf in lfs)]),
    )
    if key not in _VOTES:
        ids = None if stated is None else stated.ids  # what LFs may answer beside names
        applier = PandasLFApplier(lfs, classes=ClassNames(corpus.classes, ids))
        _VOTES[key] = applier.apply(corpus.frame, progress_bar=progress).with_coded_classes()
    return _VOTES[key]


def shuffled_votes(L: LabelMatrix, seed: int = 0) -> LabelMatrix:
    """Deal the rows of votes out anew, so that coverage and conflicts stay and meaning goes.

    Parameters
    ----------
    L : LabelMatrix (n, m)
    seed : int

    Returns
    -------
    LabelMatrix (n, m)
        The votes (and scores) of row i are those of another row; ``row_ids`` stay in place.

    Examples
    --------
    >>> L = LabelMatrix.from_dense([[0, -1], [1, 1], [-1, -1]], row_ids=["a", "b", "c"])
    >>> placebo = shuffled_votes(L, seed=1)
    >>> sorted(placebo.to_dense().tolist()), placebo.row_ids.tolist()
    ([[-1, -1], [0, -1], [1, 1]], ['a', 'b', 'c'])
    """
    shuffled: LabelMatrix = L[random_generator(seed).permutation(len(L))]
    shuffled.row_ids = L.row_ids
    return shuffled
