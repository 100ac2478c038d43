"""A mixer's state with a record of what it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from spear_amal.errors import InputError
from spear_amal.mixers import Mixer

FORMAT = 1


def packed(mixer: Mixer, n_rows: int | None) -> dict[str, Any]:
    """Tensors by name under "state"; the rest are names and numbers."""
    return {**_record(mixer, n_rows), "state": mixer.state_dict()}


def unpacked(given: Mapping[str, Any], mixer: Mixer, n_rows: int | None) -> dict[str, Tensor]:
    """Take the mixer's tensors; raises InputError if they are of other losses, rows or mixers."""
    for key, value in _record(mixer, n_rows).items():
        if key not in given or given[key] != value:
            raise InputError(
                f"the state's {key} is {given.get(key, 'missing')!r}, this mixer's is {value!r}; "
                "load it into a LossMixer made like the one that was saved"
            )
    return dict(given["state"])


def _record(mixer: Mixer, n_rows: int | None) -> dict[str, Any]:
    kind = type(mixer).__name__
    return {"format": FORMAT, "mixer": kind, "losses": list(mixer.names), "n_rows": n_rows}
