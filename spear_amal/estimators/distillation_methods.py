"""Whole methods of distillation by name: what weighs the losses, and who teaches whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from spear_amal.checks import check_name
from spear_amal.estimators.distillation import DistilledClassifier
from spear_amal.estimators.sskd import RotationDistiller
from spear_amal.mixers import MIXERS
from spear_amal.models.registry import FeatureModelLike
from spear_amal.teachers.convert import TeacherLike

#: Methods of distillation: name -> (what it is, parameters). The mixer is that of the name unless
#: they say otherwise.
DISTILLATION: dict[str, tuple[str, dict[str, Any]]] = {
    "ce": ("labels alone", {}),
    "kd": ("Hinton's: 0.1 label, 0.9 teacher", {}),
    "takd": ("a chain of assistants, each taught by the last", {"mixer": "kd", "chain": "takd"}),
    "dgkd": ("all larger models teach, kept at random", {"mixer": "dgkd", "chain": "dgkd"}),
    "dgkd-drop": (
        "all larger models teach, one dropped a batch",
        {"mixer": "dgkd-drop", "chain": "dgkd"},
    ),
    "sskd": (
        "turned images, and how alike images are, as the teacher sees them",
        {"mixer": "fixed"},
    ),
    "superloss": ("rows of a high loss count less", {}),
    "crust": ("a coreset of clean-looking rows every epoch", {}),
    "amal": ("weights per row and loss, learnt on validation rows", {}),
    "alm-kd": ("convex weights per row, learnt on validation rows", {}),
    "fixed": ("weights of 1, or as given", {}),
    "random-search": ("fixed weights drawn at random, chosen on validation rows", {}),
    "uncertainty": ("each loss divided by a variance that is learnt", {}),
    "gcs": ("a teacher counts as far as its gradient agrees with the label's", {}),
    "auxilearn": ("a combiner of losses, learnt on validation rows", {}),
    "maoal": ("weights per loss and module, learnt on validation rows", {}),
    "l2r": ("rows of each batch that help on validation rows", {}),
    "mwn": ("a small net turns a loss into its weight", {}),
}


def distiller(
    method: str,
    student: FeatureModelLike = "mlp",
    teachers: Sequence[TeacherLike] = (),
    assistants: Sequence[FeatureModelLike] = (),
    **parameters: Any,
) -> DistilledClassifier:
    """Make the estimator of a method.

    Parameters
    ----------
    method : str
        One of :data:`DISTILLATION`, or the name of any other mixer.
    student, teachers
        As of :class:`DistilledClassifier`; "ce" leaves the teachers out.
    assistants : sequence
        Networks for "takd" and "dgkd", the largest first; other methods leave them out.
    **parameters
        Any other option by name, as :meth:`DistilledClassifier.from_options` takes them.

    Examples
    --------
    >>> distiller("takd", "resnet8", ["resnet20"], ["resnet14"]).chain
    'takd'
    """
    check_name("method", method, DISTILLATION | MIXERS)
    _, own_settings = DISTILLATION.get(method, ("", {}))
    settings = {"mixer": method, **own_settings}
    if settings.get("chain") and (assistants or len(teachers) > 1):
        settings["assistants"] = tuple(assistants)
    else:
        settings.pop("chain", None)
    asked = () if method == "ce" else tuple(teachers)
    kind = RotationDistiller if method == "sskd" else DistilledClassifier
    return kind.from_options(student, asked, **settings | parameters)
