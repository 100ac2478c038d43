"""SPEAR under any mixer; with AMAL, the default, every row learns how much each loss counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from spear_amal._typing import MatrixLike, StoredVotesLike, VectorLike, VotesLike
from spear_amal.checks import check_name
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import FitPlan
from spear_amal.estimators.cut_statistic import SHARE, row_selection
from spear_amal.estimators.rules import GuardsVotes, RuleModelConfig, majority
from spear_amal.estimators.validation import FitInputs, TrainingPool
from spear_amal.losses import ComponentSet, GoldCrossEntropy
from spear_amal.mixers import Fixed, Mixer, build_mixer
from spear_amal.mixers.weight_table import MappedTable
from spear_amal.training import ParquetRows

#: Settings of SpearClassifier by name; see :meth:`SpearClassifier.preset`.
PRESETS: dict[str, dict[str, Any]] = {
    # One validation set for everything, one model, as the AMAL paper describes.
    "paper": {
        "mixer": "amal-paper",
        "fit_strategy": "single",
        "inference": "feature",
        "quality_guides": 0.9,
    },
    # The largest gains of one method came from cross-fitting over L+V.
    "folds": {
        "mixer": "amal",
        "fit_strategy": "crossfit",
        "n_folds": 5,
        "inference": "product",
    },
}


@dataclass(kw_only=True, eq=False, repr=False)
class SpearClassifier(GuardsVotes, BaseSpearEstimator):
    """Classifier trained jointly with a model of the labelling functions.

    The feature model P_theta(y | x) and the rule model P_phi(l, y) minimise SPEAR's seven losses
    [1]_, mixed by weights per row and loss that AMAL [2]_ learns on validation rows.

    Parameters
    ----------
    mixer : str or Mixer
        "amal" is the recommended setting of AMAL, "amal-paper" the published one; "fixed" (or
        "spear") gives every loss weight 1. "single" (the gold loss alone), "random-search" (fixed
        weights: 8 models, of which V keeps one), "uncertainty", "gcs", "auxilearn", "maoal" and
        any other of :mod:`spear_amal.mixers` that needs no teacher.
    mixer_options : dict, optional
        Options of the mixer by name, e.g. ``{"weight_lr": 2.0}``; see
        :class:`spear_amal.mixers.Amal` and the others' classes.
    rule_model : RuleModelConfig, optional
        Which of SPEAR's losses count, what is believed of the rules, and the guard that leaves
        useless votes out; nested as ``rule_model__quality_guides``.
    cut_statistic : float, optional
        Share of the rows with votes to train on without gold: those whose neighbours in the
        features have the same majority vote (:mod:`.cut_statistic`). Default: all.
    trainer : TrainerConfig, optional
        Rates, batches, epochs, device, checkpoint; nested as ``trainer__lr``.
    feature_model : {"linear", "mlp"}, module or function (n_features, n_classes) -> module
        A module returns ``(logits, hidden)``.
    hidden : sequence of int
        Widths of the MLP.
    fit_strategy : {"single", "refit", "crossfit", "crossfit-weights"}
        One model; one model refit on L+V with the learnt weights frozen; `n_folds` models, each
        part of L+V once playing validation, probabilities averaged; or one model on L+V under the
        mean of the weights that these learnt.
    n_folds : int
    inference : {"feature", "product"}
        Predict with the feature model, or with its product with the rule model to a power that
        validation rows choose (leaning to none); then `predict` takes ``L=``.
    validation : {"shared", "split"}
        The same validation rows drive the weights and choose the epoch, or one half each.
    validation_fraction : float
        Gold rows held out if `fit` gets no validation rows.
    prior_correction : bool
        Weigh gold rows so that their class balance is that of the validation rows.
    class_weight : {"balanced"}, mapping of class to number, or None
        What the gold loss of a row is multiplied by, by its class; only ratios matter. "balanced":
        every class counts as much as the others.
    metric : {"accuracy", "f1", "macro-f1", "auto"}
        Chooses the epoch; "f1" is that of class 1 (of the votes, if there are any). Ties go to
        the lower validation loss. "auto" chooses by the bounded likelihood of gold, which sees
        rare classes (:mod:`spear_amal.training.epoch_choice`), and scores are accuracies.
    random_state : int, RandomState, Generator or None
        An int gives the same model each time; None another one each time, and so does a generator,
        which is drawn from. ``seed_`` is the number that it came to.
    verbose : int
        1 shows a progress bar with the time left.

    Attributes
    ----------
    classes_ : ndarray (C,)
        Sorted, and with them the columns of probabilities, whatever order the votes have.
    weights_ : DataFrame (rows, losses)
        Learnt weights; training rows of X first, then validation rows. NaN where a row took no
        part (validation, uncovered) or the loss is not defined on it.
    history_ : DataFrame
        One line per epoch: losses, mean weights, validation score and loss.
    val_score_ : float
        Score of the chosen epoch on validation rows. With AMAL it is optimistic, since the same
        rows drove the weights (unless ``validation="split"``).
    exponent_ : float
        Power of the rule model at prediction.
    models_ : list of JointModel
    training_path_ : str
        How they were trained: "alone", or "lock step of 5" with the other folds or with other fits;
        not in files.
    validation_source_ : {"given", "split", "training", "folds"}
        Where V came from. "training": too few gold rows to hold any out.
    weight_table_ : MappedTable or None
        After :meth:`fit_parquet` the weights by row, where they were kept on disk.
    votes_test_ : VotesTest or None
        What the test of the votes found; None without votes.
    guarded_ : bool
        True if the guard left the votes out.
    validation_used_ : {"shared", "split", "training"}
        Whether V served whole for weights and epoch, one half each, or was in training as well.
    n_features_in_ : int

    References
    ----------
    .. [1] Maheshwari et al., "Semi-Supervised Data Programming with Subset Selection", 2021.
    .. [2] Sivasubramanian et al., "Adaptive Mixing of Auxiliary Losses in Supervised Learning",
       2023.

    Examples
    --------
    >>> import numpy as np
    >>> from spear_amal import TrainerConfig
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-1, 1, (150, 2)), rng.normal(1, 1, (150, 2))])
    >>> gold = np.repeat([0, 1], 150)
    >>> L = np.stack([np.where(X[:, 0] > 1, 1, -1), np.where(X[:, 1] < -1, 0, -1)], axis=1)
    >>> y = np.where(rng.random(300) < 0.1, gold, -1)
    >>> model = SpearClassifier(trainer=TrainerConfig(max_epochs=20)).fit(X, y, L=L)
    >>> bool(model.score(X, gold) > 0.85)
    True
    """

    mixer: str | Mixer = "amal"
    mixer_options: Mapping[str, Any] | None = None
    rule_model: RuleModelConfig | None = None
    cut_statistic: float | None = None

    _nested: ClassVar[dict[str, Any]] = {
        **BaseSpearEstimator._nested,
        "rule_model": RuleModelConfig,
    }
    _uses_rules = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "rule_model": [None, RuleModelConfig],
        "cut_statistic": SHARE,
    }

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """Make a classifier with the settings called "paper" or "folds".

        Parameters
        ----------
        name : {"paper", "folds"}
        **changes
            Options by name that differ, as for :meth:`from_options`.
        """
        check_name("preset", name, PRESETS)
        return cls.from_options(**{**PRESETS[name], **changes})

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        rules: RuleModelConfig = self._options_of("rule_model")
        if self.guarded_:
            # One loss is left, so that there is nothing to mix; without weights to learn, V's
            # labels are best used for training as well.
            return self._new_plan(
                pool,
                lambda class_weights: ComponentSet([GoldCrossEntropy(class_weights)]),
                batch_size=self._gold_batch(pool),
                make_mixer=Fixed,
                fit_strategy="refit" if self.fit_strategy == "single" else self.fit_strategy,
                keep_uncovered=bool(rules.keep_uncovered),
            )
        return self._new_plan(
            pool,
            lambda class_weights: rules.make_losses(pool.votes is not None, class_weights),
            lambda seen, generator: rules.make_model(pool, seen, self.n_lfs_),
            keep_uncovered=bool(rules.keep_uncovered),
            select_rows=self.cut_statistic
            and row_selection(pool, self.cut_statistic, lambda _: majority(pool)),
        )

    def _new_mixer(self) -> Mixer:
        return build_mixer(**self._mixing())

    def fit_parquet(
        self,
        rows: ParquetRows,
        L: StoredVotesLike,
        X_val: MatrixLike | None = None,
        y_val: VectorLike | None = None,
        L_val: VotesLike | None = None,
        *,
        window: int = 4,
    ) -> Self:
        """Train on rows in Parquet files, more of them than memory holds.

        Rows with gold and validation rows are held in memory, and so are the weights unless the
        mixer keeps them on disk (``mixer_options={"table_path": folder}``).

        Parameters
        ----------
        rows : ParquetRows
            Features and gold of the training rows.
        L : VoteFiles or path
            Votes on the same rows in the same order.
        X_val, y_val, L_val : optional
            Validation rows in memory, as for :meth:`fit`.
        window : int
            Shards of rows in memory at a time. An epoch takes the shards in random order and
            shuffles the rows of each window, so that it reads every shard once.

        Returns
        -------
        self
            As after :meth:`fit`, with one weight per row of the files. With ``table_path`` the
            weights stay on disk: `weights_` is empty, and ``weight_table_[numbers]`` reads those
            of some rows.

        Raises
        ------
        FileFormatError
            If a file is truncated or no Parquet file, before training; if it is damaged within,
            when that is read. Names it.
        InputError
            If votes and rows are not the same rows, or ``fit_strategy`` is not "single".
        """
        from spear_amal.estimators.parquet import fit_parquet

        self._begin()
        validation = FitInputs(None, None, None, X_val, y_val, L_val)
        pool, plan, results = fit_parquet(self, rows, L, validation, window)
        weights = results[0].result.weights
        self.weight_table_ = weights if isinstance(weights, MappedTable) else None
        self._set_fitted_attributes(pool, results, plan)
        return self
