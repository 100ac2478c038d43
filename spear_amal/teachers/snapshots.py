"""Early-stopped teachers: states of one run at several epochs, each a teacher of its own."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from spear_amal._typing import VectorLike
from spear_amal.errors import InputError
from spear_amal.teachers.networks import NetworkTeacher


def early_stopped(
    snapshots: Sequence[tuple[int, Any]] | Mapping[int, Any],
    network: nn.Module | None = None,
    name: str = "teacher",
    classes: VectorLike | None = None,
) -> list[NetworkTeacher]:
    """Make a teacher of every snapshot of a run, by epoch.

    Parameters
    ----------
    snapshots : list of (epoch, state) or dict epoch -> state
        A state is a module, or the state dict of one.
    network : nn.Module, optional
        The network that state dicts belong to; it is copied.
    name : str
        Teachers are called "name@20", "name@70", ..
    classes : sequence, optional
        Class labels of the columns, if they are not the student's in its order.

    Raises
    ------
    InputError
        If there is no snapshot, an epoch is there twice, a state dict has no network or is of
        another, or two snapshots are one and the same.
    """
    listed = list(snapshots.items() if isinstance(snapshots, Mapping) else snapshots)
    epochs = [epoch for epoch, _ in listed]
    if not epochs or len(set(epochs)) < len(epochs):
        raise InputError(f"snapshots need one state for each epoch, found epochs {epochs}")
    _check_apart(listed)
    return [
        NetworkTeacher(_module(epoch, state, network), f"{name}@{epoch}", classes)
        for epoch, state in sorted(listed, key=lambda snapshot: snapshot[0])
    ]


def _module(epoch: int, state: Any, network: nn.Module | None) -> nn.Module:
    if isinstance(state, nn.Module):
        return state
    if not isinstance(state, Mapping) or not all(isinstance(t, Tensor) for t in state.values()):
        raise InputError(
            f"the snapshot of epoch {epoch} is {type(state).__name__}; it must be a module or a "
            "state dict"
        )
    if network is None:
        raise InputError(f"the state dict of epoch {epoch} needs its network: pass network=")
    module = copy.deepcopy(network)
    try:
        module.load_state_dict(dict(state))
    except RuntimeError as error:
        raise InputError(f"the state dict of epoch {epoch} is of another network: {error}") from (
            error
        )
    return module


def _check_apart(listed: list[tuple[int, Any]]) -> None:
    """Raise where snapshots share memory: then all of them are the run's last state."""
    seen: dict[int, int] = {}
    for epoch, state in listed:
        tensors = state.state_dict() if isinstance(state, nn.Module) else state
        values = tensors.values() if isinstance(tensors, Mapping) else ()
        places = {t.data_ptr() for t in values if isinstance(t, Tensor) and t.numel()}
        twice = [seen[place] for place in places if place in seen]
        if twice:
            raise InputError(
                f"the snapshots of epochs {twice[0]} and {epoch} are the same memory, so both hold "
                "the later state; keep copies: copy.deepcopy(module) at each epoch"
            )
        seen.update(dict.fromkeys(places, epoch))
