"""The rule model P_phi(l, s, y): CAGE as a module."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from spear_amal.batch import Batch
from spear_amal.maths import cage


@dataclass(frozen=True)
class Beliefs:
    """What is believed of m LFs before training; leading dimensions count models.

    Attributes
    ----------
    n_classes : int
    k, q_t : Tensor (.., m)
        Class and quality guide of each LF.
    continuous : Tensor (m_c,), int64
        Columns of continuous LFs, the same for all models.
    q_c : Tensor (.., m_c)
        Quality index of each continuous LF.
    """

    n_classes: int
    k: Tensor
    q_t: Tensor
    continuous: Tensor
    q_c: Tensor

    @classmethod
    def stack(cls, beliefs: Sequence[Beliefs]) -> Beliefs:
        """Stack those of single models with as many classes and the same continuous LFs."""
        k, q_t, q_c = (torch.stack([getattr(b, n) for b in beliefs]) for n in ("k", "q_t", "q_c"))
        return cls(beliefs[0].n_classes, k, q_t, beliefs[0].continuous, q_c)

    @cached_property
    def guides(self) -> cage.Guides:
        """Guides of all LFs, as penalties take them."""
        return cage.Guides.of(self.n_classes, self.k, self.q_t)

    @cached_property
    def mean_scores(self) -> Tensor:
        """Mean score (.., C, m_c) of each continuous LF by class."""
        return cage.mean_scores(self.n_classes, self.k[..., self.continuous], self.q_c)

    def log_scores(self, fired: Tensor, scores: Tensor) -> cage.LogScores | None:
        """Prepare votes and scores (.., B, m) of rows; None without continuous LFs."""
        columns = self.continuous
        if not len(columns):
            return None
        return cage.LogScores.of(fired[..., columns], scores[..., columns])


class RulePass:
    """One pass of CAGE over a batch, with its derivatives in closed form.

    For one model, or for several at once: all arguments then have the same leading dimension.

    Parameters
    ----------
    theta : Tensor (.., C, m)
    pi : Tensor (.., C, m_c)
    beliefs : Beliefs
    fired : Tensor (.., B, m)
    scores : LogScores or None
        What :meth:`Beliefs.log_scores` makes of the same rows.
    """

    def __init__(
        self,
        theta: Tensor,
        pi: Tensor,
        beliefs: Beliefs,
        fired: Tensor,
        scores: cage.LogScores | None,
    ) -> None:
        self.potentials, self.fired, self.pi = cage.Potentials(theta), fired, pi
        self._scores = scores
        if scores is not None:
            self._densities = cage.ScoreDensities(pi, beliefs.mean_scores)

    @property
    def log_joint(self) -> Tensor:
        """``log P(l_i, s_i, y)`` (.., B, C)."""
        votes = self.potentials.log_joint(self.fired)
        if self._scores is None:
            return votes
        return votes + self._densities.log_density(self._scores)

    def slopes(self, slope: Tensor) -> tuple[Tensor, Tensor]:
        """Derive by theta and pi what has `slope` (.., B, C) by the log joint."""
        by_theta = self.potentials.log_joint_slope(self.fired, slope)
        if self._scores is None:
            return by_theta, torch.zeros_like(self.pi)
        return by_theta, self._densities.slope(self._scores, slope)

    def along(self, theta: Tensor, pi: Tensor) -> Tensor:
        """Derive the log joint (.., B, C) in a direction of theta and pi."""
        votes = self.potentials.log_joint_along(self.fired, theta)
        return votes if self._scores is None else votes + self._densities.along(self._scores, pi)


class RuleModel(nn.Module):
    """CAGE over m unipolar LFs.

    Parameters
    ----------
    n_classes : int
    k : Tensor (m,), int64
        The class that each LF votes for.
    q_t : Tensor (m,)
        Quality guides: how often each LF is believed to be right when it fires.
    continuous : Tensor (m,), bool, optional
        LFs that give scores.
    q_c : float
        Quality index of continuous LFs: mean score where they agree with the class.
    start : {"guides", "ones"}
        Start so that the model's precisions equal the guides, or all ones (published code).
    """

    k: Tensor
    q_t: Tensor
    q_c: Tensor
    continuous: Tensor

    def __init__(
        self,
        n_classes: int,
        k: Tensor,
        q_t: Tensor,
        continuous: Tensor | None = None,
        q_c: float = 0.85,
        start: str = "guides",
    ) -> None:
        super().__init__()
        is_continuous = torch.zeros(len(k), dtype=torch.bool) if continuous is None else continuous
        columns = is_continuous.nonzero().squeeze(1)
        self.register_buffer("k", k)
        self.register_buffer("q_t", q_t)
        self.register_buffer("q_c", torch.full((len(columns),), q_c, dtype=q_t.dtype))
        self.register_buffer("continuous", columns)
        ones = torch.ones(n_classes, len(k), dtype=q_t.dtype)
        self.theta = nn.Parameter(ones if start == "ones" else cage.guided_start(n_classes, k, q_t))
        self.pi = nn.Parameter(torch.ones(n_classes, len(columns), dtype=q_t.dtype))

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> RuleModel:
        """Make a model of the shape that a stored state dict needs and fill it."""
        continuous = torch.zeros(len(state["k"]), dtype=torch.bool)
        continuous[state["continuous"]] = True
        model = cls(len(state["theta"]), state["k"], state["q_t"], continuous, start="ones")
        model.load_state_dict(state)
        return model

    def forward(self, fired: Tensor, scores: Tensor) -> Tensor:
        """Joint log-probability ``log P(l_i, s_i, y)`` (B, C) from votes and scores (B, m)."""
        beliefs = self.beliefs()
        log_scores = beliefs.log_scores(fired, scores)
        return RulePass(self.theta, self.pi, beliefs, fired, log_scores).log_joint

    def beliefs(self) -> Beliefs:
        """Return what training does not change of the model."""
        return Beliefs(len(self.theta), self.k, self.q_t, self.continuous, self.q_c)

    def answer(self, batch: Batch) -> tuple[Tensor, None]:
        """Joint log-probabilities (B, C); CAGE has no opinion on single votes."""
        return self(batch.fired, batch.scores), None

    def quality_penalty(self) -> Tensor:
        """SPEAR's seventh loss at the current parameters, a scalar."""
        return cage.Potentials(self.theta).quality_penalty(self.beliefs().guides)
