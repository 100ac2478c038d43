"""The methods of a comparison by name, each an estimator over the one trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from spear_amal.errors import InputError
from spear_amal.estimators import (
    GoldClassifier,
    LabelModelClassifier,
    ReweightedClassifier,
    RuleNetworkClassifier,
    SpearClassifier,
    TrainedClassifier,
)
from spear_amal.mixers import mixer_parameters
from spear_amal.studies.task import Task

# (kind, low, high, scale) or ("choice", values): what tuning may try.
Space = dict[str, tuple[Any, ...]]
RATE: Space = {"lr_scale": ("float", 0.1, 3.0, "log")}
GOLD_SPACE: Space = {**RATE, "weight_decay": ("float", 1e-6, 1e-2, "log")}
LOSSES = ("1234567", "134567")  # with and without the entropy of the feature model
SPEAR_SPACE: Space = {
    **RATE,
    "losses": ("choice", LOSSES),
    "consensus": ("choice", ("hard", "soft")),
}


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


_AMAL: dict[str, Any] = {"mixer": "amal"}
_AMAL_SPACE: Space = {**SPEAR_SPACE, "rho": ("float", 15.0, 240.0, "log")}

METHODS: dict[str, Method] = {
    method.name: method
    for method in (
        Method("only-l", "Only-L", GoldClassifier, uses_votes=False, space=GOLD_SPACE),
        Method(
            "only-lv",
            "Classifier on L+V",
            GoldClassifier,
            {"refit": True},
            uses_votes=False,
            space=GOLD_SPACE,
        ),
        Method(
            "supervised",
            "Supervised",
            GoldClassifier,
            uses_votes=False,
            gold="all",
            space=GOLD_SPACE,
        ),
        Method(
            "majority",
            "Majority vote + classifier",
            LabelModelClassifier,
            {"label_model": "majority"},
            space=RATE,
        ),
        Method(
            "cage", "CAGE + classifier", LabelModelClassifier, {"label_model": "cage"}, space=RATE
        ),
        Method(
            "imply-loss",
            "Imply Loss",
            RuleNetworkClassifier,
            {"form": "implication"},
            space={**RATE, "gamma": ("float", 0.03, 3.0, "log")},
        ),
        Method(
            "posterior-reg",
            "Posterior regularisation",
            RuleNetworkClassifier,
            {"form": "posterior"},
            space={**RATE, "gamma": ("float", 0.03, 3.0, "log")},
        ),
        Method(
            "l2r",
            "L2R",
            ReweightedClassifier,
            {"mixer": "l2r"},
            learns_from_v=True,
            space=RATE,
        ),
        Method(
            "mwn",
            "MWN",
            ReweightedClassifier,
            {"mixer": "mwn"},
            learns_from_v=True,
            space={**RATE, "eta_look": ("float", 0.05, 5.0, "log")},
        ),
        Method("spear", "SPEAR", SpearClassifier, {"mixer": "fixed"}, space=SPEAR_SPACE),
        Method("amal", "AMAL", SpearClassifier, _AMAL, learns_from_v=True, space=_AMAL_SPACE),
        Method(
            "amal-joint",
            "AMAL, rules too",
            SpearClassifier,
            {"mixer": "amal", "outer": "feature+rules"},
            learns_from_v=True,
            space=_AMAL_SPACE,
        ),
        Method(
            "recommended",
            "AMAL",
            SpearClassifier,
            {"mixer": "amal", "crossfit": 5, "inference": "product"},
            learns_from_v=True,
            space=_AMAL_SPACE,
        ),
    )
}


def register(method: Method) -> Method:
    """Add a method of one's own to :data:`METHODS`, so that studies find it by name.

    Raises
    ------
    InputError
        If the name is taken, or holds ``:``, ``,`` or ``=``, which separate options.
    """
    if method.name in METHODS and METHODS[method.name] != method:
        raise InputError(f"there is a method {method.name!r} already; choose another name")
    if set(":,=") & set(method.name):
        raise InputError(f"method names must not hold ':', ',' or '=', found {method.name!r}")
    METHODS[method.name] = method
    return method


def find_method(name: str) -> Method:
    """Look a method up; an unknown name raises with the nearest known ones."""
    if name in METHODS:
        return METHODS[name]
    raise InputError(f"unknown method {name!r}; {_near(name, METHODS)}known: {', '.join(METHODS)}")


@dataclass(frozen=True)
class MethodSpec:
    """A method with options: what one row of a study trains.

    Attributes
    ----------
    method : Method
    options : dict
        ``crossfit=K``, ``refit=True``, any parameter of the estimator, any of its mixer.
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
        if held.get("crossfit") and "crossfit" in self.options:
            held.pop("refit", None)
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
        rest = {k: v for k, v in self.options.items() if k not in ("crossfit", "refit")}
        parts += [f"{k}={_written(v)}" for k, v in sorted(rest.items())]
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
        refit = held.pop("refit", False)
        if folds:
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
        elif held.get("crossfit"):
            gold = f"{task.n_labelled} + {n_val} gold, each fold V once"
        elif held.get("refit"):
            gold = f"{task.n_labelled} + {n_val} gold"
        else:
            gold = f"{task.n_labelled} gold"
        votes = f", votes on {task.n_unlabelled}" if self.method.uses_votes else ""
        if held.get("crossfit") or (held.get("refit") and not self.method.learns_from_v):
            return gold + votes
        purpose = "learn weights and choose" if self.method.learns_from_v else "choose"
        return f"{gold}{votes}; V: {n_val} to {purpose} the epoch"


def parse_method(text: str) -> MethodSpec:
    """Read ``NAME`` or ``NAME:option=value,...``; an option without value is true.

    Raises
    ------
    InputError
        If the name or an option is unknown (the nearest are offered), or a value is none that the
        estimator or the mixer takes.

    Examples
    --------
    >>> parse_method("amal:crossfit=5,rho=30").options
    {'crossfit': 5, 'rho': 30}
    >>> parse_method("spear:refit").title
    'SPEAR, refit on L+V'
    """
    name, _, rest = text.partition(":")
    spec = MethodSpec(find_method(name.strip()), _options(rest, text))
    known = _known_options(spec)
    for option in spec.options:
        if option not in known:
            raise InputError(
                f"method {name!r} has no option {option!r}; {_near(option, known)}known: "
                f"{', '.join(sorted(known))}"
            )
    spec.make().check_parameters()
    return spec


def _options(text: str, whole: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in filter(None, (one.strip() for one in text.split(","))):
        name, given, value = part.partition("=")
        if not name.strip() or (given and not value.strip()):
            raise InputError(
                f"{whole!r}: {part!r} is no option; write NAME:option=value,option=value"
            )
        options[name.strip()] = _read(value.strip()) if given else True
    return options


def _read(value: str) -> Any:
    """Numbers and truth values as such, digits for losses and the rest as text."""
    if value in ("true", "false"):
        return value == "true"
    if value == "none":
        return None
    if len(value) > 4 and value.isdigit():
        return value  # "134567": a list of losses
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    return format(value, ".4g") if isinstance(value, float) else str(value)


def _known_options(spec: MethodSpec) -> set[str]:
    estimator = spec.method.estimator(
        **{k: v for k, v in spec.method.defaults.items() if k == "mixer"}
    )
    held = estimator.get_params(deep=False)
    return {"crossfit", "refit", *held, *mixer_parameters(held.get("mixer"))}


def _near(name: str, known: Any) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=2)
    return f"did you mean {' or '.join(near)}? " if near else ""
