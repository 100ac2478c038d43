"""What all our estimators share: parameter checks, the way through `fit`, fitted attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import torch

from spear_amal.distributed.process_group import joined
from spear_amal.errors import InputError
from spear_amal.estimators import bundle, door, resolve
from spear_amal.estimators.engine import Member, Recipe, fit_members, log_posteriors
from spear_amal.estimators.intake import Intake
from spear_amal.estimators.parameters import CONSTRAINTS, DTYPES
from spear_amal.estimators.product import choose_exponent
from spear_amal.estimators.weight_frames import weights_frame
from spear_amal.io.safetensors import under_prefix
from spear_amal.losses import ComponentSet
from spear_amal.mixers import Fixed, Mixer
from spear_amal.models import JointModel, RuleModel, build_feature_model, check_kind
from spear_amal.training import Callback, ProgressBar, Settings, Table
from spear_amal.training.augment import Augmentation

BATCH = 64


@dataclass(kw_only=True, eq=False, repr=False)
class TrainedClassifier(Intake):
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
    precision: str = "fp32"
    compile: bool | str = False
    device: str = "cpu"
    ranks: str | None = None
    checkpoint: Any = None
    random_state: int = 0
    verbose: int = 0

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = CONSTRAINTS
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

    def _about(self) -> dict[str, Any]:
        """Say what makes a run this run, beside its pool, as JSON: checkpoints are held to it."""
        return bundle.params_to_json(self)

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        self._validate_params()
        if self.inference != "feature" and not self._uses_rules:
            raise InputError(
                f"inference={self.inference!r} needs a model of the rules; "
                f"{type(self).__name__} has none"
            )
        check_kind(self.feature_model)
        resolve.find_device(self.device)
        keeps_none = type(self._mixer()).table is Mixer.table
        if self.final == "crossfit-weights" and keeps_none:
            raise InputError(
                "final='crossfit-weights' takes the mean of learnt weights, but this mixer weighs "
                "each batch anew and keeps none; use 'crossfit' or 'refit'"
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
        with joined(self.ranks, resolve.find_device(self.device)) as shard:
            recipe = replace(self._recipe(pool), shard=shard)
            members = fit_members(pool, recipe, self._about())
        self._keep(pool, members, recipe)
        return self

    def _recipe(self, pool: door.Pool) -> Recipe:
        p: Any = self
        device = resolve.find_device(p.device)
        settings = Settings(
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
        return Recipe(
            make_model=lambda y, generator: self._model(pool, y, generator),
            make_components=lambda gold: self._components(pool, self._class_weights(pool, gold)),
            make_teachers=lambda gold: self._teachers(pool, gold),
            make_mixer=self._mixer,
            settings=settings,
            final=self._final(pool),
            n_folds=p.n_folds,
            validation=p.validation,
            use_unlabelled=self._uses_unlabelled,
            keep_uncovered=getattr(p, "keep_uncovered", False),
            dtype=DTYPES[p.dtype],
            device=device,
            callbacks=self._callbacks(),
            augment=self._augment(),
            live=self._live(),
        )

    def _final(self, pool: door.Pool) -> str:
        return self.final

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

    def _live(self) -> tuple[Any, ...]:
        """For each teacher, how to ask about an augmented batch; see :class:`Table`."""
        return ()

    def _default_rate(self, pool: door.Pool) -> float:
        return resolve.default_rate(pool.x, self.feature_model)

    def _default_batch(self, pool: door.Pool) -> int:
        return BATCH

    def _gold_batch(self, pool: door.Pool) -> int:
        """Batch size where gold rows are all that is trained on."""
        trained = len(np.setdiff1d(pool.gold, pool.validation)) or len(pool.gold)
        if self.final.startswith("crossfit"):
            trained = len(pool.gold) * (self.n_folds - 1) // self.n_folds
        return resolve.gold_batch(trained)

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
        return JointModel(self._feature(pool, generator), self._rules(pool, y, generator))

    def _feature(self, pool: door.Pool, generator: torch.Generator) -> torch.nn.Module:
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

    def _keep(self, pool: door.Pool, members: list[Member], recipe: Recipe) -> None:
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
