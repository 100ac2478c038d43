"""What learning weights costs: AMAL's training against SPEAR's, and the trainer against a loop."""

from __future__ import annotations

import os
import warnings
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from harness import Case, Skip, benchmark

from spear_amal import GoldClassifier, RuleModelConfig, SpearClassifier, TrainerConfig
from spear_amal.models import MLP

EPOCHS = 20  # two refreshes


def task_of(name: str) -> Any:
    """Real texts, published rules, TF-IDF."""
    from spear_amal.studies import load_corpus_votes, make_split

    if not os.environ.get("SPEAR_AMAL_DATA"):
        raise Skip("needs the corpora: set SPEAR_AMAL_DATA to their folder")
    source = load_corpus_votes(name, offline=True)
    task, _ = make_split(source.corpus, source.votes, 0)
    return task


def amal_against_spear(name: str, small: bool) -> Case:
    """Both train the same number of epochs; only the weights differ."""
    task = task_of(name)
    epochs = 4 if small else EPOCHS
    refresh = 2 if small else 10

    def trained(mixer: str) -> Any:
        options = {"refresh_every": refresh} if mixer == "amal" else None
        model = SpearClassifier(
            mixer=mixer,
            mixer_options=options,
            trainer=TrainerConfig(max_epochs=epochs, patience=epochs),
            rule_model=RuleModelConfig(guard=False),
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return model.fit(
                *(task.x_train, task.y_train, task.votes_train),
                *(task.x_val, task.y_val, task.votes_val),
            )

    def check(ours: Any, peer: Any) -> None:
        if not len(ours.history_) == len(peer.history_) == epochs:
            raise AssertionError("the two were not trained for the same number of epochs")
        means = ours.history_.filter(like="weight/").to_numpy()
        if np.nanmin(means) == 1:
            raise AssertionError("AMAL's weights were never refreshed")

    return Case(
        ours=lambda: trained("amal"),
        peer=lambda: trained("fixed"),
        check=check,
        size=f"{name}, {len(task.y_train):,} rows, {epochs} epochs",
        repeats=1 if small else 5,
    )


@benchmark("amal-vs-spear-sms", peer="SPEAR, weights fixed", goal=1 / 1.08)
def amal_sms(small: bool) -> Case:
    """Short messages, 73 rules."""
    return amal_against_spear("sms", small)


@benchmark("amal-vs-spear-imdb", peer="SPEAR, weights fixed", goal=1 / 1.08)
def amal_imdb(small: bool) -> Case:
    """Plots of films."""
    return amal_against_spear("imdb", small)


@benchmark("trainer-step", peer="a plain PyTorch loop", goal=0.95)
def trainer_step(small: bool) -> Case:
    """Cross-entropy through an MLP, batches of 256: what the trainer adds to the steps."""
    n, width, hidden = (512, 32, 16) if small else (16_384, 512, 512)
    epochs = 2
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, n)
    x = (rng.normal(size=(n, width)) + np.eye(4)[y] @ rng.normal(size=(4, width)) / 4).astype("f4")
    held = slice(0, 64)

    def ours() -> Any:
        return GoldClassifier(
            feature_model="mlp",
            hidden=(hidden, hidden),
            trainer=TrainerConfig(batch_size=256, max_epochs=epochs),
        ).fit(x, y, X_val=x[held], y_val=y[held])

    def peer() -> Any:
        net = MLP(width, 4, (hidden, hidden), torch.Generator().manual_seed(0))
        optimiser = torch.optim.Adam(net.parameters(), lr=1e-3)
        rows, gold = torch.from_numpy(x), torch.from_numpy(y)
        for _ in range(epochs):
            for index in torch.randperm(n).split(256):
                loss = F.cross_entropy(net(rows[index])[0], gold[index])
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
        return net

    def check(model: Any, net: Any) -> None:
        told = model.predict_proba(x).argmax(1)
        with torch.no_grad():
            said = net(torch.from_numpy(x))[0].argmax(1).numpy()
        if abs((told == y).mean() - (said == y).mean()) > 0.05:
            raise AssertionError("the two loops do not train to the same accuracy")

    return Case(ours=ours, peer=peer, check=check, size=f"{n:,} x {width}", repeats=5)
