"""What an epoch is worth on validation rows where no metric was asked for: ``metric="auto"``.

Accuracy cannot see a rare class: a model that never answers it is right nine times in ten where
nine in ten rows are of the other class. And of few rows it takes few values, so that a lucky epoch
wins. The likelihood of gold sees both, but it is led by single rows on which a model is sure and
wrong, as models on noisy rules are: stopping by it alone is unsafe. So each probability is mixed
with a share of guessing, which bounds what one row can say. Classes count by their rows: where each
counts alike, a model that knows nothing yet, with all classes equal, looks better than one that has
learnt how rare a class is, and training ends before it begins.
"""

from __future__ import annotations

from torch import Tensor

#: The name of this choice, beside those of metrics.
AUTO = "auto"
GUESS = 0.2  # share of guessing: one row costs at most log(1 / GUESS) against a certain answer


def epoch_worth(log_p: Tensor, y: Tensor) -> float:
    """Return the geometric mean probability of gold, between 0 and 1: more is better.

    Parameters
    ----------
    log_p : Tensor (n, C)
        Log-probabilities.
    y : Tensor (n,)
        Gold codes, all known.
    """
    gold = log_p.double().gather(1, y.unsqueeze(1)).exp()
    return float(((1 - GUESS) * gold + GUESS / log_p.shape[1]).log().mean().exp())
