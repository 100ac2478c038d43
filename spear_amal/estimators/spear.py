"""SPEAR under any mixer; with AMAL, the default, every row learns how much each loss counts."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch

from spear_amal.errors import InputError
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.defaults import check_guides, resolve_guides
from spear_amal.estimators.parquet import StreamedClassifier
from spear_amal.estimators.validation import TrainingPool
from spear_amal.labeling import VotesTest, votes_test
from spear_amal.losses import EVERY_LOSS, ComponentSet, GoldCrossEntropy, spear_components
from spear_amal.mixers import Fixed, Mixer, build_mixer
from spear_amal.models import RuleModel
from spear_amal.params import Interval, StrOptions
from spear_amal.votes.label_matrix import LabelMatrix

PRESETS: dict[str, dict[str, Any]] = {
    # One validation set for everything, one model, as the AMAL paper describes.
    "paper": {
        "mixer": "amal-paper",
        "fit_strategy": "single",
        "inference": "feature",
        "quality_guides": 0.9,
    },
    # First study: the largest gains came from cross-fitting over L+V.
    "recommended": {
        "mixer": "amal",
        "fit_strategy": "crossfit",
        "n_folds": 5,
        "inference": "product",
    },
}


@dataclass(kw_only=True, eq=False, repr=False)
class SpearClassifier(StreamedClassifier):
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
    losses : sequence of int or str
        Which of SPEAR's seven, by number 1 to 7 or by name ("gold", "entropy", "consensus",
        "rule-gold", "rule-likelihood", "agreement", "quality-guide").
    consensus : {"hard", "soft", "joint"}
        Target of the third loss.
    rule_gold : {"conditional", "joint"}
        Form of the fourth.
    agreement : {"feature-rules", "rules-feature"}
        Direction of the sixth, a KL divergence.
    quality_guides : "validation", float or array
        How often each LF is believed to be right when it fires: estimated from fired validation
        rows (LFs that fire on none keep the published 0.9), one number, or one per LF.
    quality_index : float
        Mean score of continuous LFs where they agree with the class.
    rule_start : {"guides", "ones"}
        Start of the rule model: at the guides, or all ones as published.
    guard : bool
        Test on all gold rows whether the votes say more than chance; if they do not, warn, leave
        them out and train on the gold rows of L and V alone. The test (see
        :func:`spear_amal.labeling.votes_test`) needs 20 gold rows with votes to distrust them.
    keep_uncovered : bool
        Also train on unlabelled rows on which no LF fires.
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
    lr, lr_rules : float
        Adam's rates. `lr` defaults to a value that suits the scale of the features for "linear"
        (see ``estimators.resolve.default_rate``) and to 0.001 otherwise.
    batch_size : int
        Default 64; 32 gave the same scores in twice the time.
    max_epochs, patience : int
        Training stops when `patience` epochs have brought no better validation score.
    metric : {"accuracy", "f1", "macro-f1"}
        Chooses the epoch; "f1" is that of class 1. Ties go to the lower validation loss.
    weight_decay : float
    dtype : {"float32", "float64"}
    precision : {"fp32", "bf16", "fp16"}
        Of the feature model's matrix products and convolutions in training steps; parameters,
        losses, weights and validation stay in float32. "fp16" needs a GPU.
    compile : bool or str
        Run the feature model's training steps through ``torch.compile``; a str names a backend.
    device : str
        "cpu", "cuda", "auto", ...
    distributed : "auto" or None
        "auto": under ``torchrun``, or in a process group, all processes train one model together,
        each with a part of the rows; all call `fit` with the same data. None: each by itself.
    checkpoint : path, optional
        A run that is killed continues from here, to the same result bit for bit on a CPU.
    random_state : int
    verbose : int
        1 shows a progress bar with the time left.

    Attributes
    ----------
    classes_ : ndarray (C,)
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
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-1, 1, (150, 2)), rng.normal(1, 1, (150, 2))])
    >>> gold = np.repeat([0, 1], 150)
    >>> L = np.stack([np.where(X[:, 0] > 1, 1, -1), np.where(X[:, 1] < -1, 0, -1)], axis=1)
    >>> y = np.where(rng.random(300) < 0.1, gold, -1)
    >>> model = SpearClassifier(max_epochs=20).fit(X, y, L=L)
    >>> bool(model.score(X, gold) > 0.85)
    True
    """

    mixer: str | Mixer = "amal"
    mixer_options: Mapping[str, Any] | None = None
    losses: Sequence[int | str] = EVERY_LOSS
    consensus: str = "hard"
    rule_gold: str = "conditional"
    agreement: str = "feature-rules"
    quality_guides: Any = "validation"
    quality_index: float = 0.85
    rule_start: str = "guides"
    guard: bool = True
    keep_uncovered: bool = False
    lr_rules: float = 0.01

    _uses_rules = True
    _uses_unlabelled = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "quality_index": [Interval(Real, 0, 1, closed="neither")],
        "rule_start": [StrOptions({"guides", "ones"})],
        "lr_rules": [Interval(Real, 0, None, closed="neither")],
        "keep_uncovered": ["boolean"],
        "guard": ["boolean"],
    }

    @classmethod
    def preset(cls, name: str, **changes: Any) -> SpearClassifier:
        """Make a classifier with the settings called "paper" or "recommended"."""
        if name not in PRESETS:
            raise InputError(f"unknown preset {name!r}; choose from {sorted(PRESETS)}")
        return cls(**{**PRESETS[name], **changes})

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        super().check_parameters()
        self._mixer()
        self._losses(True)
        check_guides(self.quality_guides)

    def _apply_vote_guard(self, votes: list[LabelMatrix], y: np.ndarray) -> LabelMatrix | None:
        stacked = super()._apply_vote_guard(votes, y)
        self.votes_test_ = None if stacked is None else votes_test(stacked, y)
        self.guarded_ = bool(self.guard and self.votes_test_ and not self.votes_test_.informative)
        if self.votes_test_ is None or not self.guarded_:
            return stacked
        warnings.warn(
            f"on {self.votes_test_.n_rows} gold rows the votes agree with gold no better than "
            f"chance (p = {self.votes_test_.p_value:.2f}), so they are left out and training uses "
            "gold only; look at the labelling functions, or insist with guard=False",
            UserWarning,
            stacklevel=4,
        )
        return None

    def _final(self, pool: TrainingPool) -> str:
        # Without weights to learn, V's labels are best used for training as well.
        return "refit" if self.guarded_ and self.fit_strategy == "single" else self.fit_strategy

    def _default_batch(self, pool: TrainingPool) -> int:
        return self._gold_batch(pool) if self.guarded_ else super()._default_batch(pool)

    def _components(self, pool: TrainingPool, class_weights: np.ndarray | None) -> ComponentSet:
        if self.guarded_:
            return ComponentSet([GoldCrossEntropy(class_weights)])
        return self._losses(pool.labels is not None, class_weights)

    def _losses(self, with_rules: bool, class_weights: np.ndarray | None = None) -> ComponentSet:
        return spear_components(
            self.losses,
            with_rules=with_rules,
            class_weights=class_weights,
            consensus=self.consensus,
            rule_gold=self.rule_gold,
            agreement=self.agreement,
        )

    def _mixer(self) -> Mixer:
        if getattr(self, "guarded_", False):
            return Fixed()  # one loss is left: there is nothing to mix
        return build_mixer(self.mixer, self.mixer_options)

    def _rules(
        self, pool: TrainingPool, y: np.ndarray, generator: torch.Generator
    ) -> RuleModel | None:
        if pool.labels is None:
            return None
        guides = resolve_guides(self.quality_guides, pool.labels, y, pool.plan, self.n_lfs_)
        return RuleModel(
            len(pool.classes),
            torch.as_tensor([k for _, k in pool.plan]),
            torch.as_tensor(guides),
            torch.as_tensor(pool.labels.continuous),
            self.quality_index,
            self.rule_start,
        )

    def _get_extra_state(self) -> dict[str, Any]:
        found = None if self.votes_test_ is None else asdict(self.votes_test_)
        # Not-a-number is not JSON: a missing value is null.
        held = found and {name: None if v != v else v for name, v in found.items()}
        return {"guarded": self.guarded_, "votes_test": held}

    def _set_extra_state(self, record: dict[str, Any]) -> None:
        self.guarded_ = bool(record.get("guarded", False))
        held: dict[str, Any] = record.get("votes_test") or {}
        known: dict[str, Any] = {name: float("nan") if v is None else v for name, v in held.items()}
        self.votes_test_ = VotesTest(**known) if known else None
