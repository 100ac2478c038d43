"""Who is trained before the student: teachers given by name, and assistants between the sizes.

TAKD (Mirzadeh et al., 2020) hands knowledge down a chain, each model taught by the one before it;
DGKD (Son et al., 2021) lets all larger models teach each smaller one.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from spear_amal.errors import InputError
from spear_amal.estimators.networked import network_name
from spear_amal.models import is_network
from spear_amal.teachers import Teacher, as_teacher

if TYPE_CHECKING:
    from spear_amal.estimators.distilled import DistilledClassifier
    from spear_amal.estimators.teacher_rows import TeacherRows

CHAINS = ("takd", "dgkd")
DGKD_MIXERS = ("dgkd", "dgkd-drop")


def train_teachers(
    student: DistilledClassifier, asked: TeacherRows, given: dict[str, Any]
) -> list[Teacher]:
    """Give the student's teachers, training first those that are not there yet.

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
    ready = [None if _is_untrained(one) else as_teacher(one) for one in student.teachers]
    teachers = [
        _trained(student, i, student.teachers[i], given) if one is None else one
        for i, one in enumerate(ready)
    ]
    ids = {f"row_ids{part}": i for part, (_, i) in zip(("", "_val"), asked.parts, strict=False)}
    for i, network in enumerate(student.assistants):
        by = teachers if student.chain == "dgkd" else teachers[-1:]
        mixer = _mixer(student, len(by))
        options = student.mixer_options if mixer == student.mixer else None
        changes = {"teachers": tuple(by), "mixer": mixer, "mixer_options": options}
        assistant = _like(student, network, f"assistant{i}", **changes)
        teachers.append(as_teacher(assistant.fit(**given, **ids), name=network_name(network)))
    return teachers[-1:] if student.chain == "takd" else teachers


def _mixer(student: DistilledClassifier, n_teachers: int) -> Any:
    """Say how an assistant is taught: by Hinton's weights, or as DGKD teaches its student.

    An only teacher is not left out at random.
    """
    alone = n_teachers < 2 and isinstance(student.mixer, str) and student.mixer in DGKD_MIXERS
    return "kd" if alone or student.chain == "takd" else student.mixer


def _is_untrained(one: Any) -> bool:
    return isinstance(one, str) and is_network(one)


def _trained(student: DistilledClassifier, i: int, network: str, given: dict[str, Any]) -> Teacher:
    """Train a network on the labels alone."""
    teacher = _like(student, network, f"teacher{i}", mixer="ce", mixer_options=None)
    return as_teacher(teacher.fit(**given), name=network)


def _like(
    student: DistilledClassifier, network: Any, part: str, **changes: Any
) -> DistilledClassifier:
    """Make an estimator with the student's settings for another network, with its own files."""
    path = student.checkpoint
    if path is not None:
        path = Path(path).with_name(f"{Path(path).stem}-{part}{Path(path).suffix}")
    fresh = {"student": network, "teachers": (), "assistants": (), "chain": None}
    # A teacher that is trained on V as well says V's labels, and V would learn to trust it blindly.
    own = {"checkpoint": path, "callbacks": (), "keep_epochs": (), "final": "single"}
    return type(student)(**student.get_params(deep=False) | fresh | own | changes)
