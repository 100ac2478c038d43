"""Rules that a language model writes, admitted by the same test against chance as mined ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import scipy.sparse as sp

from spear_amal._typing import VectorLike, VotesLike
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.llm import (
    ChatAnswer,
    ChatClient,
    ChatFailure,
    ChatModel,
    ChatRequest,
    ChatServerError,
)
from spear_amal.seeds import settle_seed
from spear_amal.suggest.candidate import Suggestions
from spear_amal.suggest.condition import RowCondition
from spear_amal.suggest.judge import rows_of_rules
from spear_amal.suggest.other_conditions import numeric_columns
from spear_amal.suggest.pool import ConditionPool, sampled_rows
from spear_amal.suggest.rule_answers import RefusedRule, RuleTask
from spear_amal.suggest.suggesting import RowsWithGold, suggest_lfs
from spear_amal.votes.class_set import ClassesLike

# Of the gold rows of a class, those that may be shown: the others are what rules are tested on.
_MOST_SHOWN = 0.25
_QUANTILES = (0.1, 0.5, 0.9)
_STREAM = 60_103


class AnswersRequests(Protocol):
    """Whatever answers questions to a language model: a :class:`~spear_amal.llm.ChatClient`."""

    def ask(self, requests: Sequence[ChatRequest]) -> Sequence[ChatAnswer | ChatFailure]:
        """Return the answers in the order of the requests."""


@dataclass(frozen=True)
class WrittenRules:
    """What became of the rules that a language model wrote.

    Attributes
    ----------
    suggestions : Suggestions
        Those that stood the test against chance, and those of which it is too early to say.
    n_written : int
        Rules in the answers, refused ones too.
    refused : tuple of RefusedRule
        What was no rule, with the reason; answers that were none.
    shown : ndarray of int
        Rows with gold that were sent; they and their copies are not part of the test.
    """

    suggestions: Suggestions
    n_written: int
    refused: tuple[RefusedRule, ...]
    shown: np.ndarray

    @property
    def reasons(self) -> dict[str, int]:
        """How often something was refused for each reason, the most frequent first."""
        return dict(Counter(rule.reason for rule in self.refused).most_common())


def write_rules(
    model: ChatModel | AnswersRequests,
    rows: Sequence[str] | pd.DataFrame,
    y: VectorLike,
    L: VotesLike | None = None,
    proba: Any = None,
    *,
    classes: ClassesLike = None,
    text_column: str = "text",
    description: str = "",
    class_descriptions: Mapping[Any, str] | None = None,
    without: Collection[str] = (),
    n_shown: int = 5,
    n_unlabelled: int = 5,
    n_answers: int = 1,
    n_rules: int = 30,
    rejected: Collection[str] = (),
    names: Collection[str] = (),
    seed: int = 0,
) -> WrittenRules:
    """Return rules that a language model writes, tested against chance.

    What is sent: `description`, the classes, names and three quantiles of numeric columns, and the
    beginnings (400 characters) of a few rows, labelled ones with their class. What comes back is
    read as data: keyword rules, patterns and thresholds in JSON. Everything else is refused,
    patterns too that ``re`` might take long for. Rules are then tested on the gold rows that were
    not sent, all at once, as :func:`suggest_lfs` tests what it mines: with 95% probability nothing
    that is admitted is there by luck. That holds for one call; a model that has met these very rows
    elsewhere, with their labels, is not found out.

    Parameters
    ----------
    model : ChatModel or ChatClient
        The client decides about cache and costs.
    rows : sequence of str, or DataFrame of n rows
    y : array (n,)
        Gold of rows that may be trained on; -1, None or NaN for others.
    L, proba, classes, text_column, without, rejected, names
        As in :func:`suggest_lfs`.
    description : str
        Of the task.
    class_descriptions : mapping of class to str, optional
        What texts of a class are like.
    n_shown : int
        Rows with gold of each class that an answer is given; at most a quarter of them in all.
    n_unlabelled : int
        Rows without gold that are shown beside them.
    n_answers : int
        How often the model is asked, each time with other rows.
    n_rules : int
        Most rules of an answer.
    seed : int
        Draws the rows that are shown.

    Raises
    ------
    InputError
        If rows differ in number, a label or a described class is none, or a column is missing.
    SpearAmalError
        What the client raises: a server that is down, a missing key, a cost above the limit.
    """
    for what, value in {"n_answers": n_answers, "n_rules": n_rules}.items():
        check_whole(what, value, 1)
    for what, value in {"n_shown": n_shown, "n_unlabelled": n_unlabelled}.items():
        check_whole(what, value, 0)
    seed = settle_seed(seed, "seed")
    table = RowsWithGold.of(rows, text_column, y, L, classes)
    labels = {str(label): label for label in table.votes.classes}
    if len(labels) < table.votes.n_classes:
        raise InputError(f"classes must differ as texts, found {list(table.votes.classes)}")
    described = _described(labels, class_descriptions)
    left_out = (text_column, *without)
    numbers = _quantiles(table.frame, numeric_columns(table.frame, left_out))
    task = RuleTask(labels, text_column, tuple(numbers), n_rules)
    drawn = _Drawn(table, text_column, n_shown, n_unlabelled, seed)
    samples = [drawn.sample() for _ in range(n_answers)]
    requests = [task.request(description, described, sample, numbers) for sample in samples]
    client = ChatClient(model) if isinstance(model, ChatModel) else model
    answers = client.ask(requests)
    failures = [answer for answer in answers if isinstance(answer, ChatFailure)]
    if len(failures) == len(answers):
        raise ChatServerError(f"no answer came from the language model: {failures[-1].reason}")
    written, refused = _read(task, answers)
    gold = np.where(drawn.told(), -1, table.gold)
    pool = _pool(written, table, gold, text_column, seed)
    suggestions = suggest_lfs(
        table.frame,
        gold,
        table.votes,
        proba,
        text_column=text_column,
        rejected=rejected,
        names=names,
        n=max(len(written), 1),
        seed=seed,
        pool=pool,
    )
    n_rules_written = len(written) + sum(not rule.reason.startswith(_NO_RULE) for rule in refused)
    return WrittenRules(suggestions, n_rules_written, tuple(refused), drawn.shown)


_NO_RULE = "the answer"  # is none, is cut off, ..


def _described(labels: Mapping[str, Any], given: Mapping[Any, str] | None) -> dict[str, str]:
    described = {str(label): text for label, text in (given or {}).items()}
    if unknown := described.keys() - labels.keys():
        raise InputError(
            f"class_descriptions names {sorted(unknown)}, which are no classes; known are "
            f"{list(labels)}"
        )
    return {name: described.get(name, "") for name in labels}


def _quantiles(frame: pd.DataFrame, columns: Sequence[str]) -> dict[str, list[float]]:
    quantiles = {}
    for column in columns:
        values = frame[column].to_numpy(dtype=float, na_value=np.nan)
        finite = values[np.isfinite(values)]
        if len(finite):
            quantiles[column] = [float(f"{q:.3g}") for q in np.quantile(finite, _QUANTILES)]
    return quantiles


class _Drawn:
    """Draws rows to show, a few of each class, and others."""

    def __init__(
        self, table: RowsWithGold, text_column: str, n_shown: int, n_unlabelled: int, seed: int
    ) -> None:
        generator = np.random.default_rng([_STREAM, seed])
        texts = table.frame[text_column].tolist()
        readable = np.array([isinstance(text, str) and bool(text.strip()) for text in texts], bool)
        self._texts, self._table = texts, table
        self._n_shown, self._n_unlabelled = n_shown, n_unlabelled
        self._of_class = []
        for code in range(table.votes.n_classes):
            rows = np.flatnonzero(table.gold == code)
            most = int(_MOST_SHOWN * len(rows))
            self._of_class.append(generator.permutation(rows[readable[rows]])[:most].tolist())
        others = np.flatnonzero((table.gold < 0) & readable)
        self._others = generator.permutation(others).tolist()
        self._shown: list[int] = []

    @property
    def shown(self) -> np.ndarray:
        """Return the rows with gold that were drawn so far, in order."""
        return np.array(sorted(set(self._shown)), dtype=np.int64)

    def told(self) -> np.ndarray:
        """Return which rows (n,) have a text whose class was sent: copies of shown rows too."""
        texts = {self._texts[row] for row in self._shown}
        return np.array([isinstance(t, str) and t in texts for t in self._texts], dtype=bool)

    def sample(self) -> list[dict[str, Any]]:
        """Return rows as they are sent; other ones at each call, as long as there are any."""
        sent = []
        for code, rows in enumerate(self._of_class):
            for row in _next(rows, self._n_shown):
                self._shown.append(row)
                label = str(self._table.votes.classes[code])
                sent.append({"label": label, "text": self._texts[row]})
        sent += [{"text": self._texts[row]} for row in _next(self._others, self._n_unlabelled)]
        return sent


def _next(rows: list[int], n: int) -> list[int]:
    """Return the first rows, and put them at the end of the list."""
    first = rows[:n]
    rows[:] = [*rows[n:], *first]
    return first


def _read(
    task: RuleTask, answers: Sequence[ChatAnswer | ChatFailure]
) -> tuple[list[tuple[RowCondition, str | int]], list[RefusedRule]]:
    """Return what the answers say, each rule once, and what was refused."""
    written: dict[tuple[str, Any, Any], tuple[RowCondition, str | int]] = {}
    refused: list[RefusedRule] = []
    for answer in answers:
        if isinstance(answer, ChatFailure):
            refused.append(RefusedRule("the answer did not come", answer.reason))
        elif answer.refused:
            refused.append(RefusedRule("the answer is a refusal", answer.text[:200]))
        elif not answer.is_whole:
            refused.append(RefusedRule("the answer is cut off", answer.text[:200]))
        else:
            rules, none = task.read(answer.text)
            refused += none
            for condition, label in rules:
                key = (condition.kind, condition.fields, label)
                if key in written:
                    refused.append(RefusedRule("written before", condition.words))
                written[key] = (condition, label)
    return list(written.values()), refused


def _pool(
    written: Sequence[tuple[RowCondition, str | int]],
    table: RowsWithGold,
    gold: np.ndarray,
    text_column: str,
    seed: int,
) -> ConditionPool:
    """Return the conditions as a pool in which each is tested for its own class."""
    labels = list(table.votes.classes)
    texts = [text if isinstance(text, str) else "" for text in table.frame[text_column].tolist()]
    rows, n_gold = sampled_rows(texts, gold >= 0, seed)
    names: set[str] = set()
    rules = []
    for condition, label in written:
        rules.append(condition.rule(label, text_column, names))
        names.add(rules[-1].name)
    fires = rows_of_rules(rules, table.frame, text_column, labels) if rules else {}
    holds = np.zeros((len(table.frame), len(rules)), bool)
    asked = np.zeros((len(rules), len(labels)), bool)
    for j, (rule, (_, label)) in enumerate(zip(rules, written, strict=True)):
        holds[fires[rule.name], j] = True
        asked[j, labels.index(label)] = True
    conditions = tuple(condition for condition, _ in written)
    return ConditionPool(rows, n_gold, conditions, sp.csc_array(holds[rows]), asked)
