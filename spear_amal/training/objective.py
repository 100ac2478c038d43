"""The scalar that one step of training goes down on, as a module: what processes share is wrapped.

DistributedDataParallel sums gradients while the backward pass runs, but only of what one call of a
module's ``forward`` computed; penalties and the mixer's part are therefore inside.

The feature model's forward pass in training: in full or half precision, as written or compiled.

Only this pass changes: losses, the rule model, look-aheads and validation stay in full precision
and uncompiled, so that weights and the choice of the epoch do not hang on such options.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from spear_amal.batch import Batch
from spear_amal.errors import InputError
from spear_amal.losses import ComponentSet
from spear_amal.mixers import Mixer, Step
from spear_amal.models import JointModel
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training.graph_losses import trainable


class Objective(nn.Module):
    """Weighted losses of a batch and penalties, by the mixer's rule.

    Parameters
    ----------
    model : JointModel
    components : ComponentSet
    mixer : Mixer
        Its `shard` says whether the batch is spread over processes.
    forward_pass : function of x, optional
        In place of the feature model's own call.
    """

    def __init__(
        self,
        model: JointModel,
        components: ComponentSet,
        mixer: Mixer,
        forward_pass: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__()
        self.model, self.components, self.mixer = model, components, mixer
        self.forward_pass = forward_pass

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the scalar, the losses (B, K) without their graph, and the domains (B, K).

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


def wrap_ddp(objective: Objective) -> nn.Module:
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


PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class MixedPrecisionForward:
    """A function of features x that gives what the feature model gives, in full precision.

    Parameters
    ----------
    feature : Module
        Its parameters stay in float32, whatever the precision.
    precision : {"fp32", "bf16", "fp16"}
        Type of the matrix products and convolutions (torch's autocast). "fp16" is for GPUs: its
        gradients need scaling (see :func:`make_scaler`).
    compile : bool or str
        Run the model through ``torch.compile``, with its usual backend or the one named; compiled
        when it is first called.

    Raises
    ------
    InputError
        If the device or the parameters' type does not go with the precision.
    """

    def __init__(
        self, feature: nn.Module, precision: str = "fp32", compile: bool | str = False
    ) -> None:
        first = next(feature.parameters())
        self.half, self.device = PRECISIONS[precision], first.device.type
        if precision == "fp16" and self.device != "cuda":
            raise InputError(
                f"precision='fp16' needs a GPU and the model is on {self.device!r}; use 'bf16'"
            )
        if self.half is not None and first.dtype != torch.float32:
            raise InputError(
                f"precision={precision!r} needs dtype='float32', found {first.dtype}; "
                "use precision='fp32' with other types"
            )
        self._run: Any = _compiled(feature, compile) if compile else feature

    def __call__(self, x: Tensor | SparseRows) -> Any:
        """Logits, the head's input, and what the model may add."""
        if self.half is None:
            return self._run(x)
        with torch.autocast(self.device, dtype=self.half):
            said = self._run(x)
        return tuple(_full(value) for value in said)


def make_scaler(precision: str) -> torch.amp.GradScaler:
    """Scale losses so that small gradients do not vanish in "fp16"; else change nothing."""
    return torch.amp.GradScaler("cuda", enabled=precision == "fp16")


def _compiled(feature: nn.Module, backend: bool | str) -> Callable[[Any], Any]:
    from torch._dynamo.exc import TorchDynamoException  # a second of imports

    # The last batch of an epoch is shorter: one graph for any number of rows.
    run = torch.compile(
        feature, dynamic=True, backend="inductor" if backend is True else str(backend)
    )

    def ask(x: Tensor | SparseRows) -> Any:
        try:
            return run(x)
        except TorchDynamoException as error:
            raise InputError(
                f"torch.compile failed on {type(feature).__name__} "
                f"({str(error).strip().splitlines()[0]}); use compile=False, or see that a C++ "
                "compiler can be found"
            ) from error

    return ask


def _full(value: Any) -> Any:
    """Half-precision tensors within `value` as float32."""
    if isinstance(value, Tensor):
        return value.float() if value.dtype in (torch.bfloat16, torch.float16) else value
    if isinstance(value, Mapping):
        return {name: _full(inner) for name, inner in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: _full(getattr(value, f.name)) for f in fields(value)})
    return value
