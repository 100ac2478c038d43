"""The command ``suggest``: rules that labelled rows tell from luck, mined or written by a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spear_amal.cli.apply import gold_of
from spear_amal.cli.asking import Consent, announce
from spear_amal.cli.console import add_to_json, print_result, print_status, show_table
from spear_amal.cli.labelled_rows import read_data
from spear_amal.cli.options.project import SuggestOptions
from spear_amal.cli.votes import has_lfs, lfs_of, votes_of_table
from spear_amal.data import read_rows
from spear_amal.data.id_column import ID_COLUMN
from spear_amal.declared_lfs import Rule, RulesFile, change_rules, describe, read_rules_file
from spear_amal.errors import InputError
from spear_amal.llm import ChatAnswer, ChatClient, ChatFailure, ChatModel, ChatRequest
from spear_amal.prompted_lfs import spent
from spear_amal.suggest import Candidate, Suggestions, suggest_lfs, write_rules
from spear_amal.votes.label_matrix import LabelMatrix

_EARLY_SHOWN = 5


def suggest_rules(options: SuggestOptions) -> None:
    """Print suggestions; add those that are told from luck to the file of rules if asked to."""
    if options.add:
        options.require("rules")
    if options.llm:
        options.require("llm_model")
    before = spent()
    frame = read_data(options)
    rows = _Rows.of(options, frame)
    if not rows.n_gold:
        raise InputError(
            f"suggestions are tested on labelled rows, and the column {options.label_column!r} "
            "holds no label; label some rows first: spear-amal next"
        )
    made = (
        _written(options, rows, before) if options.llm else suggest_lfs(**rows.arguments(options))
    )
    _show(made)
    if options.add:
        _add(options, [one.rule for one in made.admitted][: options.count])
    elif made.admitted:
        print_result("Nothing was changed; --add adds them to the file of rules")


@dataclass(frozen=True)
class _Rows:
    """What suggestions are made of."""

    frame: pd.DataFrame
    gold: Any
    votes: LabelMatrix | None
    names: tuple[str, ...]

    @classmethod
    def of(cls, options: SuggestOptions, frame: pd.DataFrame) -> _Rows:
        """Return the rows, with the votes of the project's LFs if it has any."""
        if has_lfs(options) and lfs_of(options).lfs:
            votes = votes_of_table(options, frame).matrix
            gold = gold_of(frame, options, votes)
            gold = np.full(len(frame), -1) if gold is None else gold
            return cls(frame, gold, votes, tuple(votes.lf_names))
        where = ", ".join(str(path) for path in options.data)
        values = read_rows.label_values(frame, options.label_column, where)
        classes = read_rows.classes_of_table(None, values)
        codes = read_rows.class_codes(values, classes, where)
        none = LabelMatrix.from_dense(np.empty((len(frame), 0), np.int64), classes=classes)
        return cls(frame, codes, none, ())

    @property
    def n_gold(self) -> int:
        """Return how many rows have a label."""
        return int((np.asarray(self.gold) >= 0).sum())

    def arguments(self, options: SuggestOptions) -> dict[str, Any]:
        """Return what mined and written suggestions are both given."""
        id_column = options.id_column or (ID_COLUMN if ID_COLUMN in self.frame else None)
        return {
            "rows": self.frame,
            "y": self.gold,
            "L": self.votes,
            "text_column": options.text_column,
            "without": [name for name in (options.label_column, id_column) if name is not None],
            "rejected": _file_of(options).rejected,
            "names": self.names,
            "seed": options.seed,
        } | ({} if options.llm else {"n": options.count})


def _file_of(options: SuggestOptions) -> RulesFile:
    return RulesFile() if options.rules is None else read_rules_file(options.rules)


def _written(options: SuggestOptions, rows: _Rows, before: float) -> Suggestions:
    """Return what a language model writes; `before` is what had been spent before the command."""
    model = ChatModel(
        name=options.require("llm_model"),
        base_url=options.llm_base_url,
        key_variable=options.llm_key_variable,
        input_price=options.llm_input_price,
        output_price=options.llm_output_price,
        temperature=0.0,
        timeout=300.0,
    )
    if options.max_cost is not None and not model.has_prices:
        raise InputError(
            f"max_cost needs the prices of {model.name}: set llm_input_price and llm_output_price "
            "(of a million tokens; 0 for a server of your own), or leave max_cost out"
        )
    made = write_rules(
        _AnnouncedClient(model, options, before),
        **rows.arguments(options),
        description=options.task,
        n_shown=options.n_shown,
    )
    print_status(f"It wrote {made.n_written} rules; {len(made.shown)} labelled rows were sent")
    for reason, count in made.reasons.items():
        print_status(f"Refused {count}: {reason}")
    add_to_json(written=made.n_written, refused=made.reasons)
    return made.suggestions


class _AnnouncedClient:
    """Answers requests after a forecast was printed and, at a terminal, confirmed."""

    def __init__(self, model: ChatModel, options: SuggestOptions, before: float) -> None:
        self._model, self._options, self._before = model, options, before

    def ask(self, requests: Sequence[ChatRequest]) -> list[ChatAnswer | ChatFailure]:
        """Return the answers in the order of the requests."""
        consent = Consent.of(self._options)
        left = consent.max_cost
        if left is not None:  # LFs may have asked in this command
            left = max(left - (spent() - self._before), 0.0)
        client = ChatClient(self._model, max_cost=left)
        print_status("It is sent the classes, and a few rows with and without their labels")
        announce([(self._model, client.forecast(requests))], consent)
        return client.ask(requests)


def _show(made: Suggestions) -> None:
    early = made.early[:_EARLY_SHOWN]
    if made.admitted:
        show_table(_table(made.admitted), "Told from luck, at 5% for the whole list")
    if early:
        show_table(_table(early), "Too early to say: any of it may be luck")
    if not made.admitted:
        print_result(
            f"No rule is told from luck by {made.n_gold} labelled rows ({made.n_tried} were tried)"
        )


def _table(candidates: tuple[Candidate, ...]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "rule": [describe(one.rule) for one in candidates],
            "votes for": [str(one.rule.label) for one in candidates],
            "rows": [f"{one.coverage:.1%}" for one in candidates],
            "right": [
                f"{len(one.right)} of {len(one.right) + len(one.wrong)}" for one in candidates
            ],
            "by chance": [f"{one.chance:.0%}" for one in candidates],
            "p": [f"{one.p_value:.3f}" for one in candidates],
        }
    )


def _add(options: SuggestOptions, rules: list[Rule]) -> None:
    """Add rules to the file, none of which has a name that is taken."""
    path = options.require("rules")

    def with_rules(file: RulesFile) -> RulesFile:
        for rule in rules:
            taken = {other.name for other in file.rules}
            number, name = 1, rule.name
            while name in taken:  # an LF that is muted has a name too
                number += 1
                name = f"{rule.name}_{number}"
            file = file.with_rule(rule.model_copy(update={"name": name}))
        return file

    if rules:
        change_rules(path, with_rules)
    print_result(f"{len(rules)} rules added to {path}")
