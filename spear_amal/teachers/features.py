"""A frozen copy of a teacher's networks that gives logits and features of batches."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.models import FeatureAdapter
from spear_amal.teachers.base import Teacher
from spear_amal.teachers.class_columns import arrange, column_order
from spear_amal.teachers.networks import NetworkTeacher


class FrozenFeatures:
    """Logits (B, C) and features (B, H) of a network teacher, without gradient.

    It works on a copy in evaluation mode, so nothing that training does reaches the teacher, its
    batch statistics included. It is no module itself: it does not become part of a student.

    Parameters
    ----------
    teacher : Teacher
        With torch networks inside. Of several, features stand side by side and logits are the log
        of the mean probability.
    classes : sequence (C,), optional
        Classes of the student; the logits come in this order.
    device, dtype
        Where and in which type the copy computes.

    Raises
    ------
    InputError
        If the teacher is no network, or its features cannot be told.
    """

    def __init__(
        self,
        teacher: Teacher,
        classes: VectorLike | None = None,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        check_feature_network(teacher)
        self.teacher, self.classes = teacher, classes
        copies = [copy.deepcopy(module) for module in teacher.modules]  # type: ignore[attr-defined]
        for module in copies:
            module.eval().requires_grad_(False).to(device, dtype)
        self._ask = [self._asker(module) for module in copies]

    @torch.no_grad()
    def __call__(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and features (B, H) of raw images or rows of features."""
        answers = [ask(x) for ask in self._ask]
        _check_features(answers, len(x))
        logits = answers[0][0]
        if len(answers) > 1:
            stacked = torch.stack([member.log_softmax(-1) for member, _ in answers])
            logits = stacked.logsumexp(0) - math.log(len(answers))
        columns = self.teacher.classes
        order = column_order(logits.shape[1], columns, self.classes, self.teacher.missing)
        return arrange(logits, order), torch.cat([hidden for _, hidden in answers], dim=1)

    def _asker(self, module: nn.Module) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        if hasattr(module, "logits_and_hidden"):
            return module.logits_and_hidden  # type: ignore[return-value]
        try:
            return FeatureAdapter(module).eval()
        except InputError as error:
            raise InputError(f"the features of {self.teacher!r} cannot be told: {error}") from error


def _check_features(answers: list[tuple[Tensor, Tensor]], n: int) -> None:
    for _, hidden in answers:
        if not isinstance(hidden, Tensor) or hidden.ndim != 2 or len(hidden) != n:
            shape = tuple(hidden.shape) if isinstance(hidden, Tensor) else type(hidden).__name__
            raise InputError(
                f"the teacher's features must be of shape ({n}, H), one row for each image; found "
                f"{shape}: pool or flatten them, or wrap the network in a FeatureAdapter"
            )


def check_feature_network(teacher: Teacher) -> None:
    """Raise InputError for a teacher without features: one that is not made of torch networks."""
    if not isinstance(teacher, NetworkTeacher):
        raise InputError(
            f"{teacher!r} only gives outputs; here a teacher must show its features as well, of "
            "changed images: pass a torch module or a fitted classifier of this package"
        )
