"""CAGE as a label model of its own; :mod:`spear_amal.maths.cage` holds the formulas."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from spear_amal.errors import InputError
from spear_amal.label_matrix import LabelMatrix
from spear_amal.label_models.base import LabelModel
from spear_amal.maths import cage, losses


class Cage(LabelModel):
    """Generative model of votes and scores with quality guides.

    Full-batch Adam in float64 on the mean negative log marginal likelihood plus the guides'
    penalty, as published, but in log space: finite, non-zero gradients for any number of LFs.

    Parameters
    ----------
    quality_guides : float or array of shape (columns of the unipolar form,)
        How often an LF is believed to be right when it fires.
    quality_index : float
        Mean score of continuous LFs where they agree with the class.
    lr, epochs : float, int
    start : {"guides", "ones"}
        Start at the guides, or all ones as the published code.

    Attributes
    ----------
    theta_, pi_ : ndarray of shape (C, m), (C, m_c)
    losses_ : list of float
        Objective before each step.
    """

    def __init__(
        self,
        *,
        quality_guides: Any = 0.9,
        quality_index: float = 0.85,
        lr: float = 0.01,
        epochs: int = 100,
        start: str = "guides",
    ) -> None:
        self.quality_guides = quality_guides
        self.quality_index = quality_index
        self.lr = lr
        self.epochs = epochs
        self.start = start

    def _fit(self, L: LabelMatrix, y: np.ndarray | None) -> None:
        self.k_ = np.array([k for _, k in self.plan_])
        if self.start not in ("guides", "ones"):
            raise InputError(f"start must be 'guides' or 'ones', found {self.start!r}")
        given = np.asarray(self.quality_guides, dtype=float)
        if given.shape not in ((), self.k_.shape):
            raise InputError(
                f"quality_guides has shape {given.shape}; needed one number or "
                f"{self.k_.shape}, one per LF and class"
            )
        guides = np.broadcast_to(given, self.k_.shape)
        if not ((guides > 0) & (guides < 1)).all():
            raise InputError("quality_guides must lie strictly between 0 and 1")
        k, q_t = torch.as_tensor(self.k_), torch.tensor(guides)
        if self.start == "ones":
            theta = torch.ones(L.n_classes, len(k), dtype=torch.float64)
        else:
            theta = cage.guided_start(L.n_classes, k, q_t)
        fired, scores = self._tensors(L, fitting=True)
        pi = torch.ones(L.n_classes, scores.shape[1], dtype=torch.float64)
        parameters = [theta.requires_grad_(), pi.requires_grad_()]
        optimiser = torch.optim.Adam(parameters, lr=self.lr)
        self.losses_: list[float] = []
        for _ in range(self.epochs):
            optimiser.zero_grad()
            joint = self._log_joint(theta, pi, fired, scores)
            value = losses.negative_log_marginal(joint).mean()
            value = value + cage.quality_penalty(theta, k, q_t)
            value.backward()
            optimiser.step()
            self.losses_.append(value.item())
        self.theta_, self.pi_ = (p.detach().numpy() for p in parameters)

    def _tensors(self, L: LabelMatrix, fitting: bool = False) -> tuple[Tensor, Tensor]:
        """Give fired (n, m) and the scores of continuous columns (n, m_c)."""
        unipolar = L.to_unipolar(self.plan_)
        if fitting:
            self.continuous_ = np.flatnonzero(unipolar.continuous)
        elif unipolar.nnz and not unipolar.continuous[self.continuous_].all():
            raise InputError("L has no scores for continuous LFs that gave scores in fit")
        fired = torch.as_tensor((unipolar.codes > 0).toarray(), dtype=torch.float64)
        scores = torch.as_tensor(unipolar.dense_scores()[:, self.continuous_], dtype=torch.float64)
        return fired, scores

    def _log_joint(self, theta: Tensor, pi: Tensor, fired: Tensor, scores: Tensor) -> Tensor:
        joint = cage.log_joint(theta, fired)
        c = self.continuous_
        if len(c) == 0:
            return joint
        q_c = torch.full((len(c),), self.quality_index, dtype=torch.float64)
        return joint + cage.log_score_density(
            pi, torch.as_tensor(self.k_[c]), q_c, fired[:, c], scores
        )

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        fired, scores = self._tensors(L)
        joint = self._log_joint(
            torch.as_tensor(self.theta_), torch.as_tensor(self.pi_), fired, scores
        )
        return torch.softmax(joint, dim=1).numpy()
