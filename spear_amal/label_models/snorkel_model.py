"""Snorkel's LabelModel behind the interface of the label models here."""

from __future__ import annotations

import importlib
import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from spear_amal._typing import ClassBalanceLike
from spear_amal.errors import InputError, MissingExtraError, is_out_of_memory
from spear_amal.label_models.base import LabelModel
from spear_amal.label_models.mixture import Mixture
from spear_amal.label_models.one_class import count_votes
from spear_amal.label_models.vote_patterns import cast_votes
from spear_amal.seeds import settle_seed
from spear_amal.votes.label_matrix import LabelMatrix

FEWEST_LFS = 3  # Snorkel identifies accuracies from the overlaps of triples of LFs

LEAST_WEIGHT = 1e-6  # Snorkel's

DIVERGED = "Snorkel's fit failed ({}); try a smaller lr, or another label model"


class SnorkelLabelModel(LabelModel):
    """``snorkel.labeling.model.LabelModel``, fitted by Snorkel itself; needs the extra `snorkel`.

    What differs from calling Snorkel: LFs that cast the same vote on every row are not heard, since
    they would draw all rows to their class; no log, no progress bar, no warning leaves it; the
    global random states of Python, NumPy and torch are put back; rows without votes are uniform
    (Snorkel gives them the class balance); prediction is one sparse product in log space, so it
    neither underflows with many LFs nor builds Snorkel's dense matrices. Fitting does build them:
    n * m * C numbers of 8 bytes.

    Parameters
    ----------
    class_balance : str, mapping of class name to share, or array of shape (C,), optional
        Shares of the classes; see :class:`LabelModel`. Default: counted from gold `y`, if ``fit``
        gets any that was not chosen by its class, as gold of positives only is; else even. Snorkel
        does not estimate it from votes: "estimated" turns the posteriors of even shares.
    n_epochs : int
        Steps of Snorkel's optimiser.
    lr : float
        Its step size.
    l2 : float
        Strength of its pull towards the start.
    seed : int

    Attributes
    ----------
    class_balance_ : ndarray of shape (C,)
    conditionals_ : ndarray of shape (m, C, C)
        P(LF j votes v | y) at ``[j, v, y]``, as Snorkel learnt it.
    coverage_ : ndarray of shape (m,)
        Share of the rows on which each LF voted.

    Raises
    ------
    MissingExtraError
        By ``fit``, if Snorkel is not installed.
    InputError
        By ``fit``, with fewer than three LFs, or if Snorkel's steps diverge.

    Notes
    -----
    Snorkel needs at least three LFs, and its seed matters: it scales the start.
    """

    uses_gold = True
    drops_constant = True
    has_balance = True

    def __init__(
        self,
        *,
        class_balance: ClassBalanceLike | None = None,
        n_epochs: int = 100,
        lr: float = 0.01,
        l2: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.class_balance = class_balance
        self.n_epochs = n_epochs
        self.lr = lr
        self.l2 = l2
        self.seed = seed

    def _fit(self, L: LabelMatrix, y: np.ndarray | None) -> None:
        if self.n_lfs_ < FEWEST_LFS:
            raise InputError(
                f"Snorkel's label model needs at least {FEWEST_LFS} LFs, L has {self.n_lfs_}; "
                "use another label model"
            )
        balance = self._balance_or_even(L, y)
        mu = self._snorkel_fit(L, balance)
        if not np.isfinite(mu).all():
            raise InputError(DIVERGED.format("a parameter is NaN"))
        self.class_balance_ = balance
        self.coverage_ = count_votes(L).sum(1) / len(L)
        self.conditionals_ = mu.reshape(self.n_lfs_, self.n_classes_, self.n_classes_)

    def _snorkel_fit(self, L: LabelMatrix, balance: np.ndarray) -> np.ndarray:
        """P(LF j votes v | y), shape (m * C, C), by Snorkel."""
        with untouched_globals():
            model = load_snorkel()(cardinality=self.n_classes_, verbose=False)
            try:
                model.fit(
                    L.to_dense().astype(np.int64),
                    class_balance=balance.tolist(),
                    progress_bar=False,
                    n_epochs=self.n_epochs,
                    lr=self.lr,
                    l2=self.l2,
                    seed=settle_seed(self.seed, "seed"),
                )
            except Exception as error:  # Snorkel raises bare exceptions where its loss is NaN
                if is_out_of_memory(error):
                    raise
                raise InputError(DIVERGED.format(error)) from error
        return model.mu.detach().cpu().numpy().astype(float)

    def _posterior(self, L: LabelMatrix) -> np.ndarray:
        table = np.log(self.conditionals_.reshape(-1, self.n_classes_))
        mixture = Mixture(np.log(self.class_balance_), table)
        return mixture.posterior(cast_votes(L, self.n_classes_))

    def _weights(self) -> np.ndarray:
        """Return how often each LF is right where it fires (m,), as Snorkel reckons it.

        That of an LF without votes is NaN.
        """
        right = np.diagonal(self.conditionals_, axis1=1, axis2=2) @ self.class_balance_
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.clip(right / self.coverage_, LEAST_WEIGHT, 1.0)


def load_snorkel() -> Any:
    """Import Snorkel's LabelModel.

    Raises
    ------
    MissingExtraError
        If Snorkel is not installed.
    """
    try:
        return importlib.import_module("snorkel.labeling.model").LabelModel
    except ImportError as error:
        raise MissingExtraError("snorkel", "snorkel", "SnorkelLabelModel") from error


@contextmanager
def untouched_globals() -> Iterator[None]:
    """Restore random states and warning filters afterwards; show no warning meanwhile.

    Snorkel seeds Python, NumPy and torch globally, and draws from NumPy when it is imported.
    """
    import torch  # Snorkel's model is a network of it

    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002 (kept, not used)
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    try:
        with torch.random.fork_rng(devices=devices), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002
