"""The mixture that most label models are: a hidden class, and votes independent given the class.

``log P(l_i, y) = log P(y) + sum over the votes v of LFs j on row i of log P(l_ij = v | y)``, and
where abstention is an answer too, plus ``log P(l_ij = -1 | y)`` for the LFs that do not vote.
Written with one sparse product over the votes that were cast: O(votes * C).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from spear_amal.maths.posteriors import normalise

# Impossible answers get this log probability instead of -inf, so that no 0 * inf becomes NaN.
LOG_ZERO = float(np.log(1e-300))


@dataclass(frozen=True)
class Mixture:
    """Parameters of the mixture, in log space.

    Attributes
    ----------
    log_balance : ndarray of shape (C,)
        log P(y).
    log_votes : ndarray of shape (m * C, C)
        log P(l_j = v | y) at row ``j * C + v``, column y.
    log_abstains : ndarray of shape (m, C), or None
        log P(l_j = -1 | y); None where an abstention is a missing value and says nothing.
    """

    log_balance: np.ndarray
    log_votes: np.ndarray
    log_abstains: np.ndarray | None = None

    def log_joint(self, cast: sp.csr_array) -> np.ndarray:
        """Log P(l_i, y), shape (n, C), of votes `cast` (n, m * C)."""
        if self.log_abstains is None:
            joint = cast @ self.log_votes
            joint += self.log_balance
            return joint
        # All LFs abstain, then those that vote are put right: still one pass over the votes.
        silent = np.repeat(self.log_abstains, len(self.log_balance), axis=0)
        joint = cast @ (self.log_votes - silent)
        joint += self.log_balance + self.log_abstains.sum(0)
        return joint

    def posterior(self, cast: sp.csr_array) -> np.ndarray:
        """P(y | l_i), shape (n, C)."""
        p = self.log_joint(cast)
        normalise(p)
        return p


def expect(joint: np.ndarray, gold: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """E step: posteriors (u, C) and log-likelihoods (u,); rows with gold (u,) keep their class.

    Parameters
    ----------
    joint : ndarray of shape (u, C)
        log P(l_i, y); overwritten by the posteriors.
    gold : ndarray of shape (u,)
        -1 where unknown; elsewhere the log-likelihood is that of votes and class together.
    """
    known = np.flatnonzero(gold >= 0)
    of_gold = joint[known, gold[known]]
    value = normalise(joint)
    value[known] = of_gold
    joint[known] = np.eye(joint.shape[1])[gold[known]]
    return joint, value


def safe_log(values: np.ndarray) -> np.ndarray:
    """Logarithm with :data:`LOG_ZERO` for zero."""
    return np.log(np.maximum(values, np.exp(LOG_ZERO)))
