"""Why AMAL helps where it does: learnt weights on rows whose pseudo-label is right, or wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spear_amal.errors import InputError

if TYPE_CHECKING:
    from spear_amal.studies.split import Split

_LOSSES = ("consensus", "agreement")  # the losses that carry the rules' answer to a row


def weights_with_gold(split: Split, estimator: Any, gold: Any) -> pd.DataFrame:
    """Return the learnt weights of training rows beside the gold that training never saw.

    This is for looking at a finished model: nothing of it may go back into training or selection.

    Parameters
    ----------
    split : Split
    estimator : SpearClassifier fitted on `split`
    gold : ndarray (n,)
        Gold codes of ``split.train_rows``, the unlabelled ones included; rows with -1 are left out.

    Returns
    -------
    DataFrame
        One line for each training row with a weight of the consensus loss, indexed by its position
        among the training rows: ``pseudo`` (code that the rule model picks), ``gold, right``, and
        the weights ``consensus, agreement`` as far as the estimator has them.

    Raises
    ------
    InputError
        If `gold` has another length, or the estimator has no consensus loss.
    """
    gold = np.asarray(gold)
    n = len(split.y_train)
    if gold.shape != (n,):
        raise InputError(
            f"gold must be the codes of the {n} training rows (split.train_rows), found shape "
            f"{gold.shape}"
        )
    if "consensus" not in estimator.row_weights_:
        raise InputError(
            "the estimator has no weights of the loss 'consensus'; its losses are "
            f"{list(estimator.row_weights_)}"
        )
    # Training rows stand first, validation rows of their own follow.
    weights = estimator.row_weights_.iloc[:n].reset_index(drop=True)
    picked = estimator.rule_predict_proba(split.votes_train).argmax(1)
    pseudo = np.asarray(estimator.classes_)[picked]
    table = pd.DataFrame({"pseudo": pseudo, "gold": gold, "right": pseudo == gold})
    for name in _LOSSES:
        if name in weights:
            table[name] = weights[name]
    return table[weights["consensus"].notna().to_numpy() & (gold >= 0)]


def split_weights(frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Cut a frame of :func:`weights_with_gold` into weights on right and on wrong rows, by loss.

    Rows on which a loss is not defined are left out of that loss.
    """
    right = frame["right"].to_numpy(dtype=bool)
    losses = [name for name in _LOSSES if name in frame]
    return (
        {name: frame.loc[right, name].dropna().to_numpy() for name in losses},
        {name: frame.loc[~right, name].dropna().to_numpy() for name in losses},
    )


def rank_auc(right: Any, wrong: Any) -> float:
    """Return the chance that a right row weighs more than a wrong one; NaN without either.

    Ties count half.

    0.5: weights do not tell right from wrong; 1: every right row weighs more than every wrong one.

    Examples
    --------
    >>> rank_auc([0.9, 1.0], [0.2, 1.0])
    0.625
    """
    right, wrong = np.asarray(right, dtype=float), np.asarray(wrong, dtype=float)
    a, b = len(right), len(wrong)
    if not a or not b:
        return float("nan")
    ranks = pd.Series(np.concatenate([right, wrong])).rank()[:a]
    return float((ranks.sum() - a * (a + 1) / 2) / (a * b))


def weight_separation(frame: pd.DataFrame) -> pd.Series:
    """Return :func:`rank_auc` by loss, of a frame of :func:`weights_with_gold`."""
    right, wrong = split_weights(frame)
    return pd.Series({name: rank_auc(right[name], wrong[name]) for name in right}, dtype=float)
