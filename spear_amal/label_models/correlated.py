"""A label model of LFs that err alike: groups that repeat an answer, rows that are hard for all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import ndtr
from sklearn.utils.validation import check_is_fitted

from spear_amal._typing import ClassBalanceLike
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.label_models.accuracy import AccuracyModel, RowsOfEM, even_tables
from spear_amal.label_models.copied_votes import CopiedVotes, ExpectedCounts
from spear_amal.label_models.mixture import safe_log
from spear_amal.label_models.vote_groups import candidate_groups, group_shares, thinned
from spear_amal.label_models.vote_patterns import VotePatterns, cast_votes
from spear_amal.maths.holm import holm
from spear_amal.maths.posteriors import normalise, total
from spear_amal.maths.vote_dependence import effective_number, pair_dependence
from spear_amal.seeds import random_generator
from spear_amal.votes.class_set import is_listed
from spear_amal.votes.label_matrix import LabelMatrix

if TYPE_CHECKING:
    import pandas as pd

#: How often an LF guesses on rows of each level of difficulty.
GUESSING = (0.0, 0.4, 0.8)
NEVER = (0.0,)
#: Pairs of LFs are dependent if Holm's p-value is below, and their correlation above.
LEVEL, LEAST_CORRELATION = 0.05, 0.1
# Rows and EM steps by which ways of grouping are compared.
_SEARCH_ROWS, _SEARCH_STEPS = 4_000, 25
# Where EM starts: how often members of a group copy; the share of rows without difficulty.
_COPYING, _EASY = 0.9, 0.8
_OF_ACCURACY_MODEL = ("class_balance_", "accuracies_", "conditionals_", "n_iter_")


class CorrelatedLabelModel(AccuracyModel):
    """LFs, prompts or judges that vote alike when they are wrong.

    Prompts for one language model share its errors. A model that takes votes for independent given
    the class then counts one error several times: it is far too sure, and where the clique is large
    it takes the clique's answer for the class. This one learns what is shared:

    * **Groups.** Members of a group have a hidden answer in common; each repeats it with a
      probability of its own, and else votes of itself. Exact copies count once.
    * **Difficulty.** On some rows all LFs guess more often (three levels). Five votes of six for a
      class are then worth less than five LFs that are right elsewhere would be.
    * LFs that vote for **one class** have no wrong votes to share, but fire together: a vote counts
      the less, the more the other votes of the row were to be expected with it.

    Groups and difficulty are chosen by BIC among the cuts through a tree of LFs that agree, with
    and without difficulty, and among them nothing at all: then the model is :class:`AccuracyModel`,
    number for number. All else is learnt by EM with the priors of that model.

    **Which of two stories holds** cannot be told from votes alone where one clique is as large as
    the rest: five judges that copy each other, or three of another mind. The start of EM, at which
    each group counts once, takes the closer agreement for copying. A few gold rows settle it, since
    they count in the likelihood.

    Parameters
    ----------
    groups : "auto", or sequence of groups
        Groups of LFs, by name or column number, if they are known, such as the prompts of one
        language model; () for none.
    difficulty : {"auto", True, False}
        Whether rows differ in difficulty.
    class_balance : "balanced", "gold", mapping of class name to share, or array (C,), optional
        Shares of the classes, if known; see :class:`LabelModel`. Otherwise they are estimated.
    max_rows : int
        Dependence is learnt from so many rows, drawn by chance, and from all that have gold.
    max_iter : int
        Most EM steps.
    tol : float
        As of :class:`AccuracyModel`.
    random_state : int
        Seed of that draw.

    Attributes
    ----------
    groups_ : list of list of int
        Column numbers of the LFs in each group.
    level_shares_ : ndarray of shape (1,) or (3,)
        Shares of the rows in which LFs guess never, with probability 0.4, and 0.8.
    copying_ : ndarray of shape (m,)
        How often an LF repeats the answer of its group; 0 outside groups.
    accuracies_, conditionals_, class_balance_, one_class_, n_iter_
        As of :class:`AccuracyModel`, of all votes, copied or not.
    bic_gain_ : float
        Log-likelihood that the dependence gains, less BIC's penalty; 0 where none was found.
    correlations_, z_scores_ : ndarray of shape (m, m)
        Of each pair of LFs given the class; see ``dependence_``.
    votes_heard_ : ndarray of bool, shape (m,)
        LFs that vote, and not the same on every row.
    n_effective_ : float
        How many independent LFs these are worth.

    Examples
    --------
    Five judges that mostly repeat one answer, and four that are alone.

    >>> from spear_amal.data import synthetic_judges
    >>> L, y = synthetic_judges(2000, 9, accuracies=0.75, cliques=[5], copying=0.9)
    >>> model = CorrelatedLabelModel().fit(L)
    >>> model.groups_
    [[0, 1, 2, 3, 4]]
    >>> independent = AccuracyModel().fit(L)
    >>> [round(float((m.predict(L) == y).mean()), 2) for m in (model, independent)]
    [0.91, 0.76]
    """

    def __init__(
        self,
        *,
        groups: str | Sequence[Sequence[str | int]] = "auto",
        difficulty: bool | str = "auto",
        class_balance: ClassBalanceLike | None = None,
        max_rows: int = 10_000,
        max_iter: int = 100,
        tol: float = 1e-6,
        random_state: int = 0,
    ) -> None:
        super().__init__(class_balance=class_balance, max_iter=max_iter, tol=tol)
        self.groups = groups
        self.difficulty = difficulty
        self.max_rows = max_rows
        self.random_state = random_state

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        super().check_parameters()
        check_whole("max_rows", self.max_rows, 1)
        if not isinstance(self.difficulty, bool | np.bool_) and self.difficulty != "auto":
            raise InputError(f"difficulty must be 'auto', True or False, found {self.difficulty!r}")
        if self.groups != "auto" and not _are_groups(self.groups):
            raise InputError(
                f"groups must be 'auto', or lists of LFs by name or number, found {self.groups!r}"
            )

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        self.lf_names_ = [str(name) for name in L.lf_names]
        rows = self._rows_of_em(L, y, n_rows)
        self._em(rows)
        independent = {name: getattr(self, name) for name in _OF_ACCURACY_MODEL}
        generator = random_generator(self.random_state)
        learnt_from = thinned(rows, self.max_rows, generator)
        self._set(self._copied_votes(rows, [], NEVER))
        self.alike_ = self._firing_together(learnt_from)
        groups, guessing = self._choose(thinned(learnt_from, _SEARCH_ROWS, generator))
        if groups or len(guessing) > 1 or self.alike_.any():
            self._set(self._em_dependent(learnt_from, groups, guessing, self.max_iter)[0])
        else:
            self.__dict__.update(independent)
        self._test_pairs(learnt_from)

    # -- choice ----------------------------------------------------------------------------------

    def _choose(self, rows: RowsOfEM) -> tuple[list[np.ndarray], tuple[float, ...]]:
        """Return groups and levels of difficulty; set what they gain by BIC."""
        ways: list[list[np.ndarray]] = [[]]
        if isinstance(self.groups, str):
            ways += candidate_groups(rows.patterns, self.one_class_, self.n_classes_)
        else:
            ways = [self._given_groups(self.groups)]
        levels = [NEVER, GUESSING]
        if not isinstance(self.difficulty, str):
            levels = [GUESSING if self.difficulty else NEVER]
        if len(ways) == len(levels) == 1:
            self.bic_gain_ = 0.0
            return ways[0], levels[0]
        values = {(i, levels[0]): self._bic(rows, way, levels[0]) for i, way in enumerate(ways)}
        best_way = max(values, key=lambda choice: values[choice])[0]
        harder = {(i, levels[-1]) for i in (0, best_way)} - set(values)
        values |= {choice: self._bic(rows, ways[choice[0]], choice[1]) for choice in sorted(harder)}
        best = max(values, key=lambda choice: values[choice])
        self.bic_gain_ = float(values[best] - values[0, levels[0]])
        return ways[best[0]], best[1]

    def _given_groups(self, groups: Sequence[Sequence[str | int]]) -> list[np.ndarray]:
        """Column numbers of LFs of several classes in groups that were given."""
        names = {name: j for j, name in enumerate(self.lf_names_)}
        numbers = [[names.get(lf, lf) if isinstance(lf, str) else lf for lf in g] for g in groups]
        everyone = [lf for group in numbers for lf in group]
        wrong = [lf for lf in everyone if isinstance(lf, str) or not 0 <= lf < self.n_lfs_]
        if wrong or len(set(everyone)) < len(everyone):
            what = f"there is no {wrong[0]!r}" if wrong else "an LF is in them twice"
            raise InputError(
                f"groups must hold names or numbers of LFs, each at most once: {what}; the LFs are "
                f"{self.lf_names_}"
            )
        several = [np.array([lf for lf in g if not self.one_class_[lf]], int) for g in numbers]
        return [members for members in several if len(members) > 1]

    def _bic(self, rows: RowsOfEM, groups: list[np.ndarray], guessing: tuple[float, ...]) -> float:
        """Return the log-likelihood less half the logarithm of the rows for each parameter."""
        C = self.n_classes_
        added = len(guessing) - 1 + sum(len(members) + C * (C - 1) for members in groups)
        value = self._em_dependent(rows, groups, guessing, _SEARCH_STEPS)[1]
        return value - 0.5 * float(np.log(max(rows.weights.sum(), 1.0))) * added

    # -- EM --------------------------------------------------------------------------------------

    def _em_dependent(
        self, rows: RowsOfEM, groups: list[np.ndarray], guessing: tuple[float, ...], steps: int
    ) -> tuple[CopiedVotes, float]:
        """Return what is learnt in so many steps, and the log-likelihood before the last one."""
        posterior = group_shares(rows.patterns, groups, self.n_lfs_, self.n_classes_)
        self.class_balance_ = rows.class_balance(posterior)
        self._learn_lfs(rows.patterns.cast, rows.weights, posterior)
        votes = self._copied_votes(rows, groups, guessing)
        parts = list(votes.parts(rows.patterns.cast))
        least = self.tol * rows.weights.sum()
        for step in range(steps):
            counts = votes.expect(parts, rows.patterns.gold, rows.weights)
            votes = self._learn(votes, rows, counts)
            self.n_iter_ = step + 1
            change = np.abs(counts.posterior - posterior).sum(1)
            if total(rows.weights, change) <= least:
                break
            posterior = counts.posterior
        return votes, counts.log_likelihood

    def _copied_votes(
        self, rows: RowsOfEM, groups: list[np.ndarray], guessing: tuple[float, ...]
    ) -> CopiedVotes:
        """Return where EM starts: members copy mostly, and answer as they vote in the mean."""
        m, C = self.n_lfs_, self.n_classes_
        copying = np.zeros(m)
        for members in groups:
            copying[members] = _COPYING
        n_hard = len(guessing) - 1
        shares = [1.0] if not n_hard else [_EASY, *[(1 - _EASY) / n_hard] * n_hard]
        cast = (rows.patterns.cast.T @ rows.weights).reshape(m, C) + 1
        sources = [self.conditionals_[members].mean(0) for members in groups]
        return CopiedVotes(
            balance=self.class_balance_,
            tables=self.conditionals_,
            guesses=cast / cast.sum(1, keepdims=True),
            guessing=np.where(self.one_class_[:, None], 0.0, guessing),
            level_shares=np.array(shares),
            groups=groups,
            copying=copying,
            sources=np.array(sources).reshape(-1, C, C),
            alike=vars(self).get("alike_", np.zeros((m, m))),
        )

    def _learn(self, votes: CopiedVotes, rows: RowsOfEM, counts: ExpectedCounts) -> CopiedVotes:
        """M step; LFs by the priors of :class:`AccuracyModel`, groups by a vote's."""
        self._learn_tables(counts.votes, rows.weights @ counts.posterior)
        prior = even_tables(np.array([self.prior_accuracy]), self.n_classes_)
        answers = counts.answers + self.accuracy_strength * prior
        levels = counts.levels + 1
        return replace(
            votes,
            balance=rows.class_balance(counts.posterior),
            tables=self.conditionals_,
            copying=np.where(votes.copying > 0, (counts.copied + 1) / (counts.cast + 2), 0.0),
            sources=answers / answers.sum(1, keepdims=True),
            level_shares=levels / levels.sum(),
        )

    def _set(self, votes: CopiedVotes) -> None:
        """Set what was learnt, as attributes that a file holds."""
        self.class_balance_, self.own_, self.guesses_ = votes.balance, votes.tables, votes.guesses
        self.guessing_, self.level_shares_ = votes.guessing, votes.level_shares
        self.groups_ = [[int(lf) for lf in members] for members in votes.groups]
        self.copying_, self.sources_, self.alike_ = votes.copying, votes.sources, votes.alike
        self.conditionals_ = votes.marginal_tables()
        right = np.trace(self.conditionals_ * self.class_balance_, axis1=1, axis2=2)
        self.accuracies_ = np.where(self.one_class_, self.accuracies_, right)

    @property
    def _learnt_votes(self) -> CopiedVotes:
        return CopiedVotes(
            balance=self.class_balance_,
            tables=self.own_,
            guesses=self.guesses_,
            guessing=self.guessing_,
            level_shares=self.level_shares_,
            groups=[np.array(members) for members in self.groups_],
            copying=self.copying_,
            sources=self.sources_,
            alike=self.alike_,
        )

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        return self._learnt_votes.posterior(cast_votes(L, self.n_classes_))

    # -- pairs -----------------------------------------------------------------------------------

    def _firing_together(self, rows: RowsOfEM) -> np.ndarray:
        """Return how far votes of LFs of one class, the same, come together (m, m)."""
        if self.one_class_.sum() < 2:
            return np.zeros((self.n_lfs_, self.n_lfs_))
        self._test_pairs(rows)
        votes = (rows.patterns.cast.T @ rows.weights).reshape(self.n_lfs_, -1)
        of_class = np.where(self.one_class_, votes.argmax(1), -1)
        same = (of_class[:, None] == of_class[None, :]) & self.one_class_[:, None]
        return np.where(self._dependent() & same, self.correlations_, 0.0)

    def _test_pairs(self, rows: RowsOfEM) -> None:
        """Set correlations and test statistics of pairs of LFs, given the class."""
        patterns = rows.patterns
        p = self._learnt_votes.posterior(patterns.cast)
        known = np.flatnonzero(patterns.gold >= 0)
        p[known] = np.eye(self.n_classes_)[patterns.gold[known]]
        p = with_silence(patterns, p, self.one_class_)
        pairs = pair_dependence(patterns.cast, patterns.n_rows, p, self.one_class_)
        self.correlations_, self.z_scores_, self.rows_together_ = pairs
        shared = np.where(self._dependent(), self.correlations_, 0.0)
        voted = (patterns.cast.T @ patterns.n_rows).reshape(self.n_lfs_, -1).sum(1) > 0
        self.votes_heard_ = voted & ~self.constant_
        self.n_effective_ = effective_number(shared[self.votes_heard_][:, self.votes_heard_])

    def _adjusted(self) -> np.ndarray:
        """p-values (m, m) of more agreement than independence gives, adjusted by Holm's method."""
        m = self.n_lfs_
        upper = np.triu_indices(m, 1)
        adjusted = np.ones((m, m))
        adjusted[upper] = holm(ndtr(-self.z_scores_[upper]))
        return np.minimum(adjusted, adjusted.T)

    def _dependent(self) -> np.ndarray:
        """Pairs (m, m) that vote alike beyond chance, and by more than a little."""
        return (self._adjusted() <= LEVEL) & (self.correlations_ >= LEAST_CORRELATION)

    @property
    def dependence_(self) -> pd.DataFrame:
        """Pairs of LFs, tested for independence given the class, the most dependent first.

        Columns ``LF, other, rows`` (on which both vote, of those learnt from), ``correlation`` (of
        their votes within the classes: 0 if independent, 1 of copies), ``z``, ``p`` (one-sided,
        adjusted for the number of pairs by Holm's method), ``dependent`` (p up to 0.05 and
        correlation 0.1 or more), ``group`` (number of the group that both are in, or -1).
        """
        import pandas as pd

        check_is_fitted(self, "correlations_")
        first, second = np.triu_indices(self.n_lfs_, 1)
        group = np.full(self.n_lfs_, -1)
        for g, members in enumerate(self.groups_):
            group[members] = g
        names = np.array(self.lf_names_, dtype=object)
        table = pd.DataFrame(
            {
                "LF": names[first],
                "other": names[second],
                "rows": self.rows_together_[first, second].round().astype(int),
                "correlation": self.correlations_[first, second],
                "z": self.z_scores_[first, second],
                "p": self._adjusted()[first, second],
                "dependent": self._dependent()[first, second],
                "group": np.where(group[first] == group[second], group[first], -1),
            }
        )
        order = ["dependent", "correlation"]
        return table.sort_values(order, ascending=False, kind="stable", ignore_index=True)


def _are_groups(groups: Any) -> bool:
    """Check for lists of names and numbers."""
    return (
        not isinstance(groups, str)
        and is_listed(groups)
        and all(
            is_listed(group)
            and not isinstance(group, str)
            and all(isinstance(lf, str | Integral) for lf in group)
            for group in groups
        )
    )


def with_silence(patterns: VotePatterns, p: np.ndarray, one_class: np.ndarray) -> np.ndarray:
    """Return posteriors (u, C) that know what the silence of LFs of one class says.

    Where they are silent their class is less likely. A model that does not count silence would
    find such LFs to fire together, as silent rows would be of their class too often.
    """
    n_classes = p.shape[1]
    rows = patterns.n_rows @ p
    fires = (patterns.cast.T @ (patterns.n_rows[:, None] * p)).reshape(-1, n_classes, n_classes)
    share = np.where(one_class[:, None], fires.sum(1) / np.maximum(rows, 1e-300), 0.0)
    log_silent = np.log1p(-np.minimum(share, 1 - 1e-6))
    joint = safe_log(p) + log_silent.sum(0)
    joint -= patterns.cast @ np.repeat(log_silent, n_classes, axis=0)
    normalise(joint)
    known = patterns.gold >= 0
    joint[known] = p[known]
    return joint
