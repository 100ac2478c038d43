"""The meta-gradient against other ways to it, and what AMAL costs beside SPEAR."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from harness import Case, Skip, benchmark
from torch import Tensor

from spear_amal.batch import Batch
from spear_amal.losses import ComponentSet, LabelCrossEntropy, teacher_components
from spear_amal.models import MLP, JointModel, LinearModel
from spear_amal.training import LookAhead

ETA, TAU, K = 0.5, 4.0, 3


def drawn_batch(n: int, width: int, n_classes: int, seed: int) -> Batch:
    """Rows with features, a label and two teachers."""
    g = torch.Generator().manual_seed(seed)
    return Batch(
        torch.arange(n),
        torch.randn(n, width, generator=g),
        torch.randint(0, n_classes, (n,), generator=g),
        torch.zeros(n, 0),
        torch.zeros(n, 0),
        torch.randn(n, 2, n_classes, generator=g),
    )


def losses_of() -> ComponentSet:
    """Cross-entropy of the label and a divergence from each of two teachers: K = 3."""
    return ComponentSet([LabelCrossEntropy(), *teacher_components(2, TAU)])


def closed_form(
    model: JointModel, train: Batch, validation: Batch, weights: Tensor, at_hand: bool = True
) -> Tensor:
    """Our meta-gradient (B, K); as in a refresh, the validation rows' features may be at hand."""
    hidden = validation.x if at_hand else None
    # What batches keep of one look-ahead for the next, the validation rows keep in a refresh.
    train = replace(train)
    look = LookAhead(model, losses_of(), train, validation, eta=ETA, validation_hidden=hidden)
    return look.hypergradient(weights)


def plain_losses(logits: Tensor, y: Tensor, teachers: Tensor) -> Tensor:
    """The same three losses (B, K), written out."""
    told = (teachers / TAU).log_softmax(2)
    own = (logits / TAU).log_softmax(1).unsqueeze(1)
    divergence = TAU**2 * (told.exp() * (told - own)).sum(2)
    return torch.cat([F.cross_entropy(logits, y, reduction="none").unsqueeze(1), divergence], 1)


def materialised(head: torch.nn.Linear, train: Batch, validation: Batch, weights: Tensor) -> Tensor:
    """The layout of the published code: a gradient (C H + C) for every row and loss."""
    logits = (train.x @ head.weight.T + head.bias).detach().requires_grad_()
    losses = plain_losses(logits, train.y, train.teachers)
    gradients = []
    for k in range(K):
        (slope,) = torch.autograd.grad(losses[:, k].sum(), logits, retain_graph=True)
        outer = slope.unsqueeze(2) * train.x.unsqueeze(1)  # (B, C, H)
        gradients.append(torch.cat([outer.flatten(1), slope], dim=1))
    rows = torch.stack(gradients, dim=1)  # (B, K, C H + C)
    step = torch.einsum("bk,bkp->p", weights, rows) / len(train)
    size = head.weight.numel()
    weight = (head.weight.flatten() - ETA * step[:size]).view_as(head.weight)
    ahead = [weight.detach().requires_grad_(), (head.bias - ETA * step[size:]).detach()]
    ahead[1].requires_grad_()
    value = F.cross_entropy(F.linear(validation.x, *ahead), validation.y)
    v = torch.cat([g.flatten() for g in torch.autograd.grad(value, ahead)])
    return -ETA / len(train) * (rows @ v)


def close(ours: Tensor, peer: Tensor) -> None:
    """Raise unless two gradients agree to float32's rounding."""
    scale = float(peer.abs().max())
    torch.testing.assert_close(ours, peer, rtol=1e-3, atol=1e-5 * scale)


def linear_model(width: int, n_classes: int) -> JointModel:
    """A linear head on features at hand."""
    g = torch.Generator().manual_seed(0)
    net = LinearModel(width, n_classes, g)
    with torch.no_grad():
        net.head.weight.normal_(0, width**-0.5, generator=g)
    return JointModel(net, None)


@benchmark("meta-gradient", peer="materialised last layer", goal=100, memory_goal=20)
def meta_gradient(small: bool) -> Case:
    """Weights of B rows and three losses, features at hand."""
    n, width, n_classes = (16, 32, 7) if small else (512, 768, 100)
    model = linear_model(width, n_classes)
    train, validation = (drawn_batch(n, width, n_classes, seed) for seed in (1, 2))
    weights = torch.rand(n, K, generator=torch.Generator().manual_seed(3))
    return Case(
        ours=lambda: closed_form(model, train, validation, weights),
        peer=lambda: materialised(model.feature.head, train, validation, weights),
        check=close,
        size=f"B={n} C={n_classes} H={width} K={K}",
        repeats=11,
        peer_repeats=5,
    )


@benchmark("meta-gradient-forward", peer="higher, one step unrolled", goal=3)
def meta_gradient_forward(small: bool) -> Case:
    """The same from inputs on, through an MLP; the peer differentiates the whole network."""
    try:
        import higher
    except ImportError as error:
        raise Skip("needs higher: pip install 'spear-amal[bench]'") from error

    n, width, n_classes = (16, 32, 7) if small else (512, 768, 100)
    net = MLP(width, n_classes, (width, width), torch.Generator().manual_seed(0))
    model = JointModel(net, None).eval()
    train, validation = (drawn_batch(n, width, n_classes, seed) for seed in (1, 2))
    weights = torch.rand(n, K, generator=torch.Generator().manual_seed(3))

    def unrolled() -> Tensor:
        lam = weights.clone().requires_grad_()
        optimiser = torch.optim.SGD(net.parameters(), lr=ETA)
        with higher.innerloop_ctx(net, optimiser) as (functional, steps):
            losses = plain_losses(functional(train.x)[0], train.y, train.teachers)
            steps.step((lam * losses).sum() / n)
            value = F.cross_entropy(functional(validation.x)[0], validation.y)
            return torch.autograd.grad(value, lam)[0]

    whole = LookAhead(
        *(model, losses_of(), train, validation),
        eta=ETA,
        parameters="network",
        method="double-backward",
    ).hypergradient(weights)

    def check(ours: Tensor, peer: Tensor) -> None:
        # The last layer sees a part of it: the whole network's is what must be the peer's.
        close(whole, peer)
        if ours.shape != peer.shape or not torch.isfinite(ours).all():
            raise AssertionError("the last layer's meta-gradient is not finite")

    return Case(
        ours=lambda: closed_form(model, train, validation, weights, at_hand=False),
        peer=unrolled,
        check=check,
        size=f"B={n} {width}-{width}-{width}-{n_classes} K={K}",
        repeats=11,
        calls=3,  # a refresh makes one after the other
    )


@benchmark("meta-gradient-step", peer="one forward and backward", goal=1 / 0.08)
def meta_gradient_step(small: bool) -> Case:
    """Features at hand, against a plain pass through the network that they come from."""
    n, width, hidden, n_classes = (16, 32, 16, 6) if small else (256, 1024, 512, 6)
    net = MLP(width, n_classes, (hidden, hidden), torch.Generator().manual_seed(0))
    inputs = drawn_batch(n, width, n_classes, 1)
    model = linear_model(hidden, n_classes)
    train, validation = (drawn_batch(n, hidden, n_classes, seed) for seed in (1, 2))
    weights = torch.rand(n, K, generator=torch.Generator().manual_seed(3))

    def plain() -> None:
        net.zero_grad(set_to_none=True)
        plain_losses(net(inputs.x)[0], inputs.y, inputs.teachers).sum(1).mean().backward()

    def check(ours: Tensor, peer: None) -> None:
        close(ours, materialised(model.feature.head, train, validation, weights))

    return Case(
        ours=lambda: closed_form(model, train, validation, weights),
        peer=plain,
        check=check,
        size=f"B={n} {width}-{hidden}-{hidden}-{n_classes} K={K}",
        repeats=31,
        calls=10,  # a refresh makes one after the other
    )
