"""Steps on more rows than memory has room for the graph of: the forward pass in parts.

The model first answers part by part without a graph. Losses, weights and penalties see the answers
of the whole batch, whose gradient is then sent down through each part, which is computed once more
for it. So the gradient is that of the whole batch whatever the losses and the mixer are; a step
takes about a third more time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from spear_amal.errors import InputError
from spear_amal.mixers import Mixer
from spear_amal.models import JointModel, MultiTask
from spear_amal.models.feature_model import batch_norms
from spear_amal.tensors.sparse_rows import SparseRows
from spear_amal.training.objective import MixedPrecisionForward


class ForwardInParts:
    """A feature model's forward pass, `size` rows at a time.

    Parameters
    ----------
    run : MixedPrecisionForward
    size : int
        Rows whose graph is in memory at once.
    """

    def __init__(self, run: MixedPrecisionForward, size: int) -> None:
        self.run, self.size = run, size
        self._parts: list[tuple[Any, list[Tensor]]] = []
        self._answers: list[Tensor] = []

    def __call__(self, x: Tensor | SparseRows) -> Any:
        """Return logits and the head's input, as leaves that gradients are collected in."""
        if len(x) <= self.size:
            return self.run(x)
        index = torch.arange(len(x))
        self._parts = []
        answers = []
        with torch.no_grad():
            for rows in index.split(self.size):
                self._parts.append((x[rows], _random_states(self.run.device)))
                answers.append(_pair(self.run(x[rows])))
        columns = zip(*answers, strict=True)
        self._answers = [torch.cat(column).requires_grad_() for column in columns]
        return tuple(self._answers)

    def finish(self) -> None:
        """Send the gradients that the answers have collected down to the parameters."""
        gradients = [answer.grad for answer in self._answers]
        start = 0
        devices = [torch.cuda.current_device()] if self.run.device == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            for x, states in self._parts:
                rows = slice(start, start + len(x))
                start += len(x)
                wanted = [None if g is None else g[rows] for g in gradients]
                if any(gradient is not None for gradient in wanted):
                    _set_random_states(states)
                    self._send(x, wanted)
        self._parts, self._answers = [], []

    def _send(self, x: Tensor | SparseRows, gradients: Sequence[Tensor | None]) -> None:
        """Compute rows once more, as they were before, and go backwards."""
        pairs = zip(_pair(self.run(x)), gradients, strict=True)
        known = [(said, g) for said, g in pairs if g is not None and said.requires_grad]
        if known:
            torch.autograd.backward([said for said, _ in known], [g for _, g in known])


def _pair(said: Any) -> tuple[Tensor, Tensor]:
    logits, hidden = said
    return logits, hidden


def _random_states(device: str) -> list[Tensor]:
    """States that what is drawn for rows, such as dropout, depends on."""
    return [torch.get_rng_state()] + ([torch.cuda.get_rng_state()] if device == "cuda" else [])


def _set_random_states(states: Sequence[Tensor]) -> None:
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.cuda.set_rng_state(state)


def check_parts(model: JointModel, mixer: Mixer, world: int) -> None:
    """Raise InputError where a batch in parts would not be the same as a whole one."""
    why = ""
    if batch_norms(model.feature):
        why = "the feature model computes statistics of a batch (batch norm)"
    elif mixer.separates or mixer.needs_graphs:
        why = f"{type(mixer).__name__} takes the gradient of each loss apart"
    elif world > 1:
        why = "several processes train together"
    elif isinstance(model.feature, MultiTask):
        why = "the model has heads for auxiliary tasks"
    if why:
        raise InputError(
            f"micro_batch goes through a batch in parts, but {why}; leave it out, or choose a "
            "smaller batch_size"
        )
