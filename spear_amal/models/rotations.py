"""Images turned by quarters, and a network that answers about all four views in training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from spear_amal.batch import Views
from spear_amal.errors import InputError
from spear_amal.models.feature_model import Affine

N_VIEWS = 4


def check_turnable(shape: Sequence[int]) -> None:
    """Raise InputError unless rows of a shape (c, h, w) are square images."""
    if len(shape) != 3:
        raise InputError(
            "sskd turns images: X must be (rows, channels, height, width), found rows of shape "
            f"{tuple(shape)}; for plain features use another method, such as 'kd'"
        )
    if shape[1] != shape[2]:
        raise InputError(
            f"sskd turns images by quarters, so they must be square; found {shape[1]} x "
            f"{shape[2]}: pad, crop or resize them"
        )


def four_views(x: Tensor) -> Tensor:
    """Turn square images (B, c, h, h) by 0, 90, 180 and 270 degrees: (4B, c, h, h), row by row.

    Examples
    --------
    >>> four_views(torch.tensor([[[[1, 2], [3, 4]]]])).flatten(1).tolist()
    [[1, 2, 3, 4], [2, 4, 1, 3], [4, 3, 2, 1], [3, 1, 4, 2]]
    """
    check_turnable(x.shape[1:])
    return torch.stack([torch.rot90(x, k, (2, 3)) for k in range(N_VIEWS)], dim=1).flatten(0, 1)


def projection_head(width: int, generator: torch.Generator | None = None) -> nn.Sequential:
    """Two layers as wide as the features with a ReLU between: (N, width) to (N, width)."""
    return nn.Sequential(
        Affine(width, width, generator), nn.ReLU(), Affine(width, width, generator)
    )


class RotationModel(nn.Module):
    """A network with a projection head that, in training, answers about four views of its images.

    In evaluation mode it is the network alone.

    Parameters
    ----------
    network : nn.Module or function
        Images to (logits, hidden). A function is no part of the module: it is neither trained,
        moved nor stored.
    projection : nn.Module
        Hidden values (N, H) to (N, P).
    teacher : function of turned images (4B, c, h, h) to Views, optional
        A teacher that sees the very images that the network sees. It must not be a module, which
        would become a part of this one.
    """

    def __init__(
        self,
        network: Callable[[Tensor], tuple[Tensor, Tensor]],
        projection: nn.Module,
        teacher: Callable[[Tensor], Views] | None = None,
    ) -> None:
        super().__init__()
        self.network = network
        self.projection = projection
        self.teacher = teacher

    def forward(self, x: Tensor) -> Any:
        """Logits (B, C) and hidden (B, H) of the upright images; in training the views as well."""
        if not self.training:
            return self.network(x)
        turned = four_views(x)
        views, hidden = self._answer(turned)
        more = {"views": views}
        if self.teacher is not None:
            more["teacher_views"] = self.teacher(turned)
        return views.logits[:, 0], hidden[::N_VIEWS], more

    @torch.no_grad()
    def views(self, turned: Tensor) -> Views:
        """Compute, for a teacher, the views of turned images (4B, c, h, h)."""
        return self._answer(turned)[0]

    def _answer(self, turned: Tensor) -> tuple[Views, Tensor]:
        logits, hidden = self.network(turned)
        projected = self.projection(hidden)
        by_row = (-1, N_VIEWS)
        return Views(logits.unflatten(0, by_row), projected.unflatten(0, by_row)), hidden
