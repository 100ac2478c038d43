"""End models: a label model answers first, and a classifier learns its answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
from sklearn.base import clone

from spear_amal._typing import PathLike
from spear_amal.errors import InputError
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import FitPlan, FoldResult
from spear_amal.estimators.cut_statistic import SHARE, row_selection
from spear_amal.estimators.validation import TrainingPool, VoteSchema
from spear_amal.label_models import LABEL_MODELS, LabelModel
from spear_amal.label_models.against_majority import BothWrong
from spear_amal.label_models.committee import gold_names
from spear_amal.label_models.registry import make_label_model
from spear_amal.losses import ComponentSet, GoldCrossEntropy, NoisyCrossEntropy, TeacherCrossEntropy
from spear_amal.mixers import Mixer, build_mixer
from spear_amal.votes.label_matrix import LabelMatrix

SMALLEST = 1e-12  # below this a probability counts as this
# A label model's mistakes are learnt as well if training goes on.
PATIENCE_WITHOUT_GOLD = 3


@dataclass(kw_only=True, eq=False, repr=False)
class LabelModelClassifier(BaseSpearEstimator):
    """End model on gold labels and a label model's soft answers on covered unlabelled rows.

    Gold labels may be missing altogether: with ``fit(X, L=votes)``, or a y of -1, the label model
    learns from the votes alone and the classifier from its answers. Nothing can then tell how right
    either is. A fifth of the rows with votes is held out, and the cross-entropy to the label
    model's answers there chooses the epoch (``validation_source_`` is "label-model"): the last one
    that lowered it by 2% (patience 3), as later ones mostly learn the label model's mistakes.
    ``val_score_`` is the metric with the label model's favourite class in place of gold, that is
    how well the classifier follows the label model, not how often it is right. Validation rows
    with gold choose the epoch as ever. For ``inference="product"``, ``prior_correction`` and learnt
    weights there must be gold.

    Parameters
    ----------
    label_model : name in ``label_models.LABEL_MODELS`` or LabelModel
        Fitted on the votes of all rows (and, if it can use them, the gold labels of training);
        its posterior is the target where a row has no gold label. With ``inference="product"`` it
        also takes part in prediction.
    label_model_options : dict, optional
        Parameters of a label model given by name. What is given per class, such as
        ``class_balance``, is in the order of the classes of the votes.
    cut_statistic : float, optional
        Share of the rows with votes to train on: those whose neighbours in the features have the
        same answer of the label model (:mod:`.cut_statistic`). Default: all.
    feature_model, ... : see :class:`SpearClassifier`
    """

    _uses_rules = True
    _needs_gold = False

    label_model: str | LabelModel = "majority"
    label_model_options: Mapping[str, Any] | None = None
    cut_statistic: float | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "cut_statistic": SHARE,
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        self.new_label_model().check_parameters()

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        self._check_without_gold(pool)
        self.label_models_: list[LabelModel] = []
        self._compared: list[BothWrong] = []
        plan = self._new_plan(
            pool,
            lambda class_weights: self._make_losses(pool.votes is not None, class_weights),
            make_teachers=lambda gold: self._label_model_log_proba(pool, gold),
            select_rows=self.cut_statistic and row_selection(pool, self.cut_statistic, _favourites),
        )
        if pool.has_gold or self._options_of("trainer").patience != "auto":
            return plan
        return replace(plan, trainer=replace(plan.trainer, patience=PATIENCE_WITHOUT_GOLD))

    def _check_without_gold(self, pool: TrainingPool) -> None:
        """Raise InputError for what only gold can choose, where there is none."""
        needs = {"inference='product'": self.inference != "feature"}
        needs["prior_correction=True"] = self.prior_correction
        needs["class_weight"] = self.class_weight is not None
        asked = [option for option, wanted in needs.items() if wanted]
        if asked and not pool.has_gold:
            raise InputError(
                f"{' and '.join(asked)} need rows with gold, and y holds no gold label; leave "
                "them out, or label some rows"
            )

    def _make_losses(self, with_votes: bool, class_weights: np.ndarray | None) -> ComponentSet:
        gold = GoldCrossEntropy(class_weights)
        soft = [TeacherCrossEntropy(name="label-model")] if with_votes else []
        return ComponentSet([gold, *soft])

    def new_label_model(self) -> LabelModel:
        """Make the label model, unfitted."""
        if not isinstance(self.label_model_options, Mapping | None):
            raise InputError(
                f"label_model_options must be options by name, found {self.label_model_options!r}"
            )
        options = dict(self.label_model_options or {})
        if not isinstance(self.label_model, str):
            if options:
                raise InputError("label_model_options go with a label model's name, not an object")
            if not isinstance(self.label_model, LabelModel):
                raise InputError(
                    f"label_model must be a name or a LabelModel, found {self.label_model!r}; "
                    f"names: {sorted(LABEL_MODELS)}"
                )
            return clone(self.label_model)
        return make_label_model(self.label_model, options, getattr(self, "seed_", 0))

    def _label_model_log_proba(self, pool: TrainingPool, gold: np.ndarray) -> np.ndarray | None:
        """Log posteriors (n, 1, C) of the label model; NaN where no LF fires."""
        if pool.votes is None:
            return None
        schema: VoteSchema = self.vote_schema_
        model, votes = self.new_label_model(), self._as_given(pool.votes, pool.plan)
        if self.label_models_ and not model.learns_from_gold:
            model = self.label_models_[-1]  # it learns from votes alone, and they are the same
        else:
            y = np.full_like(pool.y, -1)
            y[gold] = schema.order[pool.y[gold]]
            model._fit_silently(votes, gold_names(votes, y))
        self.label_models_.append(model)
        unseen = np.where(pool.y >= 0, schema.order[pool.y], -1)
        unseen[gold] = -1
        self._compared.append(BothWrong.of(model.predict_proba, votes, unseen))
        p = model.predict_proba(votes)[:, schema.order]
        p[~pool.covered()] = np.nan
        return np.log(np.clip(p, SMALLEST, None))[:, None, :]

    def _as_given(self, votes: LabelMatrix, plan: list[tuple[int, int]]) -> LabelMatrix:
        """Votes as the LFs gave them, from the model's columns of one class each.

        An LF that votes for several classes is one observer to a label model, not several.
        """
        schema: VoteSchema = self.vote_schema_
        joined = votes.join_columns([lf for lf, _ in plan], schema.names, self.n_lfs_)
        return schema.from_model(joined)

    def _set_fitted_attributes(
        self, pool: TrainingPool, results: list[FoldResult], plan: FitPlan
    ) -> None:
        # A refit fits its label model last, on V's gold as well; the exponent is chosen on V.
        if self._compared:  # on gold that the label models were not given, of all folds
            BothWrong.joined(self._compared).warn(self._label_model_name(), stacklevel=8)
        del self._compared
        last = self.label_models_[-len(results) :]
        self.label_models_ = self.label_models_[: len(results)]
        super()._set_fitted_attributes(pool, results, plan)
        self.label_models_ = last

    def _rule_log_proba(
        self, i: int, log_q: np.ndarray | None, votes: LabelMatrix | None
    ) -> np.ndarray | None:
        """Log posterior (n, C) of the label model."""
        if votes is None:
            return None
        schema: VoteSchema = self.vote_schema_
        p = self.label_models_[i].predict_proba(self._as_given(votes, self.plan_))[:, schema.order]
        return np.log(np.clip(p, SMALLEST, None))

    def _label_model_name(self) -> str:
        named = isinstance(self.label_model, str)
        return f"the label model {self.label_model if named else type(self.label_model).__name__}"

    def save(self, path: PathLike, overwrite: bool = False) -> None:
        """Write the fitted model into one file; see :meth:`BaseSpearEstimator.save`."""
        if getattr(self, "exponent_", 0) > 0:
            raise InputError(
                "this classifier predicts with its label model as well, which the file cannot "
                "hold; fit with inference='feature', or use SpearClassifier"
            )
        super().save(path, overwrite)


def _favourites(teachers: np.ndarray | None) -> np.ndarray:
    """Return the label model's most probable class (n,) of each row, 0 where it says nothing."""
    return np.nan_to_num(cast(np.ndarray, teachers)[:, 0], nan=-np.inf).argmax(1)


@dataclass(kw_only=True, eq=False, repr=False)
class ReweightedClassifier(LabelModelClassifier):
    """Classifier on noisy labels, each row weighted by what it does to the loss on V.

    A row's label is its gold one or, where it has none, the label model's single most probable
    class (rows with a tie are left out). ``mixer="l2r"`` is learning to reweight [1]_, ``"mwn"``
    Meta-Weight-Net [2]_; V is the meta set.

    Parameters
    ----------
    mixer : {"l2r", "mwn"} or any other mixer
    mixer_options : dict, optional
    label_model, feature_model, ... : see :class:`LabelModelClassifier`

    References
    ----------
    .. [1] Ren et al., "Learning to Reweight Examples for Robust Deep Learning", 2018.
    .. [2] Shu et al., "Meta-Weight-Net: Learning an Explicit Mapping For Sample Weighting", 2019.
    """

    _needs_gold = True

    mixer: str | Mixer = "l2r"
    mixer_options: Mapping[str, Any] | None = None

    def _new_mixer(self) -> Mixer:
        return build_mixer(**self._mixing())

    def _make_losses(self, with_votes: bool, class_weights: np.ndarray | None) -> ComponentSet:
        if not with_votes:
            return ComponentSet([GoldCrossEntropy(class_weights)])
        return ComponentSet([NoisyCrossEntropy(class_weights=class_weights)])
