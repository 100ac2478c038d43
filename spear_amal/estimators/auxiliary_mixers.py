"""Mixers for auxiliary tasks by name, with what they must know of several heads filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spear_amal.errors import InputError
from spear_amal.mixers import Mixer, build_mixer

# A whole network is gone through, forwards and backwards: this many rows at a time fit anywhere.
ROWS = 256
NEED_TEACHERS = ("alm-kd", "kd", "dgkd", "dgkd-drop")
# The last layer of the main answer does not see the losses of other heads: their slope is zero.
_WHOLE = {"look_ahead": "network"}
_PER_BATCH = {**_WHOLE, "meta_size": ROWS}
# Gradients of a whole network are of another size than those of a head, and the squared norm of
# the head's input says nothing about them: steps are counted in shares of the largest one. One
# step a refresh: each costs the passes of a few training steps, where the last layer costs nothing.
_IN_SHARES = {
    **_WHOLE,
    "group_size": ROWS,
    "normalise": "max-abs",
    "rho": 0.2,
    "eta_look": 0.1,
    "inner_repeats": 1,
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "amal": _IN_SHARES,
    "amal-paper": {**_WHOLE, "group_size": ROWS},
    "amal-kd": {**_WHOLE, "group_size": ROWS},
    "l2r": _PER_BATCH,
    "mwn": _PER_BATCH,
}


def auxiliary_mixer(mixer: str | Mixer, options: Mapping[str, Any] | None = None) -> Mixer:
    """Make a mixer for a label and tasks.

    Parameters
    ----------
    mixer : str or Mixer
        A name that :func:`spear_amal.mixers.build_mixer` knows.
    options : dict, optional
        Options by name, over those of :data:`DEFAULTS`.

    Raises
    ------
    InputError
        For a mixer that needs teachers, or one that looks ahead over the last layer alone.
    """
    if mixer in NEED_TEACHERS:
        raise InputError(
            f"mixer={mixer!r} weighs teachers, and auxiliary tasks are none; use another, such as "
            "'amal' or 'gcs', or a DistilledClassifier"
        )
    own = DEFAULTS.get(mixer, {}) if isinstance(mixer, str) else {}
    if own and isinstance(options, Mapping | None):
        made = build_mixer(mixer, {**own, **(options or {})})
    else:
        made = build_mixer(mixer, options)
    if made.needs_look_ahead and made.look_ahead_options().parameters == "last-layer":
        raise InputError(
            f"{type(made).__name__} looks ahead over the last layer of the main answer, which does "
            "not see the losses of other heads: nothing could be learnt about them. Use "
            "mixer_options={'look_ahead': 'network'} where it takes that, or another mixer"
        )
    return made
