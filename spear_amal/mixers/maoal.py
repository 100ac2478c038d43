"""MAOAL: each auxiliary loss has a weight of its own in each module of the network.

Chen et al., "Module-Aware Optimization for Auxiliary Learning" (2022).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spear_amal.errors import InputError
from spear_amal.maths.gradients import combined, gradient_of, inner, reaches, with_gradients
from spear_amal.mixers.base import GraphsLike, Step, weighted_values
from spear_amal.mixers.bilevel import Bilevel
from spear_amal.mixers.module_partition import ModulePartition, assign_modules, check_partition
from spear_amal.params import check_choice

POSITIVE = ("relu", "projection")
OPTIMISERS = ("adam", "sgd")


class MAOAL(Bilevel):
    """Module m follows ``g_m = grad_m L_main + sum_k relu(alpha_km) grad_m L_k``.

    All alpha start at 1. After every `every` steps alpha makes one step on the validation loss'
    implicit gradient (supplement, equations A1 to A4)

        dL_val/dalpha_km = -<p_m, grad_m L_k>,   p = sum_t (I - eta J^T)^t grad L_val

    over ``t = 0 .. neumann``, with J the derivative of the combined gradient g on a batch drawn
    anew. Weights differ between modules, so that g is the gradient of nothing and J is not
    symmetric. The formula's factor eta is left out, as in the authors' code; it only scales the
    gradient. With N losses and M = `neumann`, `every` steps T take ``T N + N + M + 1`` backward
    passes through the network.

    Parameters that the main loss does not reach, such as another task's head, follow the plain sum
    of the losses that do. Losses that are not mixable have weight 1 in all modules.

    Parameters
    ----------
    partition : {"stage", "block", "parameter"}, mapping or callable
        Which parameters form a module: see ``spear_amal.mixers.module_partition.partition``.
    every : int
        Steps of the model for one of alpha.
    neumann : int
        Products M with J; the series has M + 1 terms. 3 as in the paper's experiments and code;
        the paper's formula has M terms.
    eta : float
        Step size of the SGD that the series stands for, such as the model's learning rate.
    lr : float
        Of alpha.
    optimiser : {"adam", "sgd"}
        Of alpha.
    momentum : float
        Used by "sgd".
    weight_decay : float
    clip : float
        Largest norm of alpha's gradient; longer ones are cut to it.
    positive : {"relu", "projection"}
        "relu" as in the paper: at alpha_km <= 0 the weight is 0 and so is its gradient, so that a
        weight that has reached 0 never comes back. "projection" sets alpha below 0 to 0 after each
        step and follows the gradient there: a weight may come back.
    meta_size : int or None
        Validation rows of an upper step, drawn with replacement; None takes all of V.
    main : str, optional
        The main loss; by default the one in the role "label", else the first.
    """

    separates = True

    _found: Tensor  # (K, P), bool: which losses were seen to reach which parameters

    def __init__(
        self,
        partition: ModulePartition = "stage",
        *,
        every: int = 20,
        neumann: int = 3,
        eta: float = 1e-2,
        lr: float = 1e-2,
        optimiser: str = "adam",
        momentum: float = 0.9,
        weight_decay: float = 0.0,
        clip: float = 10.0,
        positive: str = "relu",
        meta_size: int | None = 256,
        main: str | None = None,
    ) -> None:
        self.partition = partition
        self.every = every
        self.neumann = neumann
        self.eta = eta
        self.lr = lr
        self.optimiser = optimiser
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.clip = clip
        self.positive = positive
        self.meta_size = meta_size
        self.main = main
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_partition(self.partition)
        for name, kinds in (("optimiser", OPTIMISERS), ("positive", POSITIVE)):
            check_choice(name, getattr(self, name), kinds)
        super().check_settings()

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Forget all modules: they are laid out when parameters are seen."""
        super().attach(n_rows, names, domain, mixable)
        free = [k for k, is_free in enumerate(self.mixable.tolist()) if is_free]
        self.learnt = [k for k in free if k != self.place]
        self._learnt = torch.tensor(self.learnt, dtype=torch.long, device=self.device)
        self._names: tuple[str, ...] = ()
        self._start(())

    def _start(self, modules: Sequence[str]) -> None:
        self.modules = tuple(modules)
        self.alpha = torch.ones(  # (N learnt, modules)
            len(self.learnt), len(self.modules), dtype=torch.float64, device=self.device
        )
        self.active = torch.zeros_like(self.alpha, dtype=torch.bool)
        self._begin([self.alpha], self.optimiser)

    def _weights(self) -> Tensor:
        return self.alpha.detach().clamp(min=0)

    # -- which loss meets which module ------------------------------------------------------------

    def _see(self, reached: Tensor, parameters: Mapping[str, Tensor]) -> None:
        """Lay modules out, and note which losses were seen to reach which parameters: (K, P)."""
        if self._names != tuple(parameters):
            self._lay_out(parameters)
        if not bool((reached & ~self._found).any()):
            return
        # Once seen is known: in a batch without rows of its own a loss may have no graph.
        self._found = self._found | reached
        shared = self._found[self.place]
        self._shared = shared.to(self.device)
        for i, k in enumerate(self.learnt):
            met = torch.zeros(len(self.modules), dtype=torch.bool)
            met[self._places[self._found[k] & shared]] = True
            self.active[i] |= met.to(self.device)

    def _lay_out(self, parameters: Mapping[str, Tensor]) -> None:
        by_name = assign_modules(parameters, self.partition)
        modules = tuple(dict.fromkeys(by_name.values()))
        if not self.modules:
            self._start(modules)
        if self.modules != modules:
            raise InputError(
                f"the network has the modules {list(modules)}, but weights were learnt for "
                f"{list(self.modules)}; keep the trained parameters and the partition as they were"
            )
        places = {module: m for m, module in enumerate(modules)}
        self._places = torch.tensor([places[by_name[name]] for name in parameters])
        self._places_there = self._places.to(self.device)
        self._names = tuple(parameters)
        self._found = torch.zeros(len(self.names), len(self._names), dtype=torch.bool)
        self._shared = self._found[self.place].to(self.device)

    def _factors(self) -> Tensor:
        """Weight (K, P) of each loss in each parameter's gradient."""
        here = self._weights()[:, self._places_there]  # (N, P)
        factors = torch.ones(
            len(self.names), here.shape[1], dtype=torch.float64, device=self.device
        )
        factors[self._learnt] = torch.where(self._shared, here, 1.0)
        return factors

    # -- the model's step -------------------------------------------------------------------------

    def combine(self, step: Step) -> Tensor:
        """Scalar whose backward pass hands over each module's own gradient."""
        self.since += 1
        values, tensors = step.values(), list(step.parameters.values())
        gradients = [gradient_of(value, tensors) for value in values]
        # A parameter has a gradient where it is reached: no graph has to be gone through for it.
        reached = torch.tensor([[g is not None for g in gradient] for gradient in gradients])
        self._see(reached, step.parameters)
        mixed = combined(gradients, self._factors())
        pairs = [(p, g) for p, g in zip(tensors, mixed, strict=True) if g is not None]
        detached = torch.stack([value.detach() for value in values])
        total = (self._per_loss().to(detached) * detached).sum()
        return with_gradients(total, [p for p, _ in pairs], [g for _, g in pairs])

    # -- the upper step ---------------------------------------------------------------------------

    def learn(self, graphs: GraphsLike) -> None:
        """One step of alpha."""
        if not self.learnt:
            self.since = 0
            return
        columns, applies, parameters = list(graphs.columns()), graphs.applies, graphs.parameters
        values = weighted_values(columns, torch.ones_like(torch.stack(columns, 1)), applies)
        tensors = list(parameters.values())
        self._see(reaches(values, tensors), parameters)
        # The penalty has weight 1 wherever it reaches, as the main loss has: one pass for both.
        values[self.place] = values[self.place] + graphs.penalty()
        gradients = [gradient_of(value, tensors, create_graph=True) for value in values]
        p = self._series(graphs, combined(gradients, self._factors()), self.neumann + 1)
        slopes = torch.zeros_like(self.alpha)
        places = self._places.tolist()
        for i, k in enumerate(self.learnt):
            for j in (self._found[k] & self._found[self.place]).nonzero().squeeze(1).tolist():
                slopes[i, places[j]] -= inner([p[j]], [gradients[k][j]]).detach()
        if self.positive == "relu":
            slopes = torch.where(self.alpha > 0, slopes, 0.0)
        self._upper_step([slopes])
        if self.positive == "projection":
            with torch.no_grad():
                self.alpha.clamp_(min=0)

    # -- what is told -----------------------------------------------------------------------------

    def module_weights(self) -> dict[tuple[str, str], float]:
        """Weight by (loss, module), for modules that both the loss and the main loss reach."""
        weights, active = self._weights().tolist(), self.active.tolist()
        return {
            (self.names[k], module): weights[i][m]
            for i, k in enumerate(self.learnt)
            for m, module in enumerate(self.modules)
            if active[i][m]
        }

    def mean_weights(self, rows: Tensor) -> dict[str, float]:
        """Mean weight of each loss over the modules that it shares with the main loss."""
        return dict(zip(self.names, self._per_loss().tolist(), strict=True))

    def _per_loss(self) -> Tensor:
        weights = torch.where(self.active, self._weights(), 0.0).sum(1)
        count = self.active.sum(1)
        means = torch.ones(len(self.names), dtype=torch.float64, device=self.device)
        means[self._learnt] = torch.where(count > 0, weights / count.clamp(min=1), 1.0)
        return means

    def state_dict(self) -> dict[str, Tensor]:
        """Return alpha, names of modules, where losses meet, and the optimiser's moments."""
        module_state = {"modules": _as_bytes(self.modules), "active": self.active.clone()}
        return {**super().state_dict(), **module_state}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        self._start(_from_bytes(state["modules"]))
        self._names = ()  # parameters are laid out anew, over these modules
        super().load_state_dict(state)
        self.active = state["active"].to(self.device, copy=True)


def _as_bytes(names: Sequence[str]) -> Tensor:
    """Names as a tensor of bytes: a state holds nothing but tensors."""
    return torch.tensor(list(json.dumps(names).encode()), dtype=torch.uint8)


def _from_bytes(codes: Tensor) -> list[str]:
    names: list[str] = json.loads(bytes(codes.tolist()))
    return names
