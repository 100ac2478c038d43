"""Base of AuxiLearn and MAOAL: weights learnt between steps, by the implicit gradient.

The lower level is the training of the model; the upper level lowers the loss on validation rows.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spear_amal.distributed.shard import mean_over_ranks
from spear_amal.errors import InputError
from spear_amal.io.safetensors import under_prefix, with_prefix
from spear_amal.maths.gradients import Gradient, filled, gradient_of
from spear_amal.maths.neumann import neumann_sum, transposed_product
from spear_amal.mixers.base import GraphsLike, LookAheadOptions, Mixer
from spear_amal.mixers.loss_roles import check_main, main_loss
from spear_amal.params import check_not_negative, check_positive, check_whole
from spear_amal.tensors.optimiser import Optimiser

MOMENTS = "upper"  # prefix of the upper optimiser's state


class Bilevel(Mixer):
    """An upper step after every `every` lower ones; options as the mixers document them."""

    needs_graphs = True

    every: int
    neumann: int
    eta: float
    lr: float
    momentum: float
    weight_decay: float
    clip: float
    meta_size: int | None
    main: str | None

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        for name in ("every", "neumann"):
            check_whole(name, getattr(self, name), 1)
        if self.meta_size is not None:
            check_whole("meta_size", self.meta_size, 1)
        for name in ("eta", "lr", "clip"):
            check_positive(name, getattr(self, name))
        for name in ("momentum", "weight_decay"):
            check_not_negative(name, getattr(self, name))
        if not self.momentum < 1:
            raise InputError(f"momentum must be below 1, found {self.momentum}")
        check_main(self.main)

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Find the main loss; nothing is counted yet."""
        super().attach(n_rows, names, domain, mixable)
        self.place = main_loss(self.main, names)
        self.device = domain.device
        self.since = 0  # steps since the last upper one

    def look_ahead_options(self) -> LookAheadOptions:
        """Return the options of a look-ahead: how many validation rows an upper step sees."""
        return LookAheadOptions(meta_size=self.meta_size)

    def due(self) -> bool:
        """Once `every` steps were made since the last upper one."""
        return self.since >= self.every

    def _begin(self, upper: Sequence[Tensor], optimiser: str = "sgd") -> None:
        """Start the optimiser of what the upper level learns, leaf tensors."""
        self.upper = list(upper)
        for tensor in self.upper:
            tensor.requires_grad_()
        group = {"params": self.upper, "lr": self.lr, "weight_decay": self.weight_decay}
        self.optimiser_ = Optimiser([group], optimiser, self.momentum)

    def _series(self, graphs: GraphsLike, gradient: Gradient, terms: int) -> list[Tensor]:
        """``p = sum_{t < terms} (I - eta J^T)^t grad L_val``, by parameter."""
        parameters = list(graphs.parameters.values())
        start = filled(gradient_of(graphs.validation_loss(), parameters), parameters)
        return neumann_sum(
            mean_over_ranks(start),
            lambda v: mean_over_ranks(transposed_product(gradient, parameters, v)),
            self.eta,
            terms,
        )

    def _upper_step(self, gradients: Sequence[Tensor]) -> None:
        """One step of the upper optimiser along gradients cut to length `clip`."""
        for tensor, gradient in zip(self.upper, mean_over_ranks(gradients), strict=True):
            tensor.grad = gradient.detach()
        torch.nn.utils.clip_grad_norm_(self.upper, self.clip)
        self.optimiser_.step()
        for tensor in self.upper:
            tensor.grad = None
        self.since = 0

    def state_dict(self) -> dict[str, Tensor]:
        """Return the count of steps, what is learnt and the optimiser's moments."""
        state = {f"learnt.{i}": tensor.detach().clone() for i, tensor in enumerate(self.upper)}
        moments = with_prefix(MOMENTS, self.optimiser_.tensors())
        copies = {name: tensor.clone() for name, tensor in moments.items()}
        return {"since": torch.tensor(self.since), **state, **copies}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        # By name: tensors come back from a file in any order.
        shapes = {f"learnt.{i}": tuple(tensor.shape) for i, tensor in enumerate(self.upper)}
        stored = {name: tuple(v.shape) for name, v in state.items() if name.startswith("learnt.")}
        if stored != shapes:
            raise InputError(
                f"the state holds weights of the shapes {list(stored.values())}, this mixer learns "
                f"{list(shapes.values())}: load it into one with the options of the mixer that was "
                "saved"
            )
        self.since = int(state["since"])
        with torch.no_grad():
            for i, tensor in enumerate(self.upper):
                tensor.copy_(state[f"learnt.{i}"])
        self.optimiser_.load(under_prefix(MOMENTS, state))
