"""The rule model P_phi(l, s, y): CAGE as a module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from spear_amal.batch import Batch
from spear_amal.maths import cage


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
        log_joint = cage.log_joint(self.theta, fired)
        if len(self.continuous) == 0:
            return log_joint
        return log_joint + cage.log_score_density(
            self.pi,
            self.k[self.continuous],
            self.q_c,
            fired[:, self.continuous],
            scores[:, self.continuous],
        )

    def answer(self, batch: Batch) -> tuple[Tensor, None]:
        """Joint log-probabilities (B, C); CAGE has no opinion on single votes."""
        return self(batch.fired, batch.scores), None

    def quality_penalty(self) -> Tensor:
        """SPEAR's seventh loss at the current parameters, a scalar."""
        return cage.quality_penalty(self.theta, self.k, self.q_t)
