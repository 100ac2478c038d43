"""What all our estimators share: from parameters to a plan, a fit, predictions and a file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.validation import check_is_fitted

from spear_amal._typing import MatrixLike, PathLike, VectorLike, VotesLike
from spear_amal.checks import check_metric
from spear_amal.errors import InputError
from spear_amal.estimators import serialization
from spear_amal.estimators.cross_fitting import (
    FitPlan,
    FoldResult,
    SeenGold,
    fit_plan,
    joined_history,
    weights_frame,
)
from spear_amal.estimators.encoders import (
    ENCODER_PATIENCE,
    FineTunesEncoders,
    merge_updates,
)
from spear_amal.estimators.prediction import (
    OutOfFold,
    choose_exponent,
    combine,
    log_posteriors,
    out_of_fold,
)
from spear_amal.estimators.row_weights import (
    BALANCED,
    class_factors,
    read_weights,
    rows_that_count,
    take_rows,
    with_left_out,
)
from spear_amal.estimators.together import Steps, finish
from spear_amal.estimators.validation import (
    FitInputs,
    TrainingPool,
    check_features,
    check_features_or_images,
    known_codes,
    make_pool,
)
from spear_amal.losses import ComponentSet
from spear_amal.mixers import Fixed, Mixer
from spear_amal.models import (
    EncoderConfig,
    JointModel,
    LinearModel,
    RuleModel,
    build_feature_model,
    channel_statistics,
    check_kind,
    n_parameters,
)
from spear_amal.models.encoder_model import EncoderPlan, check_no_texts
from spear_amal.models.registry import FeatureModelLike
from spear_amal.params import Interval, NestedParameters, StrOptions, nest_options
from spear_amal.seeds import LARGEST_SEED, RandomStateLike, settle_seed
from spear_amal.training import CHOICES, ProgressBar, Table, TrainerConfig, score
from spear_amal.training.config import DTYPES
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix
from spear_amal.votes.row_ids import align_votes, check_same_rows

BATCH, IMAGE_BATCH = 64, 128
LOGIT_STEP = 0.14  # 0.01 on bags of 14 words, the rate that a first study used
RATE_RANGE = (1e-4, 0.1)
STEPS_PER_EPOCH = 16
CROSSFIT = ("crossfit", "crossfit-weights", "crossfit-rotated")
SGD_RATE = 0.05
MakeLosses = Callable[[np.ndarray | None], ComponentSet]
MakeRules = Callable[[SeenGold, torch.Generator], Any]


@dataclass(kw_only=True, eq=False, repr=False)
class BaseSpearEstimator(FineTunesEncoders, NestedParameters, ClassifierMixin, BaseEstimator):
    """Base of the classifiers: a subclass is its parameters and the plan that it makes of them.

    Override points
    ---------------
    _plan(pool, given)
        The one that must be written: which losses, which mixer, which model of the rules. It calls
        ``_new_plan``, which settles what all estimators have.
    check_parameters()
        Further checks before a fit.
    _select_columns(votes, plan), _select_votes(votes, y)
        Which columns (LF, class) of the votes are trained on, and whether votes are at all.
    _feature_model(statistics, generator), _restore_rules(tensors)
        Networks that are built otherwise; the second fills in stored parameters.
    _rule_log_proba(i, log_q, votes), _combine(log_p, log_q, exponent)
        Prediction with the rules as well.
    _set_fitted_attributes(pool, results, plan), _get_extra_state(), _set_extra_state(state)
        Further attributes of a fit, and what of them goes into a file.

    Subclasses are dataclasses: scikit-learn reads parameters off the signature that this makes.
    """

    feature_model: FeatureModelLike = "linear"
    hidden: Sequence[int] = (512, 512)
    encoder: EncoderConfig | None = None
    trainer: TrainerConfig | None = None
    fit_strategy: str = "single"
    n_folds: int = 5
    inference: str = "feature"
    validation: str = "shared"
    validation_fraction: float = 0.5
    prior_correction: bool = False
    class_weight: str | Mapping[Any, float] | None = None
    metric: str = "accuracy"
    random_state: RandomStateLike = 0
    verbose: int = 0

    _nested: ClassVar[dict[str, Any]] = {"trainer": TrainerConfig, "encoder": EncoderConfig}
    # What `fit` takes that has a value for each row of X.
    _given_by_row: ClassVar[tuple[str, ...]] = ("X", "y", "L", "sample_weight")
    # Parameters that prediction does without.
    _not_stored: ClassVar[tuple[str, ...]] = ("class_weight",)
    _uses_rules: ClassVar[bool] = False
    _needs_gold: ClassVar[bool] = True
    _takes_images: ClassVar[bool] = False
    # Classes of the fitted estimators that one may consist of, by name: files hold them by it.
    _member_classes: ClassVar[dict[str, Any]] = {}
    _patience: ClassVar[int | None] = 10
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden": ["array-like"],
        "encoder": [None, EncoderConfig],
        "trainer": [None, TrainerConfig],
        "fit_strategy": [StrOptions({"single", "refit", *CROSSFIT})],
        "n_folds": [Interval(Integral, 2, None, closed="left")],
        "inference": [StrOptions({"feature", "product"})],
        "validation": [StrOptions({"shared", "split"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "prior_correction": ["boolean"],
        "class_weight": [None, StrOptions({BALANCED}), Mapping],
        "metric": [StrOptions(set(CHOICES))],
        "random_state": [
            None,
            Interval(Integral, 0, LARGEST_SEED, closed="both"),
            np.random.RandomState,
            np.random.Generator,
        ],
        "verbose": [Interval(Integral, 0, None, closed="left"), "boolean"],
    }

    @classmethod
    def from_options(cls, *positional: Any, **options: Any) -> Self:
        """Make an estimator from options by name, wherever they belong.

        Examples
        --------
        >>> from spear_amal import GoldClassifier
        >>> GoldClassifier.from_options(metric="f1", lr=0.1).trainer
        TrainerConfig(lr=0.1)
        """
        return cls(*positional, **nest_options(cls, options))

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        self._validate_params()
        for name in self._nested:
            self._options_of(name).check_parameters()
        if self.inference != "feature" and not self._uses_rules:
            raise InputError(
                f"inference={self.inference!r} needs a model of the rules; "
                f"{type(self).__name__} has none"
            )
        if self.feature_model != "linear":
            check_kind(self.feature_model)
        self._check_encoder()
        find_device(self._options_of("trainer").device)
        trainer: TrainerConfig = self._options_of("trainer")
        if self.random_state is None and (trainer.checkpoint or trainer.distributed):
            raise InputError(
                "random_state=None starts every run anew: a run that goes on from a checkpoint, or "
                "in several processes, needs a number"
            )
        if self.fit_strategy == "crossfit-rotated" and self.n_folds < 3:
            raise InputError(
                "fit_strategy='crossfit-rotated' keeps one fold from a model and validates on "
                f"another one, so n_folds must be at least 3, found {self.n_folds}"
            )
        keeps_none = type(self._new_mixer()).table is Mixer.table
        if self.fit_strategy == "crossfit-weights" and keeps_none:
            raise InputError(
                "fit_strategy='crossfit-weights' takes the mean of learnt weights, but this mixer "
                "weighs each batch anew and keeps none; use 'crossfit' or 'refit'"
            )

    # -- fitting --------------------------------------------------------------------------------

    def fit(
        self,
        X: MatrixLike,
        y: VectorLike | None = None,
        L: VotesLike | None = None,
        X_val: MatrixLike | None = None,
        y_val: VectorLike | None = None,
        L_val: VotesLike | None = None,
        *,
        sample_weight: VectorLike | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, D)
            Features of labelled and unlabelled rows.
        y : array of shape (n,)
            Gold labels; -1, None or NaN where unlabelled. With L they are read against its
            classes: names, codes, members of an Enum or the numbers that classes are called by.
            An index of pandas must be that of X and L, or have nothing to do with it. Without any
            gold label only :class:`LabelModelClassifier` can be trained.
        L : LabelMatrix or array of shape (n, m), optional
            Votes of the labelling functions, -1 for abstain.
        X_val, y_val, L_val : optional
            Validation rows with gold and their votes. They choose the epoch and, with AMAL, drive
            the weights. Without them `validation_fraction` of the gold rows is held out.
        sample_weight : array (n,), optional
            What the losses of each row of X are multiplied by, with gold or without; only ratios
            matter. A row of weight 0 is as if it were not there. Validation rows count alike.

        Returns
        -------
        self

        Notes
        -----
        There is no argument for test rows, on purpose.

        Which rows are held out, and in which order rows are trained on, goes by the row ids of `L`,
        or by the index of `X` or `y` where these are of pandas; so a table in another order gives
        the same model, but for rounding. Without ids it goes by position, and rows in another
        order give another split and another model.
        """
        inputs = FitInputs(X, y, L, X_val, y_val, L_val, sample_weight)
        return finish(self.fit_steps(**inputs._asdict()))

    def fit_steps(self, **given: Any) -> Steps[Self]:
        """Fit in steps, which :func:`.together.fit_together` takes with those of other fits.

        Parameters
        ----------
        **given
            What :meth:`fit` takes, by name.
        """
        inputs = FitInputs(**{name: given.get(name) for name in FitInputs._fields})
        weights = read_weights(inputs.sample_weight, inputs.X, inputs.y)
        rows = rows_that_count(weights)
        if weights is None or rows is None:
            yield from self._fit_steps(inputs, given)
            return self
        per_row = {name: take_rows(given.get(name), rows) for name in self._given_by_row}
        yield from self.fit_steps(**given | per_row)
        for name in ("weights_", "last_weights_"):
            if hasattr(self, name):
                setattr(self, name, with_left_out(getattr(self, name), rows, len(weights)))
        return self

    def _fit_steps(self, inputs: FitInputs, given: Any = None) -> Steps[None]:
        """Check, plan and train; `given` are what the plan of a subclass needs of its `fit`."""
        self._begin()
        pool = make_pool(self, inputs)
        plan = self._plan(pool, given)
        results = yield from fit_plan(pool, plan)
        self._set_fitted_attributes(pool, results, plan)

    def _begin(self) -> None:
        """Check the parameters, and settle the seed that all of this fit starts from."""
        self.check_parameters()
        self.seed_ = settle_seed(self.random_state)

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        """Make the plan of this fit: losses, mixer and model of the rules.

        Parameters
        ----------
        pool : TrainingPool
        given : object, optional
            What the `fit` of a subclass takes beside rows, such as teachers' inputs.
        """
        raise NotImplementedError

    def _new_plan(
        self,
        pool: TrainingPool,
        make_losses: MakeLosses,
        make_rules: MakeRules | None = None,
        *,
        batch_size: int | None = None,
        lr_rules: float | None = None,
        **changes: Any,
    ) -> FitPlan:
        """Settle what all estimators have.

        Parameters
        ----------
        pool : TrainingPool
        make_losses : function (class_weights) -> ComponentSet
            `class_weights` (C,) or None are for losses on gold labels.
        make_rules : function (seen, generator) -> module, optional
            The rule side of the model, by the gold of training and of V.
        batch_size, lr_rules : optional
            Where the trainer's options leave them open.
        **changes
            Fields of :class:`FitPlan`.
        """
        if self.metric == "f1":
            check_metric(self.metric, len(pool.classes))
        trainer: TrainerConfig = self._options_of("trainer")
        images = pool.x.ndim > 2
        if trainer.augment is not None and not images:
            raise InputError(f"augment={trainer.augment!r} changes images; X holds plain features")
        statistics = channel_statistics(pool.x[: pool.n_train]) if images else None
        lr, lr_rules = trainer.lr, trainer.lr_rules or lr_rules
        settled = replace(
            trainer,
            lr=self._default_rate(pool, trainer.optimiser) if lr is None else lr,
            lr_rules=lr_rules,
            batch_size=trainer.batch_size or batch_size or (IMAGE_BATCH if images else BATCH),
            device=find_device(trainer.device),
            patience=self._usual_patience() if trainer.patience == "auto" else trainer.patience,
            milestones=tuple(int(epoch) for epoch in trainer.milestones),
            keep_epochs=tuple(int(epoch) for epoch in trainer.keep_epochs),
        )

        def make_model(seen: SeenGold, generator: torch.Generator) -> JointModel:
            feature = self._feature_model(statistics, generator)
            return JointModel(feature, None if make_rules is None else make_rules(seen, generator))

        return replace(
            FitPlan(
                make_model=make_model,
                make_losses=lambda gold: make_losses(self._class_weights(pool, gold)),
                make_mixer=self._new_mixer,
                trainer=settled,
                config=self._config_for_fingerprint,
                metric=self.metric,
                positive=self.positive_code_,
                seed=self.seed_,
                fit_strategy=self.fit_strategy,
                n_folds=self.n_folds,
                validation=self.validation,
                use_unlabelled=self._uses_rules,
                callbacks=(ProgressBar(self._title()),) if self.verbose else (),
            ),
            **changes,
        )

    def _new_mixer(self) -> Mixer:
        """Make the mixer; a fresh one for each model that is trained."""
        return Fixed()

    def _select_columns(
        self, votes: LabelMatrix, plan: list[tuple[int, int]]
    ) -> list[tuple[int, int]]:
        """Return the columns (LF, class) of the votes (n, m) to train on; here all of the plan."""
        return plan

    def _select_votes(self, votes: LabelMatrix | None, y: np.ndarray) -> LabelMatrix | None:
        """Return the votes (n, m) of all rows, if they are to be trained on; `y` (n,) are codes."""
        return votes if self._uses_rules else None

    def _classes_told(self) -> Any:
        """Return the classes (C,) that are known without gold and votes; else None."""
        return None

    def _check_features(self, X: Any, reset: bool) -> Any:
        check = check_features_or_images if self._takes_images else check_features
        if self.encoder_name is not None:
            check_no_texts(X)
        checked = check(self, X, reset)
        self._check_tokens(checked, reset)
        return checked

    def _config_for_fingerprint(self) -> dict[str, Any]:
        """Return as JSON what makes a run this run beside its pool: checkpoints are held to it."""
        config = serialization.fingerprint_config(self)
        if self.encoder_name is not None:
            config["encoder_identity"] = self.encoder_plan_.identity
        return config

    def _title(self) -> str:
        """Return what progress bars call the model that is trained."""
        return network_name(self.feature_model) if self._takes_images else type(self).__name__

    def _gold_batch(self, pool: TrainingPool) -> int:
        """Return the batch size where gold rows are all that is trained on.

        About 16 batches an epoch: a gold set of 69 rows in batches of 32 makes three Adam steps an
        epoch, which is under-trained at any usual number of epochs. Small batches keep the
        comparison with rule-trained models fair.
        """
        n_rows = len(np.setdiff1d(pool.gold, pool.validation)) or len(pool.gold)
        if self.fit_strategy.startswith("crossfit"):
            kept = self.n_folds - (2 if self.fit_strategy == "crossfit-rotated" else 1)
            n_rows = len(pool.gold) * kept // self.n_folds
        return int(np.clip(n_rows // STEPS_PER_EPOCH, 4, 32))

    def _class_weights(self, pool: TrainingPool, gold: np.ndarray) -> np.ndarray | None:
        """Return weights (C,) of gold by class: those given, and for the class balance of V.

        None where no gold is trained on, as in a student that is taught by answers alone.

        V as it was handed in is the sample that the classifier is meant for; L may be drawn
        otherwise, such as one exemplar per rule. Counts are smoothed by one. Where a fold is kept
        from a model, of V the rows that it trains on are counted.
        """
        if not len(gold):
            return None
        n_classes = len(pool.classes)
        weights = None if pool.weights is None else pool.weights[gold]
        factors = class_factors(
            self.class_weight,
            lambda classes: known_codes(self, classes, "class_weight"),
            *(pool.y[gold], weights, n_classes),
        )
        if not self.prior_correction:
            return factors
        counted = pool.validation
        if self.fit_strategy == "crossfit-rotated":
            counted = np.intersect1d(counted, gold)
        wanted = np.bincount(pool.y[counted], minlength=n_classes) + 1.0
        present = np.bincount(pool.y[gold], minlength=n_classes) + 1.0
        corrected = (wanted / wanted.sum()) / (present / present.sum())
        return corrected if factors is None else corrected * factors

    def _feature_model(
        self, statistics: Any = None, generator: torch.Generator | None = None
    ) -> torch.nn.Module:
        """Build the feature model; `statistics` (mean, std) normalise images."""
        if self.feature_model == "linear" and statistics is None:
            return LinearModel(self.n_features_in_, len(self.classes_), generator)
        if self.encoder_name is not None:
            return self._new_encoder(len(self.classes_), generator)
        return build_feature_model(
            self.feature_model,
            self.n_features_in_,
            len(self.classes_),
            self.hidden,
            generator,
            input_shape=None if statistics is None else tuple(self.input_shape_),
            statistics=statistics,
        )

    def _default_rate(self, pool: TrainingPool, optimiser: str) -> float:
        """Return the learning rate where none is given."""
        if self.encoder_name is not None:
            return self._encoder_rate(optimiser)
        return default_rate(pool.x, self.feature_model, optimiser)

    def _usual_patience(self) -> int | None:
        """Return the epochs without gain after which training ends, where nothing is said."""
        return self._patience if self.encoder_name is None else ENCODER_PATIENCE

    def _set_fitted_attributes(
        self, pool: TrainingPool, results: list[FoldResult], plan: FitPlan
    ) -> None:
        """Set what a fit leaves behind."""
        self.models_ = [result.model.eval() for result in results]
        self.plan_ = pool.plan
        self.validation_source_ = pool.source
        self.validation_used_ = results[0].validation_used
        self.val_score_ = float(np.mean([result.result.val_score for result in results]))
        self.best_epoch_ = [result.result.best_epoch for result in results]
        self.history_ = joined_history(results)
        self.training_path_ = ", ".join(dict.fromkeys(result.result.path for result in results))
        self.weights_ = weights_frame(results)
        self.exponent_ = self._choose_exponent(pool, results, plan)
        self.out_of_fold_: OutOfFold | None = None
        if plan.fit_strategy == "crossfit-rotated":
            self.out_of_fold_ = out_of_fold(pool, results, plan)
        self.snapshots_ = {
            epoch: self._snapshot(parameters, plan)
            for epoch, parameters in results[0].result.kept.items()
        }
        if self._takes_images:
            self.last_weights_ = weights_frame(results, last=True)
        for model in self.models_:
            merge_updates(model)

    def _snapshot(self, parameters: dict[str, torch.Tensor], plan: FitPlan) -> torch.nn.Module:
        if self.encoder_name is None:
            network = self._feature_model(self._blank_statistics())
        else:  # as it was trained, with low-rank updates beside the weights
            network = copy.deepcopy(self.models_[0].feature)
        # Of the run's type before its numbers go in: they would be rounded on the way.
        network.to(plan.device, plan.dtype).load_state_dict(parameters)
        merge_updates(network)
        return network.eval()

    def _choose_exponent(
        self, pool: TrainingPool, results: list[FoldResult], plan: FitPlan
    ) -> float:
        """Return the power of the rule model at prediction, as the validation rows choose it."""
        if self.inference == "feature" or pool.votes is None:
            return 0.0
        parts = []
        for i, result in enumerate(results):
            rows = result.validation
            votes = pool.votes[rows]
            table = Table(pool.x[rows], votes=votes, dtype=plan.dtype, device=plan.device)
            log_p, log_q = log_posteriors([result.judge], table)[0]
            parts.append((log_p, self._rule_log_proba(i, log_q, votes), pool.y[rows]))
        return choose_exponent(*(np.concatenate(column) for column in zip(*parts, strict=True)))

    # -- prediction -----------------------------------------------------------------------------

    def predict_proba(self, X: MatrixLike, L: VotesLike | None = None) -> np.ndarray:
        """Compute class probabilities (n, C), averaged over the models if there are several.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, D)
        L : LabelMatrix or array of shape (n, m), optional
            Needed where ``inference="product"`` chose an exponent above 0, and by rule networks
            with ``inference="sum"``.
        """
        check_is_fitted(self, "models_")
        if self.exponent_ > 0 and L is None:
            raise InputError(
                f"this model predicts with the rules as well (inference={self.inference!r}): pass "
                "the votes as L=, or fit with inference='feature'"
            )
        return self._predict_proba(X, L, self.exponent_)

    def _predict_proba(self, X: Any, L: Any, exponent: float) -> np.ndarray:
        L = align_votes(L, [X])
        X = self._check_features(X, reset=False)
        votes = self._votes_of(X, L if exponent > 0 else None)
        probabilities = []
        for i, (log_p, log_q) in enumerate(log_posteriors(self.models_, self._table(X, votes))):
            rules = self._rule_log_proba(i, log_q, votes) if exponent > 0 else None
            probabilities.append(softmax(self._combine(log_p, rules, exponent), axis=1))
        mean = np.mean(probabilities, axis=0)
        return mean / mean.sum(1, keepdims=True)

    def predict(self, X: MatrixLike, L: VotesLike | None = None) -> np.ndarray:
        """Predict class labels (n,)."""
        p = self.predict_proba(X, L)  # checks that there is a fit before classes_ is read
        return self.classes_[p.argmax(1)]

    def rule_predict_proba(self, L: VotesLike) -> np.ndarray:
        """Compute the rule model's class probabilities (n, C); uniform where no LF fires.

        Raises
        ------
        InputError
            If the model was trained without rules.
        """
        check_is_fitted(self, "models_")
        if self.models_[0].rules is None:
            raise InputError("this model was trained without labelling functions (no L in fit)")
        no_features = np.zeros((len(as_label_matrix(L)), 0), dtype=np.float32)
        batch = self._table(no_features, self._votes_of(no_features, L)).whole()
        with torch.no_grad():
            sides = [model.rules for model in self.models_ if model.rules is not None]
            joint = [rules(batch.fired, batch.scores).double() for rules in sides]
        return torch.stack(joint).softmax(-1).mean(0).cpu().numpy()

    def score(
        self,
        X: MatrixLike,
        y: VectorLike,
        sample_weight: VectorLike | None = None,
        L: VotesLike | None = None,
    ) -> float:
        """Score predictions by `metric` on the labelled rows of y; unlabelled rows are left out.

        Without L a model that predicts with the rules as well is scored by its feature model
        alone. With `sample_weight` the score is the weighted accuracy, as scikit-learn expects.
        """
        check_is_fitted(self, "models_")
        codes = known_codes(self, y, strict=False)
        check_same_rows(y, X, "y", "X")
        check_same_rows(sample_weight, X, "sample_weight", "X")
        check_same_rows(sample_weight, y, "sample_weight", "y")
        known = codes >= 0
        predicted = self._predict_proba(X, L, self.exponent_ if L is not None else 0.0).argmax(1)
        if sample_weight is not None:
            weight = np.asarray(sample_weight, dtype=float)[known]
            return float(np.average(predicted[known] == codes[known], weights=weight))
        return score(self.metric, codes, predicted, self.positive_code_)

    def _votes_of(self, X: Any, L: Any) -> LabelMatrix | None:
        """Votes in the unipolar form of training; silence where L is None."""
        schema = self.vote_schema_
        if schema is None or not self._uses_rules:
            return None
        silent = np.full((X.shape[0], len(schema.continuous)), -1)
        return schema.conform(silent if L is None else L, X.shape[0]).to_unipolar(self.plan_)

    def _table(self, X: Any, votes: LabelMatrix | None) -> Table:
        first = next(self.models_[0].parameters())
        return Table(X, votes=votes, dtype=first.dtype, device=first.device)

    def _rule_log_proba(
        self, i: int, log_q: np.ndarray | None, votes: LabelMatrix | None
    ) -> np.ndarray | None:
        """Log posterior (n, C) that model i's prediction is multiplied by; `log_q` is its own."""
        return log_q

    def _combine(self, log_p: np.ndarray, log_q: np.ndarray | None, exponent: float) -> np.ndarray:
        """Log probabilities (n, C) of both models together, up to a constant per row."""
        return combine(log_p, log_q, exponent)

    @property
    def positive_code_(self) -> int:
        """Code of the class whose F1 the metric "f1" is: class 1 of the votes, if there are any."""
        return 1 if self.vote_schema_ is None else self.vote_schema_.code_of(1)

    @property
    def row_weights_(self) -> pd.DataFrame:
        """Weights (rows, losses) that were learnt by row; of a pool those of its member."""
        return self.weights_

    @property
    def n_lfs_(self) -> int:
        """Number of LFs in training; 0 without L."""
        return 0 if self.vote_schema_ is None else len(self.vote_schema_.continuous)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    # -- files ----------------------------------------------------------------------------------

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write the fitted model into one safetensors file with a JSON header; no pickle."""
        check_is_fitted(self, "models_")
        serialization.save(self, path, overwrite)

    @classmethod
    def load(cls, path: PathLike, **objects: Any) -> Self:
        """Read what :meth:`save` wrote.

        Objects of the user's own (a feature model, a mixer, a label model) are not in the file
        and are passed by parameter name, e.g. ``feature_model=net``.
        """
        return serialization.load(cls, path, **objects)

    def _get_extra_state(self) -> dict[str, Any]:
        """Return what only this class learns beside parameters and weights, as JSON."""
        state: dict[str, Any] = {}
        if self._takes_images:
            state = {"input_shape": list(self.input_shape_), "pixels": self.pixels_}
        if hasattr(self, "encoder_plan_"):
            state["encoder_plan"] = asdict(self.encoder_plan_)
        return state

    def _set_extra_state(self, state: dict[str, Any]) -> None:
        """Restore what :meth:`_get_extra_state` returned; empty for a file of an earlier state."""
        if self._takes_images:
            self.input_shape_ = tuple(state["input_shape"])
            self.pixels_ = state.get("pixels")  # None in files of earlier versions
        if "encoder_plan" in state:
            self.encoder_plan_ = EncoderPlan(**state["encoder_plan"])

    def _restore_model(self, tensors: dict[str, torch.Tensor]) -> JointModel:
        """Build the model again for stored parameters and fill them in.

        Raises
        ------
        ValueError
            If the header declares a larger network than there are parameters in the file.
        """
        self._check_size(sum(tensor.numel() for tensor in tensors.values()))
        rules = self._restore_rules(
            {n.removeprefix("rules."): t for n, t in tensors.items() if n.startswith("rules.")}
        )
        dtype = DTYPES[self._options_of("trainer").dtype]
        model = JointModel(self._feature_model(self._blank_statistics()), rules).to(dtype)
        model.load_state_dict(tensors)
        return model.eval()

    def _check_size(self, n_stored: int) -> None:
        """Hold what the network needs against what a file has, before room is made for it."""
        if not isinstance(self.feature_model, str):
            return  # of the user's own: no header says how large it is
        channels = self.input_shape_[0] if self._takes_images else 0
        if channels <= n_stored:
            with torch.device("meta"):  # shapes without values
                network = self._feature_model(self._blank_statistics())
            if n_parameters(network) <= n_stored:
                return
        raise ValueError(f"the network has more parameters than the {n_stored} of the file")

    def _restore_rules(self, tensors: dict[str, torch.Tensor]) -> Any:
        """Build the rule side again for stored parameters, if there are any."""
        return RuleModel.from_state(tensors) if tensors else None

    def _blank_statistics(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Statistics (mean, std) of images, for a network whose own are filled in afterwards."""
        if not self._takes_images or len(self.input_shape_) < 2:
            return None
        channels = self.input_shape_[0]
        return np.zeros(channels), np.ones(channels)


def find_device(name: str) -> str:
    """Return the name of a device that exists; "auto" takes CUDA where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used here ({error}); try 'cpu'") from error
    return name


def default_rate(x: Any, feature_model: Any, optimiser: str = "adam") -> float:
    """Return the learning rate where none is given: for SGD 0.05, as the AMAL paper says.

    For Adam and a linear model one step changes a logit by about rate times the absolute sum of a
    row; the rate is set so that this is :data:`LOGIT_STEP` for the mean row, whatever the scale
    of the features. Networks get 0.001.
    """
    if optimiser == "sgd":
        return SGD_RATE
    if feature_model != "linear" or x.ndim > 2:
        return 1e-3
    row = float(abs(x).sum(dtype=np.float64)) / max(x.shape[0], 1)
    return float(np.clip(LOGIT_STEP / max(row, 1e-12), *RATE_RANGE))


def network_name(network: Any) -> str:
    """Return the name of a network, or that of the function or class.

    Examples
    --------
    >>> network_name("mlp:50"), network_name(torch.nn.Linear(2, 2))
    ('mlp:50', 'Linear')
    """
    if isinstance(network, str):
        return network
    return str(getattr(network, "__name__", type(network).__name__))
