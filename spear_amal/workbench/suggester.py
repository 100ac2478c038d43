"""Suggestions of LFs for the present state, made in a process of their own and kept."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, replace
from threading import Lock, Thread
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.data.encoder_backends import WORDLLAMA
from spear_amal.declared_lfs.rules import NGRAMS
from spear_amal.errors import SpearAmalError
from spear_amal.suggest import Candidate, ConditionPool, Suggestions, mine_conditions, suggest_lfs
from spear_amal.votes.label_matrix import LabelMatrix
from spear_amal.workbench.hub import Hub
from spear_amal.workbench.killable import KillableWorker
from spear_amal.workbench.project import Project
from spear_amal.workbench.snapshot import Snapshot

#: The event that pages hear when suggestions are there.
TOPIC = "suggestions"
_SECONDS = 300.0  # after which making them is given up


@dataclass(frozen=True)
class SuggestionState:
    """What the page of suggestions shows.

    Attributes
    ----------
    suggestions : Suggestions or None
        None while there are none yet.
    is_fresh : bool
        Whether they are of the present state; others are being made otherwise.
    error : str
        Why there are none; empty if nothing went wrong.
    """

    suggestions: Suggestions | None = None
    is_fresh: bool = False
    error: str = ""


class Suggester:
    """Makes suggestions when a page asks for them, one state at a time.

    Parameters
    ----------
    project : Project
    hub : Hub
    """

    def __init__(self, project: Project, hub: Hub) -> None:
        self._hub = hub
        self._worker = KillableWorker(f"{__name__}:make_suggestions", is_urgent=False)
        self._without = [project.label_column] + ([project.id_column] if project.id_column else [])
        self._column = project.text_column
        self._encoder = encoder_of(project.settings.get("features", ""))
        self._lock = Lock()
        self._wanted: _Request | None = None
        self._is_running = self._is_closed = False
        self._made: tuple[str, Suggestions | None, str] = ("", None, "")

    def close(self) -> None:
        """End the process; what is being made is given up."""
        self._is_closed = True
        self._worker.close()

    def candidate(self, signature: str) -> Candidate | None:
        """Return a candidate of those that were made last, None if it is none of them."""
        with self._lock:
            suggestions = self._made[1]
        both = () if suggestions is None else (*suggestions.admitted, *suggestions.early)
        return next((one for one in both if one.signature == signature), None)

    def leave_out(self, signature: str) -> None:
        """Remove a candidate from those made last: it was accepted, or rejected."""
        with self._lock:
            key, made, error = self._made
            if made is not None:
                admitted, early = (
                    tuple(one for one in candidates if one.signature != signature)
                    for candidates in (made.admitted, made.early)
                )
                self._made = (key, replace(made, admitted=admitted, early=early), error)

    def of(self, snapshot: Snapshot) -> SuggestionState:
        """Return what there is, and have suggestions of this state made if there are none."""
        key = _key(snapshot)
        with self._lock:
            made_of, suggestions, error = self._made
            if made_of == key:
                return SuggestionState(suggestions, True, error)
            if _waits_for_votes(snapshot):  # they will be others in a moment
                return SuggestionState(suggestions, False, "")
            self._wanted = _Request(key, snapshot)
            if not self._is_running:
                self._is_running = True
                Thread(target=self._run, name="suggestions", daemon=True).start()
            return SuggestionState(suggestions, False, "")

    def _run(self) -> None:
        while (request := self._next()) is not None:
            made, error = None, ""
            try:
                arguments = self._arguments(request.snapshot)
                answers = self._worker.answers(
                    arguments, seconds=_SECONDS, wanted=lambda: not self._is_closed
                )
                made = next(iter(list(answers)), None)
            except SpearAmalError as fault:
                error = str(fault)
            except Exception as fault:  # shown in the page: this thread has nobody to raise it to
                error = f"Unexpected {type(fault).__name__}: {fault}"
            with self._lock:
                self._made = (request.key, made, error)
            if not self._is_closed:
                self._hub.publish(TOPIC)

    def _next(self) -> _Request | None:
        """Return what is wanted and not made, None if there is nothing to do."""
        with self._lock:
            request = self._wanted
            if request is None or request.key == self._made[0] or self._is_closed:
                self._is_running = False
                return None
            return request

    def _arguments(self, snapshot: Snapshot) -> dict[str, Any]:
        outputs = snapshot.outputs
        proba = None if outputs is None or np.isnan(outputs.proba).any() else outputs.proba
        return {
            "frame": snapshot.frame,
            "table": snapshot.table,
            "gold": snapshot.gold,
            "votes": snapshot.matrix(),
            "proba": proba,
            "rejected": snapshot.rejected,
            "names": [lf.name for lf in snapshot.lfs],
            "column": self._column,
            "without": self._without,
            "encoder": self._encoder,
        }


@dataclass(frozen=True)
class _Request:
    key: str
    snapshot: Snapshot


def encoder_of(features: str) -> str:
    """Return the encoder of "rows like these": that of the features, else one that is installed.

    Parameters
    ----------
    features : str
        Of the project's settings; "encoder:NAME" names one.
    """
    if features.startswith("encoder:"):
        return features.removeprefix("encoder:")
    return WORDLLAMA if importlib.util.find_spec(WORDLLAMA) is not None else NGRAMS


def _waits_for_votes(snapshot: Snapshot) -> bool:
    """Return whether LFs are being loaded, or run for the first time."""
    running = (lf for lf in snapshot.lfs if lf.is_running)
    return snapshot.is_loading or any((lf.votes < 0).all() for lf in running)


def _key(snapshot: Snapshot) -> str:
    """Return a digest of all that suggestions depend on."""
    digest = hashlib.sha256(repr((id(snapshot.frame), snapshot.table, snapshot.classes)).encode())
    digest.update(snapshot.gold.tobytes())
    for lf in snapshot.lfs:
        digest.update(repr((lf.name, lf.is_active)).encode())
        digest.update(np.ascontiguousarray(lf.votes).tobytes())
    if snapshot.outputs is not None:
        digest.update(str(snapshot.outputs.trained).encode())
    digest.update(repr(sorted(snapshot.rejected)).encode())
    return digest.hexdigest()


# -- in the process -------------------------------------------------------------------------------

_mined: dict[str, ConditionPool] = {}


def make_suggestions(request: dict[str, Any]) -> Iterator[Suggestions]:
    """Yield the suggestions of a state; what was mined is kept while the gold rows are the same."""
    frame: pd.DataFrame = request["frame"]
    gold: np.ndarray = request["gold"]
    votes: LabelMatrix = request["votes"]
    column, without, encoder = request["column"], request["without"], request["encoder"]
    has_gold = gold >= 0
    key = f"{request['table']} {hashlib.sha256(has_gold.tobytes()).hexdigest()}"
    if not request["table"] or key not in _mined:
        pool = mine_conditions(frame, column, has_gold, without, encoder)
        _mined.clear()
        _mined[key] = pool
    yield suggest_lfs(
        frame,
        gold,
        votes,
        request["proba"],
        text_column=column,
        without=without,
        encoder=encoder,
        rejected=request["rejected"],
        names=request["names"],
        pool=_mined[key],
    )
