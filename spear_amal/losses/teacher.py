"""Distillation: match a teacher's softened distribution."""

from __future__ import annotations

from torch import Tensor

from spear_amal.batch import Batch, Outputs
from spear_amal.losses.base import ClosedForm, Component
from spear_amal.losses.slopes import Slopes
from spear_amal.losses.spear import GoldCrossEntropy
from spear_amal.maths import losses
from spear_amal.params import check_choice, check_positive, check_whole
from spear_amal.tensors.layout import log_softmax

DIRECTIONS = ("teacher-student", "student-teacher")


class LabelCrossEntropy(GoldCrossEntropy):
    """Cross-entropy to the given label, which in distillation may be a noisy one."""

    name = "label"


class TeacherDivergence(ClosedForm):
    """``tau^2 KL(teacher_tau || student_tau)`` where teacher t says something.

    Parameters
    ----------
    teacher : int
        Column of ``batch.teachers``. Rows whose teacher logits are NaN have no teacher.
    temperature : float
    direction : {"teacher-student", "student-teacher"}
        Which distribution the divergence is taken under: the teacher's, as all published code
        does, or the student's, as equation 9 of the AMAL paper is printed.
    """

    def __init__(
        self,
        teacher: int = 0,
        temperature: float = 4.0,
        direction: str = "teacher-student",
        name: str = "teacher",
    ) -> None:
        check_positive("temperature", temperature)
        check_choice("direction", direction, DIRECTIONS)
        self.teacher = teacher
        self.temperature = temperature
        self.direction = direction
        self.name = name

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Tempered divergence per row."""
        log_s, log_t = self._log_pair(outputs, batch)
        if self.direction == "student-teacher":
            log_s, log_t = log_t, log_s
        return self.temperature**2 * losses.divergence(log_t, log_s)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``tau (s - t)``, or ``tau s_c (log(s_c / t_c) - KL(s || t))`` in the other direction."""
        outputs, tau = slopes.outputs, self.temperature
        log_s, log_t = self._log_pair(outputs, batch)
        s = outputs.shared(("s", tau), log_s.exp)
        if self.direction == "teacher-student":
            slope = s - batch.teacher_p(tau)[self.teacher]
        else:
            ratio = log_s - log_t
            slope = s * (ratio - (s * ratio).sum(1, keepdim=True))
        slopes.by_logits.addcmul_(slope, weight, value=tau)
        return True

    def _log_pair(self, outputs: Outputs, batch: Batch) -> tuple[Tensor, Tensor]:
        """Tempered log-probabilities (B, C) of student and teacher."""
        tau = self.temperature
        log_s = outputs.shared(("log s", tau), lambda: log_softmax(outputs.logits / tau))
        return log_s, batch.teacher_log_p(tau)[self.teacher]

    def applies(self, batch: Batch) -> Tensor:
        """Rows whose teacher speaks, labelled or not."""
        return batch.taught[:, self.teacher]


def teacher_names(n_teachers: int) -> tuple[str, ...]:
    """Names of the teachers' losses: "teacher", or "teacher0", "teacher1", ..

    Examples
    --------
    >>> teacher_names(1), teacher_names(2)
    (('teacher',), ('teacher0', 'teacher1'))
    """
    check_whole("n_teachers", n_teachers, 0)
    if n_teachers == 1:
        return ("teacher",)
    return tuple(f"teacher{t}" for t in range(n_teachers))


def teacher_components(
    n_teachers: int, temperature: float = 4.0, direction: str = "teacher-student"
) -> list[Component]:
    """One :class:`TeacherDivergence` per teacher."""
    return [
        TeacherDivergence(t, temperature, direction, name)
        for t, name in enumerate(teacher_names(n_teachers))
    ]


class TeacherCrossEntropy(ClosedForm):
    """Cross-entropy to teacher t's distribution where it says something.

    A label model's posterior is a teacher: this is how an end model learns from soft labels.

    Parameters
    ----------
    teacher : int
        Column of ``batch.teachers``. Rows whose teacher logits are NaN have no teacher.
    unlabelled_only : bool
        Leave out rows with a gold label.
    """

    def __init__(
        self, teacher: int = 0, unlabelled_only: bool = True, name: str = "teacher"
    ) -> None:
        self.teacher = teacher
        self.unlabelled_only = unlabelled_only
        self.name = name

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """``-sum_c t_c log p_c`` for the teacher's distribution t."""
        return -(self._target(batch) * outputs.log_p).sum(1)

    def add_slopes(self, slopes: Slopes, batch: Batch, weight: Tensor) -> bool:
        """``p - t``."""
        slopes.pull_p.addcmul_(self._target(batch), weight)
        return True

    def _target(self, batch: Batch) -> Tensor:
        return batch.teacher_p()[self.teacher]

    def applies(self, batch: Batch) -> Tensor:
        """Rows whose teacher speaks."""
        speaks = batch.taught[:, self.teacher]
        return speaks & ~batch.labelled if self.unlabelled_only else speaks
