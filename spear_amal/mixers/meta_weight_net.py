"""Meta-Weight-Net (MWN): a small network turns a row's loss into its weight."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from spear_amal.batch import Batch
from spear_amal.io.safetensors import under_prefix, with_prefix
from spear_amal.mixers.base import LookAheadLike, LookAheadOptions, Mixer
from spear_amal.mixers.learning_to_reweight import check_meta
from spear_amal.params import check_not_negative, check_positive, check_whole
from spear_amal.seeds import settle_seed
from spear_amal.tensors.optimiser import Optimiser

NET, MOMENTS = "net", "upper"  # prefixes of the state


class MetaWeightNet(Mixer):
    """Weight ``V(l; psi) = sigmoid(W2 relu(W1 l + b1) + b2)`` per row and loss, one net per loss.

    Before each step the net learns from a look-ahead on the batch: with G the derivative of the
    validation loss by the weights, psi follows ``sum_ik G_ik dV_ik/dpsi``, which is the gradient
    of the validation loss after the step (Shu et al., "Meta-Weight-Net", 2019, equations 3 to 6).

    Parameters
    ----------
    hidden : int
        Width of the net.
    lr, weight_decay : float
        Adam's on the net.
    lookahead_lr : float
        Plain-SGD look-ahead step.
    meta_size : int or None
        Validation rows of a look-ahead, drawn with replacement; None takes all of V.
    look_ahead : {"last-layer", "network"}
    seed : int, optional
        Draws the net's start; by default the run's own random stream does.
    """

    needs_look_ahead = True
    every_step = True

    def __init__(
        self,
        *,
        hidden: int = 100,
        lr: float = 1e-3,
        weight_decay: float = 1e-4,
        lookahead_lr: float = 0.5,
        meta_size: int | None = None,
        look_ahead: str = "last-layer",
        seed: int | None = None,
    ) -> None:
        self.hidden = hidden
        self.lr = lr
        self.weight_decay = weight_decay
        self.lookahead_lr = lookahead_lr
        self.meta_size = meta_size
        self.look_ahead = look_ahead
        self.seed = seed
        self.check_settings()

    def check_settings(self) -> None:
        """Raise InputError for a setting that cannot be used."""
        check_meta(self.meta_size, self.look_ahead)
        check_whole("hidden", self.hidden, 1)
        if self.seed is not None:
            check_whole("seed", self.seed, 0)
        check_positive("lr", self.lr)
        check_not_negative("weight_decay", self.weight_decay)
        check_positive("lookahead_lr", self.lookahead_lr)

    def attach(self, n_rows: int, names: Sequence[str], domain: Tensor, mixable: Tensor) -> None:
        """Make one net per loss; a loss that is not mixable keeps weight 1."""
        super().attach(n_rows, names, domain, mixable)
        self.mixable = mixable.to(domain.device)
        generator = None
        if self.seed is not None:
            generator = torch.Generator().manual_seed(settle_seed(self.seed, "seed"))
        self.net = _Nets(len(names), self.hidden, generator).to(domain.device)
        group = {"lr": self.lr, "weight_decay": self.weight_decay}
        self.optimiser = Optimiser([{"params": list(self.net.parameters()), **group}])

    def look_ahead_options(self) -> LookAheadOptions:
        """Return the options of the look-ahead."""
        return LookAheadOptions(self.lookahead_lr, self.look_ahead, meta_size=self.meta_size)

    def refresh(self, look_ahead: LookAheadLike, batch: Batch) -> None:
        """One Adam step of the net on the hypergradient."""
        weights = self._weigh(look_ahead.losses())
        slopes = look_ahead.hypergradient(weights.detach())
        self.optimiser.zero_grad()
        weights.backward(slopes.to(weights))
        self.optimiser.step()

    def weights(self, batch: Batch, losses: Tensor) -> Tensor:
        """Weights (B, K) of the net for losses (B, K); no gradient flows to the model."""
        with torch.no_grad():
            return self._weigh(losses).to(losses)

    def _weigh(self, losses: Tensor) -> Tensor:
        return torch.where(self.mixable, self.net(losses.double()), 1.0)

    def state_dict(self) -> dict[str, Tensor]:
        """Return the net and Adam's moments."""
        state = with_prefix(NET, self.net.state_dict())
        state |= with_prefix(MOMENTS, self.optimiser.tensors())
        return {name: tensor.clone() for name, tensor in state.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Restore the network and its moments."""
        self.net.load_state_dict(under_prefix(NET, state))
        self.optimiser.load(under_prefix(MOMENTS, state))


class _Nets(nn.Module):
    """K nets 1-hidden-1 side by side: losses (B, K) to weights (B, K).

    In double precision whatever the model's: they are tiny, and so are their gradients.
    """

    def __init__(self, n_losses: int, hidden: int, generator: torch.Generator | None) -> None:
        super().__init__()

        def start(*shape: int, bound: float) -> nn.Parameter:
            drawn = torch.rand(*shape, generator=generator, dtype=torch.float64)
            return nn.Parameter((drawn * 2 - 1) * bound)

        # torch's start of linear layers: uniform within 1 / sqrt(inputs)
        self.weight_in = start(n_losses, hidden, bound=1.0)
        self.bias_in = start(n_losses, hidden, bound=1.0)
        self.weight_out = start(n_losses, hidden, bound=hidden**-0.5)
        self.bias_out = start(n_losses, bound=hidden**-0.5)

    def forward(self, losses: Tensor) -> Tensor:
        inner = torch.relu(losses.unsqueeze(-1) * self.weight_in + self.bias_in)  # (B, K, hidden)
        return torch.sigmoid((inner * self.weight_out).sum(-1) + self.bias_out)
