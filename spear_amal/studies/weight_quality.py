"""Why AMAL helps where it does: learnt weights on rows whose pseudo-label is right, or wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from spear_amal.errors import InputError
from spear_amal.studies.comparison import fit_method
from spear_amal.studies.corpus_votes import CorpusVotes
from spear_amal.studies.methods import parse_method
from spear_amal.studies.run import study_task
from spear_amal.studies.runner import make_setup
from spear_amal.studies.split import Split
from spear_amal.studies.workers import one_thread

LOSSES = ("consensus", "agreement")  # the losses that carry the rules' answer to a row


def weights_by_row(task: Split, estimator: Any, gold: Any) -> pd.DataFrame:
    """Put the learnt weights of training rows beside the gold that training never saw.

    This is for looking at a finished model: nothing of it may go back into training or selection.

    Parameters
    ----------
    task : Task
    estimator : SpearClassifier fitted on `task`
    gold : ndarray (n,)
        Gold codes of ``task.train_rows``, the unlabelled ones included; rows with -1 are left out.

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
    n = len(task.y_train)
    if gold.shape != (n,):
        raise InputError(
            f"gold must be the codes of the {n} training rows (task.train_rows), found shape "
            f"{gold.shape}"
        )
    if "consensus" not in estimator.weights_:
        raise InputError(
            "the estimator has no weights of the loss 'consensus'; its losses are "
            f"{list(estimator.weights_)}"
        )
    # Training rows stand first, validation rows of their own follow.
    weights = estimator.weights_.iloc[:n].reset_index(drop=True)
    picked = estimator.rule_predict_proba(task.votes_train).argmax(1)
    pseudo = np.asarray(estimator.classes_)[picked]
    table = pd.DataFrame({"pseudo": pseudo, "gold": gold, "right": pseudo == gold})
    for name in LOSSES:
        if name in weights:
            table[name] = weights[name]
    return table[weights["consensus"].notna().to_numpy() & (gold >= 0)]


def study_weights(
    source: CorpusVotes,
    method: str = "amal:guard=false",
    seed: int = 0,
    *,
    features: str | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """Train a method on the partition that a study has for a seed, and judge its weights.

    Gold of the unlabelled rows is looked up when training is over.

    Parameters
    ----------
    source : Source
    method : str
        One that learns weights. Without its guard it trains on the votes whatever they are worth.
    seed : int
    features : str, optional
        As for :func:`run_study`.
    **settings
        Passed to the estimator.

    Returns
    -------
    DataFrame
        See :func:`weights_by_row`.
    """
    task, _ = study_task(make_setup(source, features=features), seed)
    with one_thread():
        estimator, _ = fit_method(parse_method(method), task, seed, **settings)
    return weights_by_row(task, estimator, source.corpus.labels[task.train_rows])


def split_weights(frame: pd.DataFrame) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Cut a frame of :func:`weights_by_row` into weights on right rows and on wrong rows, by loss.

    Rows on which a loss is not defined are left out of that loss.
    """
    right = frame["right"].to_numpy(dtype=bool)
    held = [name for name in LOSSES if name in frame]
    return (
        {name: frame.loc[right, name].dropna().to_numpy() for name in held},
        {name: frame.loc[~right, name].dropna().to_numpy() for name in held},
    )


def rank_auc(right: Any, wrong: Any) -> float:
    """Chance that a right row weighs more than a wrong one, ties counted half; NaN without either.

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
    ranks = rankdata(np.concatenate([right, wrong]))[:a]
    return float((ranks.sum() - a * (a + 1) / 2) / (a * b))


def weight_separation(frame: pd.DataFrame) -> pd.Series:
    """:func:`rank_auc` of every loss of a frame of :func:`weights_by_row`, by the loss' name."""
    right, wrong = split_weights(frame)
    return pd.Series({name: rank_auc(right[name], wrong[name]) for name in right}, dtype=float)
