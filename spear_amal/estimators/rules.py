"""What is believed of the rules: SPEAR's losses, CAGE and its quality guides, the guard of votes.

Every estimator that can take votes composes these functions; none inherits them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.estimators.validation import TrainingPool
from spear_amal.labeling import VotesTest
from spear_amal.labeling.significance import permutation_test
from spear_amal.losses import EVERY_LOSS, ComponentSet, spear_components
from spear_amal.models import RuleModel
from spear_amal.params import Interval, StrOptions, check_parameters
from spear_amal.votes.label_matrix import LabelMatrix

PRIOR_MEAN = 0.9  # the published default guide
PRIOR_STRENGTH = 2.0  # counts as two imagined firings, so that rare LFs stay near the default


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
    quality_guides : "validation", float or array
        How often each LF is believed to be right when it fires: estimated from fired validation
        rows (LFs that fire on none keep the published 0.9), one number, one per LF, or one per LF
        and class as ``L.unipolar_plan()`` lists them.
    quality_index : float
        Mean score of continuous LFs where they agree with the class.
    rule_start : {"guides", "ones"}
        Start of the rule model: at the guides, or all ones as published.
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
    guard: bool = True
    keep_uncovered: bool | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "quality_index": [Interval(Real, 0, 1, closed="neither")],
        "rule_start": [StrOptions({"guides", "ones"})],
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

    def make_model(self, pool: TrainingPool, y: np.ndarray, n_lfs: int) -> RuleModel | None:
        """Make an untrained rule model, None without votes; `y` (n,) holds gold codes of V only."""
        if pool.votes is None:
            return None
        guides = resolve_guides(self.quality_guides, pool.votes, y, pool.plan, n_lfs)
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

    Attributes
    ----------
    votes_test_ : VotesTest or None
        What the test of the votes found; None without votes.
    guarded_ : bool
        True if the guard left the votes out.
    """

    votes_test_: VotesTest | None
    guarded_: bool

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
    cast = votes.codes[known].tocoo()
    n_classes = max(votes.n_classes, int(y.max(initial=-1)) + 1)
    counts = np.zeros((int(known.sum()), n_classes))
    np.add.at(counts, (cast.row, cast.data.astype(int) - 1), 1.0)
    test = permutation_test(counts, y[known])
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


def check_guides(guides: Any) -> None:
    """Raise InputError for guides that are no number between 0 and 1, whatever the votes are."""
    if isinstance(guides, str):
        if guides != "validation":
            raise InputError(f"quality_guides must be numbers or 'validation', found {guides!r}")
        return
    values = np.asarray(guides, dtype=float)
    if not ((values > 0) & (values < 1)).all():
        raise InputError(f"quality_guides must lie strictly between 0 and 1, found {guides!r}")


def resolve_guides(
    guides: Any, votes: LabelMatrix, y: np.ndarray, plan: list[tuple[int, int]], n_lfs: int
) -> np.ndarray:
    """Return guides (columns,) from a number, one per LF, one per column, or ``"validation"``.

    `plan` holds (LF, class) of each column; silent LFs have none.
    """
    check_guides(guides)
    if isinstance(guides, str):
        return estimate_guides(votes, y)
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
    known = y >= 0
    cast = votes.codes[known].tocoo()
    right = (cast.data.astype(int) - 1) == y[known][cast.row]
    m = votes.shape[1]
    fired = np.bincount(cast.col, minlength=m)
    correct = np.bincount(cast.col[right], minlength=m)
    return (PRIOR_MEAN * PRIOR_STRENGTH + correct) / (PRIOR_STRENGTH + fired)
