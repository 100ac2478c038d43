"""Values as TOML writes them: lists with one text a line, patterns with their backslashes."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from spear_amal.errors import MissingExtraError

_INDENT = "    "


def require_tomlkit() -> Any:
    """Return the package that changes TOML in place; MissingExtraError if it is not installed."""
    try:
        import tomlkit
    except ImportError as error:
        raise MissingExtraError("tomlkit", "workbench", "changing a TOML file") from error
    return tomlkit


def as_toml(value: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, list | tuple):
        return array_of_texts(value, {})
    return repr(value)


def quoted(text: str) -> str:
    """Return a text in quotes; JSON's are those of TOML but for one letter."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def literal(text: str) -> str:
    """Return a text in single quotes, where a backslash is a backslash, if it can be."""
    return quoted(text) if "'" in text or not text.isprintable() else f"'{text}'"


def in_line(value: str | list[str]) -> str:
    """Return a text, or a list of texts, in one line."""
    return quoted(value) if isinstance(value, str) else f"[{', '.join(map(quoted, value))}]"


def array_of_texts(texts: Iterable[str], comments: Mapping[str, tuple[str, str]]) -> str:
    """Return a list with a line for each text, and the comments that belong to it."""
    lines = ["["]
    for text in texts:
        above, beside = comments.get(text, ("", ""))
        lines += [f"{_INDENT}{line}" for line in above.splitlines()]
        lines.append(f"{_INDENT}{quoted(text)},{'  ' + beside if beside else ''}")
    return "\n".join([*lines, "]"])


def comments_of(array: str) -> dict[str, tuple[str, str]]:
    """Return the comments above and beside the texts of a list of one text a line."""
    comments: dict[str, tuple[str, str]] = {}
    above: list[str] = []
    for line in array.removeprefix("[").removesuffix("]").splitlines():
        stripped = line.strip()
        if stripped.startswith("#"):
            above.append(stripped)
            continue
        for place in [match.start() for match in re.finditer("#", stripped)] + [len(stripped)]:
            try:
                texts = tomllib.loads(f"x = [{stripped[:place]}]")["x"]
            except ValueError:
                continue
            if len(texts) == 1:
                comments[texts[0]] = ("\n".join(above), stripped[place:])
            break
        if stripped:
            above = []
    return comments
