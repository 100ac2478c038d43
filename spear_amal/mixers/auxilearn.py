"""AuxiLearn: a learnt function puts the losses together.

Navon et al., "Auxiliary Learning by Implicit Differentiation" (2021).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.distributed.shard import mean_over_ranks
from spear_amal.errors import InputError
from spear_amal.maths.gradients import gradient_of
from spear_amal.maths.implicit import transposed_product
from spear_amal.maths.objective import domain_counts
from spear_amal.mixers.base import GraphsLike, Step, check_whole
from spear_amal.mixers.bilevel import Bilevel
from spear_amal.mixers.combiners import KINDS, Combiner, Linear, NonLinear

# Share of the old mean in the mean losses at which a combiner's slopes are told.
DECAY = 0.9


class AuxiLearn(Bilevel):
    """Trains on ``mean_i [ l_i,main + g_phi(x_i) ]`` with a learnt function g_phi of the losses.

    ``x_ik = l_ik B / n_k`` on the n_k of B rows where loss k is defined, and 0 elsewhere, so that
    the linear combiner's objective is ``sum_k w_k (1/n_k) sum_i l_ik``. After every `every` steps
    phi makes one SGD step on the validation loss' implicit gradient

        dL_val/dphi = -p^T d^2 L_train / dW dphi,   p = sum_{t < neumann} (I - eta H)^t grad L_val

    with H the training loss' Hessian on a batch drawn anew. The factor eta of the formula is left
    out, as in the authors' code; it only scales the gradient. Then weights below 0 are set to 0.
    With M terms, `every` steps take ``every + M + 2`` backward passes.

    Losses that are not mixable are added with weight 1.

    Parameters
    ----------
    combiner : {"linear", "non-linear"}
        ``g = sum_k w_k x_k`` with all w_k 1 at the start, or a small network with softplus between
        its layers and non-negative weights.
    skip : bool
        Add the main loss to the combiner's answer. The linear combiner then takes the other losses
        only, for a second weight of the main one would say nothing; the non-linear one takes all.
    hidden : sequence of int
        Widths of the non-linear combiner's layers.
    every : int
        Steps of the model for one of phi.
    neumann : int
        Terms M of the series; 4 is the authors' start and 3 repeats.
    eta : float
        Step size of the SGD that the series stands for; the authors take the model's learning
        rate. The series stays bounded for more and more terms as long as no eigenvalue of the
        Hessian is above ``2 / eta``; the smaller, the closer p is to ``M grad L_val``.
    lr, momentum, weight_decay : float
        Of SGD on phi.
    clip : float
        Largest norm of phi's gradient; longer ones are cut to it.
    meta_size : int or None
        Validation rows of an upper step, drawn with replacement; None takes all of V.
    main : str, optional
        The main loss; by default the one in the role "label", else the first.
    seed : int, optional
        Draws the network's start; by default the run's own random stream does. Needed where
        processes train together with streams of their own.
    """

    def __init__(
        self,
        combiner: str = "linear",
        *,
        skip: bool = True,
        hidden: Sequence[int] = (10,),
        every: int = 30,
        neumann: int = 4,
        eta: float = 1e-2,
        lr: float = 1e-3,
        momentum: float = 0.9,
        weight_decay: float = 5e-3,
        clip: float = 50.0,
        meta_size: int | None = 256,
        main: str | None = None,
        seed: int | None = None,
    ) -> None:
        self.combiner = combiner
        self.skip = skip
        self.hidden = hidden
        self.every = every
        self.neumann = neumann
        self.eta = eta
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.clip = clip
        self.meta_size = meta_size
        self.main = main
        self.seed = seed
        if combiner not in KINDS:
            raise InputError(f"combiner must be one of {KINDS}, found {combiner!r}")
        if not isinstance(hidden, Sequence) or isinstance(hidden, str) or not hidden:
            raise InputError(f"hidden must be one or more widths, found {hidden!r}")
        for width in hidden:
            check_whole("hidden", width, 1)
        self._check_learning()

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Make the combiner."""
        super().attach(n_rows, names, domain, mixable)
        main = torch.arange(len(names), device=self.device) == self.place
        self.alone = ~self.mixable | (main & self.skip)  # (K,): counted with weight 1
        linear = self.combiner == "linear"
        inputs = self.mixable & ~self.alone if linear else self.mixable
        self.inputs = inputs.nonzero().squeeze(1)
        self.function: Combiner = Linear() if linear else NonLinear(self.hidden)
        generator = None if self.seed is None else torch.Generator().manual_seed(self.seed)
        phi = self.function.start(len(self.inputs), generator)
        self._begin([tensor.to(self.device) for tensor in phi])
        self.typical = torch.zeros(len(names), dtype=torch.float64, device=self.device)
        self.seen = torch.zeros((), dtype=torch.float64, device=self.device)

    def combine(self, step: Step) -> Tensor:
        """Mean of the rows' combined losses; phi is a constant."""
        self.since += 1
        x = _scaled(step.losses, step.applies)
        return self._objective(x, [tensor.detach() for tensor in self.upper]).to(step.losses)

    def _objective(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        rows = (x * self.alone).sum(1)
        return (rows + self.function.value(x[:, self.inputs], phi)).mean()

    def learn(self, graphs: GraphsLike) -> None:
        """One step of phi."""
        if not len(self.inputs):
            self.since = 0
            return
        x = _scaled(torch.stack(list(graphs.columns()), dim=1), graphs.applies)
        self._note(x)
        value = self._objective(x, self.upper) + graphs.penalty()
        gradient = gradient_of(value, list(graphs.parameters.values()), create_graph=True)
        p = self._series(graphs, gradient, self.neumann)
        self._upper_step([-g for g in transposed_product(gradient, self.upper, p)])
        with torch.no_grad():
            for weight in self.function.weights(self.upper):
                weight.clamp_(min=0)

    def _note(self, x: Tensor) -> None:
        """Keep the running mean of the losses, at which slopes are told."""
        (mean,) = mean_over_ranks([x.detach().mean(0)])
        later = DECAY * self.typical + (1 - DECAY) * mean
        self.typical = torch.where(self.seen > 0, later, mean)
        self.seen = torch.ones_like(self.seen)

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Give what each loss counts (B, K), the same on all rows (see :meth:`mean_weights`)."""
        return self._effective().to(losses).expand(len(losses), -1)

    def _effective(self) -> Tensor:
        total = self.alone.double()
        phi = [tensor.detach() for tensor in self.upper]
        slopes = self.function.slopes(self.typical[self.inputs].unsqueeze(0), phi)
        total[self.inputs] += slopes.squeeze(0)
        return total

    def mean_weights(self, rows: Tensor) -> dict[str, float]:
        """Slope of the objective by each loss, at the running mean of the losses learnt from.

        The linear combiner's are its weights, wherever they are taken.
        """
        return dict(zip(self.names, self._effective().tolist(), strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """Return phi, the optimiser's moments and the running mean of the losses."""
        own = {"typical": self.typical.clone(), "seen": self.seen.clone()}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from there."""
        super().load_state_dict(state)
        self.typical = state["typical"].to(self.typical, copy=True)
        self.seen = state["seen"].to(self.seen, copy=True)


def _scaled(losses: Tensor, applies: Tensor) -> Tensor:
    """``x_ik = l_ik B / n_k`` (B, K) in double precision; 0 outside domains."""
    kept = torch.where(applies, losses, torch.zeros_like(losses)).double()
    return kept * (len(losses) / domain_counts(applies).double())
