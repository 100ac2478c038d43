"""Auxiliary tasks: one network learns the label and, with a head each, other things as well."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from numbers import Real
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from sklearn.utils.validation import check_is_fitted
from torch import nn

from spear_amal._typing import MatrixLike, VectorLike, VotesLike
from spear_amal.errors import InputError
from spear_amal.estimators.auxiliary_targets import (
    REGRESSION,
    AuxiliaryTask,
    TaskPlan,
    check_tasks,
    plan_tasks,
)
from spear_amal.estimators.base import BaseSpearEstimator
from spear_amal.estimators.cross_fitting import FitPlan
from spear_amal.estimators.distillation import DistilledClassifier
from spear_amal.estimators.rules import GuardsVotes, RuleModelConfig
from spear_amal.estimators.together import Steps, finish
from spear_amal.estimators.validation import FitInputs, TrainingPool, check_rows
from spear_amal.losses import (
    Component,
    ComponentSet,
    LabelCrossEntropy,
    OnCovered,
    SquaredNorm,
    TaskCrossEntropy,
    TaskSquaredError,
)
from spear_amal.mixers import MIXERS, Mixer, build_mixer
from spear_amal.models import Affine, JointModel, MultiTask
from spear_amal.models.feature_model import eval_mode
from spear_amal.models.multi_task import BUILT_IN, L2, ROTATION, SHUFFLED
from spear_amal.models.registry import FeatureModelLike
from spear_amal.params import Interval
from spear_amal.training import Table
from spear_amal.training.table import chunk_size


@dataclass(eq=False, repr=False)
class AuxiliaryClassifier(GuardsVotes, BaseSpearEstimator):
    """Classifier whose network also learns auxiliary tasks, each with a head of its own.

    The losses are "label", the cross-entropy to the label, and one for each task by its name. A
    mixer weighs them so that tasks help the label: per row, per loss or per module of the network.

    Parameters
    ----------
    network : str, module or function (n_features or shape, n_classes) -> module
        "convnet4" (MAOAL's), any other network by name, such as "resnet8" or "mlp:64", or one that
        gives logits and hidden values. Heads of tasks are linear, on the hidden values.
    tasks : list of str or AuxiliaryTask
        "rotation": by which angle a square image is turned. "rotation-shuffled": the same with
        targets that say nothing, to see what a useless task does. "l2": the size of the parameters.
        Any other name: targets go to `fit`; see :class:`AuxiliaryTask` for kind and number of
        classes.
    mixer : str or Mixer
        "gcs", "maoal", "amal", "auxilearn", "uncertainty", "fixed" (all ones), "single" (the label
        alone), "random-search" or any other of :mod:`spear_amal.mixers` that needs no teacher.
        Those that look ahead ("amal", "l2r", "mwn") do so over the whole network, 256 rows at a
        time.
    mixer_options : dict, optional
        Options of the mixer by name.
    l2 : float
        Coefficient of the task "l2".
    trainer, rule_model, hidden, fit_strategy, n_folds, inference, validation, \
validation_fraction, prior_correction, metric, random_state, verbose
        As in :class:`DistilledClassifier`.

    Attributes
    ----------
    tasks_ : tuple of Task
        With kinds and numbers of outputs.
    weights_, history_, snapshots_, last_weights_, input_shape_, pixels_, classes_, ...
        As in :class:`DistilledClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(200, 5))
    >>> y = (X[:, 0] * X[:, 1] > 0).astype(int)
    >>> from spear_amal import TrainerConfig
    >>> trainer = TrainerConfig(max_epochs=30, lr=0.01)
    >>> model = AuxiliaryClassifier("mlp:16", ["side"], mixer="fixed", trainer=trainer)
    >>> model = model.fit(X, y, tasks={"side": (X[:, 0] > 0).astype(int)})
    >>> list(model.weights_.columns), bool((model.predict_task(X, "side")[:, 1] > 0.5).any())
    (['label', 'side'], True)
    """

    network: FeatureModelLike = "convnet4"
    tasks: Sequence[str | AuxiliaryTask] = (ROTATION,)
    _: KW_ONLY
    mixer: str | Mixer = "gcs"
    mixer_options: Mapping[str, Any] | None = None
    l2: float = 1e-3
    rule_model: RuleModelConfig | None = None

    #: The network, under its parent's name; no parameter of its own.
    feature_model: ClassVar[Any] = property(lambda self: self.network)  # type: ignore[misc]

    _nested: ClassVar[dict[str, Any]] = DistilledClassifier._nested
    _uses_rules = True
    _takes_images = True
    _given_by_row = (*BaseSpearEstimator._given_by_row, "tasks")
    _patience = None
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "rule_model": [None, RuleModelConfig],
        "l2": [Interval(Real, 0, None, closed="left")],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        tasks = check_tasks(self.tasks)
        super().check_parameters()
        if self.network == "linear" and any(task.name != L2 for task in tasks):
            raise InputError(
                "a linear model has no hidden values that tasks could share; use a network, such "
                "as 'mlp:64'"
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
        tasks: Mapping[str, VectorLike] | None = None,
        sample_weight: VectorLike | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : images (n, channels, height, width), array (n, D) or sparse matrix (n, D)
        y : array of shape (n,)
            Labels; -1 (or None) where unlabelled. Tasks speak on unlabelled rows as well.
        L, L_val : LabelMatrix or array, optional
            Votes of labelling functions: SPEAR's losses join in, and the label's is called "gold".
        X_val, y_val : optional
            Validation rows with labels. They choose the epoch and drive the weights. Without them
            `validation_fraction` of the labelled rows is held out.
        tasks : mapping of str to array (n,), optional
            Targets on the rows of X: class codes, -1 where unknown, or floats, NaN where unknown.
            Numbers should be of the order of 1: their loss is a squared error. None are needed on
            validation rows.
        sample_weight : array (n,), optional
            As for :meth:`SpearClassifier.fit`; the losses of the tasks are multiplied as well.

        Returns
        -------
        self
        """
        inputs = FitInputs(X, y, L, X_val, y_val, L_val, sample_weight)
        return finish(self.fit_steps(**inputs._asdict(), tasks=tasks))

    def _fit_steps(self, inputs: FitInputs, given: Any = None) -> Steps[None]:
        plan = plan_tasks(check_tasks(self.tasks), given.get("tasks"))
        self.tasks_ = plan.tasks
        yield from super()._fit_steps(inputs, plan)

    def _check_features(self, X: Any, reset: bool) -> Any:
        checked = super()._check_features(X, reset)
        if reset:
            _check_turnable(self.tasks_, self.input_shape_)
        return checked

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        targets: TaskPlan = given
        for name, values in targets.targets.items():
            check_rows(f"tasks[{name!r}]", len(values), pool.n_train, "X")
        rules: RuleModelConfig = self._options_of("rule_model")
        config = self._config_for_fingerprint
        return self._new_plan(
            pool,
            lambda class_weights: self._make_losses(pool, class_weights),
            lambda seen, generator: rules.make_model(pool, seen, self.n_lfs_),
            tasks=targets.padded(len(pool.y)),
            config=lambda: config() | {"targets": _digest(targets)},
            # Without tasks of rows nothing is said of unlabelled ones: empty batches at best.
            use_unlabelled=pool.votes is not None or any(t.name != L2 for t in self.tasks_),
            keep_uncovered=rules.keep_uncovered is not False,
        )

    def _make_losses(self, pool: TrainingPool, class_weights: Any) -> ComponentSet:
        tasks = [self._loss_of(task) for task in self.tasks_]
        if pool.votes is None:
            return ComponentSet([LabelCrossEntropy(class_weights), *tasks])
        rules = self._options_of("rule_model").make_losses(True, class_weights)
        covered = [OnCovered(component) for component in rules.components]
        return ComponentSet([*covered, *tasks], rules.penalties)

    def _loss_of(self, task: AuxiliaryTask) -> Component:
        if task.name == L2:
            return SquaredNorm(self.l2)
        return (TaskSquaredError if task.kind == REGRESSION else TaskCrossEntropy)(task.name)

    def _new_mixer(self) -> Mixer:
        return auxiliary_mixer(self.mixer, self.mixer_options)

    # -- the network and its heads --------------------------------------------------------------

    def _feature_model(
        self, statistics: Any = None, generator: torch.Generator | None = None
    ) -> nn.Module:
        network = super()._feature_model(statistics, generator)
        width = self._width(network)
        heads = {
            task.name: Affine(width, int(task.n_outputs), generator)
            for task in self.tasks_
            if task.n_outputs is not None
        }
        return MultiTask(network, heads, squared_norm=any(task.name == L2 for task in self.tasks_))

    def _width(self, network: nn.Module) -> int:
        """H: what goes into the heads; a network without a linear head is asked."""
        head = getattr(network, "head", None)
        if head is not None:
            return int(head.in_features)
        row = Table(np.zeros((1, *self.input_shape_), dtype=np.float32)).x
        with eval_mode(network), torch.no_grad():
            return int(network(row)[1].shape[1])

    def predict_task(self, X: MatrixLike, name: str) -> np.ndarray:
        """Predict a task, averaged over models.

        Parameters
        ----------
        X : as in `fit`
        name : str
            A task with targets of the user's.

        Returns
        -------
        ndarray (n, C_t) or (n,)
            Probabilities of its classes, or numbers.
        """
        check_is_fitted(self, "models_")
        kinds = {task.name: task.kind for task in self.tasks_ if task.name not in BUILT_IN}
        if name not in kinds:
            raise InputError(f"no targets of a task {name!r} were given in fit; have {list(kinds)}")
        table = self._table(self._check_features(X, reset=False), None)
        values = torch.stack([_asked(model, name, table) for model in self.models_])
        answers = values if kinds[name] == REGRESSION else values.softmax(-1)
        return answers.mean(0).cpu().numpy()

    def _get_extra_state(self) -> dict[str, Any]:
        return super()._get_extra_state() | {"tasks": [list(task) for task in self.tasks_]}

    def _set_extra_state(self, state: dict[str, Any]) -> None:
        super()._set_extra_state(state)
        self.tasks_ = tuple(AuxiliaryTask(*task) for task in state["tasks"])


def _check_turnable(tasks: tuple[AuxiliaryTask, ...], shape: tuple[int, ...]) -> None:
    names = [task.name for task in tasks if task.name in (ROTATION, SHUFFLED)]
    if names and (len(shape) != 3 or shape[1] != shape[2]):
        raise InputError(
            f"the task {names[0]!r} turns images by quarters: X must hold square images (rows, "
            f"channels, height, width), found rows of shape {shape}; pad, crop or resize them, or "
            "leave the task out"
        )


@torch.no_grad()
def _asked(model: JointModel, name: str, table: Table) -> torch.Tensor:
    """Answers (n, C_t) or (n,) of a task's head, in double precision."""
    feature = cast(MultiTask, model.feature)
    chunks = torch.arange(len(table)).split(chunk_size(table.x))
    return torch.cat([feature.task_answer(name, table.batch(i).x) for i in chunks]).double()


def _digest(plan: TaskPlan) -> str:
    digest = hashlib.sha256()
    for name, values in plan.targets.items():
        digest.update(name.encode() + values.dtype.str.encode() + values.tobytes())
    return digest.hexdigest()


# A whole network is gone through, forwards and backwards: this many rows at a time fit anywhere.
ROWS = 256
# The last layer of the main answer does not see the losses of other heads: their slope is zero.
_WHOLE = {"look_ahead": "network"}
_PER_BATCH = {**_WHOLE, "meta_size": ROWS}
# Gradients of a whole network are of another size than those of a head, and the squared norm of
# the head's input says nothing about them: steps are counted in shares of the largest one. One
# step a refresh: each costs the passes of a few training steps, where the last layer costs nothing.
_IN_SHARES = {
    **_WHOLE,
    "group_size": ROWS,
    "normalise": "max-abs",
    "weight_lr": 0.2,
    "lookahead_lr": 0.1,
    "inner_repeats": 1,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "amal": _IN_SHARES,
    "amal-paper": {**_WHOLE, "group_size": ROWS},
    "amal-kd": {**_WHOLE, "group_size": ROWS},
    "l2r": _PER_BATCH,
    "mwn": _PER_BATCH,
}


def auxiliary_mixer(mixer: str | Mixer, options: Mapping[str, Any] | None = None) -> Mixer:
    """Make a mixer for a label and tasks.

    Parameters
    ----------
    mixer : str or Mixer
        A name that :func:`spear_amal.mixers.build_mixer` knows.
    options : dict, optional
        Options by name, over those of :data:`DEFAULTS`.

    Raises
    ------
    InputError
        For a mixer that needs teachers, or one that looks ahead over the last layer alone.
    """
    if isinstance(mixer, str) and mixer in MIXERS and MIXERS[mixer].n_teachers:
        raise InputError(
            f"mixer={mixer!r} weighs teachers, and auxiliary tasks are none; use another, such as "
            "'amal' or 'gcs', or a DistilledClassifier"
        )
    own = DEFAULTS.get(mixer, {}) if isinstance(mixer, str) else {}
    if own and isinstance(options, Mapping | None):
        made = build_mixer(mixer, {**own, **(options or {})})
    else:
        made = build_mixer(mixer, options)
    if made.needs_look_ahead and made.look_ahead_options().parameters == "last-layer":
        raise InputError(
            f"{type(made).__name__} looks ahead over the last layer of the main answer, which does "
            "not see the losses of other heads: nothing could be learnt about them. Use "
            "mixer_options={'look_ahead': 'network'} where it takes that, or another mixer"
        )
    return made
