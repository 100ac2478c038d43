"""Teachers of distillation: anything that gives logits or probabilities for rows."""

from spear_amal.teachers.arrays import ArrayTeacher
from spear_amal.teachers.base import Teacher
from spear_amal.teachers.convert import as_teacher, as_teachers, mean_teacher
from spear_amal.teachers.files import TeacherFile, save_teacher_outputs
from spear_amal.teachers.networks import NetworkTeacher
from spear_amal.teachers.outputs import TeacherOutputs, stack_logits
from spear_amal.teachers.snapshots import early_stopped

__all__ = [
    "ArrayTeacher",
    "NetworkTeacher",
    "Teacher",
    "TeacherFile",
    "TeacherOutputs",
    "as_teacher",
    "as_teachers",
    "early_stopped",
    "mean_teacher",
    "save_teacher_outputs",
    "stack_logits",
]
