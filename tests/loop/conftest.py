"""A small loop of somebody's own: a network with two heads, three losses by name."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from spear_amal import LossMixer

N, N_VAL, D, H, C, CODES, B = 53, 19, 7, 11, 3, 5, 13


class TwoHeads(nn.Module):
    def __init__(self):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(D, H), nn.Tanh(), nn.Dropout(0.5))
        self.head = nn.Linear(H, C)
        self.other = nn.Linear(H, CODES)

    def forward(self, x):
        hidden = self.trunk(x)
        return self.head(hidden), self.other(hidden)


class Loop:
    """Data, model and the calls that a user's loop makes."""

    names = ("label", "teacher", "code")

    def __init__(self, seed=0, dtype=torch.float32):
        draw = torch.Generator().manual_seed(seed)
        self.x = torch.randn(N, D, generator=draw, dtype=dtype)
        self.y = torch.randint(C, (N,), generator=draw)
        self.teacher = torch.randn(N, C, generator=draw, dtype=dtype)
        self.code = torch.randint(CODES, (N,), generator=draw)
        self.x_val = torch.randn(N_VAL, D, generator=draw, dtype=dtype)
        self.y_val = torch.randint(C, (N_VAL,), generator=draw)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = TwoHeads().to(dtype)
        self.model = self.net  # what is called; may be wrapped
        self.calls = 0

    def losses(self, rows):
        """By name, each with a graph of its own."""
        self.calls += 1
        logits, code = self.model(self.x[rows])
        return {
            "label": F.cross_entropy(logits, self.y[rows], reduction="none"),
            "teacher": F.kl_div(
                logits.log_softmax(1), self.teacher[rows].softmax(1), reduction="none"
            ).sum(1),
            "code": F.cross_entropy(code, self.code[rows], reduction="none"),
        }

    def batches(self, seed=0, size=B):
        return torch.randperm(N, generator=torch.Generator().manual_seed(seed)).split(size)

    def train(self, batches=None):
        return ((rows, self.losses(rows)) for rows in (batches or self.batches()))

    def validation(self, size=5):
        pairs = zip(self.x_val.split(size), self.y_val.split(size), strict=True)
        return ((self.model(x)[0], y) for x, y in pairs)

    def mixer(self, name, **options):
        return LossMixer(name, self.names, **{"n_rows": N, "model": self.model, **options})

    def run(self, mixer, epochs=3, first=0, lr=0.1):
        """Train; gives the model's parameters as one vector."""
        optimiser = torch.optim.SGD(self.net.parameters(), lr=lr)
        for epoch in range(first, first + epochs):
            if mixer.refresh_due(epoch):
                mixer.refresh(self.train(), self.validation())
            for rows in self.batches(epoch):
                if mixer.step_refresh_due():
                    mixer.refresh(self.train([rows]), self.validation())
                loss = mixer(self.losses(rows), rows)
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        return torch.cat([p.detach().flatten() for p in self.net.parameters()])


@pytest.fixture
def new_loop():
    """Make loops; dropout follows torch's own stream, which is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield Loop
