"""SSKD's losses: what a teacher says of turned images and of how alike images are.

Xu et al., "Knowledge Distillation Meets Self-Supervision", 2020. They need ``outputs.views``, which
models give in training mode only, so there is no look-ahead over them; the selection of rows and
the similarities see the whole batch, so they are no losses of single rows either.
"""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.batch import Batch, Outputs, Views
from spear_amal.errors import InputError
from spear_amal.losses.base import Component
from spear_amal.losses.teacher import TeacherDivergence
from spear_amal.maths import losses

TURNED = 3  # views beside the upright one


def similarities(projected: Tensor) -> Tensor:
    """Cosines (3B, B) of each turned view with each upright image, from projections (B, 4, P).

    Row ``3 i + v`` is turned view v of image i.
    """
    unit = F.normalize(projected, dim=-1)
    return unit[:, 1:].flatten(0, 1) @ unit[:, 0].T


def own_image(n: int, device: torch.device | None = None) -> Tensor:
    """Return the number of the upright image that each turned view comes from (3n,).

    Examples
    --------
    >>> own_image(2).tolist()
    [0, 0, 0, 1, 1, 1]
    """
    return torch.arange(n, device=device).repeat_interleave(TURNED)


def position(scores: Tensor, target: Tensor) -> Tensor:
    """Count the columns of scores (N, C) above that of the target (N,): 0 is right.

    Examples
    --------
    >>> position(torch.tensor([[3.0, 1.0, 2.0]] * 3), torch.tensor([0, 1, 2])).tolist()
    [0, 2, 1]
    """
    return (scores > scores.gather(1, target.unsqueeze(1))).sum(1)


def best_ranked(ranks: Tensor, ratio: float) -> Tensor:
    """Select (N,) rows of rank 0, and of the others the share `ratio` (rounded down) ranked best.

    Of equal ranks the earlier row goes first.

    Examples
    --------
    >>> best_ranked(torch.tensor([4, 0, 1, 2, 1]), 0.5).tolist()
    [False, True, True, False, True]
    """
    right = (ranks == 0).sum()
    # An exact product may come out a hair too low: 0.29 * 100 is 28.999999999999996.
    kept = right + torch.floor((len(ranks) - right).double() * ratio + 1e-9)
    place = ranks.argsort(stable=True).argsort()
    return place < kept


class UprightDivergence(TeacherDivergence):
    """``tau^2 KL`` to what the teacher says of the upright image.

    The teacher is asked about the batch as it is, so augmentation is seen by both.
    """

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Tempered divergence per row (B,)."""
        teacher = _views(outputs.teacher_views).logits[:, :1]
        return super().loss(outputs, replace(batch, teachers=teacher))

    def applies(self, batch: Batch) -> Tensor:
        """Every row."""
        return _everywhere(batch)


class RotatedDivergence(Component):
    """``tau^2 KL(teacher_tau || student_tau)`` over selected turned views.

    Selected are the views whose true class the teacher ranks first, and the best-ranked share of
    the others. Where a row has no label, its class is the teacher's answer to the upright image.
    The values are scaled so that their mean over the batch is the mean over selected views.

    Parameters
    ----------
    temperature : float
    ratio : float
        Share of the views that the teacher gets wrong that is kept, from 0 to 1.
    """

    name = "rotated"

    def __init__(self, temperature: float = 4.0, ratio: float = 1.0) -> None:
        self.temperature, self.ratio = temperature, ratio

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Sum over an image's selected views (B,), times B over the number selected."""
        teacher = _views(outputs.teacher_views).logits
        y = torch.where(batch.y < 0, teacher[:, 0].argmax(1), batch.y)
        turned = teacher[:, 1:].flatten(0, 1)  # (3B, C)
        ranks = position(turned, y.repeat_interleave(TURNED))
        student = _views(outputs.views).logits[:, 1:].flatten(0, 1)
        values = losses.tempered_kl(student, turned, self.temperature)
        return _per_image(values, best_ranked(ranks, self.ratio))

    def applies(self, batch: Batch) -> Tensor:
        """Every row."""
        return _everywhere(batch)


class SimilarityDivergence(Component):
    """``tau^2 KL`` over selected rows of similarities of turned views with upright images.

    Selected are the views that the teacher finds most like their own upright image, and the
    best-ranked share of the others. Scaled as :class:`RotatedDivergence`.

    Parameters
    ----------
    temperature : float
    ratio : float
        Share of the views that the teacher gets wrong that is kept, from 0 to 1.
    """

    name = "similarity"

    def __init__(self, temperature: float = 0.5, ratio: float = 0.75) -> None:
        self.temperature, self.ratio = temperature, ratio

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Sum over an image's selected views (B,), times B over the number selected."""
        teacher = similarities(_views(outputs.teacher_views).projected)
        student = similarities(_views(outputs.views).projected)
        ranks = position(teacher, own_image(len(batch), teacher.device))
        values = losses.tempered_kl(student, teacher, self.temperature)
        return _per_image(values, best_ranked(ranks, self.ratio))

    def applies(self, batch: Batch) -> Tensor:
        """Every row."""
        return _everywhere(batch)


class ViewMatching(Component):
    """Cross-entropy of each turned view to its own upright image among those of the batch.

    Trains a projection head, without labels: the scores are plain cosines.
    """

    name = "matching"

    def loss(self, outputs: Outputs, batch: Batch) -> Tensor:
        """Mean over an image's turned views (B,)."""
        scores = similarities(_views(outputs.views).projected)
        values = losses.cross_entropy(scores, own_image(len(batch), scores.device))
        return values.view(-1, TURNED).mean(1)

    def applies(self, batch: Batch) -> Tensor:
        """Every row."""
        return _everywhere(batch)


def _views(views: Views | None) -> Views:
    if views is None:
        raise InputError(
            "this loss needs views of turned images, which a RotationModel gives in training "
            "mode; it cannot be looked ahead over: train with mixer='fixed'"
        )
    return views


def _everywhere(batch: Batch) -> Tensor:
    return torch.ones_like(batch.y, dtype=torch.bool)


def _per_image(values: Tensor, kept: Tensor) -> Tensor:
    """Losses (3B,) of selected views as losses (B,) whose mean is the mean over the selected."""
    masked = torch.where(kept, values, torch.zeros_like(values)).view(-1, TURNED)
    return masked.sum(1) * len(masked) / kept.sum().clamp(min=1)
