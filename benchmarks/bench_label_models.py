"""Label models against Snorkel's, crowd-kit's and a loop form of CAGE."""

from __future__ import annotations

from typing import Any

import numpy as np
from harness import Case, Skip, benchmark

from spear_amal.label_matrix import LabelMatrix
from spear_amal.label_models import AccuracyModel, DawidSkene, MajorityVote


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
