"""Distillation: a student learns from labels, teachers and, where there are any, rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from numbers import Real
from typing import Any, ClassVar, Self, cast

import numpy as np
import torch
from scipy.special import softmax

from spear_amal._typing import MatrixLike, PathLike, VectorLike, VotesLike
from spear_amal.errors import InputError
from spear_amal.estimators.base import BaseSpearEstimator, network_name
from spear_amal.estimators.cross_fitting import FitPlan, named
from spear_amal.estimators.rules import GuardsVotes, RuleModelConfig
from spear_amal.estimators.teacher_inputs import TeacherRows, check_columns
from spear_amal.estimators.together import Steps, finish
from spear_amal.estimators.validation import FitInputs, TrainingPool
from spear_amal.losses import ComponentSet, LabelCrossEntropy, OnCovered, teacher_components
from spear_amal.losses.teacher import DIRECTIONS
from spear_amal.mixers import MIXERS, Mixer, build_mixer
from spear_amal.models import is_network
from spear_amal.models.registry import FeatureModelLike
from spear_amal.params import Interval, StrOptions
from spear_amal.teachers import Teacher, as_teacher
from spear_amal.teachers.convert import TeacherLike
from spear_amal.training import TrainerConfig

CHAINS = ("takd", "dgkd")


@dataclass(eq=False, repr=False)
class DistilledClassifier(GuardsVotes, BaseSpearEstimator):
    """Student that learns from labels and teachers, each loss weighted per row.

    The losses are the cross-entropy to the label and, for each teacher,
    ``tau^2 KL(teacher_tau || student_tau)``; given votes of labelling functions (L), SPEAR's
    losses stand beside them. A mixer weighs them: AMAL [1]_ and ALM-KD [2]_ learn on validation
    rows how much the label and each teacher count on every row.

    Parameters
    ----------
    student : str, module or function (n_features or shape, n_classes) -> module
        "linear", "mlp", or a network by name: "mlp:50", "resnet8", "wrn-16-1", "densenet-40-12",
        "convnet".
    teachers : sequence
        Fitted scikit-learn or spear_amal classifiers, torch modules, arrays of logits, files of
        outputs by row id (see :mod:`spear_amal.teachers`), or names of networks, which are
        trained first on the labels, never on those of V, whatever `fit_strategy` says.
    mixer : str or Mixer
        "amal", "alm-kd", "kd" (0.1 and 0.9, Hinton's), "ce" (labels alone), "dgkd", "dgkd-drop",
        "superloss", "crust", "fixed" (all ones), "random-search" (of fixed weights), "gcs",
        "uncertainty", "auxilearn", "maoal", or any other of :mod:`spear_amal.mixers`.
        :func:`distiller` makes whole methods by name. Without teachers the label's weight is 1.
    mixer_options : dict, optional
        Options of the mixer by name.
    temperature : float
    direction : {"teacher-student", "student-teacher"}
        Order of the arguments of the divergence.
    assistants : sequence
        Networks between teacher and student in size, trained first, the largest first.
    chain : {"takd", "dgkd"} or None
        Who teaches assistants and student: only the model before them, or all before them.
    teacher_cache : path, optional
        Folder in which teachers' outputs are kept from run to run.
    trainer : TrainerConfig, optional
        By default training goes on for `max_epochs`.
    rule_model : RuleModelConfig, optional
        For votes of labelling functions; by default rows on which no LF fires are trained on.
    hidden, fit_strategy, n_folds, inference, validation, validation_fraction, prior_correction, \
class_weight, metric, random_state, verbose
        As in :class:`SpearClassifier`.

    Attributes
    ----------
    teachers_ : list of Teacher
        As they were asked, those trained in `fit` among them.
    snapshots_ : dict of int to module
        Feature models after `keep_epochs`.
    last_weights_ : DataFrame
        Weights after the last epoch; those in ``weights_`` belong to the chosen one. Not in files.
    input_shape_ : tuple of int
        Shape of one row: (D,), or (channels, height, width).
    pixels_ : {"bytes", "numbers"} or None
        What images consist of, uint8 or other numbers; those of prediction must be alike.
    classes_, weights_, history_, val_score_, models_, ...
        As in :class:`SpearClassifier`.

    References
    ----------
    .. [1] Sivasubramanian et al., "Adaptive Mixing of Auxiliary Losses in Supervised Learning",
       2023.
    .. [2] "Adaptive Mixing of Auxiliary Losses ... for Knowledge Distillation" (ALM-KD),
       arXiv 2202.03250 v1, 2022.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(300, 4))
    >>> y = (X[:, 0] * X[:, 1] > 0).astype(int)
    >>> forest = RandomForestClassifier(random_state=0).fit(X, y)
    >>> trainer = TrainerConfig(max_epochs=40, lr=0.01)
    >>> student = DistilledClassifier("mlp:16", [forest], trainer=trainer).fit(X, y)
    >>> bool(student.score(X, y) > 0.9), list(student.weights_.columns)
    (True, ['label', 'teacher'])
    """

    student: FeatureModelLike = "mlp"
    teachers: Sequence[TeacherLike] = ()
    _: KW_ONLY
    mixer: str | Mixer = "amal"
    mixer_options: Mapping[str, Any] | None = None
    temperature: float = 4.0
    direction: str = "teacher-student"
    assistants: Sequence[FeatureModelLike] = ()
    chain: str | None = None
    teacher_cache: PathLike | None = None
    rule_model: RuleModelConfig | None = None

    #: The student, under its parent's name; no parameter of its own.
    feature_model: ClassVar[Any] = property(lambda self: self.student)  # type: ignore[misc]

    _nested: ClassVar[dict[str, Any]] = {
        **BaseSpearEstimator._nested,
        "rule_model": partial(RuleModelConfig, keep_uncovered=True),
    }
    _not_stored: ClassVar[tuple[str, ...]] = (
        *BaseSpearEstimator._not_stored,
        "teachers",
        "assistants",
        "teacher_cache",
    )
    _uses_rules = True
    _takes_images = True
    _given_by_row = (*BaseSpearEstimator._given_by_row, "teacher_X", "row_ids")
    _patience = None
    _takes_teacher_X: ClassVar[bool] = True
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseSpearEstimator._parameter_constraints,
        "rule_model": [None, RuleModelConfig],
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "direction": [StrOptions(set(DIRECTIONS))],
        "chain": [None, StrOptions(set(CHAINS))],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        for name in ("teachers", "assistants"):
            networks = getattr(self, name)
            # Forests, nn.Sequential and arrays can be gone through as well, to no good end.
            if not isinstance(networks, list | tuple):
                shown = repr(networks) if isinstance(networks, str) else type(networks).__name__
                raise InputError(f"{name} must be a list, found {shown}: put it in [..]")
        super().check_parameters()
        if len(self.assistants) and self.chain is None:
            raise InputError(f"assistants need a chain, one of {CHAINS}: who is taught by whom")
        if self.chain == "takd" and len(self.teachers) > 1:
            raise InputError(
                "chain='takd' hands down from one model to the next: give one teacher, the "
                f"largest, and smaller ones as assistants; found {len(self.teachers)} teachers"
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
        teacher_X: MatrixLike | None = None,
        teacher_X_val: MatrixLike | None = None,
        row_ids: VectorLike | None = None,
        row_ids_val: VectorLike | None = None,
        sample_weight: VectorLike | None = None,
    ) -> Self:
        """Train.

        Parameters
        ----------
        X : array (n, D), sparse matrix (n, D), or images (n, channels, height, width)
        y : array of shape (n,)
            Labels, which may be noisy; -1 (or None) where unlabelled.
        L, L_val : LabelMatrix or array, optional
            Votes of labelling functions: SPEAR's losses join in.
        X_val, y_val : optional
            Validation rows with clean labels. They choose the epoch and drive the weights.
        teacher_X, teacher_X_val : optional
            What the teachers are asked about, if not X: texts for a pipeline, other features.
        row_ids, row_ids_val : sequence, optional
            Ids under which a file of teacher outputs knows the rows.
        sample_weight : array (n,), optional
            As for :meth:`SpearClassifier.fit`; networks trained here as teachers get it as well.

        Returns
        -------
        self
        """
        inputs = FitInputs(X, y, L, X_val, y_val, L_val, sample_weight)
        of_x = {"teacher_X": teacher_X, "row_ids": row_ids}
        of_v = {"teacher_X_val": teacher_X_val, "row_ids_val": row_ids_val}
        return finish(self.fit_steps(**inputs._asdict(), **of_x, **of_v))

    def fit_steps(self, **given: Any) -> Steps[Self]:
        """Fit in steps; see :meth:`BaseSpearEstimator.fit_steps`."""
        self.check_parameters()
        if given.get("teacher_X") is not None and not self._takes_teacher_X:
            raise InputError("sskd asks the teacher about turned X; leave out teacher_X")
        return (yield from super().fit_steps(**given))

    def _fit_steps(self, inputs: FitInputs, given: Any = None) -> Steps[None]:
        about = ("teacher_X", "teacher_X_val", "row_ids", "row_ids_val")
        asked = TeacherRows.of(
            *(inputs.X, inputs.L, inputs.X_val, inputs.L_val), *map(given.get, about)
        )
        names = ("X", "y", "X_val", "y_val", "sample_weight")
        self.teachers_ = yield from train_teachers(
            self, asked, {name: getattr(inputs, name) for name in names}
        )
        yield from super()._fit_steps(inputs, asked)

    def _plan(self, pool: TrainingPool, given: Any = None) -> FitPlan:
        asked: TeacherRows = given
        check_columns(self.teachers_, self.vote_schema_)
        # Asked here, so that what is wrong with a teacher is said before any training.
        logits = asked.logits(self.teachers_, pool, self.teacher_cache)
        rules: RuleModelConfig = self._options_of("rule_model")
        config = self._config_for_fingerprint
        return self._new_plan(
            pool,
            lambda class_weights: self._make_losses(pool, class_weights),
            lambda seen, generator: rules.make_model(pool, seen, self.n_lfs_),
            make_mixer=lambda: self._mixer_of_rows(pool, logits),
            make_teachers=lambda gold: logits,
            online_teachers=self._online_teachers() if asked.own else (),
            config=lambda: config() | {"teachers": asked.digest, "teacher_cache": None},
            # Without teachers and rules nothing is said of unlabelled rows: empty batches at best.
            use_unlabelled=bool(self.teachers_) or pool.votes is not None,
            keep_uncovered=rules.keep_uncovered is not False,
        )

    def _make_losses(self, pool: TrainingPool, class_weights: Any) -> ComponentSet:
        teachers = teacher_components(len(self.teachers_), self.temperature, self.direction)
        if pool.votes is None:
            return ComponentSet([LabelCrossEntropy(class_weights), *teachers])
        rules = self._options_of("rule_model").make_losses(True, class_weights)
        covered = [OnCovered(component) for component in rules.components]
        return ComponentSet([*covered, *teachers], rules.penalties)

    def _new_mixer(self, with_rules: bool = False) -> Mixer:
        return distillation_mixer(
            **self._mixing(with_rules),
            n_teachers=len(getattr(self, "teachers_", self.teachers)),
            with_rules=with_rules,
        )

    def _mixer_of_rows(self, pool: TrainingPool, logits: np.ndarray) -> Mixer:
        """Make the mixer, and tell one that is aware of labels what teachers say of them."""
        mixer = self._new_mixer(pool.votes is not None)
        if getattr(mixer, "label_aware", False):
            labels = np.maximum(pool.y, 0)[:, None, None]
            told = np.take_along_axis(softmax(logits, axis=2), labels, axis=2)[:, :, 0]
            mixer.told = torch.tensor(np.where(pool.y[:, None] >= 0, told, np.nan))
        return mixer

    def _online_teachers(self) -> tuple[Any, ...]:
        """For each teacher, how to ask about an augmented batch; see :class:`Table`."""
        classes = self.classes_
        return tuple(lambda x, ask=t.online_logits: ask(x, classes) for t in self.teachers_)


def train_teachers(
    student: DistilledClassifier, asked: TeacherRows, given: dict[str, Any]
) -> Steps[list[Teacher]]:
    """Return the student's teachers, training first those that are not there yet.

    TAKD (Mirzadeh et al., 2020) hands knowledge down a chain, each model taught by the one before
    it; DGKD (Son et al., 2021) lets all larger models teach each smaller one.

    Parameters
    ----------
    student : DistilledClassifier
        Its settings are those of the models trained here, but for the network and the mixer.
    asked : TeacherRows
    given : dict
        Arguments of the student's `fit` that the others get too: X, y, X_val, y_val.
    """
    if not asked.own and (student.assistants or any(map(_is_untrained, student.teachers))):
        raise InputError(
            "teacher_X is for teachers that are fitted already; networks trained here (by name, or "
            "as assistants) know X only. Leave teacher_X out, or pass what such teachers say of "
            "teacher_X as arrays"
        )
    # Those that are there come first: a file that is missing is said before hours of training.
    ready = [None if _is_untrained(t) else as_teacher(t) for t in student.teachers]
    teachers: list[Teacher] = []
    for i, teacher in enumerate(ready):
        if teacher is None:
            teacher = yield from _trained(student, i, cast(str, student.teachers[i]), given)
        teachers.append(teacher)
    ids = {f"row_ids{part}": i for part, (_, i) in zip(("", "_val"), asked.parts, strict=False)}
    for i, network in enumerate(student.assistants):
        by = teachers if student.chain == "dgkd" else teachers[-1:]
        mixer = _assistant_mixer(student, len(by))
        options = student.mixer_options if mixer == student.mixer else None
        changes = {"teachers": tuple(by), "mixer": mixer, "mixer_options": options}
        assistant = _like(student, network, f"assistant{i}", **changes)
        yield from assistant.fit_steps(**given, **ids)
        teachers.append(as_teacher(assistant, name=network_name(network)))
    return teachers[-1:] if student.chain == "takd" else teachers


def _assistant_mixer(student: DistilledClassifier, n_teachers: int) -> Any:
    """Return the mixer that teaches an assistant: Hinton's weights, or DGKD's.

    An only teacher is not left out at random.
    """
    entry = MIXERS.get(student.mixer) if isinstance(student.mixer, str) else None
    alone = n_teachers < 2 and entry is not None and entry.n_teachers > 1
    return "kd" if alone or student.chain == "takd" else student.mixer


def _is_untrained(teacher: Any) -> bool:
    return isinstance(teacher, str) and is_network(teacher)


def _trained(
    student: DistilledClassifier, i: int, network: str, given: dict[str, Any]
) -> Steps[Teacher]:
    """Train a network on the labels alone."""
    teacher = _like(student, network, f"teacher{i}", mixer="ce", mixer_options=None)
    yield from teacher.fit_steps(**given)
    return as_teacher(teacher, name=network)


def _like(
    student: DistilledClassifier, network: Any, part: str, **changes: Any
) -> DistilledClassifier:
    """Make an estimator with the student's settings for another network, with its own files."""
    settings: TrainerConfig = student._options_of("trainer")
    trainer = replace(
        settings, checkpoint=named(settings.checkpoint, part), callbacks=(), keep_epochs=()
    )
    fresh = {"student": network, "teachers": (), "assistants": (), "chain": None}
    # A teacher that is trained on V as well says V's labels, and V would learn to trust it blindly.
    own = {"trainer": trainer, "fit_strategy": "single"}
    return type(student)(**student.get_params(deep=False) | fresh | own | changes)


def distillation_mixer(
    mixer: str | Mixer,
    options: Mapping[str, Any] | None,
    *,
    n_teachers: int,
    with_rules: bool,
) -> Mixer:
    """Make a mixer for labels and teachers.

    Parameters
    ----------
    mixer : str or Mixer
        A name that :func:`spear_amal.mixers.build_mixer` knows, or "ce": labels alone. "amal" has
        the settings of the published distillation code, and those recommended for rules where
        rules join in.
    options : dict, optional
    n_teachers : int
        "kd", SuperLoss and CRUST share their 0.9 among the teachers. Without any teacher the label
        counts fully under every mixer: nobody has the other nine tenths.
    with_rules : bool
    """
    if not isinstance(mixer, str):
        return build_mixer(mixer, options)
    given = options if options is not None else {}
    if mixer == "ce":
        return build_mixer("fixed", {"per_loss": {"teacher": 0.0}} | dict(given))
    if mixer == "amal" and not with_rules:
        mixer = "amal-kd"
    known = _of_these(n_teachers)
    if mixer in known and isinstance(given, Mapping):
        return build_mixer(mixer, known[mixer] | dict(given))
    return build_mixer(mixer, given)


def _of_these(n_teachers: int) -> dict[str, dict[str, Any]]:
    """Options, by mixer, that depend on the number of teachers."""
    if not n_teachers:
        alone = {"label": 1.0}
        fixed = ("kd", "superloss", "crust", "dgkd", "dgkd-drop")
        return {name: {"per_loss": alone} for name in fixed} | {"amal-kd": {"start": alone}}
    shared = {"label": 0.1, "teacher": 0.9 / n_teachers}
    return {name: {"per_loss": shared} for name in ("kd", "superloss", "crust")}
