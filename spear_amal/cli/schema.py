"""The schema of options: one pydantic model gives flags, keys of a TOML file, checks and help."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, ClassVar, Literal, Self, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationError
from pydantic.fields import FieldInfo

from spear_amal.errors import FileFormatError, InputError


def option(
    default: Any,
    help: str,
    *,
    flag: str | None = None,
    metavar: str | None = None,
    short: str | None = None,
    **limits: Any,
) -> Any:
    """Return a field of :class:`Options`.

    Parameters
    ----------
    default : object
        Ellipsis for an option that must be given.
    help : str
        For the flag's help and the documentation.
    flag : str, optional
        Name on the command line; default: that of the field.
    metavar : str, optional
        Makes it an argument without a flag, shown by this name.
    short : str, optional
        A letter that is a flag as well: "n" for ``-n``.
    **limits
        Of :func:`pydantic.Field`, as ``ge=1``.
    """
    names: dict[str, Any] = {"flag": flag, "metavar": metavar, "short": short}
    return Field(default, description=help, json_schema_extra=names, **limits)


class Options(BaseModel):
    """Options of a command; a field is a flag, and may be a key of a TOML file.

    Where a class names a `FILE`, its fields are keys of that file, and a command that derives
    from it says which of them it shows as flags. Fields that the command adds are flags only.
    """

    # Built when first used: help texts need no validator.
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", defer_build=True)

    FILE: ClassVar[str] = ""  # name of the TOML file that is read where the command runs
    HINT: ClassVar[str] = ""  # what to do where there is none
    SHOWN: ClassVar[Mapping[str, str]] = {}  # names of fields by heading in the help
    RENAMED: ClassVar[Mapping[str, str]] = {}  # former names of fields

    _flags: frozenset[str] = PrivateAttr(frozenset())

    @classmethod
    def load(cls, config: Path | None = None, **flags: Any) -> Self:
        """Return checked options: flags go before the TOML file, that goes before the defaults.

        Parameters
        ----------
        config : Path, optional
            TOML file; default: `FILE` in the working folder, if there is one.
        **flags
            By name of the field; None, False and an empty list mean not given.

        Raises
        ------
        InputError
            For an unknown key, or a value that is of the wrong kind or not allowed.
        FileFormatError
            If the file is no TOML.
        """
        given = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in flags.items()
            if not (value is None or value is False or value == [])
        }
        path = config or Path(cls.FILE)
        keys: dict[str, Any] = {}
        if config is not None or path.is_file():
            keys = cls._read(path)
            cls._validated(keys, path, set(keys))  # also what a flag goes before
        options = cls._validated(keys | given, path, keys.keys() - given.keys())
        options._flags = frozenset(given)
        options.check()
        return options

    def check(self) -> None:
        """Raise InputError for what no single option shows to be wrong."""

    @classmethod
    def keys(cls) -> dict[str, FieldInfo]:
        """Return the fields that may stand in the TOML file."""
        for base in cls.__mro__:
            if issubclass(base, Options) and vars(base).get("FILE"):
                return base.model_fields
        return {}

    @classmethod
    def shown(cls) -> dict[str, tuple[str, str]]:
        """Return what the command shows: by field its flag or metavar, and its heading."""
        headings = cls.SHOWN or {"Options": " ".join(cls.model_fields)}
        return {
            name: (flag_of(name, cls.model_fields[name]), heading)
            for heading, names in headings.items()
            for name in names.split()
        }

    @classmethod
    def is_path(cls, name: str, text: str) -> bool:
        """Return whether a string of the TOML file is a path; `name` is that of its field."""
        return kind_of(cls.model_fields[name])[0] is Path and text != ""

    def has_flag(self, name: str) -> bool:
        """Return whether a value was given on the command line."""
        return name in self._flags

    def require(self, name: str) -> Any:
        """Return the value of an option that the command cannot do without.

        Raises
        ------
        InputError
            If it is missing; says where it can be given.
        """
        value = getattr(self, name)
        if value is None or value == ():
            flag = flag_of(name, type(self).model_fields[name])
            in_file = f", or the key {name!r} in {self.FILE}" if name in self.keys() else ""
            if in_file and not Path(self.FILE).is_file():
                in_file += f" (there is none here; {self.HINT})"
            raise InputError(f"{flag} is missing: give it{in_file}")
        return value

    def as_text(self) -> dict[str, str]:
        """Return the values of the file's keys as text, without those that are empty."""
        values = {name: getattr(self, name) for name in self.keys()}
        return {
            name: ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
            for name, value in values.items()
            if value not in (None, (), {})
        }

    @classmethod
    def _read(cls, path: Path) -> dict[str, Any]:
        """Read a TOML file; paths in it are relative to it."""
        if not path.is_file():
            raise InputError(f"there is no settings file {path}; {cls.HINT}")
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:  # TOML's own and that of UTF-8 are the former
            raise FileFormatError(f"{path} is no valid TOML: {error}") from error
        fields = cls.keys()
        for key in values:
            if key not in fields:
                raise InputError(f"{path}: unknown key {key!r}; {cls._hint(key)}")
        return {key: cls._from_toml(key, value, path.parent) for key, value in values.items()}

    @classmethod
    def _from_toml(cls, key: str, value: Any, folder: Path) -> Any:
        """Return a value as its field takes it: a tuple for one or several, paths from `folder`."""
        kind, several = kind_of(cls.model_fields[key])
        items = value if several and isinstance(value, list) else [value]
        resolved = [
            kind(folder / item) if isinstance(item, str) and cls.is_path(key, item) else item
            for item in items
        ]
        if any("\0" in str(item) for item in items):
            raise InputError(f"{key!r} holds a NUL character, which no path or name may hold")
        return tuple(resolved) if several else resolved[0]

    @classmethod
    def _hint(cls, key: str) -> str:
        if key in cls.RENAMED:
            return f"it is called {cls.RENAMED[key]!r}"
        near = get_close_matches(key, cls.keys(), n=1)
        return f"did you mean {near[0]!r}?" if near else f"known keys: {', '.join(cls.keys())}"

    @classmethod
    def _validated(cls, values: dict[str, Any], path: Path, in_file: set[str]) -> Self:
        """Return the options; pydantic's first complaint is raised in the words of this package."""
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
        key, kind, value = str(first["loc"][0]), first["type"], first["input"]
        where = f"{path}: " if key in in_file else ""
        if kind in _NEEDED:
            raise InputError(f"{where}{key!r} must be {_NEEDED[kind]}, found {value!r}")
        if kind == "literal_error":
            choices = ", ".join(get_args(_of_one_value(cls.model_fields[key].annotation)))
            raise InputError(f"{where}unknown {key} {value!r}; choose one of {choices}")
        if kind == "greater_than_equal":
            raise InputError(f"{where}{key} must be {first['ctx']['ge']} or more, found {value!r}")
        raise InputError(f"{where}{key}: {first['msg']}, found {value!r}")


_TEXT = "a non-empty string"
_NEEDED = {  # by the types of pydantic's errors
    **{"string_type": _TEXT, "string_too_short": _TEXT, "is_instance_of": _TEXT},
    **{"int_type": "a whole number", "float_type": "a number"},
    **{"bool_type": "true or false", "dict_type": "a table"},
}


def flag_of(name: str, field: FieldInfo) -> str:
    """Return the flag of a field, or the metavar of an argument."""
    extra = _extra(field)
    return extra.get("metavar") or "--" + (extra.get("flag") or name).replace("_", "-")


def flags_of(name: str, field: FieldInfo) -> list[str]:
    """Return the flag of a field, and its short form if it has one."""
    short = _extra(field).get("short")
    return [flag_of(name, field), *([f"-{short}"] if short else [])]


def is_argument(field: FieldInfo) -> bool:
    """Return whether an option is an argument without a flag."""
    return bool(_extra(field).get("metavar"))


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}


def kind_of(field: FieldInfo) -> tuple[type, bool]:
    """Return the plain type of a field's values, and whether it takes several of them."""
    several = get_origin(field.annotation) is tuple
    kind = _of_one_value(field.annotation)
    if get_origin(kind) is Literal:
        kind = str
    return get_origin(kind) or kind, several


def _of_one_value(annotation: Any) -> Any:
    """Return X of the annotations "X or None" and "X, ..."."""
    while get_origin(annotation) in (tuple, Union, UnionType, Annotated):
        annotation = get_args(annotation)[0]
    return annotation


def default_text(field: FieldInfo) -> str:
    """Return a default for people; empty where there is none to speak of."""
    value = field.get_default(call_default_factory=True)
    if field.is_required() or value in (None, (), {}) or value is False:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)
