"""What all our estimators share: parameter checks, the way through `fit`, fitted attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from spear_amal.distributed.process_group import process_group
from spear_amal.errors import InputError
from spear_amal.estimators import defaults, serialization, validation
from spear_amal.estimators.cross_fitting import (
    FitPlan,
    FoldResult,
    fit_members,
    log_posteriors,
    weights_frame,
)
from spear_amal.estimators.prediction import PredictorMixin, choose_exponent
from spear_amal.estimators.validation import TrainingPool
from spear_amal.io.safetensors import under_prefix
from spear_amal.losses import ComponentSet
from spear_amal.mixers import Fixed, Mixer
from spear_amal.models import JointModel, RuleModel, build_feature_model, check_kind
from spear_amal.params import Interval, StrOptions
from spear_amal.training import METRICS, Callback, ProgressBar, Table, TrainerConfig
from spear_amal.training.augment import Augmentation
from spear_amal.training.objective import PRECISIONS
from spear_amal.votes.label_matrix import LabelMatrix, as_label_matrix


class Intake(PredictorMixin):
    """Checks `fit`'s arguments; sets ``classes_``, ``n_features_in_`` and ``vote_form_``."""

    fit_strategy: str
    validation_fraction: float
    random_state: int

    def _pool(
        self,
        X: Any,
        y: Any,
        L: Any,
        X_val: Any,
        y_val: Any,
        L_val: Any,
        plan: list[tuple[int, int]] | None = None,
    ) -> TrainingPool:
        """Make the pool; `plan` holds the columns (LF, class) where L is but some of the votes."""
        defaults.check_pairs(L, X_val, y_val, L_val)
        X = self._checked(X, reset=True)
        y = validation.validate_target(y, "y")
        validation.check_rows("y", len(y), X.shape[0], "X")
        votes = None if L is None else as_label_matrix(L)
        if votes is not None:
            validation.check_rows("L", len(votes), X.shape[0], "X")
            if plan is None and votes.nnz == 0:
                raise InputError("all LFs abstain on all rows of L; without votes leave L out")
        self.classes_ = validation.find_classes(y[~validation.unlabelled_mask(y)], votes)
        codes = validation.encode(y, self.classes_)
        validation.check_gold(codes, self.classes_)
        self.vote_form_ = None
        if votes is not None:
            self.vote_form_ = validation.VoteSchema.of(L, votes, len(self.classes_))
            votes = votes.with_classes(self.vote_form_.classes)
        if X_val is None:
            held, source = validation.hold_out(codes, self.validation_fraction, self.random_state)
            features, all_codes, all_votes = [X], [codes], [votes]
        else:
            x, c, v = self._validation(X_val, y_val, L_val)
            held, source = np.arange(len(codes), len(codes) + len(c)), "given"
            features, all_codes, all_votes = [X, x], [codes, c], [votes, v]
        if plan is None:
            plan = [] if votes is None else votes.unipolar_plan()
        unipolar = [v.to_unipolar(plan) for v in all_votes if v is not None]
        return TrainingPool(
            x=validation.stack(features) if len(features) > 1 else X,
            y=np.concatenate(all_codes),
            labels=self._apply_vote_guard(unipolar, np.concatenate(all_codes)),
            validation=held,
            classes=self.classes_,
            plan=plan,
            source="folds" if self.fit_strategy.startswith("crossfit") else source,
            n_train=X.shape[0],
        )

    def _apply_vote_guard(self, votes: list[LabelMatrix], y: np.ndarray) -> LabelMatrix | None:
        """Votes of all rows, if they are to be trained on."""
        return LabelMatrix.concatenate(votes) if votes and self._uses_rules else None

    def _validation(
        self, X_val: Any, y_val: Any, L_val: Any
    ) -> tuple[Any, np.ndarray, LabelMatrix | None]:
        x = self._checked(X_val, reset=False)
        labels = validation.validate_target(y_val, "y_val")
        validation.check_rows("y_val", len(labels), x.shape[0], "X_val")
        codes = validation.encode(labels, self.classes_, "y_val")
        if (codes < 0).any():
            raise InputError("y_val holds unlabelled rows (-1); validation rows need gold labels")
        form = self.vote_form_
        if form is None:
            return x, codes, None
        if L_val is None:
            L_val = np.full((len(codes), len(form.continuous)), -1)
        return x, codes, form.conform(L_val, len(codes), "L_val", "X_val")


DTYPES = {"float32": torch.float32, "float64": torch.float64}

CONSTRAINTS: dict[str, list[Any]] = {
    "fit_strategy": [StrOptions({"single", "refit", "crossfit", "crossfit-weights"})],
    "n_folds": [Interval(Integral, 2, None, closed="left")],
    "inference": [StrOptions({"feature", "product"})],
    "prior_correction": ["boolean"],
    "lr_scale": [Interval(Real, 0, None, closed="neither")],
    "validation": [StrOptions({"shared", "split"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "lr": [None, Interval(Real, 0, None, closed="neither")],
    "batch_size": [None, Interval(Integral, 1, None, closed="left")],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "patience": [Interval(Integral, 1, None, closed="left")],
    "metric": [StrOptions(set(METRICS))],
    "weight_decay": [Interval(Real, 0, None, closed="left")],
    "dtype": [StrOptions(set(DTYPES))],
    "precision": [StrOptions(set(PRECISIONS))],
    "compile": ["boolean", str],
    "device": [str],
    "distributed": [None, StrOptions({"auto"})],
    "hidden": ["array-like"],
    "random_state": [Interval(Integral, 0, None, closed="left")],
    "verbose": [Interval(Integral, 0, None, closed="left"), "boolean"],
}


BATCH = 64


@dataclass(kw_only=True, eq=False, repr=False)
class BaseSpearEstimator(Intake):
    """Template: a subclass says which losses, which mixer and whether rules are used.

    The fields are the parameters that all have; subclasses are dataclasses that add their own.
    scikit-learn reads them off the signature that this makes.
    """

    feature_model: Any = "linear"
    hidden: Sequence[int] = (512, 512)
    fit_strategy: str = "single"
    n_folds: int = 5
    inference: str = "feature"
    validation: str = "shared"
    validation_fraction: float = 0.5
    prior_correction: bool = False
    lr: float | None = None
    lr_scale: float = 1.0
    batch_size: int | None = None
    max_epochs: int = 100
    patience: int = 10
    metric: str = "accuracy"
    weight_decay: float = 0.0
    dtype: str = "float32"
    precision: str = "fp32"
    compile: bool | str = False
    device: str = "cpu"
    distributed: str | None = None
    checkpoint: Any = None
    random_state: int = 0
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS
    _uses_rules = False
    _uses_unlabelled = False

    # -- what a subclass says -------------------------------------------------------------------

    def _components(self, pool: TrainingPool, class_weights: np.ndarray | None) -> ComponentSet:
        """Make the losses; `class_weights` (C,) are for those on gold labels."""
        raise NotImplementedError

    def _mixer(self) -> Mixer:
        return Fixed()

    def _rules(self, pool: TrainingPool, y: np.ndarray, generator: torch.Generator) -> Any:
        """Make the rule side of the model, or None; `y` (n,) holds gold codes of V only."""
        return None

    def _teachers(self, pool: TrainingPool, gold: np.ndarray) -> np.ndarray | None:
        """Teacher logits (n, T, C) for the pool, or None; `gold` are the rows whose y may count."""
        return None

    def _config_for_fingerprint(self) -> dict[str, Any]:
        """Say what makes a run this run, beside its pool, as JSON: checkpoints are held to it."""
        return serialization.params_to_json(self)

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        self._validate_params()
        if self.inference != "feature" and not self._uses_rules:
            raise InputError(
                f"inference={self.inference!r} needs a model of the rules; "
                f"{type(self).__name__} has none"
            )
        check_kind(self.feature_model)
        defaults.find_device(self.device)
        keeps_none = type(self._mixer()).table is Mixer.table
        if self.fit_strategy == "crossfit-weights" and keeps_none:
            raise InputError(
                "fit_strategy='crossfit-weights' takes the mean of learnt weights, but this mixer "
                "weighs each batch anew and keeps none; use 'crossfit' or 'refit'"
            )

    # -- fitting --------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        L: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        L_val: Any = None,
    ) -> Any:
        """Train.

        Parameters
        ----------
        X : array or sparse matrix of shape (n, D)
            Features of labelled and unlabelled rows.
        y : array of shape (n,)
            Gold labels; -1 (or None) where unlabelled.
        L : LabelMatrix or array of shape (n, m), optional
            Votes of the labelling functions, -1 for abstain.
        X_val, y_val, L_val : optional
            Validation rows with gold and their votes. They choose the epoch and, with AMAL, drive
            the weights. Without them `validation_fraction` of the gold rows is held out.

        Returns
        -------
        self

        Notes
        -----
        There is no argument for test rows, on purpose.
        """
        self.check_parameters()
        pool = self._pool(X, y, L, X_val, y_val, L_val)
        with process_group(self.distributed, defaults.find_device(self.device)) as shard:
            recipe = replace(self._recipe(pool), shard=shard)
            members = fit_members(pool, recipe, self._config_for_fingerprint())
        self._set_fitted_attributes(pool, members, recipe)
        return self

    def _recipe(self, pool: TrainingPool) -> FitPlan:
        p: Any = self
        device = defaults.find_device(p.device)
        settings = TrainerConfig(
            lr=p.lr_scale * (p.lr if p.lr is not None else self._default_rate(pool)),
            lr_rules=getattr(p, "lr_rules", 1e-2),
            batch_size=p.batch_size or self._default_batch(pool),
            max_epochs=p.max_epochs,
            patience=p.max_epochs if p.patience is None else p.patience,
            metric=p.metric,
            weight_decay=p.weight_decay,
            seed=p.random_state,
            precision=p.precision,
            compile=p.compile,
            checkpoint=p.checkpoint,
            **self._own_settings(),
        )
        return FitPlan(
            make_model=lambda y, generator: self._model(pool, y, generator),
            make_components=lambda gold: self._components(pool, self._class_weights(pool, gold)),
            make_teachers=lambda gold: self._teachers(pool, gold),
            make_mixer=self._mixer,
            settings=settings,
            fit_strategy=self._final(pool),
            n_folds=p.n_folds,
            validation=p.validation,
            use_unlabelled=self._uses_unlabelled,
            keep_uncovered=getattr(p, "keep_uncovered", False),
            dtype=DTYPES[p.dtype],
            device=device,
            callbacks=self._callbacks(),
            augment=self._augment(),
            online_teachers=self._online_teachers(),
        )

    def _final(self, pool: TrainingPool) -> str:
        return self.fit_strategy

    def _own_settings(self) -> dict[str, Any]:
        """Say how to train beyond what all estimators have."""
        return {}

    def _callbacks(self) -> tuple[Callback, ...]:
        return (ProgressBar(self._title()),) if self.verbose else ()

    def _title(self) -> str:
        """Say what progress bars call the model that is trained."""
        return type(self).__name__

    def _augment(self) -> Augmentation | None:
        """Change training batches at random by this, if by anything."""
        return None

    def _online_teachers(self) -> tuple[Any, ...]:
        """For each teacher, how to ask about an augmented batch; see :class:`Table`."""
        return ()

    def _default_rate(self, pool: TrainingPool) -> float:
        return defaults.default_rate(pool.x, self.feature_model)

    def _default_batch(self, pool: TrainingPool) -> int:
        return BATCH

    def _gold_batch(self, pool: TrainingPool) -> int:
        """Batch size where gold rows are all that is trained on."""
        trained = len(np.setdiff1d(pool.gold, pool.validation)) or len(pool.gold)
        if self.fit_strategy.startswith("crossfit"):
            trained = len(pool.gold) * (self.n_folds - 1) // self.n_folds
        return defaults.gold_batch(trained)

    def _class_weights(self, pool: TrainingPool, gold: np.ndarray) -> np.ndarray | None:
        """Weights (C,) that give the gold rows of training the class balance of V.

        V as it was handed in is the sample that the classifier is meant for; L may be drawn
        otherwise, such as one exemplar per rule. Counts are smoothed by one.
        """
        if not self.prior_correction:
            return None
        wanted = np.bincount(pool.y[pool.validation], minlength=len(pool.classes)) + 1.0
        found = np.bincount(pool.y[gold], minlength=len(pool.classes)) + 1.0
        return (wanted / wanted.sum()) / (found / found.sum())

    def _model(self, pool: TrainingPool, y: np.ndarray, generator: torch.Generator) -> JointModel:
        return JointModel(self._feature(pool, generator), self._rules(pool, y, generator))

    def _feature(self, pool: TrainingPool, generator: torch.Generator) -> torch.nn.Module:
        return build_feature_model(
            self.feature_model, pool.x.shape[1], len(pool.classes), self.hidden, generator
        )

    def _empty_feature(self) -> torch.nn.Module:
        """Build the feature model again, for stored parameters."""
        return build_feature_model(
            self.feature_model, self.n_features_in_, len(self.classes_), self.hidden
        )

    def _empty_model(self, tensors: dict[str, torch.Tensor]) -> JointModel:
        """Build the model again for stored parameters and fill them in."""
        rules = self._stored_rules(under_prefix("rules", tensors))
        model = JointModel(self._empty_feature(), rules).to(DTYPES[self.dtype])
        model.load_state_dict(tensors)
        return model.eval()

    def _stored_rules(self, tensors: dict[str, torch.Tensor]) -> Any:
        """Build the rule side again for stored parameters, if there are any."""
        return RuleModel.from_state(tensors) if tensors else None

    def _set_fitted_attributes(
        self, pool: TrainingPool, members: list[FoldResult], recipe: FitPlan
    ) -> None:
        """Set the fitted attributes."""
        self.models_ = [member.model.eval() for member in members]
        self.plan_ = pool.plan
        self.validation_source_ = pool.source
        self.validation_used_ = members[0].validation_used
        self.val_score_ = float(np.mean([member.result.val_score for member in members]))
        self.best_epoch_ = [member.result.best_epoch for member in members]
        frames = [pd.DataFrame(m.result.history).assign(member=i) for i, m in enumerate(members)]
        self.history_ = pd.concat(frames, ignore_index=True)
        self.weights_ = weights_frame(members)
        self.exponent_ = self._exponent(pool, members, recipe)

    def _exponent(self, pool: TrainingPool, members: list[FoldResult], recipe: FitPlan) -> float:
        if self.inference == "feature" or pool.labels is None:
            return 0.0
        parts = []
        for i, member in enumerate(members):
            held = member.validation
            table = Table(
                pool.x[held], labels=pool.labels[held], dtype=recipe.dtype, device=recipe.device
            )
            p, q = log_posteriors([member.judge], table)[0]
            parts += [(p, self._rule_side(i, q, pool.labels[held]), pool.y[held])]
        return choose_exponent(*(np.concatenate(column) for column in zip(*parts, strict=True)))
