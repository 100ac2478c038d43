"""The recommended classifier: what rules and gold labels can each do, pooled by what gold tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self, cast

import numpy as np
import pandas as pd
from sklearn.base import clone

from spear_amal._typing import VotesLike
from spear_amal.errors import InputError
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import named
from spear_amal.estimators.gold import GoldClassifier
from spear_amal.estimators.label_model import LabelModelClassifier
from spear_amal.estimators.prediction import OutOfFold
from spear_amal.estimators.rules import GuardsVotes, RuleModelConfig
from spear_amal.estimators.spear import SpearClassifier
from spear_amal.estimators.together import Steps, all_of, named_within
from spear_amal.label_models import LabelModel
from spear_amal.maths.log_linear_pool import Pool, fit_pool
from spear_amal.mixers import Mixer, build_mixer
from spear_amal.params import StrOptions
from spear_amal.training import TrainerConfig, score
from spear_amal.votes.row_ids import align_votes

#: The rule model of the AMAL member, as a member of its own: it sees votes alone.
RULES = "rules"
MEMBERS = ("gold", "label-model", "spear", "amal")
# Without evidence half of each: on some corpora the one is far ahead, on others the other.
PRIOR = {"gold": 0.5, "amal": 0.5}


@dataclass(kw_only=True, eq=False, repr=False)
class PooledClassifier(GuardsVotes, BaseSpearEstimator):
    """Classifiers with and without rules, pooled by weights that gold rows decide on.

    Members are a classifier on gold alone, one on a label model's answers, SPEAR and AMAL, each as
    `n_folds` models whose probabilities are averaged, and the model of the rules. Of the `n_folds`
    parts of the gold rows, each model is trained without two: on the one it chooses its epoch (and
    with AMAL learns its weights), the other it never sees. So every gold row is once predicted by
    models that know nothing of it. These predictions tell the weights of a log-linear pool,
    ``log p = sum_e w_e log p_e + b + constant`` with ``w >= 0``, b by class. They are pulled
    towards one half each of gold alone and AMAL, as strongly as costs nothing that the gold rows
    could tell
    (:mod:`spear_amal.maths.log_linear_pool`). Where rules say nothing, what comes out is the
    classifier on gold alone; where they say all, the rules. (For predictions of new rows gold alone
    is trained once more, in plain folds: it is quick, and misses the fold most that models are kept
    from.)

    Parameters
    ----------
    members : sequence of {"gold", "label-model", "spear", "amal"}
        "gold" has to be one of them, and "amal" where the rule model is to take part.
    label_model, label_model_options
        Of the member "label-model", as in :class:`LabelModelClassifier`.
    mixer, mixer_options
        Of the member "amal", as in :class:`SpearClassifier`.
    rule_model : RuleModelConfig, optional
        Of SPEAR and AMAL. Where its guard finds votes no better than chance, gold is the only
        member.
    inference : {"product", "feature"}
        Whether the rule model is a member; then `predict` takes ``L=`` (unless its weight is 0).
    fit_strategy : {"crossfit"}
    n_folds : int
        3 or more.
    feature_model, hidden, trainer, validation, validation_fraction, prior_correction, \
class_weight, metric, random_state, verbose
        Of all members, as in :class:`SpearClassifier`.

    Attributes
    ----------
    members_ : dict of str to fitted estimator
        Those that were trained; without votes, or with useless ones, "gold" alone.
    weights_ : DataFrame
        One row a member, the rule model among them: its `weight` in the pool, and its `score` and
        mean log-likelihood (`log_likelihood`) on gold rows that it had not seen, one model a row.
    by_class_ : ndarray (C,)
        What is added to the log probability of each class.
    strength_ : float
        Of the pull towards the weights without evidence.
    out_of_fold_ : OutOfFold
        The pool's own predictions of gold rows, by members that had not seen them, and by weights
        learnt on the rows of other folds (of which members speak that had seen these rows).
    val_score_ : float
        Their score, of one model a member where predictions average several.
    exponent_ : float
        Weight of the rule model.
    guarded_ : bool
        True if the guard left the votes out.
    votes_test_ : VotesTest or None
        What the test of the votes found, where SPEAR or AMAL is a member and there were votes.
    history_ : DataFrame
        Of the last member, AMAL where it is one; each has its own.
    row_weights_ : DataFrame
        What that member learnt of the rows: weights by row and loss.
    classes_, n_features_in_, training_path_
        As in :class:`SpearClassifier`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-1, 1, (150, 2)), rng.normal(1, 1, (150, 2))])
    >>> gold = np.repeat([0, 1], 150)
    >>> L = np.stack([np.where(X[:, 0] > 1, 1, -1), np.where(X[:, 1] < -1, 0, -1)], axis=1)
    >>> y = np.where(rng.random(300) < 0.2, gold, -1)
    >>> model = PooledClassifier(trainer=TrainerConfig(max_epochs=5)).fit(X, y, L=L)
    >>> bool(model.score(X, gold, L=L) > 0.85), list(model.weights_.index)
    (True, ['gold', 'label-model', 'spear', 'amal', 'rules'])
    """

    members: Sequence[str] = MEMBERS
    label_model: str | LabelModel = "label-model"
    label_model_options: Mapping[str, Any] | None = None
    mixer: str | Mixer = "amal"
    mixer_options: Mapping[str, Any] | None = None
    rule_model: RuleModelConfig | None = None
    fit_strategy: str = "crossfit"
    inference: str = "product"

    _nested: ClassVar[dict[str, Any]] = {
        **BaseSpearEstimator._nested,
        "rule_model": RuleModelConfig,
    }
    _uses_rules = True
    _member_classes: ClassVar[dict[str, Any]] = {
        cls.__name__: cls for cls in (GoldClassifier, LabelModelClassifier, SpearClassifier)
    }
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "members": ["array-like"],
        "fit_strategy": [StrOptions({"crossfit"})],
        "rule_model": [None, RuleModelConfig],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        unknown = [name for name in self.members if name not in MEMBERS]
        if unknown or "gold" not in self.members or len(set(self.members)) < len(self.members):
            raise InputError(
                f"members must be some of {MEMBERS}, each once and 'gold' among them, found "
                f"{tuple(self.members)}"
            )
        for member in self.new_members().values():
            member.check_parameters()

    def new_members(self) -> dict[str, BaseSpearEstimator]:
        """Make the members, unfitted."""
        shared = {
            name: getattr(self, name)
            for name in GoldClassifier().get_params(deep=False)
            if name not in ("fit_strategy", "inference", "random_state", "trainer")
        }
        shared |= {"fit_strategy": "crossfit-rotated"}
        shared["random_state"] = getattr(self, "seed_", self.random_state)
        rules = {"rule_model": self.rule_model}
        label_model: dict[str, Any] = {"label_model": self.label_model}
        label_model |= {"label_model_options": self.label_model_options}
        amal = {"mixer": self.mixer, "mixer_options": self.mixer_options}
        makers: dict[str, tuple[type[BaseSpearEstimator], dict[str, Any]]] = {
            "gold": (GoldClassifier, {}),
            "label-model": (LabelModelClassifier, label_model),
            "spear": (SpearClassifier, {"mixer": "fixed", **rules}),
            "amal": (SpearClassifier, {**amal, **rules}),
        }
        return {
            name: cls(**shared, **options, trainer=self._trainer_of(name))
            for name, (cls, options) in makers.items()
            if name in self.members
        }

    def _trainer_of(self, member: str) -> TrainerConfig:
        trainer: TrainerConfig = self._options_of("trainer")
        return replace(trainer, checkpoint=named(trainer.checkpoint, member))

    def _new_mixer(self) -> Mixer:
        return build_mixer(self.mixer, self.mixer_options)

    # -- fitting --------------------------------------------------------------------------------

    def fit_steps(self, **given: Any) -> Steps[Self]:
        """Fit in steps; see :meth:`BaseSpearEstimator.fit_steps`."""
        self._begin()
        members = self.new_members()
        if given.get("L") is None:
            members = {"gold": members["gold"]}
        # A fold that is kept for the weights is missed most where gold is all that is learnt from.
        final = clone(members["gold"]).set_params(
            fit_strategy="crossfit", trainer=self._trainer_of("gold-final")
        )
        fits = [
            named_within(name, member.fit_steps(**given))
            for name, member in [*members.items(), ("gold, all rows", final)]
        ]
        if self._options_of("trainer").distributed is None:
            yield from all_of(fits)
        else:  # processes meet within a fit: one after the other
            for fit in fits:
                yield from fit
        self._take_members(members, final)
        return self

    def _take_members(
        self, members: dict[str, BaseSpearEstimator], final: BaseSpearEstimator
    ) -> None:
        """Pool fitted members, of which `final` is gold alone; set what a fit leaves behind."""
        self.guarded_ = any(getattr(member, "guarded_", False) for member in members.values())
        tests = [getattr(member, "votes_test_", None) for member in members.values()]
        self.votes_test_ = next((test for test in tests if test is not None), None)
        pooled_members = {"gold": members["gold"]} if self.guarded_ else members
        unseen = {
            name: cast(OutOfFold, member.out_of_fold_) for name, member in pooled_members.items()
        }
        self.members_ = pooled_members | {"gold": final}
        self._take_inputs()
        log_p = {name: one.log_p for name, one in unseen.items()}
        rules = unseen["amal"].log_q if "amal" in unseen else None
        if rules is not None and self.inference == "product":
            log_p[RULES] = rules
        first = unseen["gold"]
        prior = np.array([PRIOR.get(name, 0.0) for name in log_p])
        stacked = np.stack(list(log_p.values()))
        pooled = fit_pool(stacked, first.gold, first.fold, prior / prior.sum())
        self.strength_, self.by_class_ = pooled.strength, pooled.pool.by_class
        self.out_of_fold_ = replace(first, log_p=pooled.log_p, log_q=None)
        self.val_score_ = self._score_of(first, pooled.log_p)
        self.weights_ = pd.DataFrame(
            {
                "weight": pooled.pool.weights,
                "score": [self._score_of(first, p) for p in log_p.values()],
                "log_likelihood": [p[np.arange(len(p)), first.gold].mean() for p in log_p.values()],
            },
            index=pd.Index(list(log_p), name="member"),
        )
        self.exponent_ = float(self.weights_["weight"].get(RULES, 0.0))

    def _take_inputs(self) -> None:
        """Set what all members learnt alike, and what they did in training."""
        members = list(self.members_.values())
        last = members[-1]  # one with votes, if there are any
        for name in ("classes_", "n_features_in_", "vote_schema_", "plan_", "feature_names_in_"):
            if hasattr(last, name):
                setattr(self, name, getattr(last, name))
        self.models_ = [model for member in members for model in member.models_]
        self.best_epoch_ = [epoch for member in members for epoch in member.best_epoch_]
        self.history_ = last.history_
        paths = ", ".join(member.training_path_ for member in members).split(", ")
        self.training_path_ = ", ".join(dict.fromkeys(paths))
        self.validation_source_, self.validation_used_ = "folds", last.validation_used_
        self.snapshots_: dict[int, Any] = {}

    @property
    def row_weights_(self) -> pd.DataFrame:
        """Weights (rows, losses) of the member that learnt any, AMAL where it is one."""
        return list(self.members_.values())[-1].weights_

    def _score_of(self, unseen: OutOfFold, log_p: np.ndarray) -> float:
        return score(self.metric, unseen.gold, log_p.argmax(1), self.positive_code_)

    def _get_extra_state(self) -> dict[str, Any]:
        state = {"strength": self.strength_, "by_class": self.by_class_.tolist()}
        return super()._get_extra_state() | state

    def _set_extra_state(self, state: dict[str, Any]) -> None:
        super()._set_extra_state(state)
        self.strength_ = float(state["strength"])
        self.by_class_ = np.array(state["by_class"])

    # -- prediction -----------------------------------------------------------------------------

    def _predict_proba(self, X: Any, L: Any, exponent: float) -> np.ndarray:
        heard = exponent > 0 and L is not None  # silence says nothing
        weights = self.feature_weights(rules_heard=heard)
        parts = [self.members_[name]._predict_proba(X, None, 0.0) for name in weights]
        shares = list(weights.values())
        if heard:
            parts.append(self.rule_predict_proba(align_votes(L, [X])))
            shares.append(exponent)
        with np.errstate(divide="ignore"):  # the pool has a floor
            log_p = np.log(np.stack(parts))
        return np.exp(Pool(np.array(shares), self.by_class_).log_proba(log_p))

    def feature_weights(self, rules_heard: bool = False) -> dict[str, float]:
        """Return the weights above 0 that members which see features predict with.

        Where only the rule model has a weight and it is not heard, those without evidence.
        """
        weights = {name: float(self.weights_["weight"][name]) for name in self.members_}
        if not rules_heard and not any(weights.values()):
            weights = {name: PRIOR.get(name, 0.0) for name in self.members_}
        return {name: weight for name, weight in weights.items() if weight > 0}

    def rule_predict_proba(self, L: VotesLike) -> np.ndarray:
        """Compute the rule model's class probabilities (n, C); uniform where no LF fires.

        Raises
        ------
        InputError
            If the model was trained without rules.
        """
        source = self.members_.get("amal", self.members_["gold"])
        return source.rule_predict_proba(L)
