"""Distillation: a student learns from labels, teachers and, where there are any, rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Interval, StrOptions

from spear_amal.errors import InputError
from spear_amal.estimators import bundle, door
from spear_amal.estimators.chain import CHAINS, train_teachers
from spear_amal.estimators.distill_mixers import distillation_mixer
from spear_amal.estimators.engine import Recipe
from spear_amal.estimators.networked import NetworkClassifier
from spear_amal.estimators.teacher_rows import TeacherRows
from spear_amal.losses import ComponentSet, LabelCrossEntropy, OnCovered, teacher_components
from spear_amal.losses.teacher import DIRECTIONS
from spear_amal.mixers import Mixer


@dataclass(eq=False, repr=False)
class DistilledClassifier(NetworkClassifier):
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
        trained first on the labels, never on those of V, whatever `final` says.
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
    optimiser : {"adam", "sgd"}
    momentum, nesterov
        Of SGD.
    schedule : {"constant", "cosine", "steps"}
        Learning rate over epochs; "steps" multiplies it by `gamma` at each of `milestones`.
    milestones : sequence of int
    gamma : float
    augment : {"crop", "crop-flip", "turn-crop-flip"} or None
        Random changes of training images. Teachers that are networks then answer anew for each
        changed image; others keep to what they say of the plain one.
    keep_epochs : sequence of int
        Epochs (from 1) whose models are kept in ``snapshots_``: early-stopped teachers.
    teacher_cache : path, optional
        Folder in which teachers' outputs are kept from run to run.
    callbacks : sequence of Callback
    patience : int, optional
        None, the default, trains all epochs; the epoch with the best validation score is kept.
    feature_model
        Another name of `student`; not a parameter.
    losses, consensus, rule_gold, agreement, quality_guides, quality_index, rule_start, guard, \
keep_uncovered, hidden, final, n_folds, inference, validation, validation_fraction, \
prior_correction, lr, lr_scale, lr_rules, batch_size, max_epochs, metric, weight_decay, dtype, \
precision, compile, device, ranks, checkpoint, random_state, verbose
        As in :class:`SpearClassifier`. `lr` is 0.05 for SGD unless given; batches of images have
        128 rows.

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
    >>> student = DistilledClassifier("mlp:16", [forest], max_epochs=40, lr=0.01).fit(X, y)
    >>> bool(student.score(X, y) > 0.9), list(student.weights_.columns)
    (True, ['label', 'teacher'])
    """

    student: Any = "mlp"
    teachers: Any = ()
    _: KW_ONLY
    temperature: float = 4.0
    direction: str = "teacher-student"
    assistants: Sequence[Any] = ()
    chain: str | None = None
    teacher_cache: Any = None
    keep_uncovered: bool = True

    # Under its parent's name the student is no parameter of its own.
    feature_model: ClassVar[Any] = property(lambda self: self.student)  # type: ignore[misc]

    _not_stored: ClassVar[tuple[str, ...]] = (
        *NetworkClassifier._not_stored,
        "teachers",
        "assistants",
        "teacher_cache",
    )
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **NetworkClassifier._parameter_constraints,
        "temperature": [Interval(Real, 0, None, closed="neither")],
        "direction": [StrOptions(set(DIRECTIONS))],
        "chain": [None, StrOptions(set(CHAINS))],
    }

    def check_parameters(self) -> None:
        """Raise an error for a parameter that cannot be used; `fit` calls it first."""
        for name in ("teachers", "assistants"):
            found = getattr(self, name)
            # Forests, nn.Sequential and arrays can be gone through as well, to no good end.
            if not isinstance(found, list | tuple):
                shown = repr(found) if isinstance(found, str) else type(found).__name__
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
        X: Any,
        y: Any,
        L: Any = None,
        X_val: Any = None,
        y_val: Any = None,
        L_val: Any = None,
        *,
        teacher_X: Any = None,
        teacher_X_val: Any = None,
        row_ids: Any = None,
        row_ids_val: Any = None,
    ) -> Any:
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

        Returns
        -------
        self
        """
        self.check_parameters()
        self.vote_form_, self.guarded_ = None, False
        asked = TeacherRows.of(X, L, X_val, L_val, teacher_X, teacher_X_val, row_ids, row_ids_val)
        given = {"X": X, "y": y, "X_val": X_val, "y_val": y_val}
        self.teachers_ = train_teachers(self, asked, given)
        self._asked = asked
        try:
            return super().fit(X, y, L, X_val, y_val, L_val)
        finally:
            del self._asked
            self.__dict__.pop("_told", None)

    def _recipe(self, pool: door.Pool) -> Recipe:
        # Asked here, so that what is wrong with a teacher is said before any training.
        self._told = self._asked.logits(self.teachers_, pool, self.teacher_cache)
        # Without teachers and rules nothing is said of unlabelled rows: empty batches at best.
        heard = bool(self.teachers_) or pool.labels is not None
        return replace(super()._recipe(pool), use_unlabelled=heard)

    def _teachers(self, pool: door.Pool, gold: np.ndarray) -> np.ndarray:
        return self._told

    def _about(self) -> dict[str, Any]:
        return bundle.params_to_json(self) | {
            "teachers": self._asked.digest,
            "teacher_cache": None,
            "callbacks": None,
        }

    def _components(self, pool: door.Pool, class_weights: np.ndarray | None) -> ComponentSet:
        teachers = teacher_components(len(self.teachers_), self.temperature, self.direction)
        if pool.labels is None:
            return ComponentSet([LabelCrossEntropy(class_weights), *teachers])
        rules = self._losses(True, class_weights)
        covered = [OnCovered(component) for component in rules.components]
        return ComponentSet([*covered, *teachers], rules.penalties)

    def _mixer(self) -> Mixer:
        return distillation_mixer(
            self.mixer,
            self.mixer_options,
            n_teachers=len(getattr(self, "teachers_", self.teachers)),
            with_rules=getattr(self, "vote_form_", None) is not None and not self.guarded_,
        )

    def _final(self, pool: door.Pool) -> str:
        return self.final

    def _live(self) -> tuple[Any, ...]:
        if not self._asked.own:
            return ()  # they know other inputs than the student's: what they said of those stands
        classes = self.classes_
        return tuple(lambda x, ask=one.live: ask(x, classes) for one in self.teachers_)
