"""The scalar that one step of training goes down on, as a module: what processes share is wrapped.

DistributedDataParallel sums gradients while the backward pass runs, but only of what one call of a
module's ``forward`` computed; penalties and the mixer's part are therefore inside.
"""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from spear_amal.batch import Batch
from spear_amal.components import ComponentSet
from spear_amal.mixers import Mixer, Step
from spear_amal.models import JointModel
from spear_amal.training.forward import Forward
from spear_amal.training.graphs import trainable


class Objective(nn.Module):
    """Weighted losses of a batch and penalties, by the mixer's rule.

    Parameters
    ----------
    model : JointModel
    components : ComponentSet
    mixer : Mixer
        Its `shard` says whether the batch is spread over processes.
    forward_pass : Forward, optional
        In place of the feature model's own call.
    """

    def __init__(
        self,
        model: JointModel,
        components: ComponentSet,
        mixer: Mixer,
        forward_pass: Forward | None = None,
    ) -> None:
        super().__init__()
        self.model, self.components, self.mixer = model, components, mixer
        self.forward_pass = forward_pass

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Give the scalar, the losses (B, K) without their graph, and the domains (B, K).

        Of a spread batch the losses are those of the rows that are here, and the mean of the
        scalars over the processes is the scalar of the whole batch.
        """
        applies = self.components.applies(batch)
        step = self._step(batch, applies)
        part = self.mixer.combine(step) * self.mixer.shard.world
        return part + self.components.penalty(self.model), step.losses.detach(), applies

    def _step(self, batch: Batch, applies: Tensor) -> Step:
        """Losses of a batch and their weights; taken apart only for a mixer that asks for it."""
        outputs = self.model(batch, self.forward_pass)
        if not self.mixer.separates:
            losses = self.components.losses(outputs, batch, applies)  # (B, K)
            return Step(losses, self.mixer.weights(batch, losses.detach()), applies)
        columns = self.components.columns(outputs, batch, applies)
        losses = torch.stack(columns, dim=1)
        weights = self.mixer.weights(batch, losses.detach())
        return Step(losses, weights, applies, columns, trainable(self.model))


def spread(objective: Objective) -> nn.Module:
    """Wrap an objective so that its gradients are means over the processes; alone, leave it."""
    if objective.mixer.shard.world == 1:
        return objective
    device = next(objective.parameters()).device
    # Buffers are constants of the models that may be spread (see ``check_spreads``).
    names = inspect.signature(DistributedDataParallel).parameters
    sync = "forward_sync_buffers" if "forward_sync_buffers" in names else "broadcast_buffers"
    options: dict[str, Any] = {sync: False}
    return DistributedDataParallel(
        objective,
        device_ids=[device.index] if device.type == "cuda" else None,
        # Which parameters the losses reach is the same in every step: it is learnt in the first.
        static_graph=True,
        **options,
    )
