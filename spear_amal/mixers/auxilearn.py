"""AuxiLearn: a learnt function puts the losses together.

Navon et al., "Auxiliary Learning by Implicit Differentiation" (2021).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.distributed.shard import mean_over_ranks
from spear_amal.errors import InputError
from spear_amal.maths.gradients import gradient_of
from spear_amal.maths.losses import domain_counts
from spear_amal.maths.neumann import transposed_product
from spear_amal.mixers.base import GraphsLike, Step
from spear_amal.mixers.bilevel import Bilevel
from spear_amal.params import check_choice, check_flag, check_whole
from spear_amal.seeds import settle_seed

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
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_choice("combiner", self.combiner, KINDS)
        check_flag("skip", self.skip)
        if (
            not isinstance(self.hidden, Sequence)
            or isinstance(self.hidden, str | bytes)
            or not self.hidden
        ):
            raise InputError(f"hidden must be one or more widths, found {self.hidden!r}")
        for width in self.hidden:
            check_whole("hidden", width, 1)
        if self.seed is not None:
            check_whole("seed", self.seed, 0)
        super().check_settings()

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Make the combiner."""
        super().attach(n_rows, names, domain, mixable)
        main = torch.arange(len(names), device=self.device) == self.place
        self.alone = ~self.mixable | (main & bool(self.skip))  # (K,): counted with weight 1
        linear = self.combiner == "linear"
        inputs = self.mixable & ~self.alone if linear else self.mixable
        self.inputs = inputs.nonzero().squeeze(1)
        self.function: Combiner = Linear() if linear else NonLinear(self.hidden)
        generator = None
        if self.seed is not None:
            generator = torch.Generator().manual_seed(settle_seed(self.seed, "seed"))
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
        """Return the weight of each loss (B, K), the same on all rows; see :meth:`mean_weights`."""
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
        typical = {"typical": self.typical.clone(), "seen": self.seen.clone()}
        return {**super().state_dict(), **typical}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        super().load_state_dict(state)
        self.typical = state["typical"].to(self.typical, copy=True)
        self.seen = state["seen"].to(self.seen, copy=True)


def _scaled(losses: Tensor, applies: Tensor) -> Tensor:
    """``x_ik = l_ik B / n_k`` (B, K) in double precision; 0 outside domains."""
    kept = torch.where(applies, losses, torch.zeros_like(losses)).double()
    return kept * (len(losses) / domain_counts(applies).double())


KINDS = ("linear", "non-linear")
# Above it softplus is taken as x; torch's own 20 is too low to be exact in double precision.
SMOOTH = 40.0


class Combiner(Protocol):
    """A function of losses (B, K) and parameters phi, and its slopes."""

    def start(self, n_losses: int, generator: torch.Generator | None) -> list[Tensor]:
        """Make phi, in double precision: it is tiny, and so are its gradients."""

    def value(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``g_phi(x_i)`` (B,)."""

    def slopes(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``dg_phi / dx_ik`` (B, K), none below 0."""

    def weights(self, phi: Sequence[Tensor]) -> list[Tensor]:
        """Those of phi that must not be negative."""


class Linear:
    """``g(x) = sum_k w_k x_k`` with all w_k 1 at the start."""

    def start(self, n_losses: int, generator: torch.Generator | None) -> list[Tensor]:
        """Make w (K,)."""
        return [torch.ones(n_losses, dtype=torch.float64)]

    def value(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``g(x_i)`` (B,)."""
        return (x * phi[0]).sum(1)

    def slopes(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """Return w for every row."""
        return phi[0].expand_as(x)

    def weights(self, phi: Sequence[Tensor]) -> list[Tensor]:
        """All."""
        return list(phi)


class NonLinear:
    """Layers of non-negative weights with softplus between them.

    Weights are drawn uniformly so that a row sums to 1 on average, in the last layer to the number
    of losses: each loss' slope then starts between 1/2 and 1 for a layer that is passed. The last
    layer has no bias, which no gradient would see. Biases start at 0 and may have any sign.

    Parameters
    ----------
    hidden : sequence of int
        Widths of the layers between losses and g.
    """

    def __init__(self, hidden: Sequence[int]) -> None:
        self.hidden = tuple(hidden)

    def start(self, n_losses: int, generator: torch.Generator | None) -> list[Tensor]:
        """Make weights and biases of the hidden layers in turn, then the last weight."""
        phi: list[Tensor] = []
        for n_in, n_out in itertools.pairwise((n_losses, *self.hidden)):
            phi += [_drawn(n_out, n_in, 1.0, generator), torch.zeros(n_out, dtype=torch.float64)]
        return [*phi, _drawn(1, self.hidden[-1], float(n_losses), generator)]

    def value(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``g(x_i)`` (B,)."""
        for weight, bias in zip(phi[:-1:2], phi[1::2], strict=True):
            x = F.softplus(x @ weight.T + bias, threshold=SMOOTH)
        return (x @ phi[-1].T).squeeze(1)

    def slopes(self, x: Tensor, phi: Sequence[Tensor]) -> Tensor:
        """``dg / dx_ik`` (B, K)."""
        # Not by autograd: it is asked at every step, and a closed form is a few tiny products.
        steps = []
        for weight, bias in zip(phi[:-1:2], phi[1::2], strict=True):
            inner = x @ weight.T + bias
            steps.append((weight, torch.sigmoid(inner)))  # softplus' = sigmoid
            x = F.softplus(inner, threshold=SMOOTH)
        slope = phi[-1].expand(len(x), -1)  # (B, last width)
        for weight, rate in reversed(steps):
            slope = (slope * rate) @ weight
        return slope

    def weights(self, phi: Sequence[Tensor]) -> list[Tensor]:
        """All but the biases."""
        return list(phi[::2])


def _drawn(n_out: int, n_in: int, row_sum: float, generator: torch.Generator | None) -> Tensor:
    uniform = torch.rand(n_out, n_in, generator=generator, dtype=torch.float64)
    return uniform * (2 * row_sum / max(n_in, 1))
