"""What is believed of the rules: SPEAR's losses, CAGE and its quality guides, the guard of votes.

Every estimator that can take votes composes these functions; none inherits them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, ClassVar, cast

import numpy as np
import torch
from sklearn.base import BaseEstimator

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.estimators.cross_fitting import SeenGold
from spear_amal.estimators.validation import TrainingPool
from spear_amal.labeling import VotesTest
from spear_amal.labeling.analysis import VotesInParts
from spear_amal.labeling.grades import copies
from spear_amal.labeling.significance import permutation_test
from spear_amal.losses import EVERY_LOSS, ComponentSet, spear_components
from spear_amal.models import RuleModel
from spear_amal.params import Interval, StrOptions, check_parameters
from spear_amal.votes.label_matrix import LabelMatrix

PRIOR_MEAN = 0.9  # the published default guide
PRIOR_STRENGTH = 2.0  # counts as two imagined firings, so that rare LFs stay near the default
STRENGTHS = (2.0, 50.0)  # of shrinkage that is estimated
ESTIMATED = ("validation", "labelled", "gold")  # ways to estimate guides


@dataclass(kw_only=True, repr=False)
class RuleModelConfig(BaseEstimator):
    """Which of SPEAR's losses count, and what the rule model starts from; ``rule_model=``.

    Parameters
    ----------
    losses : sequence of int or str
        Which of SPEAR's seven, by number 1 to 7 or by name ("gold", "entropy", "consensus",
        "rule-gold", "rule-likelihood", "agreement", "quality-guide"), and losses of one's own that
        were registered.
    consensus : {"hard", "soft", "joint"}
        Target of the third loss.
    rule_gold : {"conditional", "joint"}
        Form of the fourth.
    agreement : {"feature-rules", "rules-feature"}
        Direction of the sixth, a KL divergence.
    quality_guides : "validation", "labelled", "gold", float or array
        How often each LF is believed to be right when it fires: estimated from fired validation
        rows (LFs that fire on none keep the published 0.9); from labelled training rows, or from
        these and V, each shrunk towards the LFs of its class (:func:`shrunk_guides`); one number,
        one per LF, or one per LF and class as ``L.unipolar_plan()`` lists them, less those that
        `drop_copies` leaves out.
    quality_index : float
        Mean score of continuous LFs where they agree with the class.
    rule_start : {"guides", "ones"}
        Start of the rule model: at the guides, or all ones as published.
    drop_copies : float, optional
        Count LFs that vote alike once: of two that vote for a class, the later one takes no part,
        in training and in prediction, where on at least this share of the rows on which either
        votes for it both do (0.9, say; 10 rows at least). Judged by the votes that are trained on,
        without gold. `L` keeps all LFs. Default: none is left out.
    guard : bool
        Test on all gold rows whether the votes say more than chance; if they do not, warn, leave
        them out and train on the gold rows of L and V alone. The test (see
        :func:`spear_amal.labeling.votes_test`) needs 20 gold rows with votes to distrust them.
    keep_uncovered : bool, optional
        Also train on unlabelled rows on which no LF fires. Default: only where something else,
        such as a teacher, speaks on them.
    """

    losses: Sequence[int | str] = EVERY_LOSS
    consensus: str = "hard"
    rule_gold: str = "conditional"
    agreement: str = "feature-rules"
    quality_guides: str | float | VectorLike | None = "validation"
    quality_index: float = 0.85
    rule_start: str = "guides"
    drop_copies: float | None = None
    guard: bool = True
    keep_uncovered: bool | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "quality_index": [Interval(Real, 0, 1, closed="neither")],
        "rule_start": [StrOptions({"guides", "ones"})],
        "drop_copies": [None, Interval(Real, 0, 1, closed="right")],
        "guard": ["boolean"],
        "keep_uncovered": [None, "boolean"],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used."""
        check_parameters(self)
        if np.float32(self.quality_index) in (0, 1):
            raise InputError(
                "quality_index must lie strictly between 0 and 1 in float32 as well, found "
                f"{self.quality_index!r}"
            )
        self.make_losses(with_rules=True)
        check_guides(self.quality_guides)

    def make_losses(
        self, with_rules: bool, class_weights: np.ndarray | None = None
    ) -> ComponentSet:
        """Make SPEAR's losses, without votes those that need none."""
        return spear_components(
            self.losses,
            with_rules=with_rules,
            class_weights=class_weights,
            consensus=self.consensus,
            rule_gold=self.rule_gold,
            agreement=self.agreement,
        )

    def make_model(self, pool: TrainingPool, seen: SeenGold, n_lfs: int) -> RuleModel | None:
        """Make an untrained rule model, None without votes."""
        if pool.votes is None:
            return None
        guides = resolve_guides(self.quality_guides, pool.votes, seen, pool.plan, n_lfs)
        return RuleModel(
            len(pool.classes),
            torch.as_tensor([k for _, k in pool.plan]),
            torch.as_tensor(guides),
            torch.as_tensor(pool.votes.continuous),
            self.quality_index,
            self.rule_start,
        )


class GuardsVotes:
    """Mixin of estimators with ``rule_model=``: useless votes are left out, and the fit says so.

    So are those of LFs that repeat others, if that is wanted.

    Attributes
    ----------
    votes_test_ : VotesTest or None
        What the test of the votes found; None without votes.
    guarded_ : bool
        True if the guard left the votes out.
    """

    votes_test_: VotesTest | None
    guarded_: bool

    def _select_columns(
        self, votes: LabelMatrix, plan: list[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        alike = self._options_of("rule_model").drop_copies  # type: ignore[attr-defined]
        return plan if alike is None else without_copies(votes, plan, alike)

    def _select_votes(self, votes: LabelMatrix | None, y: np.ndarray) -> LabelMatrix | None:
        self.votes_test_, self.guarded_ = None, False
        if votes is None:
            return None
        guard = self._options_of("rule_model").guard  # type: ignore[attr-defined]
        self.votes_test_, self.guarded_ = guard_votes(votes, y, guard)
        return None if self.guarded_ else votes

    def _get_extra_state(self) -> dict[str, Any]:
        test = None if self.votes_test_ is None else asdict(self.votes_test_)
        # Not-a-number is not JSON: a missing value is null.
        stored = test and {name: None if v != v else v for name, v in test.items()}
        state: dict[str, Any] = super()._get_extra_state()  # type: ignore[misc]
        return state | {"guarded": self.guarded_, "votes_test": stored}

    def _set_extra_state(self, state: dict[str, Any]) -> None:
        super()._set_extra_state(state)  # type: ignore[misc]
        self.guarded_ = bool(state.get("guarded", False))
        stored = state.get("votes_test")
        values = stored and {name: np.nan if v is None else v for name, v in stored.items()}
        self.votes_test_ = VotesTest(**values) if values else None


def guard_votes(votes: LabelMatrix, y: np.ndarray, guard: bool) -> tuple[VotesTest, bool]:
    """Test whether votes (n, m) say more of gold than chance does; warn if they are left out.

    Parameters
    ----------
    votes : LabelMatrix
    y : ndarray (n,)
        Gold codes, -1 where unlabelled.
    guard : bool
        Without it nothing is left out.

    Returns
    -------
    test : VotesTest
    left_out : bool
    """
    known = y >= 0
    n_classes = max(votes.n_classes, int(y.max(initial=-1)) + 1)
    test = permutation_test(vote_counts(votes[known], n_classes), y[known])
    left_out = bool(guard and not test.informative)
    if left_out:
        warnings.warn(
            f"on {test.n_rows} gold rows the votes agree with gold no better than "
            f"chance (p = {test.p_value:.2f}), so they are left out and training uses "
            "gold only; look at the labelling functions, or insist with guard=False",
            UserWarning,
            stacklevel=8,
        )
    return test, left_out


def without_copies(
    votes: LabelMatrix, plan: list[tuple[int, int]], alike: float
) -> list[tuple[int, int]]:
    """Return the columns (LF, class) of a plan that repeat no earlier one.

    Parameters
    ----------
    votes : LabelMatrix (n, m)
    plan : list of (LF, class)
    alike : float
        See :func:`spear_amal.labeling.grades.copies`.

    Examples
    --------
    >>> L = LabelMatrix.from_dense([[0, 0, 1]] * 10 + [[1, -1, 1]])
    >>> without_copies(L, L.unipolar_plan(), 0.9)
    [(0, 0), (0, 1), (2, 1)]
    """
    left_out = set(copies(VotesInParts(votes.to_unipolar(plan)), alike)["lf"])
    return [column for i, column in enumerate(plan) if i not in left_out]


def vote_counts(votes: LabelMatrix, n_classes: int) -> np.ndarray:
    """Return how many of the votes (n, m) of each row are for each class (n, C)."""
    votes_cast = votes.codes.tocoo()
    counts = np.zeros((len(votes), n_classes))
    np.add.at(counts, (votes_cast.row, votes_cast.data.astype(int) - 1), 1.0)
    return counts


def majority(pool: TrainingPool) -> np.ndarray:
    """Return the class (n,) with most votes on each row of a pool, the first of equals."""
    votes = cast(LabelMatrix, pool.votes)
    return vote_counts(votes, len(pool.classes)).argmax(1)


def check_guides(guides: Any) -> None:
    """Raise InputError for guides that are no number between 0 and 1, whatever the votes are."""
    if isinstance(guides, str):
        if guides not in ESTIMATED:
            raise InputError(
                f"quality_guides must be numbers or one of {ESTIMATED}, found {guides!r}"
            )
        return
    values = np.asarray(guides, dtype=float)
    if not ((values > 0) & (values < 1)).all():
        raise InputError(f"quality_guides must lie strictly between 0 and 1, found {guides!r}")


def resolve_guides(
    guides: Any, votes: LabelMatrix, seen: SeenGold, plan: list[tuple[int, int]], n_lfs: int
) -> np.ndarray:
    """Return guides (columns,) from a number, one per LF, one per column, or by gold rows.

    `plan` holds (LF, class) of each column; silent LFs have none.
    """
    check_guides(guides)
    if isinstance(guides, str):
        if guides == "validation":
            return estimate_guides(votes, seen.validation)
        y = seen.training if guides == "labelled" else seen.all
        return shrunk_guides(votes, y, np.array([k for _, k in plan]))
    values = np.asarray(guides, dtype=float)
    if values.ndim == 1 and len(values) == n_lfs:
        values = values[[j for j, _ in plan]]
    if values.ndim > 1 or (values.ndim == 1 and len(values) != len(plan)):
        raise InputError(
            f"quality_guides has shape {values.shape}; needed one number, {n_lfs} (one per LF) or "
            f"{len(plan)} (one per LF and class)"
        )
    return np.broadcast_to(values, (len(plan),)).copy()


def estimate_guides(votes: LabelMatrix, y: np.ndarray) -> np.ndarray:
    """Estimate guides (m,) from fired rows with gold only.

    ``q_j = (a + sum_V m_ij [k_j = y_i]) / (a + b + sum_V m_ij)``; an LF that never fires on gold
    rows keeps the default 0.9.

    Parameters
    ----------
    votes : LabelMatrix (n, m), unipolar
    y : ndarray (n,)
        Gold codes, -1 where unknown.
    """
    fired, correct = _counts_on_gold(votes, y)
    return (PRIOR_MEAN * PRIOR_STRENGTH + correct) / (PRIOR_STRENGTH + fired)


def shrunk_guides(votes: LabelMatrix, y: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Estimate guides (m,) from gold rows, each shrunk towards the LFs of its class.

    LFs are taken as draws from a Beta distribution, of which the spread of all LFs tells how
    strongly one is drawn to the others (:func:`prior_strength`). The mean of a class' LFs is in
    turn drawn to that of all of them, and that to the published 0.9, as by two firings. So an LF
    that fires on few gold rows, as of many LFs most do, is believed as others of its class are.

    Parameters
    ----------
    votes : LabelMatrix (n, m), unipolar
    y : ndarray (n,)
        Gold codes, -1 where unknown.
    classes : ndarray of int (m,)
        The class that each column votes for.
    """
    fired, correct = _counts_on_gold(votes, y)
    overall = (PRIOR_MEAN * PRIOR_STRENGTH + correct.sum()) / (PRIOR_STRENGTH + fired.sum())
    strength = prior_strength(fired, correct, overall)
    of_class = np.bincount(classes, fired), np.bincount(classes, correct)
    means = (strength * overall + of_class[1]) / (strength + of_class[0])
    return (strength * means[classes] + correct) / (strength + fired)


def prior_strength(fired: np.ndarray, correct: np.ndarray, mean: float) -> float:
    """Return the imagined firings by which an LF is drawn to the others, between 2 and 50.

    By the method of moments: of a Beta distribution with strength s around `mean`, the squared
    distance of an LF's share of right votes has the mean ``mean (1 - mean) (1 + s / n) / (1 + s)``
    where it fired n times, which is solved for s over all LFs that fired twice or more.

    Parameters
    ----------
    fired, correct : ndarray of int (m,)
    mean : float
    """
    several = fired >= 2
    n = fired[several].astype(float)
    squares = (n * (correct[several] / np.maximum(n, 1) - mean) ** 2).sum()
    spread = mean * (1 - mean)
    # sum n (share - mean)^2 = spread (sum n + s * count) / (1 + s)
    gap = squares - spread * several.sum()
    if gap <= 0:  # no more spread than chance gives
        return STRENGTHS[1]
    return float(np.clip((spread * n.sum() - squares) / gap, *STRENGTHS))


def _counts_on_gold(votes: LabelMatrix, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how often each LF (m,) fired on gold rows, and how often it was right."""
    known = y >= 0
    fired_on = votes.codes[known].tocoo()
    right = (fired_on.data.astype(int) - 1) == y[known][fired_on.row]
    m = votes.shape[1]
    return np.bincount(fired_on.col, minlength=m), np.bincount(fired_on.col[right], minlength=m)
