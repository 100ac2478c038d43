"""What all our estimators share: parameter checks, the way through `fit`, fitted attributes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import validate_data

from spear_amal.components import ComponentSet
from spear_amal.errors import InputError
from spear_amal.estimators import bundle, door
from spear_amal.estimators.engine import Member, Recipe, fit_members, log_posteriors
from spear_amal.estimators.fitted import FittedClassifier
from spear_amal.estimators.product import choose_exponent
from spear_amal.label_matrix import LabelMatrix
from spear_amal.label_models.base import as_label_matrix
from spear_amal.mixers import Fixed, Mixer
from spear_amal.models import JointModel, RuleModel, build_feature_model
from spear_amal.training import METRICS, ProgressBar, Settings, Table
from spear_amal.training.checkpoint import under_prefix

LOGIT_STEP = 0.14  # 0.01 on bags of 14 words, the rate that a first study used
RATE_RANGE = (1e-4, 0.1)
DTYPES = {"float32": torch.float32, "float64": torch.float64}


@dataclass(kw_only=True, eq=False, repr=False)
class TrainedClassifier(FittedClassifier):
    """Template: a subclass says which losses, which mixer and whether rules are used.

    The fields are the parameters that all have; subclasses are dataclasses that add their own.
    scikit-learn reads them off the signature that this makes.
    """

    feature_model: Any = "linear"
    hidden: Sequence[int] = (512, 512)
    final: str = "single"
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
    device: str = "cpu"
    checkpoint: Any = None
    random_state: int = 0
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "final": [StrOptions({"single", "refit", "crossfit"})],
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
        "device": [str],
        "hidden": ["array-like"],
        "random_state": [Interval(Integral, 0, None, closed="left")],
        "verbose": [Interval(Integral, 0, None, closed="left"), "boolean"],
    }
    _uses_rules = False
    _uses_unlabelled = False

    # -- what a subclass says -------------------------------------------------------------------

    def _components(self, pool: door.Pool, class_weights: np.ndarray | None) -> ComponentSet:
        """Make the losses; `class_weights` (C,) are for those on gold labels."""
        raise NotImplementedError

    def _mixer(self) -> Mixer:
        return Fixed()

    def _rules(self, pool: door.Pool, y: np.ndarray, generator: torch.Generator) -> Any:
        """Make the rule side of the model, or None; `y` (n,) holds gold codes of V only."""
        return None

    def _teachers(self, pool: door.Pool, gold: np.ndarray) -> np.ndarray | None:
        """Teacher logits (n, T, C) for the pool, or None; `gold` are the rows whose y may count."""
        return None

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        self._validate_params()
        if self.inference != "feature" and not self._uses_rules:
            raise InputError(
                f"inference={self.inference!r} needs a model of the rules; "
                f"{type(self).__name__} has none"
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
        recipe = self._recipe(pool)
        members = fit_members(pool, recipe, bundle.params_to_json(self))
        self._keep(pool, members, recipe)
        return self

    def _pool(self, X: Any, y: Any, L: Any, X_val: Any, y_val: Any, L_val: Any) -> door.Pool:
        _check_pairs(L, X_val, y_val, L_val)
        X = validate_data(self, X, accept_sparse="csr", dtype=["float64", "float32"])
        y = door.column(y, "y")
        door.check_rows("y", len(y), X.shape[0], "X")
        votes = None if L is None else as_label_matrix(L)
        if votes is not None:
            door.check_rows("L", len(votes), X.shape[0], "X")
            if votes.nnz == 0:
                raise InputError("all LFs abstain on all rows of L; without votes leave L out")
        self.classes_ = door.find_classes(y[~door.unlabelled_mask(y)], votes)
        codes = door.encode(y, self.classes_)
        door.check_gold(codes, self.classes_)
        self.vote_form_ = None
        if votes is not None:
            self.vote_form_ = door.VoteForm.of(L, votes, len(self.classes_))
            votes = votes.with_classes(self.vote_form_.classes)
        if X_val is None:
            held, source = door.hold_out(codes, self.validation_fraction, self.random_state)
            features, all_codes, all_votes = [X], [codes], [votes]
        else:
            x, c, v = self._validation(X_val, y_val, L_val)
            held, source = np.arange(len(codes), len(codes) + len(c)), "given"
            features, all_codes, all_votes = [X, x], [codes, c], [votes, v]
        plan = [] if votes is None else votes.unipolar_plan()
        unipolar = [v.to_unipolar(plan) for v in all_votes if v is not None]
        return door.Pool(
            x=door.stack(features) if len(features) > 1 else X,
            y=np.concatenate(all_codes),
            labels=door.stack_votes(unipolar) if unipolar and self._uses_rules else None,
            validation=held,
            classes=self.classes_,
            plan=plan,
            source="folds" if self.final == "crossfit" else source,
            n_train=X.shape[0],
        )

    def _validation(
        self, X_val: Any, y_val: Any, L_val: Any
    ) -> tuple[Any, np.ndarray, LabelMatrix | None]:
        x = validate_data(
            self, X_val, accept_sparse="csr", dtype=["float64", "float32"], reset=False
        )
        labels = door.column(y_val, "y_val")
        door.check_rows("y_val", len(labels), x.shape[0], "X_val")
        codes = door.encode(labels, self.classes_, "y_val")
        if (codes < 0).any():
            raise InputError("y_val holds unlabelled rows (-1); validation rows need gold labels")
        form = self.vote_form_
        if form is None:
            return x, codes, None
        if L_val is None:
            L_val = np.full((len(codes), len(form.continuous)), -1)
        return x, codes, form.conform(L_val, len(codes), "L_val", "X_val")

    def _recipe(self, pool: door.Pool) -> Recipe:
        p: Any = self
        device = _device(p.device)
        settings = Settings(
            lr=p.lr_scale * (p.lr if p.lr is not None else default_rate(pool.x, p.feature_model)),
            lr_rules=getattr(p, "lr_rules", 1e-2),
            batch_size=p.batch_size or self._default_batch(pool),
            max_epochs=p.max_epochs,
            patience=p.patience,
            metric=p.metric,
            weight_decay=p.weight_decay,
            seed=p.random_state,
            checkpoint=p.checkpoint,
        )
        return Recipe(
            make_model=lambda y, generator: self._model(pool, y, generator),
            make_components=lambda gold: self._components(pool, self._class_weights(pool, gold)),
            make_teachers=lambda gold: self._teachers(pool, gold),
            make_mixer=self._mixer,
            settings=settings,
            final=p.final,
            n_folds=p.n_folds,
            validation=p.validation,
            use_unlabelled=self._uses_unlabelled,
            keep_uncovered=getattr(p, "keep_uncovered", False),
            dtype=DTYPES[p.dtype],
            device=device,
            callbacks=(ProgressBar(type(self).__name__),) if p.verbose else (),
        )

    def _default_batch(self, pool: door.Pool) -> int:
        return 32

    def _class_weights(self, pool: door.Pool, gold: np.ndarray) -> np.ndarray | None:
        """Weights (C,) that give the gold rows of training the class balance of V.

        V as it was handed in is the sample that the classifier is meant for; L may be drawn
        otherwise, such as one exemplar per rule. Counts are smoothed by one.
        """
        if not self.prior_correction:
            return None
        wanted = np.bincount(pool.y[pool.validation], minlength=len(pool.classes)) + 1.0
        found = np.bincount(pool.y[gold], minlength=len(pool.classes)) + 1.0
        return (wanted / wanted.sum()) / (found / found.sum())

    def _model(self, pool: door.Pool, y: np.ndarray, generator: torch.Generator) -> JointModel:
        p: Any = self
        feature = build_feature_model(
            p.feature_model, pool.x.shape[1], len(pool.classes), p.hidden, generator
        )
        return JointModel(feature, self._rules(pool, y, generator))

    def _empty_model(self, tensors: dict[str, torch.Tensor]) -> JointModel:
        """Build the model again for stored parameters and fill them in."""
        p: Any = self
        feature = build_feature_model(
            p.feature_model, self.n_features_in_, len(self.classes_), p.hidden
        )
        model = JointModel(feature, self._stored_rules(under_prefix("rules", tensors))).to(
            DTYPES[p.dtype]
        )
        model.load_state_dict(tensors)
        return model

    def _stored_rules(self, tensors: dict[str, torch.Tensor]) -> Any:
        """Build the rule side again for stored parameters, if there are any."""
        return RuleModel.from_state(tensors) if tensors else None

    def _keep(self, pool: door.Pool, members: list[Member], recipe: Recipe) -> None:
        """Set the fitted attributes."""
        self.models_ = [member.model for member in members]
        self.plan_ = pool.plan
        self.validation_source_ = pool.source
        self.validation_used_ = members[0].validation_used
        self.val_score_ = float(np.mean([member.result.val_score for member in members]))
        self.best_epoch_ = [member.result.best_epoch for member in members]
        frames = [pd.DataFrame(m.result.history).assign(member=i) for i, m in enumerate(members)]
        self.history_ = pd.concat(frames, ignore_index=True)
        self.weights_ = _weights_frame(pool, members)
        self.exponent_ = self._exponent(pool, members, recipe)

    def _exponent(self, pool: door.Pool, members: list[Member], recipe: Recipe) -> float:
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


def _device(name: str) -> str:
    """Check that a device exists; "auto" takes CUDA where there is one."""
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r} cannot be used here ({error}); try 'cpu'") from error
    return name


def _check_pairs(L: Any, X_val: Any, y_val: Any, L_val: Any) -> None:
    """Check that X_val comes with y_val, and L_val where training has L."""
    if (X_val is None) != (y_val is None):
        given, missing = ("X_val", "y_val") if y_val is None else ("y_val", "X_val")
        raise InputError(f"{given} was given without {missing}; validation rows need both")
    if L_val is not None and (X_val is None or L is None):
        raise InputError("L_val was given without " + ("X_val" if X_val is None else "L"))
    if L is not None and X_val is not None and L_val is None:
        warnings.warn(
            "validation rows came without L_val: LF quality cannot be estimated on them",
            UserWarning,
            stacklevel=4,
        )


def default_rate(x: Any, feature_model: Any) -> float:
    """Adam's rate where none is given.

    For a linear model one Adam step changes a logit by about rate times the absolute sum of a
    row; the rate is set so that this is :data:`LOGIT_STEP` for the mean row, whatever the scale
    of the features. Networks get 0.001.
    """
    if feature_model != "linear":
        return 1e-3
    row = float(abs(x).sum()) / max(x.shape[0], 1)
    return float(np.clip(LOGIT_STEP / max(row, 1e-12), *RATE_RANGE))


def _weights_frame(pool: door.Pool, members: list[Member]) -> pd.DataFrame:
    """Weights (n, K) per row and loss, means over members; NaN where a loss did not count."""
    names = members[0].names
    total, count = np.zeros((2, len(pool.y), len(names)))
    for member in members:
        rows = torch.as_tensor(member.trained)
        table, on = member.result.weights, member.result.domain[rows].numpy()
        total[rows] += np.where(on, 1.0 if table is None else table[rows].numpy(), 0.0)
        count[rows] += on
    return pd.DataFrame(total / np.where(count == 0, np.nan, count), columns=list(names))
