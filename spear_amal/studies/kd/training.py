"""How the models of the studies on images are trained: in one place, so that all are alike."""

from __future__ import annotations

from typing import Any

# The paper's 240 epochs drop the rate at 150, 180 and 210.
DROPS = (5 / 8, 6 / 8, 7 / 8)
REFRESHES = 10  # a run: AMAL's table is refreshed every tenth of it, after the first tenth
LEARNS_WEIGHTS = ("amal", "alm-kd")
HEAD_SHARE = 4  # SSKD's head is trained for 60 of 240 epochs


def training_settings(
    max_epochs: int,
    batch_size: int = 128,
    lr: float = 0.05,
    schedule: str = "steps",
    augment: str | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Parameters of :class:`DistilledClassifier` as JSON: SGD as in the papers.

    Examples
    --------
    >>> training_settings(240)["milestones"]
    [150, 180, 210]
    """
    found = {
        "optimiser": "sgd",
        "lr": lr,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "schedule": schedule,
        "batch_size": batch_size,
        "max_epochs": max_epochs,
        "augment": augment,
        "device": device,
    }
    if schedule == "steps":
        found["milestones"] = sorted({max(round(share * max_epochs), 1) for share in DROPS})
    return found


def method_settings(method: str, training: dict[str, Any], **options: Any) -> dict[str, Any]:
    """Further parameters of a method of :func:`distiller`, scaled to the length of the run.

    Parameters
    ----------
    method : str
    training : dict
        From :func:`training_settings`.
    **options
        Of the mixer.
    """
    tenth = max(training["max_epochs"] // REFRESHES, 1)
    if method in LEARNS_WEIGHTS:
        return {"mixer_options": {"refresh_every": tenth, "warmup": tenth, **options}}
    if method == "sskd":
        return {"head_epochs": max(training["max_epochs"] // HEAD_SHARE, 1)}
    return {"mixer_options": options} if options else {}
