"""Label models against Snorkel's, crowd-kit's and a loop form of CAGE."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Case, Skip, benchmark

from spear_amal.label_models import AccuracyModel, DawidSkene, MajorityVote
from spear_amal.votes.label_matrix import LabelMatrix


def drawn_votes(
    n: int, m: int, n_classes: int, coverage: float, seed: int = 0, balance: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Votes (n, m), -1 for abstain, of LFs right in 50 to 90 of 100 votes, and the classes (n,)."""
    rng = np.random.default_rng(seed)
    y = rng.choice(n_classes, n, p=balance)
    right = rng.random((n, m)) < rng.uniform(0.5, 0.9, m)
    other = (y[:, None] + rng.integers(1, n_classes, (n, m))) % n_classes
    votes = np.where(right, y[:, None], other)
    return np.where(rng.random((n, m)) < coverage, votes, -1), y


def same_predictions(ours: np.ndarray, peer: np.ndarray) -> None:
    """Raise unless two arrays are equal."""
    np.testing.assert_array_equal(ours, peer)


@benchmark("majority-vote", peer="Snorkel MajorityLabelVoter", goal=80)
def majority_vote(small: bool) -> Case:
    """Predicted classes; a tie abstains."""
    from snorkel.labeling.model import MajorityLabelVoter

    n = 1_000 if small else 100_000
    votes, _ = drawn_votes(n, 50, 2, 0.1)
    L = LabelMatrix.from_dense(votes)
    model, peer = MajorityVote().fit(L), MajorityLabelVoter(cardinality=2)
    return Case(
        ours=lambda: model.predict(L),
        peer=lambda: peer.predict(votes, tie_break_policy="abstain"),
        check=same_predictions,
        size=f"{n:,} x 50",
        peer_repeats=3,
    )


@benchmark("label-model", peer="Snorkel LabelModel", goal=100)
def label_model(small: bool) -> Case:
    """Fit and posteriors; ours must be right at least as often."""
    from spear_amal.label_models.snorkel_model import load_snorkel, untouched_globals

    n, m, n_classes = (500, 30, 5) if small else (20_000, 300, 20)
    votes, y = drawn_votes(n, m, n_classes, 0.1 if small else 0.03)
    L = LabelMatrix.from_dense(votes, classes=range(n_classes))

    def peer() -> np.ndarray:
        with untouched_globals():
            model = load_snorkel()(cardinality=n_classes, verbose=False)
            model.fit(votes, n_epochs=100, seed=0, progress_bar=False)
            return model.predict_proba(votes)

    def check(ours: np.ndarray, theirs: np.ndarray) -> None:
        right = [(p.argmax(1) == y).mean() for p in (ours, theirs)]
        if right[0] < right[1]:
            raise AssertionError(f"accuracy {right[0]:.4f}, the peer's {right[1]:.4f}")

    return Case(
        ours=lambda: AccuracyModel().fit(L).predict_proba(L),
        peer=peer,
        check=check,
        size=f"{n:,} x {m} x {n_classes}",
        peer_repeats=1,
    )


@benchmark("dawid-skene", peer="crowd-kit DawidSkene", goal=8)
def dawid_skene(small: bool) -> Case:
    """Posteriors after the same 20 EM steps, equal to 1e-8."""
    try:
        from crowdkit.aggregation import DawidSkene as Peer
    except ImportError as error:
        raise Skip("needs crowd-kit: pip install 'spear-amal[bench]'") from error
    import pandas as pd

    n = 500 if small else 20_000
    votes, _ = drawn_votes(n, 50, 3, 0.1)
    votes = votes[(votes >= 0).any(1)]
    L = LabelMatrix.from_dense(votes)
    rows, lfs = np.nonzero(votes >= 0)
    table = pd.DataFrame({"task": rows, "worker": lfs, "label": votes[rows, lfs]})

    def check(ours: np.ndarray, theirs: Any) -> None:
        np.testing.assert_allclose(ours, theirs.sort_index()[[0, 1, 2]].to_numpy(), atol=1e-8)

    return Case(
        # The peer hands back the posterior before its last M step; its tol of 0 stops early.
        ours=lambda: DawidSkene(max_iter=19, tol=0.0).fit(L).predict_proba(L),
        peer=lambda: Peer(n_iter=20, tol=-1e9).fit_predict_proba(table),
        check=check,
        size=f"{len(votes):,} x 50",
        repeats=7,
    )


def drawn_sparse(n: int, m: int, n_classes: int, coverage: float) -> LabelMatrix:
    """Votes like those of :func:`drawn_votes`, never dense."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, n)
    rows, lfs = [], []
    for j in range(m):
        fired = np.flatnonzero(rng.random(n) < coverage)
        rows.append(fired)
        lfs.append(np.full(len(fired), j))
    row, lf = np.concatenate(rows), np.concatenate(lfs)
    right = rng.random(len(row)) < rng.uniform(0.5, 0.9, m)[lf]
    wrong = (y[row] + rng.integers(1, n_classes, len(row))) % n_classes
    votes = np.where(right, y[row], wrong)
    return LabelMatrix.from_triplets(row, lf, votes, (n, m), classes=range(n_classes))


def cage_by_loops(theta: np.ndarray, k: np.ndarray, guides: np.ndarray, fired: np.ndarray) -> Any:
    """Value and gradient of CAGE's step in linear space, LF by LF and class by class."""
    import torch

    t = torch.tensor(theta, requires_grad=True)
    f = torch.tensor(fired)
    n_classes, m = theta.shape
    z = 0.0
    columns = []
    for y in range(n_classes):
        product, total = torch.ones(len(fired), dtype=torch.float64), torch.ones((), dtype=t.dtype)
        for j in range(m):
            product = product * (f[:, j] * t[y, j].exp() + (1 - f[:, j]))
            total = total * (1 + t[y, j].exp())
        columns.append(product)
        z = z + total
    value = -(torch.stack(columns, 1).sum(1) / z).log().mean()
    each = []
    for y in range(n_classes):  # an m x m matrix per class, as in the packaged code
        grown = (1 + t[y].exp()).repeat(m, 1)
        own = torch.eye(m, dtype=torch.bool)
        each.append(torch.where(own, t[y].exp(), grown).prod(1))
    shares = torch.stack(each)
    g = shares[torch.tensor(k), torch.arange(m)] / shares.sum(0)
    q = torch.tensor(guides)
    value = value - (q * g.log() + (1 - q) * (1 - g).log()).sum()
    value.backward()
    return value.item(), t.grad.numpy()


@benchmark("cage-step", peer="linear space, loops", goal=150)
def cage_step(small: bool) -> Case:
    """Likelihood and precision penalty, value and gradient."""
    import scipy.sparse as sp
    import torch

    from spear_amal.maths.cage import objective

    n, m, n_classes = (17, 11, 3) if small else (512, 164, 9)
    rng = np.random.default_rng(0)
    fired = (rng.random((n, m)) < 0.05).astype(float)
    theta = rng.normal(0, 0.3, (n_classes, m))  # small enough for linear space
    k, guides = rng.integers(0, n_classes, m), rng.uniform(0.6, 0.9, m)
    votes, shares = sp.csr_array(fired), np.full(n, 1 / n)

    def ours() -> Any:
        t = torch.tensor(theta, requires_grad=True)
        value = objective(t, k, guides, votes, shares)
        value.backward()
        return value.item(), t.grad.numpy()

    def check(own: Any, peer: Any) -> None:
        np.testing.assert_allclose(own[0], peer[0], rtol=1e-8)
        np.testing.assert_allclose(own[1], peer[1], rtol=1e-6, atol=1e-9)

    return Case(
        ours=ours,
        peer=lambda: cage_by_loops(theta, k, guides, fired),
        check=check,
        size=f"n={n} m={m} C={n_classes}",
        repeats=15,
        peer_repeats=5,
        calls=10,  # as in a fit, where step follows step
    )


def register_large(name: str) -> None:
    """One row for each label model and size: fit and posteriors, without a peer."""
    for n, m, n_classes, coverage in ((1_000_000, 100, 3, 0.05), (20_000, 300, 20, 0.03)):

        def make(small: bool, size: tuple[Any, ...] = (n, m, n_classes, coverage)) -> Case:
            from spear_amal.label_models import LABEL_MODELS

            n, *rest = size
            L = drawn_sparse(n // 1000 if small else n, *rest)
            return Case(
                ours=lambda: LABEL_MODELS[name]().fit(L).predict_proba(L),
                size=f"{len(L):,} x {rest[0]} x {rest[1]}",
                repeats=1,
            )

        benchmark(f"large-{name}-{n}")(make)


for _name in ("majority", "weighted-majority", "dawid-skene", "label-model", "cage"):
    register_large(_name)
