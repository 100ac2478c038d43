"""What runs in the process of LFs: the user's code, which may hang or crash as it likes.

The process keeps the table and what the user's file holds from one request to the next. A new one,
in place of one that was killed, knows neither, and answers :data:`FORGOTTEN`.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import linecache
import os
import re
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
)
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from spear_amal.declared_lfs import make_lf
from spear_amal.declared_lfs.project_lfs import rule_with_class
from spear_amal.declared_lfs.rules import Rule
from spear_amal.errors import InputError
from spear_amal.labeling import VoteCache, load_lfs
from spear_amal.labeling.appliers import enum_of_labels
from spear_amal.labeling.blank_texts import has_text
from spear_amal.labeling.builders import TextLF
from spear_amal.labeling.data_points import FrameSource
from spear_amal.labeling.functions import LabelingFunction, as_labeling_function
from spear_amal.labeling.hashing import Unhashable, lf_hash
from spear_amal.labeling.installed import is_installed, is_installed_file
from spear_amal.labeling.lf_outputs import ApplierMetadata, OutputParser
from spear_amal.labeling.load_lfs import FreshLoader
from spear_amal.labeling.parallel import Labelled, label
from spear_amal.labeling.user_functions import source_of
from spear_amal.votes.class_set import ClassNames, ClassSet
from spear_amal.workbench.snapshot import LFError

#: What a new process answers to a request that needs what it was never told.
FORGOTTEN = "forgotten"
_CACHE_BYTES = 500_000_000  # as the commands have it
_LONGEST_SOURCE = 10_000  # lines that tell an LF from its former self where no hash can


@dataclass(frozen=True)
class LoadedLF:
    """An LF of the user's file.

    Attributes
    ----------
    name : str
    key : str
        Another one as soon as the LF does something else.
    is_certain : bool
        False if an LF with the same key may still vote otherwise: it reads files, say.
    about : str
        What it looks for, in words.
    line : int or None
    column, pattern : str or None
        See :class:`~spear_amal.workbench.snapshot.LFState`.
    """

    name: str
    key: str
    is_certain: bool
    about: str
    line: int | None
    column: str | None
    pattern: str | None


@dataclass(frozen=True)
class LoadedFile:
    """What the user's file holds.

    Attributes
    ----------
    lfs : tuple of LoadedLF
    classes : ClassNames or None
        None where the file names none.
    files : tuple of str
        Modules of the user's that it imported.
    """

    lfs: tuple[LoadedLF, ...]
    classes: ClassNames | None
    files: tuple[str, ...]


class LFVotes(NamedTuple):
    """What came of running an LF.

    Attributes
    ----------
    votes : ndarray of int16 (n,)
    declared : int
        Code of the class that the LF is declared to vote for, -1 for none.
    error : LFError or None
    """

    votes: np.ndarray
    declared: int
    error: LFError | None = None


def run_lfs(deed: str, *arguments: Any) -> Iterator[Any]:
    """Yield the answer to one request: the name of a method of the process, and its arguments."""
    sys.dont_write_bytecode = True  # nothing is left beside the user's files
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield getattr(_process, deed)(*arguments)


class _LFProcess:
    """The table, and the user's file, as long as the process lives."""

    def __init__(self) -> None:
        self._source: FrameSource | None = None
        self._lfs: dict[str, LabelingFunction] | None = None
        self._path = Path()
        self._classes: Any = None

    def hold(self, rows: pd.DataFrame, text_column: str, cache: Path | None) -> None:
        """Keep a table: LFs see its rows that have a text."""
        self._n = len(rows)
        self._places = np.flatnonzero(has_text(rows[text_column]))
        self._source = FrameSource(rows)
        if len(self._places) < self._n:
            self._source = FrameSource(rows.iloc[self._places])
        self._cache = None if cache is None else VoteCache(cache, _CACHE_BYTES)

    def load(self, path: Path) -> LoadedFile:
        """Run the user's file anew, and the modules beside it; errors as of ``load_lfs``."""
        self._lfs = None
        for name in _users_modules(path):
            del sys.modules[name]
        linecache.clearcache()
        with _without_byte_code(path.resolve().parent):
            loaded = load_lfs(path, may_be_empty=True)
        lfs = [as_labeling_function(lf) for lf in loaded.lfs]
        counts = Counter(lf.name for lf in lfs)
        if repeated := [name for name, n in counts.items() if n > 1]:
            raise InputError(f"{path}: several LFs are called {repeated}; rename with name=...")
        self._path = path
        self._classes = enum_of_labels(lfs) if loaded.classes is None else loaded.classes
        self._lfs = {lf.name: lf for lf in lfs}
        lines = lines_of_lfs(path.read_text(encoding="utf-8", errors="replace"))
        files = [str(sys.modules[name].__file__) for name in _users_modules(path)]
        return LoadedFile(
            tuple(_loaded(lf, lines.get(lf.name)) for lf in lfs),
            ClassSet(self._classes).names,
            tuple(dict.fromkeys(files)),
        )

    def run(self, name: str) -> LFVotes | str:
        """Return the votes of an LF of the user's file."""
        if self._source is None or self._lfs is None or name not in self._lfs:
            return FORGOTTEN
        return self._votes(self._lfs[name], ClassSet(self._classes))

    def run_rule(self, rule: Rule, classes: ClassNames | None) -> LFVotes | str:
        """Return the votes of a declared rule."""
        if self._source is None:
            return FORGOTTEN
        lf = make_lf(rule_with_class(rule, classes, "rules.toml", None))
        return self._votes(lf, ClassSet(classes))

    def _votes(self, lf: LabelingFunction, classes: ClassSet) -> LFVotes:
        source: Any = self._source
        votes = np.full(self._n, -1, dtype=np.int16)

        def compute(lfs: list[LabelingFunction]) -> Labelled:
            with _asking_nobody(lf):
                return label(lfs, classes, source, True, lambda done: None, None)

        try:
            declared = OutputParser(lf, classes).declared
            if self._cache is None:
                matrix, meta = compute([lf])
            else:
                matrix, meta = self._cache.label([lf], classes, source, None, compute)
        except Exception as error:  # of the user's code, where it does not look at one row
            return LFVotes(votes, -1, LFError(f"{type(error).__name__}: {error}"))
        column = matrix.codes.tocsc()
        votes[self._places[column.indices]] = column.data.astype(np.int16) - 1
        return LFVotes(votes, declared, _error_of(lf.name, meta, self._path))


_process = _LFProcess()


def _asking_nobody(lf: LabelingFunction) -> AbstractContextManager[None]:
    """Keep a page that is looked at from paying a language model; kept answers cost nothing."""
    if not lf.is_shared:
        return nullcontext()
    from spear_amal.prompted_lfs.asking import kept_answers_only

    return kept_answers_only()


def _users_modules(path: Path) -> list[str]:
    """Return the names of modules that were imported from the folder of the user's file."""
    folders = tuple({f"{path.absolute().parent}{os.sep}", f"{path.resolve().parent}{os.sep}"})
    return [
        name
        for name, module in list(sys.modules.items())
        if str(getattr(module, "__file__", None)).startswith(folders)
        and not is_installed(module)
        and name != "__main__"
    ]


@contextmanager
def _without_byte_code(folder: Path) -> Iterator[None]:
    """Compile modules below a folder anew: byte code is told by seconds, an edit may be quicker."""

    def finder(path: str) -> FileFinder:
        if not Path(path).resolve().is_relative_to(folder) or is_installed_file(f"{path}{os.sep}"):
            raise ImportError
        return FileFinder(
            path, (FreshLoader, SOURCE_SUFFIXES), (ExtensionFileLoader, EXTENSION_SUFFIXES)
        )

    sys.path_hooks.insert(0, finder)
    sys.path_importer_cache.clear()
    try:
        yield
    finally:
        sys.path_hooks.remove(finder)


def _loaded(lf: LabelingFunction, line: int | None) -> LoadedLF:
    try:
        key, is_certain = lf_hash(lf), True
    except Unhashable:
        text = f"{lf.name}\0{source_of(lf, _LONGEST_SOURCE)}"
        key, is_certain = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(), False
    pattern = lf.pattern_source if isinstance(lf, TextLF) else None
    column = lf.column if isinstance(lf, TextLF) else None
    return LoadedLF(lf.name, key, is_certain, _about(lf), line, column, pattern)


def _about(lf: LabelingFunction) -> str:
    """Return what an LF looks for, in words: of a function the first line of its docstring."""
    facts = lf.facts()
    if "looks for" in facts:
        return facts["looks for"]
    function = inspect.unwrap(getattr(lf, "_f", lf))
    text = inspect.getdoc(function) if inspect.isroutine(function) else None
    return (text or "").partition("\n")[0]


def lines_of_lfs(source: str) -> dict[str, int]:
    r"""Return the lines in which LFs stand, by name: functions, and calls with the name in them.

    Examples
    --------
    >>> lines_of_lfs('a = keyword_lf("words", ["x"], 1)\n@lf\ndef b(x): pass')
    {'b': 3, 'words': 1}
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return {}
    lines: dict[str, int] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            names = [node.name]
        elif isinstance(node, ast.Call):
            parts = [*node.args[:1], *(word.value for word in node.keywords if word.arg == "name")]
            names = [str(part.value) for part in parts if isinstance(part, ast.Constant)]
        else:
            continue
        for name in names:
            lines.setdefault(name, node.lineno)
    return lines


def _error_of(name: str, meta: ApplierMetadata, path: Path) -> LFError | None:
    """Return on which rows an LF failed, and why; None if it did not."""
    if name not in meta.faults:
        return None
    first = meta.tracebacks[name][0]
    message = first.traceback.strip().splitlines()[-1]
    places = re.findall(rf'File "{re.escape(str(path))}", line (\d+)', first.traceback)
    line = int(places[-1]) if places else None
    return LFError(
        message.rpartition("InvalidOutput: ")[2], int(first.row_id), line, meta.faults[name]
    )
