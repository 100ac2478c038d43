"""How students and teachers of the image studies are trained: one place, so that all are alike."""

from __future__ import annotations

from typing import Any

# As the papers train, but for the length and a schedule that fits any length.
BASE = {
    "optimiser": "sgd",
    "lr": 0.05,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 5e-4,
    "schedule": "cosine",
}
LEARNT = ("amal", "alm-kd")  # mixers that keep a table of weights and refresh it
REFRESHES = 10  # the published code refreshes every 10 of 200 epochs, after the first 10


def training(max_epochs: int, batch_size: int = 64, **changes: Any) -> dict[str, Any]:
    """Parameters of :class:`DistilledClassifier` that all models of a study share.

    Examples
    --------
    >>> training(40)["max_epochs"], training(40, lr=0.1)["lr"]
    (40, 0.1)
    """
    return BASE | {"max_epochs": max_epochs, "batch_size": batch_size} | changes


def mixing(method: str, max_epochs: int) -> dict[str, Any] | None:
    """Mixer options for a run of this length: weights are refreshed at every tenth of it.

    Examples
    --------
    >>> mixing("amal", 40), mixing("kd", 40)
    ({'refresh_every': 4, 'warmup': 4}, None)
    """
    if method not in LEARNT:
        return None
    every = max(max_epochs // REFRESHES, 1)
    return {"refresh_every": every, "warmup": every}
