"""One network with a head for each auxiliary task, some of which it makes itself.

In training mode the network goes over turned images in a pass of its own. Upright images are thus
normalised by statistics of upright images, as in prediction, the main answer is that of the network
alone, and the gradient of a task that needs no turned images costs no more than without them. Batch
normalisation takes no note of the turned pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from spear_amal.batch import TaskAnswer
from spear_amal.models.feature_model import batch_norms
from spear_amal.models.rotations import N_VIEWS, four_views
from spear_amal.tensors.sparse_rows import SparseRows

ROTATION, SHUFFLED, L2 = "rotation", "rotation-shuffled", "l2"
BUILT_IN = (ROTATION, SHUFFLED, L2)
_EVALUATION_SEED = 20_230_217  # any number: targets of the useless task where nothing may be drawn


class MultiTask(nn.Module):
    """A network whose hidden values feed one more head for each task.

    It gives the network's own (logits, hidden) and, in training mode or where a gradient may be
    asked for, a dict of ``tasks`` (and ``squared_norm``), fields of
    :class:`spear_amal.batch.Outputs`. Under ``torch.no_grad()`` in evaluation mode it is the
    network alone: prediction costs nothing extra.

    Parameters
    ----------
    network : nn.Module
        Rows to (logits, hidden), by its ``logits_and_hidden`` if there is one; any other goes
        through a :class:`FeatureAdapter` first.
    heads : mapping of str to nn.Module
        By task, from hidden (B, H) to scores (B, C_t), or to one number (B, 1). The head named
        "rotation" answers about images (B, c, h, h) turned by 0, 90, 180 or 270 degrees: by an
        angle drawn from torch's global random stream in training, in evaluation by a quarter for
        each place in the batch, so that asking again gives the same. "rotation-shuffled" sees the
        same images, and has targets drawn independently of all that it sees.
    squared_norm : bool
        Give the sum of the squares of the network's parameters that were trainable when this was
        made; heads of tasks do not count.
    """

    def __init__(
        self, network: nn.Module, heads: Mapping[str, nn.Module], *, squared_norm: bool = False
    ) -> None:
        super().__init__()
        self.network = network
        self.heads = nn.ModuleDict(heads)
        self.answers_tasks = True
        # By name: in a functional call the parameters are others, of which none or all can be
        # differentiated.
        trained = [name for name, p in network.named_parameters() if p.requires_grad]
        self._decayed = frozenset(trained if squared_norm else ())

    @property
    def head(self) -> nn.Linear | None:
        """The last linear layer of the main answer, if there is one."""
        return getattr(self.network, "head", None)

    def forward(self, x: Tensor | SparseRows) -> Any:
        """Logits (B, C), hidden (B, H) and, unless this is a prediction, what tasks need."""
        logits, hidden = self.logits_and_hidden(x)
        if not (self.answers_tasks and (self.training or torch.is_grad_enabled())):
            return logits, hidden
        more: dict[str, Any] = {"tasks": self._answers(x, hidden)}
        if self._decayed:
            more["squared_norm"] = self._squared_norm()
        return logits, hidden, more

    def logits_and_hidden(self, x: Tensor | SparseRows) -> tuple[Tensor, Tensor]:
        """Logits (B, C) and hidden (B, H) of the network alone."""
        ask = getattr(self.network, "logits_and_hidden", self.network)
        logits, hidden = ask(x)
        return logits, hidden

    def task_answer(self, name: str, x: Tensor | SparseRows) -> Tensor:
        """Scores (B, C_t), or numbers (B,), of a task's head on rows as they are."""
        return _numbers(self.heads[name](self.logits_and_hidden(x)[1]))

    def _answers(self, x: Any, hidden: Any) -> dict[str, TaskAnswer]:
        answers = {
            name: TaskAnswer(_numbers(head(hidden)))
            for name, head in self.heads.items()
            if name not in BUILT_IN
        }
        if not {ROTATION, SHUFFLED} & set(self.heads):
            return answers
        angles, unrelated = self._targets(len(x), x.device)
        with untracked(self.network):
            seen = self.logits_and_hidden(turned(x, angles))[1]
        for name, targets in ((ROTATION, angles), (SHUFFLED, unrelated)):
            if name in self.heads:
                answers[name] = TaskAnswer(self.heads[name](seen), targets)
        return answers

    def _targets(self, n: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Angles, in quarters, and numbers that have nothing to do with them; both (n,)."""
        # Drawn on the CPU whatever the device: a run on another device turns images alike.
        if self.training:
            drawn = torch.randint(N_VIEWS, (2, n))
            return drawn[0].to(device), drawn[1].to(device)
        fixed = torch.Generator().manual_seed(_EVALUATION_SEED)
        unrelated = torch.randint(N_VIEWS, (n,), generator=fixed)
        return torch.arange(n, device=device) % N_VIEWS, unrelated.to(device)

    def _squared_norm(self) -> Tensor:
        named = self.network.named_parameters()
        return torch.stack([p.square().sum() for name, p in named if name in self._decayed]).sum()


def turned(x: Tensor, quarters: Tensor) -> Tensor:
    """Turn each of the square images (B, c, h, h) by its own number of quarters (B,).

    Examples
    --------
    >>> x = torch.tensor([[[[1, 2], [3, 4]]], [[[1, 2], [3, 4]]]])
    >>> turned(x, torch.tensor([0, 1])).flatten(1).tolist()
    [[1, 2, 3, 4], [2, 4, 1, 3]]
    """
    return four_views(x)[N_VIEWS * torch.arange(len(x), device=x.device) + quarters]


@contextmanager
def main_answer(model: nn.Module) -> Iterator[None]:
    """Switch models with tasks to the network alone meanwhile, as for a validation loss."""
    networks = [
        part for part in model.modules() if isinstance(part, MultiTask) and part.answers_tasks
    ]
    try:
        for part in networks:
            part.answers_tasks = False
        yield
    finally:
        for part in networks:
            part.answers_tasks = True


@contextmanager
def untracked(module: nn.Module) -> Iterator[None]:
    """Freeze the running statistics of batch normalisation meanwhile."""
    layers = [layer for layer in batch_norms(module).values() if layer.track_running_stats]
    try:
        for layer in layers:
            # In evaluation mode the running statistics are used all the same.
            layer.track_running_stats = not layer.training
        yield
    finally:
        for layer in layers:
            layer.track_running_stats = True


def _numbers(values: Tensor) -> Tensor:
    """Scores (B, C_t) as they are; one number a row as (B,)."""
    return values.squeeze(1) if values.shape[1] == 1 else values
