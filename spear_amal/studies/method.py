"""What a method is: an estimator with defaults, and options on top of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spear_amal.estimators import TrainedClassifier
from spear_amal.mixers import mixer_parameters
from spear_amal.studies.task import Task

# (kind, low, high, scale) or ("choice", values): what tuning may try.
Space = dict[str, tuple[Any, ...]]
# Options that say how the final model is made; without one it is a single model.
FINAL = ("crossfit", "crossfit_weights", "refit")


@dataclass(frozen=True)
class Method:
    """One way to train, with its defaults.

    Attributes
    ----------
    name, title : str
    estimator : class
        A :class:`spear_amal.estimators.TrainedClassifier`.
    defaults : mapping
        Options (see :class:`MethodSpec`) that make the estimator this method.
    uses_votes : bool
    learns_from_v : bool
        True if validation labels drive more than the choice of the epoch.
    gold : {"L", "all"}
        "all" is the ceiling: gold on every training row.
    space : dict
        What tuning may try: name -> ("float", low, high, "log" | "linear"), ("int", low, high) or
        ("choice", values).
    """

    name: str
    title: str
    estimator: type[TrainedClassifier]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    uses_votes: bool = True
    learns_from_v: bool = False
    gold: str = "L"
    space: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodSpec:
    """A method with options: what one row of a study trains.

    Attributes
    ----------
    method : Method
    options : dict
        ``crossfit=K``, ``crossfit_weights=K``, ``refit=True``, any parameter of the estimator or
        of its mixer.
    """

    method: Method
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The form ``NAME:option=value,...`` that :func:`parse_method` reads."""
        given = ",".join(f"{k}={_written(v)}" for k, v in sorted(self.options.items()))
        return self.method.name + (f":{given}" if given else "")

    @property
    def settled(self) -> dict[str, Any]:
        """Defaults of the method and the options given."""
        held = {**self.method.defaults, **self.options}
        # What was asked for beats the method's own way to the final model.
        if any(self.options.get(one) for one in FINAL):
            return {k: v for k, v in held.items() if k not in FINAL or k in self.options}
        return held

    @property
    def title(self) -> str:
        """Name for tables, with what differs from the method's plain form."""
        held = self.settled
        parts = [self.method.title]
        if held.get("crossfit"):
            parts.append(f"{held['crossfit']} folds")
        elif held.get("refit") and "refit" in self.options:
            parts.append("refit on L+V")
        if held.get("crossfit_weights"):
            parts.append(f"weights of {held['crossfit_weights']} folds")
        rest = {k: v for k, v in self.options.items() if k not in FINAL}
        short = {k: f"{v:.3g}" if isinstance(v, float) else _written(v) for k, v in rest.items()}
        parts += [f"{k}={v}" for k, v in sorted(short.items())]
        return ", ".join(parts)

    def changed(self, **options: Any) -> MethodSpec:
        """Make the same method with further options."""
        return MethodSpec(self.method, {**self.options, **options})

    def space(self) -> Space:
        """Say what tuning may try; options that were given are not tuned."""
        return {k: v for k, v in self.method.space.items() if k not in self.options}

    def make(self, **settings: Any) -> TrainedClassifier:
        """Make the unfitted estimator; `settings` (metric, random_state, ...) yield to options."""
        held = self.settled
        folds = held.pop("crossfit", None)
        weights = held.pop("crossfit_weights", None)
        refit = held.pop("refit", False)
        if weights:
            held |= {"final": "crossfit-weights", "n_folds": weights}
        elif folds:
            held |= {"final": "crossfit", "n_folds": folds}
        elif refit:
            held["final"] = "refit"
        known = set(self.method.estimator().get_params(deep=False))
        own = {k: v for k, v in held.items() if k in known}
        mixed = {k: v for k, v in held.items() if k not in known}
        if mixed:
            own["mixer_options"] = {**(own.get("mixer_options") or {}), **mixed}
        fitting = {k: v for k, v in settings.items() if k in known}
        return self.method.estimator(**{**fitting, **own})

    def was_given(self, task: Task) -> str:
        """Say in words what the method sees of a task."""
        held, n_val = self.settled, len(task.y_val)
        if self.method.gold == "all":
            gold = f"gold on all {len(task.y_train)}"
        elif held.get("crossfit") or held.get("crossfit_weights"):
            gold = f"{task.n_labelled} + {n_val} gold, each fold V once"
        elif held.get("refit"):
            gold = f"{task.n_labelled} + {n_val} gold"
        else:
            gold = f"{task.n_labelled} gold"
        votes = f", votes on {task.n_unlabelled}" if self.method.uses_votes else ""
        if (
            held.get("crossfit")
            or held.get("crossfit_weights")
            or (held.get("refit") and not self.method.learns_from_v)
        ):
            return gold + votes
        purpose = "learn weights and choose" if self.method.learns_from_v else "choose"
        return f"{gold}{votes}; V: {n_val} to {purpose} the epoch"

    def known_options(self) -> set[str]:
        """Names of all options that this method takes."""
        held = self.method.estimator().get_params(deep=False)
        mixer = mixer_parameters(self.settled.get("mixer", held.get("mixer")))
        # How the final model is made has one way to say it: crossfit=K or refit.
        return (
            {*FINAL, *held} - {"final", "n_folds", "mixer_options", "label_model_options"}
        ) | set(mixer)


def _written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)
