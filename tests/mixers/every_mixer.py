"""Every mixer, and what a contract needs to drive one: rows, look-aheads, graphs and steps."""

import copy

import torch
from torch import nn

from spear_amal.batch import Batch
from spear_amal.mixers import (
    MAOAL,
    Amal,
    AuxiLearn,
    Fixed,
    GradientCosine,
    LearningToReweight,
    MetaWeightNet,
    Mixer,
    RandomSearch,
    Single,
    Step,
    Uncertainty,
)
from spear_amal.mixers.alm_kd import AlmKd
from spear_amal.mixers.crust import Crust
from spear_amal.mixers.dgkd import DGKD
from spear_amal.mixers.fixed import Frozen
from spear_amal.mixers.superloss import SuperLoss
from spear_amal.testing import FakeLookAhead as Told

N, K, B, D, H, C = 13, 3, 5, 7, 11, 2
N_VAL = 17
NAMES = ("label", "teacher0", "teacher1")
MAKERS = {
    "base": Mixer,
    "fixed": Fixed,
    "amal": lambda: Amal(normalise="none"),
    "frozen": lambda: Frozen(torch.ones(N, K)),
    "l2r": LearningToReweight,
    "mwn": MetaWeightNet,
    "amal-distillation": lambda: Amal.preset("distillation"),
    "alm-kd": AlmKd,
    "superloss": lambda: SuperLoss(tau="mean"),
    "crust": Crust,
    "dgkd": DGKD,
    "dgkd-drop": lambda: DGKD(drop=1, seed=3),
    "single": Single,
    "random-search": RandomSearch,
    "random-search-trial": lambda: RandomSearch(trial=3),
    "uncertainty": Uncertainty,
    "uncertainty-sgd": lambda: Uncertainty("classification", optimiser="sgd"),
    "gcs": GradientCosine,
    "gcs-last-layer": lambda: GradientCosine("unweighted", parameters="last-layer", average=0.5),
    "auxilearn": lambda: AuxiLearn(every=2, skip=False),
    "auxilearn-skip": lambda: AuxiLearn(every=2),
    "auxilearn-non-linear": lambda: AuxiLearn("non-linear", every=2),
    "maoal": lambda: MAOAL(every=2),
    "maoal-sgd": lambda: MAOAL("parameter", every=1, optimiser="sgd", positive="projection"),
}
# Those whose combine gives the weighted losses as long as nothing is learnt. The form "half" of
# uncertainty starts at weights of 1/2, a network of losses anywhere.
PLAIN_AT_FIRST = {
    name: make
    for name, make in MAKERS.items()
    if name not in ("uncertainty", "auxilearn-non-linear")
}


def batch(rows=(7, 2, 11, 0, 5), dtype=torch.float32, device="cpu"):
    index = torch.tensor(rows, device=device)
    none = torch.zeros(len(rows), 0, dtype=dtype, device=device)
    return Batch(index, none, torch.zeros_like(index), none, none, none)


def domain(n_losses=K):
    return torch.rand(N, n_losses, generator=torch.Generator().manual_seed(0)) < 0.7


def attached(mixer, mixable=(True, True, True), on=None):
    """The same random stream for each, so that what a mixer draws at its start is the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        on = domain() if on is None else on
        mixer.attach(N, NAMES[: on.shape[1]], on, torch.tensor(mixable)[: on.shape[1]])
    return mixer


class Network(nn.Module):
    """A trunk and one head per loss; the loss of a row is a cross-entropy to a class of its own.

    With ``alike`` all losses are the first one's.
    """

    def __init__(self, n_losses=K, dtype=torch.float32, alike=False):
        super().__init__()
        self.trunk = nn.Linear(D, H)
        self.heads = nn.ModuleList(nn.Linear(H, C) for _ in range(n_losses))
        self.alike = alike
        generator = torch.Generator().manual_seed(2)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.normal_(generator=generator)
        self.x = torch.randn(N, D, generator=generator)
        self.y = torch.randint(0, C, (N, n_losses), generator=generator)
        self.to(dtype)
        self.x = self.x.to(dtype)

    def columns(self, rows, on):
        hidden = torch.tanh(self.trunk(self.x[rows]))
        found = []
        for k in range(on.shape[1]):
            own = 0 if self.alike else k
            values = nn.functional.cross_entropy(
                self.heads[own](hidden), self.y[rows, own], reduction="none"
            )
            found.append(torch.where(on[:, k], values, torch.zeros_like(values)))
        return found


class Graphs:
    """What a mixer learns from that asks for graphs."""

    def __init__(self, network, on, rows):
        self.network, self.applies, self.rows = network, on[rows], rows
        self.parameters = dict(network.named_parameters())

    def columns(self):
        return self.network.columns(self.rows, self.applies)

    def penalty(self):
        return 0.0

    def validation_loss(self):
        every = torch.ones(N, 1, dtype=torch.bool, device=self.applies.device)
        return self.network.columns(torch.arange(N), every)[0].mean()


class Run:
    """A mixer in a loop of training on a small network."""

    def __init__(self, mixer, dtype=torch.float32, on=None, alike=False, device="cpu"):
        self.mixer, self.dtype, self.device = mixer, dtype, device
        self.on = (domain() if on is None else on).to(device)
        self.network = Network(self.on.shape[1], dtype, alike).to(device)
        self.network.x, self.network.y = self.network.x.to(device), self.network.y.to(device)
        self.done = 0

    def batch(self, rows):
        return batch(rows.tolist(), self.dtype, self.device)

    def fork(self, mixer):
        """The same run under another mixer."""
        other = copy.copy(self)
        other.mixer, other.network = mixer, copy.deepcopy(self.network)
        return other

    def learn(self, rows):
        """Whatever the mixer wants before a step."""
        if self.mixer.needs_look_ahead:
            generator = torch.Generator().manual_seed(self.done)
            shape = (len(rows), self.on.shape[1])
            told = torch.randn(*shape, generator=generator, dtype=self.dtype).to(self.device)
            self.mixer.refresh(Told(torch.where(self.on[rows], told, 0.0)), self.batch(rows))
            self.mixer.end_refresh()
        elif self.mixer.needs_graphs and self.mixer.due():
            self.mixer.learn(Graphs(self.network, self.on, rows.flip(0)))

    def prepare(self, rows, weights=None):
        """The step that comes."""
        on = self.on[rows]
        columns = self.network.columns(rows, on)
        losses = torch.stack(columns, dim=1)
        if weights is None:
            weights = self.mixer.weights(self.batch(rows), losses.detach())
        if not self.mixer.separates:
            return Step(losses, weights, on)
        return Step(losses, weights, on, columns, dict(self.network.named_parameters()))

    def step(self, n_rows=B):
        """One step of training: value and gradients by name."""
        generator = torch.Generator().manual_seed(self.done)
        rows = torch.randperm(N, generator=generator)[:n_rows].to(self.device)
        self.learn(rows)
        value = self.mixer.combine(self.prepare(rows))
        found = value.detach(), gradients(value, self.network)
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                parameter -= 0.1 * found[1].get(name, 0.0)
        self.done += 1
        return found


def gradients(value, network):
    """Gradients by name, of those that a value reaches."""
    network.zero_grad(set_to_none=True)
    value.backward()
    named = network.named_parameters()
    return {name: p.grad.clone() for name, p in named if p.grad is not None}


def same(one, other):
    """Whether mappings of tensors hold the same, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)
