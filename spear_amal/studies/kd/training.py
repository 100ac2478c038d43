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
DROPS = (5 / 8, 6 / 8, 7 / 8)  # the paper lowers the rate after 150, 180 and 210 of 240 epochs
HEAD_SHARE = 4  # SSKD's head is trained for 60 of 240 epochs


def training(max_epochs: int, batch_size: int = 64, **changes: Any) -> dict[str, Any]:
    """Parameters of :class:`DistilledClassifier` that all models of a study share.

    Examples
    --------
    >>> training(40)["max_epochs"], training(40, lr=0.1)["lr"]
    (40, 0.1)
    >>> training(240, schedule="steps")["milestones"]
    [150, 180, 210]
    """
    settings = BASE | {"max_epochs": max_epochs, "batch_size": batch_size} | changes
    if settings["schedule"] == "steps" and "milestones" not in settings:
        settings["milestones"] = sorted({max(round(share * max_epochs), 1) for share in DROPS})
    return settings


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


def method_settings(method: str, max_epochs: int, **options: Any) -> dict[str, Any]:
    """Further parameters of a method of :func:`distiller` for a run of this length.

    Parameters
    ----------
    method : str
    max_epochs : int
    **options
        Of the mixer.

    Examples
    --------
    >>> method_settings("alm-kd", 20, gradient="exact")["mixer_options"]
    {'refresh_every': 2, 'warmup': 2, 'gradient': 'exact'}
    """
    if method == "sskd":
        return {"head_epochs": max(max_epochs // HEAD_SHARE, 1)}
    mixed = {**(mixing(method, max_epochs) or {}), **options}
    return {"mixer_options": mixed} if mixed else {}
