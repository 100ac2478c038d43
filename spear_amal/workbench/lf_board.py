"""All LFs of a project as they stand: which are to be run, which have votes, which failed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from spear_amal.declared_lfs import PromptRule, RulesFile, describe
from spear_amal.declared_lfs.rules import Rule
from spear_amal.errors import InputError, StaleError
from spear_amal.workbench.lf_process import LFVotes, LoadedFile
from spear_amal.workbench.project import Project
from spear_amal.workbench.snapshot import DECLARED, PYTHON, LFError, LFState


class LFBoard:
    """The LFs of the user's file and the declared ones; whoever changes it keeps others out.

    Attributes
    ----------
    file : LoadedFile or None
        What the user's file held when it was run last; None without one.
    rules : RulesFile
    n_tables : int
        How many tables there were so far: votes of an LF belong to the one that it read.
    """

    def __init__(self) -> None:
        self.file: LoadedFile | None = None
        self.rules = RulesFile()
        self.n_tables = 0
        self._lfs: dict[str, LFState] = {}
        self._no_votes = np.empty(0, dtype=np.int16)

    @property
    def lfs(self) -> tuple[LFState, ...]:
        """All LFs in file order, the declared ones last."""
        return tuple(replace(x, is_muted=x.name in self.rules.muted) for x in self._lfs.values())

    @property
    def n_voted(self) -> int:
        """One more than the highest class number among the votes."""
        return 1 + max((int(lf.votes.max(initial=-1)) for lf in self._lfs.values()), default=-1)

    def named(self, name: str) -> LFState | None:
        """Return an LF by its name, None if there is none."""
        return self._lfs.get(name)

    def waiting(self, among: str) -> list[str]:
        """Return the names of LFs that are to be run: Python ones, declared ones, or prompted."""
        return [lf.name for lf in self._lfs.values() if lf.runs_among == among and lf.is_running]

    # -- names -----------------------------------------------------------------------------------

    def clash(self, project: Project) -> str | None:
        """Return what is wrong with names: a declared rule has that of an LF of the user's file."""
        names = self._python_names
        for rule in self.rules.rules:
            if rule.name in names:
                return (
                    f"{project.rules.name}: the rule {rule.name!r} has the name of an LF of "
                    f"{project.lfs}; rename one of the two, until then the rule does not vote"
                )
        return None

    def check_name(self, rule: Rule, replaces: str | None, project: Project) -> None:
        """Raise InputError if a new rule cannot have its name; StaleError if none is replaced."""
        if rule.name in self._python_names:
            raise InputError(f"{project.lfs} has an LF {rule.name!r} already; choose another name")
        if replaces is not None and self.rules.named(replaces) is None:
            raise StaleError(f"the rule {replaces!r} was removed, elsewhere")
        self.rules.with_rule(rule, replaces)  # no other rule has the name

    @property
    def _python_names(self) -> set[str]:
        return set() if self.file is None else {lf.name for lf in self.file.lfs}

    # -- what changes ----------------------------------------------------------------------------

    def take_table(self, n: int) -> None:
        """Drop all votes, which are of another table."""
        self.n_tables += 1
        self._no_votes = np.full(n, -1, dtype=np.int16)
        self.rerun(lambda lf: True)

    def take_file(self, file: LoadedFile | None) -> None:
        """Replace the LFs of the user's file: only those are to be run that do something else."""
        before, known = self.file, self._lfs
        is_other = file is None or before is None or file.classes != before.classes
        self.file = file
        lfs = {}
        for loaded in () if file is None else file.lfs:
            old = known.get(loaded.name)
            is_same = old is not None and old.kind == PYTHON and old.key == loaded.key
            if old is None or old.kind != PYTHON or is_other:
                old = LFState(loaded.name, PYTHON, self._no_votes)
            lf = replace(
                old,
                about=loaded.about,
                line=loaded.line,
                key=loaded.key,
                column=loaded.column,
                pattern=loaded.pattern,
                is_prompted=loaded.is_prompted,
            )
            if not is_same or is_other or not loaded.is_certain:
                lf = replace(lf, is_running=True, error=None, may_ask=False)
            lfs[lf.name] = lf
        self._lfs = lfs
        self._add_rules({name: lf for name, lf in known.items() if lf.kind == DECLARED})

    def take_rules(self, rules: RulesFile) -> None:
        """Replace the declared LFs: only those are to be run that say something else."""
        self.rules = rules
        known = {name: lf for name, lf in self._lfs.items() if lf.kind == DECLARED}
        self._lfs = {name: lf for name, lf in self._lfs.items() if lf.kind == PYTHON}
        self._add_rules(known)

    def _add_rules(self, known: dict[str, LFState]) -> None:
        for rule in self.rules.rules:
            if rule.name in self._lfs:
                continue
            key = rule_key(rule)
            lf = known.get(rule.name)
            if lf is None or lf.key != key:
                lf = LFState(rule.name, DECLARED, self._no_votes if lf is None else lf.votes)
                lf = replace(lf, is_running=True, key=key)
            self._lfs[rule.name] = replace(
                lf,
                label=str(rule.label),
                about=describe(rule),
                rule=rule,
                is_prompted=isinstance(rule, PromptRule),
            )

    def rerun(self, chosen: Callable[[LFState], bool], may_ask: bool = False) -> None:
        """Have LFs run again, forget what they voted, and note whether they may ask in that run."""
        for name, lf in self._lfs.items():
            if chosen(lf):
                self._lfs[name] = replace(
                    lf, votes=self._no_votes, is_running=True, error=None, may_ask=may_ask
                )

    def take_votes(
        self,
        name: str,
        key: str,
        voted: LFVotes,
        classes: Sequence[str],
        n_tables: int,
        could_ask: bool = False,
    ) -> bool:
        """Note what came of running an LF; False if it, or the table, is another one by now.

        So it is for a run that could not ask a model, where somebody has since said that it may.
        """
        lf = self._lfs.get(name)
        if lf is None or lf.key != key or n_tables != self.n_tables:
            return False
        if lf.may_ask and not could_ask:
            return False
        self._lfs[name] = replace(
            lf,
            votes=voted.votes,
            label=class_of_votes(voted, classes) if lf.kind == PYTHON else lf.label,
            is_running=False,
            may_ask=False,
            error=voted.error,
            asking=voted.asking,
        )
        return True

    def fail(self, name: str, message: str) -> None:
        """Note why an LF was not run."""
        lf = self._lfs[name]
        lf = replace(lf, votes=self._no_votes, is_running=False, may_ask=False, key="")
        self._lfs[name] = replace(lf, error=LFError(message))


def rule_key(rule: Rule) -> str:
    """Return what tells a declared rule from others."""
    return hashlib.sha256(rule.model_dump_json().encode()).hexdigest()


def class_of_votes(voted: LFVotes, classes: Sequence[str]) -> str | None:
    """Return the class that an LF is declared to vote for, or the only one that it votes for."""
    code = voted.declared
    if code < 0:
        codes = np.unique(voted.votes[voted.votes >= 0])
        code = int(codes[0]) if len(codes) == 1 else -1
    return classes[code] if 0 <= code < len(classes) else None
