"""CAGE as a label model of its own; :mod:`spear_amal.maths.cage` holds the formulas."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from spear_amal._typing import ClassBalanceLike, VectorLike
from spear_amal.errors import InputError
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.vote_patterns import find_patterns
from spear_amal.maths.posteriors import normalise
from spear_amal.votes.label_matrix import LabelMatrix

if TYPE_CHECKING:
    from torch import Tensor


class Cage(LabelModel):
    """Generative model of votes and scores with quality guides.

    Full-batch Adam in float64 on the mean negative log marginal likelihood plus the guides'
    penalty, as published, but in log space: finite, non-zero gradients for any number of LFs.
    Votes stay sparse, and rows with equal votes are counted, not repeated: a step costs
    O(votes C) over the distinct rows. Where LFs give scores every row is one of its own.

    Parameters
    ----------
    quality_guides : float or array of shape (columns of the unipolar form,)
        How often an LF is believed to be right when it fires. LFs that cast the same vote on every
        row, or none at all, are not heard.
    quality_index : float
        Mean score of continuous LFs where they agree with the class.
    lr, epochs : float, int
    start : {"guides", "ones"}
        Start at the guides, or all ones as the published code.
    class_balance : str, mapping of class name to share, or array of shape (C,), optional
        How frequent the classes are; see :class:`LabelModel`.

    Attributes
    ----------
    theta_, pi_ : ndarray of shape (C, m), (C, m_c)
        Zeros where a column has no votes.
    votes_ : ndarray of shape (m,)
        Votes of each column of the unipolar form.
    losses_ : list of float
        Objective before each step.
    """

    uses_scores = True
    counts_rows = True
    drops_constant = True

    def __init__(
        self,
        *,
        quality_guides: float | VectorLike = 0.9,
        quality_index: float = 0.85,
        lr: float = 0.01,
        epochs: int = 100,
        start: str = "guides",
        class_balance: ClassBalanceLike | None = None,
    ) -> None:
        self.quality_guides = quality_guides
        self.quality_index = quality_index
        self.lr = lr
        self.epochs = epochs
        self.start = start
        self.class_balance = class_balance

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        if self.start not in ("guides", "ones"):
            raise InputError(f"start must be 'guides' or 'ones', found {self.start!r}")
        try:
            guides = np.asarray(self.quality_guides, dtype=float)
        except (TypeError, ValueError):
            guides = np.zeros(1)
        if not ((guides > 0) & (guides < 1)).all():
            raise InputError(
                "quality_guides must be numbers strictly between 0 and 1, found "
                f"{self.quality_guides!r}"
            )

    def _fit(self, L: LabelMatrix, y: np.ndarray | None, n_rows: np.ndarray | None = None) -> None:
        self.k_ = np.array([k for _, k in self.plan_])
        quality = np.asarray(self.quality_guides, dtype=float)
        if quality.shape not in ((), self.k_.shape):
            raise InputError(
                f"quality_guides has shape {quality.shape}; needed one number or "
                f"{self.k_.shape}, one per LF and class"
            )
        guides = np.broadcast_to(quality, self.k_.shape)
        rows, fired, scores = self._distinct(L.to_unipolar(self.plan_), n_rows)
        self.votes_ = fired.T @ rows
        # Columns without votes take no part: by their guides alone they would shift the classes.
        heard = self.votes_ > 0
        k, guides, fired_heard = self.k_[heard], guides[heard], fired[:, heard]
        import torch  # here and below: to name label models takes no torch

        from spear_amal.maths import cage
        from spear_amal.tensors.optimiser import Optimiser

        if self.start == "ones":
            theta = torch.ones(L.n_classes, len(guides), dtype=torch.float64)
        else:
            theta = cage.guided_start(L.n_classes, torch.as_tensor(k), torch.tensor(guides))
        shares = rows / rows.sum()
        pi = torch.ones(L.n_classes, scores.shape[1], dtype=torch.float64)
        parameters = [theta.requires_grad_(), pi.requires_grad_()]
        optimiser = Optimiser([{"params": parameters, "lr": self.lr}])
        self.losses_: list[float] = []
        for _ in range(self.epochs):
            optimiser.zero_grad()
            density = self._log_density(pi, fired, scores)
            value = cage.objective(theta, k, guides, fired_heard, shares, density)
            value.backward()
            optimiser.step()
            self.losses_.append(value.item())
        self.theta_ = np.zeros((L.n_classes, len(self.k_)))
        self.theta_[:, heard] = theta.detach().numpy()
        self.pi_ = pi.detach().numpy()

    def _distinct(
        self, unipolar: LabelMatrix, n_rows: np.ndarray | None
    ) -> tuple[np.ndarray, sp.csr_array, np.ndarray]:
        """Distinct rows: how many there are of each (u,), their votes (u, m) and scores (u, m_c).

        Rows with equal votes share everything, unless there are scores, which differ.
        """
        self.continuous_ = np.flatnonzero(unipolar.continuous)
        if len(self.continuous_):
            return np.ones(len(unipolar)), *self._inputs(unipolar)
        patterns = find_patterns(unipolar, unipolar.n_classes, n_rows=n_rows)
        cast, m = patterns.cast, unipolar.shape[1]
        lfs = cast.indices // unipolar.n_classes
        fired = sp.csr_array((cast.data, lfs, cast.indptr), shape=(cast.shape[0], m))
        return patterns.n_rows, fired, np.zeros((len(patterns.n_rows), 0))

    def _inputs(self, unipolar: LabelMatrix) -> tuple[sp.csr_array, np.ndarray]:
        """Votes (n, m) and the scores of continuous columns (n, m_c), row by row."""
        fired = (unipolar.codes > 0).astype(np.float64)
        c = self.continuous_
        if len(c) == 0 or unipolar.scores is None:
            return fired, np.zeros((len(unipolar), len(c)))
        return fired, unipolar.scores[:, c].toarray().astype(float)

    def _log_density(
        self, pi: Tensor | np.ndarray, fired: sp.csr_array, scores: np.ndarray
    ) -> Tensor | None:
        """Log density (n, C) of the scores; None if no LF gives any."""
        c = self.continuous_
        if len(c) == 0:
            return None
        import torch

        from spear_amal.maths import cage

        q_c = torch.full((len(c),), self.quality_index, dtype=torch.float64)
        voted = torch.as_tensor(fired[:, c].toarray())
        means = cage.mean_scores(len(pi), torch.as_tensor(self.k_[c]), q_c)
        densities = cage.ScoreDensities(torch.as_tensor(pi), means)
        return densities.log_density(cage.LogScores.of(voted, torch.as_tensor(scores)))

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        unipolar = L.to_unipolar(self.plan_)
        if unipolar.nnz and not unipolar.continuous[self.continuous_].all():
            raise InputError("L has no scores for continuous LFs that gave scores in fit")
        fired, scores = self._inputs(unipolar)
        p = fired @ self.theta_.T
        density = self._log_density(self.pi_, fired, scores)
        if density is not None:
            p += density.numpy()
        normalise(p)
        return p

    def _assumed_balance(self) -> np.ndarray:
        """Shares of the classes (C,) that the potentials imply, whatever the votes."""
        heard = self.theta_[:, self.votes_ > 0]
        shares = np.logaddexp(0, heard).sum(1)[None]
        normalise(shares)
        return shares[0]

    def _weights(self) -> np.ndarray:
        import torch

        from spear_amal.maths import cage

        heard = self.votes_ > 0
        potentials = cage.Potentials(torch.as_tensor(self.theta_[:, heard]))
        declared = cage.declared_classes(len(self.theta_), torch.as_tensor(self.k_[heard]))
        right = np.exp(potentials.log_precision(declared)[0].numpy()) * self.votes_[heard]
        lfs = np.array([j for j, _ in self.plan_])[heard]
        with np.errstate(invalid="ignore"):  # an LF without votes has none to be right
            return np.bincount(lfs, right, self.n_lfs_) / np.bincount(
                lfs, self.votes_[heard], self.n_lfs_
            )
