"""Label models with Snorkel's arguments, on plain arrays of votes; see ``labeling.model``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from spear_amal._typing import PathLike, VectorLike, VotesLike
from spear_amal.analysis import Scorer
from spear_amal.checks import check_whole
from spear_amal.errors import InputError
from spear_amal.label_models import AccuracyModel
from spear_amal.seeds import RandomStateLike, random_generator
from spear_amal.utils import probs_to_preds, to_int_label_array
from spear_amal.votes.class_set import ClassNames
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix
from spear_amal.votes.matrix_checks import as_floats

__all__ = ["MajorityClassVoter", "MajorityLabelVoter", "RandomVoter", "SnorkelStyleLabelModel"]

# Of Snorkel's fit: how its optimiser goes on. Closed steps have nothing to set there.
_OF_OPTIMISER = {"lr", "optimizer", "optimizer_config", "lr_scheduler", "lr_scheduler_config"}
_UNUSED = _OF_OPTIMISER | {"seed", "log_freq"}
# What changes the model that it ends in.
_OF_MODEL = {"l2", "mu_eps"}


class _FromProbabilities:
    """Predictions and scores from class probabilities, for the codes 0 to cardinality - 1."""

    cardinality: int

    def predict_proba(self, L: Any) -> np.ndarray:
        """Compute class probabilities (n, C) from votes (n, m)."""
        raise NotImplementedError

    def predict(self, L: Any, return_probs: bool = False, tie_break_policy: str = "abstain") -> Any:
        """Return class codes (n,), -1 where there is no answer.

        Parameters
        ----------
        L : array or LabelMatrix (n, m)
        return_probs : bool
            Return a pair: codes, and probabilities (n, C).
        tie_break_policy : {"abstain", "random", "true-random"}
            What a tie gives: -1, or one of the tied classes by the number of the row or by chance;
            see :func:`spear_amal.utils.probs_to_preds`.
        """
        p = self.predict_proba(L)
        codes = probs_to_preds(p, tie_break_policy)
        return (codes, p) if return_probs else codes

    def score(
        self,
        L: Any,
        Y: VectorLike,
        metrics: Sequence[str] = ("accuracy",),
        tie_break_policy: str = "abstain",
    ) -> dict[str, float]:
        """Compute metrics of the predictions by gold codes (n,).

        Rows without gold (-1) are left out, and rows without a prediction, which "coverage" counts.

        Parameters
        ----------
        L : array or LabelMatrix (n, m)
        Y : array (n,) of codes
        metrics : sequence of str
            Names in :data:`spear_amal.analysis.metrics.METRICS`.
        tie_break_policy
            As for :meth:`predict`.
        """
        codes, p = self.predict(L, return_probs=True, tie_break_policy=tie_break_policy)
        return Scorer(metrics=list(metrics)).score(to_int_label_array(Y), codes, p)

    def _matrix(self, L: VotesLike, name: str = "L") -> LabelMatrix:
        """Votes with the classes 0 to C - 1."""
        votes = as_label_matrix(L)
        top = int(votes.codes.data.max(initial=0))
        if top > self.cardinality:
            raise InputError(
                f"{name} votes for class {top - 1}, but cardinality={self.cardinality} has classes "
                f"0 to {self.cardinality - 1}; give cardinality={top}"
            )
        names = ClassNames(range(self.cardinality))
        if len(votes.classes) == self.cardinality:
            return votes.with_classes(names) if list(votes.classes) != list(names) else votes
        return LabelMatrix.from_dense(votes.to_dense(), lf_names=votes.lf_names, classes=names)


class _Voter(_FromProbabilities):
    """A baseline that learns nothing from votes."""

    def __init__(self, cardinality: int = 2) -> None:
        check_whole("cardinality", cardinality, 2)
        self.cardinality = cardinality


class MajorityLabelVoter(_Voter):
    """The class with most votes; tied classes share the probability evenly.

    Parameters
    ----------
    cardinality : int
        Number of classes.

    Examples
    --------
    >>> MajorityLabelVoter().predict_proba(np.array([[0, 0, -1], [-1, 0, 1]])).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """

    def predict_proba(self, L: VotesLike) -> np.ndarray:
        """Compute class probabilities (n, C); all classes are tied where nobody votes."""
        codes = self._matrix(L).to_dense()
        counts = np.stack([(codes == k).sum(1) for k in range(self.cardinality)], axis=1)
        most = counts == counts.max(1, keepdims=True)
        return most / most.sum(1, keepdims=True)


class MajorityClassVoter(_Voter):
    """The most frequent class for every row, whatever the votes.

    Parameters
    ----------
    cardinality : int
        Number of classes.
    """

    def fit(self, balance: VectorLike, *args: Any, **kwargs: Any) -> Self:
        """Learn the shares of the classes (C,); further arguments are not looked at."""
        shares = as_floats(balance, "balance")
        if shares.shape != (self.cardinality,) or not np.isfinite(shares).all():
            raise InputError(f"balance must be {self.cardinality} shares, found {balance!r}")
        self.balance = shares
        return self

    def predict_proba(self, L: VotesLike) -> np.ndarray:
        """Compute class probabilities (n, C), the same for all rows."""
        if not hasattr(self, "balance"):
            raise InputError("call fit(balance) first, with the shares of the classes")
        most = self.balance == self.balance.max()
        return np.tile(most / most.sum(), (len(self._matrix(L)), 1))


class RandomVoter(_Voter):
    """Random class probabilities, for comparison.

    Parameters
    ----------
    cardinality : int
        Number of classes.
    random_state : int, Generator or None
        Of the draws; None draws anew each time.
    """

    def __init__(self, cardinality: int = 2, random_state: RandomStateLike = None) -> None:
        super().__init__(cardinality)
        self.random_state = random_state

    def predict_proba(self, L: VotesLike) -> np.ndarray:
        """Draw class probabilities (n, C)."""
        rng = random_generator(self.random_state, "random_state")
        p = rng.random((len(self._matrix(L)), self.cardinality))
        return p / p.sum(1, keepdims=True)


class SnorkelStyleLabelModel(_FromProbabilities, AccuracyModel):  # type: ignore[misc]
    """:class:`spear_amal.label_models.AccuracyModel` with the arguments of Snorkel's LabelModel.

    As there, classes are the codes 0 to C - 1, their shares are even unless they are given or
    counted in `Y_dev`, and a row without votes has these shares. How LFs are weighed is our own:
    closed steps in place of an optimiser, without a seed; for Snorkel's own numbers see
    :class:`spear_amal.label_models.SnorkelLabelModel`.

    Parameters
    ----------
    cardinality : int
        Number of classes C.
    verbose : bool
        Taken, and without effect: there are no epochs to tell of.

    Attributes
    ----------
    balance_ : ndarray (C,)
        Shares of the classes.

    Examples
    --------
    >>> L = np.array([[0, 0, -1], [-1, 0, 1], [1, -1, 1], [0, 0, 0]])
    >>> model = SnorkelStyleLabelModel(cardinality=2, verbose=False)
    >>> model.fit(L_train=L, n_epochs=500, log_freq=100, seed=123).predict(L)
    array([0, 1, 1, 0])
    """

    def __init__(self, cardinality: int = 2, verbose: bool = True) -> None:
        super().__init__()
        self.cardinality = cardinality
        self.verbose = verbose

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used, whatever the votes; `fit` does."""
        super().check_parameters()
        check_whole("cardinality", self.cardinality, 2)

    def fit(  # type: ignore[override]
        self,
        L_train: VotesLike,
        Y_dev: VectorLike | None = None,
        class_balance: Sequence[float] | None = None,
        progress_bar: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Learn how much each LF is to be believed.

        Parameters
        ----------
        L_train : array or LabelMatrix (n, m)
            -1 for abstain.
        Y_dev : array of gold codes, optional
            Of any rows; the shares of the classes are counted in it.
        class_balance : sequence of C floats, optional
            The shares; goes before `Y_dev`. Default: even.
        progress_bar : bool
            Without effect.
        **kwargs
            ``n_epochs``: steps at most. ``prec_init``: how often LFs are believed to be right
            before votes are seen, one number. What only says how an optimiser goes (lr, optimizer,
            lr_scheduler, their configs, seed, log_freq) is taken and has no effect.

        Raises
        ------
        InputError
            If L votes for other classes, shares are none, or an option is unknown; also for l2 and
            mu_eps, which would change the model and are not there.
        """
        self.check_parameters()
        self._read_options(kwargs)
        votes = self._matrix(L_train, "L_train")
        self.balance_ = self._shares(Y_dev, class_balance)
        super().fit(votes)
        p = self.predict_proba(votes)
        dense, rows = votes.to_dense(), p.sum(0)
        cast = [((dense == k).T @ p) / rows for k in range(-1, self.cardinality)]
        self.shares_of_votes_ = np.stack(cast, axis=1)
        self.coverage_ = (dense >= 0).mean(0)
        return self

    def predict_proba(self, L: VotesLike) -> np.ndarray:  # type: ignore[override]
        """Compute class probabilities (n, C); the shares of the classes where nobody votes."""
        votes = self._matrix(L)
        p = AccuracyModel.predict_proba(self, votes)
        p[~votes.covered()] = self.balance_
        return p

    def get_conditional_probs(self) -> np.ndarray:
        """Return how often LF j votes v - 1 on rows of class y, at [j, v, y]: (m, C + 1, C).

        Column 0 of the second axis is abstaining.
        """
        check_is_fitted(self, "n_classes_")
        return self.shares_of_votes_

    def get_weights(self) -> np.ndarray:
        """Return how often each LF is right where it votes (m,), as the model believes."""
        table = self.get_conditional_probs()[:, 1:]
        right = np.einsum("jyy,y->j", table, self.balance_)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.clip(right / self.coverage_, 1e-6, 1.0)

    def save(self, path: PathLike, overwrite: bool = True) -> None:
        """Write the fitted model into one safetensors file, over one that is there."""
        AccuracyModel.save(self, path, overwrite)

    def _read_options(self, options: dict[str, Any]) -> None:
        known = {"n_epochs", "prec_init", *_UNUSED, *_OF_MODEL}
        unknown = sorted(set(options) - known)
        if unknown:
            raise InputError(f"fit has no option {unknown[0]!r}; known: {', '.join(sorted(known))}")
        changed = sorted(name for name in _OF_MODEL if options.get(name))
        if changed:
            raise InputError(
                f"{' and '.join(changed)} of Snorkel's label model are not there; leave them out, "
                "say what LFs are believed to be by prec_init, or fit "
                "spear_amal.label_models.SnorkelLabelModel"
            )
        self.max_iter = options.get("n_epochs", self.max_iter)
        self.prior_accuracy = options.get("prec_init", self.prior_accuracy)
        super().check_parameters()

    def _shares(self, Y_dev: Any, class_balance: Any) -> np.ndarray:
        """Shares of the classes (C,): given, counted or even."""
        if class_balance is not None:
            shares = as_floats(class_balance, "class_balance")
        elif Y_dev is not None:
            codes = to_int_label_array(Y_dev)
            known = codes[codes >= 0]
            shares = np.bincount(known, minlength=self.cardinality) / max(len(known), 1)
        else:
            shares = np.full(self.cardinality, 1 / self.cardinality)
        given = "class_balance" if class_balance is not None else "Y_dev"
        if shares.shape != (self.cardinality,) or not (shares > 0).all():
            raise InputError(
                f"{given} must have each of the {self.cardinality} classes, found shares "
                f"{shares.tolist()}"
            )
        return shares / shares.sum()

    def _balance(self, rows: np.ndarray) -> np.ndarray:
        return self.balance_
