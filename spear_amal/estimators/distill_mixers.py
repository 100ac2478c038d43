"""Mixers of distillation by name, with what they must know of the task filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from spear_amal.mixers import Mixer, build_mixer


def distillation_mixer(
    mixer: str | Mixer,
    options: Mapping[str, Any] | None,
    *,
    n_teachers: int,
    with_rules: bool,
) -> Mixer:
    """Make a mixer for labels and teachers.

    Parameters
    ----------
    mixer : str or Mixer
        A name that :func:`spear_amal.mixers.build_mixer` knows, or "ce": labels alone. "amal" has
        the settings of the published distillation code, and those recommended for rules where
        rules join in.
    options : dict, optional
    n_teachers : int
        "kd", SuperLoss and CRUST share their 0.9 among the teachers. Without any teacher the label
        counts fully under every mixer: nobody has the other nine tenths.
    with_rules : bool
    """
    if not isinstance(mixer, str):
        return build_mixer(mixer, options)
    given = options if options is not None else {}
    if mixer == "ce":
        return build_mixer("fixed", {"per_loss": {"teacher": 0.0}} | dict(given))
    if mixer == "amal" and not with_rules:
        mixer = "amal-kd"
    known = _of_these(n_teachers)
    if mixer in known and isinstance(given, Mapping):
        return build_mixer(mixer, known[mixer] | dict(given))
    return build_mixer(mixer, given)


def _of_these(n_teachers: int) -> dict[str, dict[str, Any]]:
    """Options, by mixer, that depend on the number of teachers."""
    if not n_teachers:
        alone = {"label": 1.0}
        fixed = ("kd", "superloss", "crust", "dgkd", "dgkd-drop")
        return {name: {"per_loss": alone} for name in fixed} | {"amal-kd": {"start": alone}}
    shared = {"label": 0.1, "teacher": 0.9 / n_teachers}
    return {name: {"per_loss": shared} for name in ("kd", "superloss", "crust")}
