"""One set of settings for all commands: from a TOML file, overridden by arguments."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from spear_amal.errors import FileFormatError, InputError

CONFIG_NAME = "spear.toml"
METRICS = ("accuracy", "f1", "macro-f1")
_PATHS = ("validation", "test", "lfs", "output", "report", "checkpoint", "labels", "predictions")


@dataclass(frozen=True)
class CliConfig:
    """What the commands need to know; every field is a key of the TOML file.

    Attributes
    ----------
    data : tuple of Path
        Tables (CSV, Parquet, JSON Lines) with the rows to train on; together one table.
    validation : Path, optional
        Labelled rows that choose the epoch; without it some labelled rows of `data` do.
    test : Path, optional
        Labelled rows for ``evaluate``.
    text_column, label_column : str
        An empty label, or -1, means unlabelled.
    lfs : Path, optional
        Python file with the labelling functions.
    method : str
        As :func:`spear_amal.studies.parse_method` reads it: a name, or ``NAME:option=value,...``.
    metric : {"accuracy", "f1", "macro-f1"}
        Chooses the epoch.
    seed, max_epochs : int
    output : Path
        The model file.
    report, checkpoint : Path, optional
    labels, predictions : Path, optional
        Outputs of ``apply`` and ``predict``.
    """

    data: tuple[Path, ...] = ()
    validation: Path | None = None
    test: Path | None = None
    text_column: str = "text"
    label_column: str = "label"
    lfs: Path | None = None
    method: str = "recommended"
    metric: str = "accuracy"
    seed: int = 0
    max_epochs: int = 100
    output: Path = Path("model.safetensors")
    report: Path | None = None
    checkpoint: Path | None = None
    labels: Path | None = None
    predictions: Path | None = None


def load_settings(config: Path | None, **given: Any) -> CliConfig:
    """Take the settings of the TOML file (default: ``spear.toml`` here, if any), then arguments.

    Parameters
    ----------
    config : Path, optional
    **given
        Fields of :class:`CliConfig`; None means not given.

    Raises
    ------
    InputError
        For an unknown key or a value of the wrong kind.
    FileFormatError
        If the file is no TOML.
    """
    path = config if config is not None else Path(CONFIG_NAME)
    settings = CliConfig()
    if config is not None or path.is_file():
        settings = replace(settings, **_checked(read_toml(path), path))
    return _check_choices(replace(settings, **{k: v for k, v in given.items() if v is not None}))


def read_toml(path: Path, hint: str = "make a project with: spear-amal init") -> dict[str, Any]:
    """Read a TOML file; `hint` says what to do where there is none."""
    if not path.is_file():
        raise InputError(f"there is no settings file {path}; {hint}")
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FileFormatError(f"{path} is no valid TOML: {error}") from error


def require(value: Any, option: str, key: str | None = None, config: str = CONFIG_NAME) -> Any:
    """Return a setting that a command cannot do without; `key` is its name in the TOML file.

    Raises
    ------
    InputError
        If it is missing; says where it can be given.
    """
    if value is None or value == ():
        key = key or option.lstrip("-").replace("-", "_")
        raise InputError(f"{option} is missing: give it, or the key {key!r} in {config}")
    return value


def check_keys(held: Iterable[str], known: list[str], path: Path) -> None:
    """Raise InputError for a key that nobody knows; names the one that was meant."""
    for key in held:
        if key not in known:
            near = get_close_matches(key, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(known)}"
            raise InputError(f"{path}: unknown key {key!r}; {hint}")


_NEEDED = {
    str: "a non-empty string",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    dict: "a table",
}


def check_type(key: str, value: Any, kind: type, path: Path) -> Any:
    """Return a value of a TOML file if it is of its kind; a whole number will do as a number.

    Raises
    ------
    InputError
        If it is of another kind, or an empty string.
    """
    if kind is float and type(value) is int:
        return float(value)
    mistaken = isinstance(value, bool) and kind is not bool  # Python takes True for a 1
    if not isinstance(value, kind) or mistaken or value == "":
        raise InputError(f"{path}: {key!r} must be {_NEEDED[kind]}, found {value!r}")
    return value


def _checked(held: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Check keys and kinds of values; paths are meant relative to the file."""
    check_keys(held, [one.name for one in fields(CliConfig)], path)
    return {key: _value(key, value, path) for key, value in held.items()}


def _value(key: str, value: Any, path: Path) -> Any:
    if key == "data":
        several = value if isinstance(value, list) else [value]
        return tuple(path.parent / check_type(key, one, str, path) for one in several)
    if key in _PATHS:
        return path.parent / check_type(key, value, str, path)
    return check_type(key, value, type(getattr(CliConfig, key)), path)


def _check_choices(settings: CliConfig) -> CliConfig:
    if settings.metric not in METRICS:
        raise InputError(f"unknown metric {settings.metric!r}; choose one of {', '.join(METRICS)}")
    for name, least in (("seed", 0), ("max_epochs", 1)):
        if getattr(settings, name) < least:
            raise InputError(f"{name} must be {least} or more, found {getattr(settings, name)}")
    return settings


DISTILL_CONFIG_NAME = "distill.toml"
_HINT = "`spear-amal distill --help` lists the options, docs/distillation.md shows such a file"
# A teacher is a network's name or a file; a file is known by its suffix or its folder.
MODEL_SUFFIX = ".safetensors"
OUTPUT_SUFFIXES = (".npz", ".csv", ".jsonl", ".ndjson", ".parquet")


@dataclass(frozen=True)
class DistillConfig:
    """What ``distill`` needs to know; every field is a key of the TOML file.

    Attributes
    ----------
    data : tuple of Path
        Tables of texts (CSV, Parquet, JSON Lines); together one table.
    validation : Path, optional
        Table of labelled rows that choose the epoch and drive the weights; without it
        `validation_share` of the labelled rows do.
    text_column, label_column : str
    row_id_column : str, optional
        Column by which files of teacher outputs know the rows.
    lfs : Path, optional
        Python file with labelling functions: SPEAR's losses join in.
    images : str, optional
        Images of :func:`spear_amal.data.load_images`, instead of `data`.
    images_path : Path, optional
        The folder, archive or ``.npz`` file that holds them.
    subset : int, optional
        Number of training images to draw; validation images in proportion.
    label_noise : float
        Share of training images that get another class.
    validation_share : float
    student : str
    teacher, assistant : tuple of str
    method : str
        One of :data:`spear_amal.estimators.DISTILLATION`.
    mixer_options : dict
    metric, temperature, max_epochs, optimiser, lr, schedule, milestones, augment, batch_size, \
seed, device, checkpoint, keep_epochs, teacher_cache
        As for :class:`spear_amal.estimators.DistilledClassifier`.
    early_stopped : bool
        `keep_epochs` are those of the teachers trained here, each a teacher of its own.
    output : Path
        The model file.
    weights : Path, optional
        Table of the learnt weights by row id.
    report : Path, optional
    """

    data: tuple[Path, ...] = ()
    validation: Path | None = None
    text_column: str = "text"
    label_column: str = "label"
    row_id_column: str | None = None
    lfs: Path | None = None
    images: str | None = None
    images_path: Path | None = None
    subset: int | None = None
    label_noise: float = 0.0
    validation_share: float = 0.2
    student: str | None = None
    teacher: tuple[str, ...] = ()
    assistant: tuple[str, ...] = ()
    method: str = "amal"
    mixer_options: dict[str, Any] = field(default_factory=dict)
    metric: str = "accuracy"
    temperature: float = 4.0
    max_epochs: int = 100
    optimiser: str = "adam"
    lr: float | None = None
    schedule: str = "constant"
    milestones: tuple[int, ...] = ()
    augment: str | None = None
    batch_size: int | None = None
    seed: int = 0
    device: str = "cpu"
    checkpoint: Path | None = None
    keep_epochs: tuple[int, ...] = ()
    early_stopped: bool = False
    teacher_cache: Path | None = None
    output: Path = Path("model.safetensors")
    weights: Path | None = None
    report: Path | None = None


def load_distill_settings(config: Path | None, **given: Any) -> DistillConfig:
    """Take the settings of the TOML file (default: ``distill.toml`` here), then arguments.

    Parameters
    ----------
    config : Path, optional
    **given
        Fields of :class:`DistillConfig`; None (or an empty list) means not given.

    Raises
    ------
    InputError
        For an unknown key, or a value that is of the wrong kind or cannot be.
    FileFormatError
        If the file is no TOML.
    """
    path = config if config is not None else Path(DISTILL_CONFIG_NAME)
    settings = DistillConfig()
    if config is not None or path.is_file():
        settings = replace(settings, **_checked_distill(read_toml(path, _HINT), path))
    held = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    said: dict[str, Any] = {k: v for k, v in held.items() if v not in (None, ())}
    settings = replace(settings, **said)
    _check_distill_choices(settings)
    return settings


def is_file_name(teacher: str) -> bool:
    """Tell a file from the name of a network.

    Examples
    --------
    >>> is_file_name("teacher.npz"), is_file_name("models/big"), is_file_name("wrn-16-1")
    (True, True, False)
    """
    path = Path(teacher)
    return path.suffix.lower() in (MODEL_SUFFIX, *OUTPUT_SUFFIXES) or len(path.parts) > 1


def _checked_distill(held: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Check keys and kinds of values; paths are meant relative to the file."""
    check_keys(held, [one.name for one in fields(DistillConfig)], path)
    kinds = get_type_hints(DistillConfig)
    return {key: _distill_value(key, value, kinds[key], path) for key, value in held.items()}


def _distill_value(key: str, value: Any, kind: Any, path: Path) -> Any:
    """Read one value, or a list of them, as the type of its field says."""
    if get_origin(kind) is UnionType:
        kind = get_args(kind)[0]  # "or None": TOML has no way to say it
    if get_origin(kind) is tuple:
        several = value if isinstance(value, list) else [value]
        return tuple(_distill_value(key, one, get_args(kind)[0], path) for one in several)
    if kind is Path:
        return path.parent / check_type(key, value, str, path)
    held = check_type(key, value, get_origin(kind) or kind, path)
    return str(path.parent / held) if key == "teacher" and is_file_name(held) else held


_LEAST = {
    "seed": 0,
    "max_epochs": 1,
    "subset": 1,
    "batch_size": 1,
    "keep_epochs": 1,
    "milestones": 1,
}


def _check_distill_choices(settings: DistillConfig) -> None:
    if settings.metric not in METRICS:
        raise InputError(f"unknown metric {settings.metric!r}; choose one of {', '.join(METRICS)}")
    for name, least in _LEAST.items():
        value = getattr(settings, name)
        for one in value if isinstance(value, tuple) else (value,):
            if one is not None and one < least:
                raise InputError(f"{name} must be {least} or more, found {one}")
    for name in ("label_noise", "validation_share"):
        if not 0 <= getattr(settings, name) < 1:
            raise InputError(
                f"{name} must be a share from 0 up to 1, found {getattr(settings, name)}"
            )
    if not settings.validation_share and settings.validation is None:
        raise InputError("validation_share must be above 0: validation rows choose the epoch")
    if bool(settings.data) == bool(settings.images):
        found = "both" if settings.data else "neither"
        raise InputError(f"distill needs a table (--data) or images (--images), found {found}")
    if settings.student is None:
        raise InputError(
            "--student is missing: give 'linear', 'mlp', 'mlp:32' or a network such as 'resnet8' "
            f"(in {DISTILL_CONFIG_NAME}: the key 'student')"
        )
    _check_sides(settings)


_ONLY_TABLES = ("validation", "row_id_column", "lfs")
_ONLY_IMAGES = ("images_path", "subset", "label_noise", "augment")


def _check_sides(settings: DistillConfig) -> None:
    """Refuse what the other kind of data takes."""
    strangers, of = (_ONLY_IMAGES, "--images") if settings.data else (_ONLY_TABLES, "--data")
    for name in strangers:
        if getattr(settings, name):
            raise InputError(f"--{name.replace('_', '-')} goes with {of} only; leave it out")
