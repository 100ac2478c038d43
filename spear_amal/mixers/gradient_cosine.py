"""GCS: an auxiliary loss counts as far as its gradient points the same way as the main loss'.

Du et al., "Adapting Auxiliary Losses Using Gradient Similarity" (2018).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from spear_amal.distributed.shard import mean_over_ranks
from spear_amal.maths.gradients import (
    Gradient,
    combined,
    filled,
    gradient_of,
    inner,
    reaches,
    with_gradients,
)
from spear_amal.mixers.base import Mixer, Step
from spear_amal.mixers.loss_roles import check_main, main_loss
from spear_amal.params import check_choice, check_within


class GradientCosine(Mixer):
    """Shared parameters follow ``g_main + sum_k f_k g_k`` with f_k from ``cos(g_main, g_k)``.

    The gradients are those of the mini-batch by the shared parameters, laid out as one vector:
    parameters that the main loss and at least one other reach. All others follow the plain sum of
    the losses that reach them. A gradient of norm 0 has cosine 0. Losses that are not mixable
    count fully. ``Step.weights``, all 1 here, are factors of the losses before their gradients are
    taken; the value of the step is ``L_main + sum_k f_k L_k``.

    The main loss is led to a stationary point by plain gradient descent with small steps. Adaptive
    optimisers and momentum are not covered, and no speed is promised.

    Which parameters are shared is told once, in the first batch in which every loss has a graph.

    Of a model with several heads compile the trunk alone (``model.trunk.compile()``): in a graph
    of one piece heads cannot be told apart. Gradients are taken before a gradient scaler
    multiplies the loss, so that small ones may vanish in float16; bfloat16 keeps them.

    Parameters
    ----------
    form : {"weighted", "unweighted"}
        ``f = max(0, cos)``, or 1 where the cosine is above `threshold` and 0 elsewhere.
    threshold : float in [-1, 1)
        Used by "unweighted".
    parameters : {"shared", "last-layer"}
        Gradients by all shared parameters: one backward pass a loss. Or cosines by the last layer
        alone, which is the last module, in the order of the parameters' names, that has shared
        parameters: the network is gone through once.
    average : float in [0, 1)
        Share of the old mean in a moving average of the cosines; 0 takes this batch's. A batch in
        which the loss or the main loss has no gradient leaves the mean alone.
    main : str, optional
        The main loss; by default the one in the role "label", else the first.
    """

    separates = True

    def __init__(
        self,
        form: str = "weighted",
        *,
        threshold: float = 0.0,
        parameters: str = "shared",
        average: float = 0.0,
        main: str | None = None,
    ) -> None:
        self.form = form
        self.threshold = threshold
        self.parameters = parameters
        self.average = average
        self.main = main
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_main(self.main)
        check_choice("form", self.form, ("weighted", "unweighted"))
        check_choice("parameters", self.parameters, ("shared", "last-layer"))
        check_within("threshold", self.threshold, -1, 1, closed="left")
        check_within("average", self.average, 0, 1, closed="left")

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Find the main loss and forget cosines and structure."""
        super().attach(n_rows, names, domain, mixable)
        self.place = main_loss(self.main, names)
        full = ~mixable.cpu() | (torch.arange(len(names)) == self.place)
        self.full = full.to(domain.device)  # (K,): weight 1 whatever the cosine
        self.cosines = torch.zeros(len(names), dtype=torch.float64, device=domain.device)
        self.seen, self.total = torch.zeros_like(self.cosines), torch.zeros_like(self.cosines)
        self.steps, self.was_read = 0, False
        self._sharing: SharedParameters | None = None

    def combine(self, step: Step) -> Tensor:
        """Scalar whose backward pass hands over the gradients put together here."""
        values, parameters = step.values(), step.parameters
        # Structure, not numbers: worked out once, and again while a loss has had no graph.
        if self._sharing is None or not self._sharing.fits(parameters):
            self._sharing = SharedParameters(values, parameters, self.place)
        shared = [parameters[name] for name in self._sharing.shared]
        separate = [parameters[name] for name in self._sharing.own]
        if self.parameters == "shared":
            factors, gradients = self._by_all(values, shared, separate)
        else:
            layer = [parameters[name] for name in self._sharing.last_layer]
            factors, gradients = self._by_last_layer(values, layer, shared, separate)
        value = _total([value.detach() for value in values], factors)
        # What no loss reaches gets no gradient, as ever.
        pairs = zip([*shared, *separate], gradients, strict=True)
        reached = [(p, g) for p, g in pairs if g is not None]
        return with_gradients(value, [p for p, _ in reached], [g for _, g in reached])

    def _by_all(
        self, values: Sequence[Tensor], shared: Sequence[Tensor], separate: Sequence[Tensor]
    ) -> tuple[Tensor, Gradient]:
        """Factors and gradients from one backward pass per loss."""
        parts = [gradient_of(value, [*shared, *separate]) for value in values]
        by_loss = _averaged([filled(part[: len(shared)], shared) for part in parts])
        factors = self._factors(by_loss)
        own_parts = [part[len(shared) :] for part in parts]
        ones = torch.ones_like(factors)
        return factors, combined(by_loss, factors) + combined(own_parts, ones)

    def _by_last_layer(
        self,
        values: Sequence[Tensor],
        layer: Sequence[Tensor],
        shared: Sequence[Tensor],
        separate: Sequence[Tensor],
    ) -> tuple[Tensor, Gradient]:
        """Factors from short passes; gradients from one through the trunk, one through the rest."""
        factors = self._factors(_averaged([filled(_gradient(v, layer), layer) for v in values]))
        plain = _total(values, torch.ones_like(factors))
        return factors, _gradient(_total(values, factors), shared) + _gradient(plain, separate)

    # -- cosines ----------------------------------------------------------------------------------

    def _factors(self, by_loss: Sequence[Sequence[Tensor]]) -> Tensor:
        """Weights (K,) on shared parameters, from the losses' gradients by some of them."""
        self._average(*_cosines(by_loss, self.place, self.cosines))
        if self.form == "weighted":
            factors = self.cosines.clamp(min=0)
        else:
            factors = (self.cosines > self.threshold).to(self.cosines)
        factors = torch.where(self.full, 1.0, factors)
        if self.was_read:
            self.total, self.steps, self.was_read = torch.zeros_like(self.total), 0, False
        self.total, self.steps = self.total + factors, self.steps + 1
        return factors

    def _average(self, now: Tensor, known: Tensor) -> None:
        if not self.average:
            self.cosines = now
            return
        later = self.average * self.cosines + (1 - self.average) * now
        mean = torch.where(self.seen > 0, later, now)
        self.cosines = torch.where(known, mean, self.cosines)
        self.seen = torch.where(known, 1.0, self.seen)

    def mean_weights(self, rows: Tensor) -> dict[str, float]:
        """Mean of each loss' weight over the steps of an epoch; empty before the first.

        It can be read any number of times; the first step after that starts the next epoch.
        """
        if not self.steps:
            return {}
        self.was_read = True
        return dict(zip(self.names, (self.total / self.steps).tolist(), strict=True))

    def state_dict(self) -> dict[str, Tensor]:
        """Return the cosines and the sums of the epoch's weights."""
        tensors = {name: getattr(self, name).clone() for name in ("cosines", "seen", "total")}
        return tensors | {"steps": torch.tensor(self.steps), "told": torch.tensor(self.was_read)}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore what :meth:`state_dict` returned."""
        for name in ("cosines", "seen", "total"):
            setattr(self, name, state[name].to(self.cosines, copy=True))
        self.steps, self.was_read = int(state["steps"]), bool(state["told"])


def _cosines(by_loss: Sequence[Sequence[Tensor]], main: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Cosines (K,) of gradients with the main one's, and whether both have a length (K,)."""
    squares = [inner(g, g).to(like) for g in by_loss]
    norms = torch.stack(squares).sqrt()
    others = [inner(g, by_loss[main]).to(like) for k, g in enumerate(by_loss) if k != main]
    products = torch.stack([*others[:main], squares[main], *others[main:]])
    known = (norms > 0) & (norms[main] > 0)
    cosines = products / torch.where(known, norms * norms[main], 1.0)
    return torch.where(known, cosines.clamp(-1, 1), 0.0), known


def _averaged(by_loss: list[list[Tensor]]) -> list[list[Tensor]]:
    """Gradients by loss, means over the processes, in one message."""
    flat = iter(mean_over_ranks([g for gradient in by_loss for g in gradient]))
    return [[next(flat) for _ in gradient] for gradient in by_loss]


def _total(values: Sequence[Tensor], factors: Tensor) -> Tensor:
    return torch.stack([f.to(v) * v for f, v in zip(factors, values, strict=True)]).sum()


def _gradient(value: Tensor, parameters: Sequence[Tensor]) -> Gradient:
    return gradient_of(value, parameters) if parameters else []


class SharedParameters:
    """Shared parameters and the others, by name.

    A model that was compiled as one piece hides which of its parameters a loss needs: all count as
    shared. Where it has several heads, compile the trunk alone.

    Parameters
    ----------
    values : sequence of K scalars
        Losses with separate graphs.
    parameters : mapping of str to Tensor
    main : int
        Place of the main loss.

    Attributes
    ----------
    names : tuple of str
        Of all parameters.
    shared : list of str
        Reached by the main loss and at least one other, on any process of a distributed run.
    own : list of str
        All the others.
    last_layer : list of str
        Those of `shared` in the module that comes last in the order of the names.
    complete : bool
        False if a loss reached nothing: it may have had no graph in this batch.
    """

    def __init__(
        self, values: Sequence[Tensor], parameters: Mapping[str, Tensor], main: int
    ) -> None:
        reached = reaches(values, list(parameters.values()))  # (K, P)
        # Messages between processes go where the values are.
        reached = (mean_over_ranks([reached.to(values[0].device).float()])[0] > 0).cpu()
        shared = reached[main] & (reached.sum(0) > 1)
        self.names = tuple(parameters)
        self.complete = bool(reached.any(1).all())
        self.shared = _where(self.names, shared)
        self.own = _where(self.names, ~shared)
        last = _module(self.shared[-1]) if self.shared else ""
        self.last_layer = [name for name in self.shared if _module(name) == last]

    def fits(self, parameters: Mapping[str, Tensor]) -> bool:
        """Return whether this names these parameters, and at least one for every loss."""
        return self.complete and self.names == tuple(parameters)


def _where(names: Sequence[str], chosen: Tensor) -> list[str]:
    return [name for name, wanted in zip(names, chosen.tolist(), strict=True) if wanted]


def _module(name: str) -> str:
    return name.rpartition(".")[0]
