"""One set of settings for all commands: from a TOML file, overridden by arguments."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from spear_amal.errors import FileFormatError, InputError

CONFIG_NAME = "spear.toml"
METRICS = ("accuracy", "f1", "macro-f1")
_PATHS = ("validation", "test", "lfs", "output", "report", "checkpoint", "labels", "predictions")


@dataclass(frozen=True)
class Settings:
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


def gather(config: Path | None, **given: Any) -> Settings:
    """Take the settings of the TOML file (default: ``spear.toml`` here, if any), then arguments.

    Parameters
    ----------
    config : Path, optional
    **given
        Fields of :class:`Settings`; None means not given.

    Raises
    ------
    InputError
        For an unknown key or a value of the wrong kind.
    FileFormatError
        If the file is no TOML.
    """
    path = config if config is not None else Path(CONFIG_NAME)
    settings = Settings()
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


def need(value: Any, option: str, key: str | None = None, config: str = CONFIG_NAME) -> Any:
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


def of_kind(key: str, value: Any, kind: type, path: Path) -> Any:
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
    check_keys(held, [one.name for one in fields(Settings)], path)
    return {key: _value(key, value, path) for key, value in held.items()}


def _value(key: str, value: Any, path: Path) -> Any:
    if key == "data":
        several = value if isinstance(value, list) else [value]
        return tuple(path.parent / of_kind(key, one, str, path) for one in several)
    if key in _PATHS:
        return path.parent / of_kind(key, value, str, path)
    return of_kind(key, value, type(getattr(Settings, key)), path)


def _check_choices(settings: Settings) -> Settings:
    if settings.metric not in METRICS:
        raise InputError(f"unknown metric {settings.metric!r}; choose one of {', '.join(METRICS)}")
    for name, least in (("seed", 0), ("max_epochs", 1)):
        if getattr(settings, name) < least:
            raise InputError(f"{name} must be {least} or more, found {getattr(settings, name)}")
    return settings
