"""The methods of a comparison by name, each an estimator over the one trainer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from spear_amal.checks import check_name
from spear_amal.errors import InputError
from spear_amal.estimators import (
    BaseSpearEstimator,
    GoldClassifier,
    LabelModelClassifier,
    PooledClassifier,
    ReweightedClassifier,
    RuleNetworkClassifier,
    SelfTrainedClassifier,
    SingleModelClassifier,
    SpearClassifier,
)
from spear_amal.label_models import LABEL_MODELS
from spear_amal.mixers import mixer_parameters
from spear_amal.params import option_places
from spear_amal.studies.split import Split

_Estimator = TypeVar("_Estimator", bound=BaseSpearEstimator)

# (kind, low, high, scale) or ("choice", values): what tuning may try.
Space = dict[str, tuple[Any, ...]]
# Options that say how the final model is made; without any it is a single model.
FIT_OPTIONS = ("crossfit", "crossfit_weights", "refit")


def make_estimator(estimator: type[_Estimator], **options: Any) -> _Estimator:
    """Make an unfitted estimator from options by name: all that studies train is made here.

    But for the methods of :func:`spear_amal.estimators.distiller`, which makes its own.
    """
    return estimator.from_options(**options)


def estimator_options(estimator: type[BaseSpearEstimator]) -> dict[str, Any]:
    """Return the options that :func:`make_estimator` takes, with their defaults."""
    params = estimator().get_params()
    return {
        name: params[f"{holder}__{name}" if holder else name]
        for name, holder in option_places(estimator).items()
        if name not in estimator._nested
    }


@dataclass(frozen=True)
class Method:
    """One way to train, with its defaults.

    Attributes
    ----------
    name, title : str
    estimator : class
        A :class:`spear_amal.estimators.BaseSpearEstimator`.
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
    estimator: type[BaseSpearEstimator]
    defaults: Mapping[str, Any] = field(default_factory=dict)
    uses_votes: bool = True
    learns_from_v: bool = False
    gold: str = "L"
    space: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)

    @property
    def needs_gold(self) -> bool:
        """Whether it learns nothing where no row at all has gold."""
        return self.estimator._needs_gold


@dataclass(frozen=True)
class MethodSpec:
    """A method with options: what one row of a study trains.

    Attributes
    ----------
    method : Method
    options : dict
        ``crossfit=K``, ``crossfit_weights=K``, ``refit=True``, any parameter of the estimator, of
        its mixer or of its label model (``label_model__lr`` where the estimator has an ``lr``).
    """

    method: Method
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The form ``NAME:option=value,...`` that :func:`parse_method` reads."""
        pairs = ",".join(f"{k}={_written(v)}" for k, v in sorted(self.options.items()))
        return self.method.name + (f":{pairs}" if pairs else "")

    @property
    def settled(self) -> dict[str, Any]:
        """Defaults of the method, and the options given."""
        options = {**self.method.defaults, **self.options}
        # What was asked for beats the method's own way to the final model.
        if any(self.options.get(name) for name in FIT_OPTIONS):
            return {k: v for k, v in options.items() if k not in FIT_OPTIONS or k in self.options}
        return options

    @property
    def title(self) -> str:
        """Name for tables, with what differs from the method's plain form."""
        settled = self.settled
        parts = [self.method.title]
        if settled.get("crossfit"):
            parts.append(f"{settled['crossfit']} folds")
        elif settled.get("refit") and "refit" in self.options:
            parts.append("refit on L+V")
        if settled.get("crossfit_weights"):
            parts.append(f"weights of {settled['crossfit_weights']} folds")
        rest = {k: v for k, v in self.options.items() if k not in FIT_OPTIONS}
        short = {k: f"{v:.3g}" if isinstance(v, float) else _written(v) for k, v in rest.items()}
        parts += [f"{k}={v}" for k, v in sorted(short.items())]
        return ", ".join(parts)

    def changed(self, **options: Any) -> MethodSpec:
        """Return the same method with further options."""
        return MethodSpec(self.method, {**self.options, **options})

    def space(self) -> Space:
        """Return what tuning may try; options that were given are not tuned."""
        return {k: v for k, v in self.method.space.items() if k not in self.options}

    def make(self, **settings: Any) -> BaseSpearEstimator:
        """Make the unfitted estimator; `settings` (metric, random_state, ...) yield to options."""
        options = self.settled
        folds = options.pop("crossfit", None)
        weight_folds = options.pop("crossfit_weights", None)
        refit = options.pop("refit", False)
        if weight_folds:
            options |= {"fit_strategy": "crossfit-weights", "n_folds": weight_folds}
        elif folds:
            options |= {"fit_strategy": "crossfit", "n_folds": folds}
        elif refit:
            options["fit_strategy"] = "refit"
        known = estimator_options(self.method.estimator)
        of_label_model = self._label_model_options()
        label_model_options = {p: options.pop(k) for k, p in of_label_model.items() if k in options}
        if label_model_options:
            given = options.get("label_model_options") or {}
            options["label_model_options"] = {**given, **label_model_options}
        mixer_options = {k: options.pop(k) for k in list(options) if k not in known}
        if mixer_options:
            options["mixer_options"] = {**(options.get("mixer_options") or {}), **mixer_options}
        fitting = {k: v for k, v in settings.items() if k in known}
        return make_estimator(self.method.estimator, **{**fitting, **options})

    def was_given(self, split: Split) -> str:
        """Return in words what the method sees of a split."""
        settled, n_val = self.settled, len(split.y_val)
        in_folds = settled.get("crossfit") or settled.get("crossfit_weights")
        if self.method.gold == "all":
            gold = f"gold on all {len(split.y_train)}"
        elif in_folds:
            gold = f"{split.n_labelled} + {n_val} gold, each fold V once"
        elif settled.get("refit"):
            gold = f"{split.n_labelled} + {n_val} gold"
        else:
            gold = f"{split.n_labelled} gold"
        votes = f", votes on {split.n_unlabelled}" if self.method.uses_votes else ""
        if in_folds or (settled.get("refit") and not self.method.learns_from_v):
            return gold + votes
        purpose = "learn weights and choose" if self.method.learns_from_v else "choose"
        return f"{gold}{votes}; V: {n_val} to {purpose} the epoch"

    def known_options(self) -> set[str]:
        """Return the names of all options that this method takes."""
        defaults = estimator_options(self.method.estimator)
        mixer = self._mixer_options()
        # How the final model is made has one way to say it: crossfit=K or refit.
        others = {"fit_strategy", "n_folds", "mixer_options", "label_model_options"}
        return ({*FIT_OPTIONS, *defaults} - others) | mixer | set(self._label_model_options())

    def _mixer_options(self) -> set[str]:
        defaults = estimator_options(self.method.estimator)
        return set(mixer_parameters(self.settled.get("mixer", defaults.get("mixer"))))

    def _label_model_options(self) -> dict[str, str]:
        """Parameters of the label model by the names that options have.

        One that the classifier or its mixer knows by the same name is ``label_model__NAME``.
        """
        defaults = estimator_options(self.method.estimator)
        name = self.settled.get("label_model", defaults.get("label_model"))
        if not isinstance(name, str) or name not in LABEL_MODELS:
            return {}  # none, one as an object, or a name that the estimator will refuse
        taken = {*FIT_OPTIONS, *defaults, *self._mixer_options()}
        parameters = LABEL_MODELS[name]().get_params()
        return {f"label_model__{p}" if p in taken else p: p for p in parameters}


def _written(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "/".join(map(_written, value))
    return repr(value) if isinstance(value, float) else str(value)


RATE: Space = {"lr_scale": ("float", 0.1, 3.0, "log")}
GOLD_SPACE: Space = {**RATE, "weight_decay": ("float", 1e-6, 1e-2, "log")}
_LOSSES = ("1234567", "134567")  # with and without the entropy of the feature model
SPEAR_SPACE: Space = {
    **RATE,
    "losses": ("choice", _LOSSES),
    "consensus": ("choice", ("hard", "soft")),
}


AMAL_SPACE: Space = {**SPEAR_SPACE, "weight_lr": ("float", 15.0, 240.0, "log")}
COSINE_SPACE: Space = {
    **RATE,
    "threshold": ("float", 0.1, 0.9, "linear"),
    "uniform": ("float", 0.01, 0.5, "log"),
}

_GOLD_ONLY: dict[str, Any] = {"uses_votes": False, "space": GOLD_SPACE}
_BY_V: dict[str, Any] = {"learns_from_v": True}
_RULE_NETWORK: Space = {**RATE, "gamma": ("float", 0.03, 3.0, "log")}


def _end_model(name: str, title: str) -> Method:
    """Make a method: a label model by its name in ``LABEL_MODELS``, and a classifier."""
    defaults = {"label_model": name}
    return Method(name, f"{title} + classifier", LabelModelClassifier, defaults, space=RATE)


_ALL = (
    Method("only-l", "Only-L", GoldClassifier, **_GOLD_ONLY),
    Method("only-lv", "Classifier on L+V", GoldClassifier, {"refit": True}, **_GOLD_ONLY),
    Method("supervised", "Supervised", GoldClassifier, gold="all", **_GOLD_ONLY),
    _end_model("majority", "Majority vote"),
    _end_model("weighted-majority", "Weighted majority"),
    _end_model("dawid-skene", "Dawid-Skene"),
    _end_model("cage", "CAGE"),
    _end_model("snorkel", "Snorkel's label model"),
    _end_model("label-model", "Label model"),
    _end_model("flying-squid", "FlyingSquid"),
    _end_model("committee", "Mean of label models"),
    _end_model("hyper", "Hyper label model"),
    _end_model("auto", "Chosen label model"),
    Method(
        "imply-loss",
        "Imply Loss",
        RuleNetworkClassifier,
        {"form": "implication"},
        space=_RULE_NETWORK,
    ),
    Method(
        "posterior-reg",
        "Posterior regularisation",
        RuleNetworkClassifier,
        {"form": "posterior"},
        space=_RULE_NETWORK,
    ),
    Method("l2r", "L2R", ReweightedClassifier, {"mixer": "l2r"}, space=RATE, **_BY_V),
    Method(
        "mwn",
        "MWN",
        ReweightedClassifier,
        {"mixer": "mwn"},
        space={**RATE, "lookahead_lr": ("float", 0.05, 5.0, "log")},
        **_BY_V,
    ),
    Method("cosine", "COSINE's self-training", SelfTrainedClassifier, space=COSINE_SPACE),
    Method("spear", "SPEAR", SpearClassifier, {"mixer": "fixed"}, space=SPEAR_SPACE),
    Method("amal", "AMAL", SpearClassifier, {"mixer": "amal"}, space=AMAL_SPACE, **_BY_V),
    Method(
        "amal-joint",
        "AMAL, rules too",
        SpearClassifier,
        {"mixer": "amal", "outer": "feature+rules"},
        space=AMAL_SPACE,
        **_BY_V,
    ),
    Method(
        "amal-folds",
        "AMAL + rules",
        SpearClassifier,
        {"mixer": "amal", "crossfit": 5, "inference": "product"},
        space=AMAL_SPACE,
        **_BY_V,
    ),
    Method(
        "recommended",
        "Recommended pool",
        PooledClassifier,
        {"crossfit": 5},
        space=AMAL_SPACE,
        **_BY_V,
    ),
    Method(
        "single-model",
        "One model of the pool",
        SingleModelClassifier,
        {"crossfit": 5},
        space=RATE,
        **_BY_V,
    ),
)
#: The method to train where no row has gold: of those that need none, as good as any.
WITHOUT_GOLD = "label-model"
#: The methods that studies compare, by name; :func:`register_method` adds to them.
METHODS: dict[str, Method] = {method.name: method for method in _ALL}


def register_method(method: Method) -> Method:
    """Add a method to :data:`METHODS`, so that studies find it by name.

    Raises
    ------
    InputError
        If the name is taken, or holds ``:``, ``,`` or ``=``, which separate options.
    """
    if method.name in METHODS and METHODS[method.name] != method:
        raise InputError(f"there is a method {method.name!r} already; choose another name")
    if not method.name or set(":,= ") & set(method.name):
        raise InputError(
            f"method names must not be empty or hold ':', ',', '=' or spaces, found {method.name!r}"
        )
    METHODS[method.name] = method
    return method


def find_method(name: str) -> Method:
    """Return a method by name; an unknown name raises with the nearest known ones."""
    check_name("method", name, METHODS)
    return METHODS[name]


def parse_method(text: str) -> MethodSpec:
    """Read ``NAME`` or ``NAME:option=value,...``; an option without value is true.

    Raises
    ------
    InputError
        If the name or an option is unknown (the nearest are offered), or a value is none that the
        estimator or the mixer takes.

    Examples
    --------
    >>> parse_method("amal:crossfit=5,weight_lr=30").options
    {'crossfit': 5, 'weight_lr': 30}
    >>> parse_method("spear:refit").title
    'SPEAR, refit on L+V'
    """
    if not isinstance(text, str):
        raise InputError(f"a method is a text such as 'amal:crossfit=5', found {text!r}")
    name, _, rest = text.partition(":")
    spec = MethodSpec(find_method(name.strip()), _options(rest, text))
    known = spec.known_options()
    for option in spec.options:
        if option not in known:
            raise InputError(
                f"method {name!r} has no option {option!r}; {_near(option, known)}known: "
                f"{', '.join(sorted(known))}"
            )
    _check_final(spec)
    try:
        spec.make().check_parameters()
    except ValueError as error:  # scikit-learn's way of refusing a parameter is one too
        raise InputError(f"{text!r} cannot be used: {error}") from error
    return spec


def _check_final(spec: MethodSpec) -> None:
    """Raise for two ways to the final model at once, and a refit neither true nor false."""
    ways = [name for name in FIT_OPTIONS if spec.options.get(name)]
    if len(ways) > 1:
        raise InputError(f"{spec.text!r} asks for {' and '.join(ways)}; choose one of them")
    if not isinstance(spec.options.get("refit", False), bool):
        raise InputError(f"{spec.text!r}: refit is true or false, found {spec.options['refit']!r}")


def _options(text: str, whole: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = part.partition("=")
        if not name.strip() or (sign and not value.strip()):
            raise InputError(
                f"{whole!r}: {part!r} is no option; write NAME:option=value,option=value"
            )
        if name.strip() in options:
            raise InputError(f"{whole!r} gives the option {name.strip()!r} twice")
        options[name.strip()] = _read(name.strip(), value.strip()) if sign else True
    return options


def _read(name: str, value: str) -> Any:
    """Read numbers and truth values as such, numbers with slashes as several, the rest as text."""
    if name == "losses":
        return value  # "134567": digits, one per loss
    if value in ("true", "false"):
        return value == "true"
    if value == "none":
        return None
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    try:
        return tuple(float(part) for part in value.split("/"))
    except ValueError:
        return value


def _near(name: str, known: Any) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, list(known), n=2)
    return f"did you mean {' or '.join(near)}? " if near else ""
