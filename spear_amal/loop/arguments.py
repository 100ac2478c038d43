"""The constructor's arguments, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spear_amal.errors import InputError
from spear_amal.mixers import Mixer, build_mixer
from spear_amal.mixers.base import check_whole


def check_names(losses: Sequence[str]) -> tuple[str, ...]:
    """Names of the losses, each once."""
    if isinstance(losses, str) or not all(isinstance(name, str) for name in losses):
        raise InputError(f"losses must be names such as ['label', 'teacher'], found {losses!r}")
    if not len(losses) or len(set(losses)) < len(losses):
        raise InputError(f"losses needs at least one name, each once, found {list(losses)}")
    return tuple(losses)


def build(mixer: str | Mixer, main: str | None, options: Mapping[str, Any]) -> Mixer:
    """Make a mixer; `main` is an option of those that know a main loss."""
    if main is None:
        return build_mixer(mixer, options)
    if isinstance(mixer, Mixer):
        raise InputError("main goes with a mixer's name; give it to the mixer object itself")
    return build_mixer(mixer, {**options, "main": main})


def check_options(mixer: Mixer, n_rows: int | None) -> None:
    """Raise InputError where a mixer needs what a loop does not give it."""
    if n_rows is not None:
        check_whole("n_rows", n_rows, 1)
    elif mixer.needs_look_ahead and not mixer.every_step:
        raise InputError(
            f"{type(mixer).__name__} keeps weights for each row: n_rows, the count of the training "
            "rows, is missing"
        )
    options = mixer.look_ahead_options()
    if mixer.needs_look_ahead and options.parameters != "last-layer":
        raise InputError(
            "look_ahead='network' is for the estimators; in a loop of your own the look-ahead goes "
            "through the last linear layer: leave look_ahead='last-layer'"
        )
    if mixer.needs_look_ahead and options.outer == "feature+rules":
        raise InputError("outer='feature+rules' needs a rule model; use outer='feature'")
