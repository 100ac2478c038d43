"""Which parameters the main loss shares with others, told by the graphs of the losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from spear_amal.distributed.shard import mean_over_ranks
from spear_amal.maths.gradients import reaches


class Sharing:
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
        found = reaches(values, list(parameters.values()))  # (K, P)
        # Messages between processes go where the values are.
        found = (mean_over_ranks([found.to(values[0].device).float()])[0] > 0).cpu()
        shared = found[main] & (found.sum(0) > 1)
        self.names = tuple(parameters)
        self.complete = bool(found.any(1).all())
        self.shared = _where(self.names, shared)
        self.own = _where(self.names, ~shared)
        last = _module(self.shared[-1]) if self.shared else ""
        self.last_layer = [name for name in self.shared if _module(name) == last]

    def fits(self, parameters: Mapping[str, Tensor]) -> bool:
        """Whether this tells about these parameters and about every loss."""
        return self.complete and self.names == tuple(parameters)


def _where(names: Sequence[str], chosen: Tensor) -> list[str]:
    return [name for name, one in zip(names, chosen.tolist(), strict=True) if one]


def _module(name: str) -> str:
    return name.rpartition(".")[0]
