"""Helpers that the adapters to Lightning and Hugging Face share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spear_amal.errors import FileFormatError, InputError
from spear_amal.io.guard import guarded_reading
from spear_amal.io.safetensors import read_tensors, write_tensors
from spear_amal.loop.loss_mixer import LossMixer

KIND = "mixer"


def given(adapter: object, *names: str) -> list[Any]:
    """Return arguments that only a refresh needs; raise InputError if one was left out."""
    missing = [name for name in names if getattr(adapter, name) is None]
    if missing:
        raise InputError(
            f"the mixer asks for a refresh, which needs {' and '.join(missing)}: give it to the "
            "adapter, or take a mixer that learns nothing from validation rows"
        )
    return [getattr(adapter, name) for name in names]


def weights_to_log(mixer: LossMixer) -> dict[str, float]:
    """Mean weights as "weight/<loss>" and "module/<loss>/<module>"."""
    modules = mixer.module_weights().items()
    return {f"weight/{loss}": weight for loss, weight in mixer.mean_weights().items()} | {
        f"module/{loss}/{module}": weight for (loss, module), weight in modules
    }


def save_mixer(mixer: LossMixer, path: Path) -> None:
    """Write a mixer's state: tensors, and in the header the names and numbers they belong to."""
    about = mixer.state_dict()
    write_tensors(path, about.pop("state"), {"kind": KIND, "about": about})


def load_mixer(mixer: LossMixer, path: Path) -> None:
    """Read back what :func:`save_mixer` wrote.

    Raises
    ------
    FileFormatError
        If there is no such file, or it is damaged.
    InputError
        If it was written by another kind of mixer.
    """
    try:
        state, header = read_tensors(path, KIND)
    except (FileNotFoundError, FileFormatError) as error:
        raise FileFormatError(
            f"{path} holds no mixer ({error}); continue from a checkpoint that was saved with one"
        ) from error
    with guarded_reading(path, "the state of this mixer", "continue from another checkpoint"):
        mixer.load_state_dict({**header["about"], "state": state})
