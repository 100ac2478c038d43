"""Adding a key to a project's ``spear.toml``, whose comments and order stay."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from spear_amal._typing import PathLike
from spear_amal.declared_lfs.toml_values import in_line, require_tomlkit
from spear_amal.errors import FileFormatError
from spear_amal.io.atomic import write_aside
from spear_amal.io.locks import exclusive


def add_to_settings(path: PathLike, key: str, value: str) -> bool:
    """Write a key into a settings file; one that has several values gets a further one.

    Parameters
    ----------
    path : path of ``spear.toml``
    key : str
        As ``gold`` or ``rules``.
    value : str
        As the path of a file, relative to the folder of the settings.

    Returns
    -------
    bool
        False if the file says so already: nothing is written.

    Raises
    ------
    FileFormatError
        If the file is no TOML.
    """
    path = Path(path)
    with exclusive(path):
        text = path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
        try:
            content = tomllib.loads(text)
        except ValueError as error:
            raise FileFormatError(f"{path} is no valid TOML: {error}") from error
        present = content.get(key, [])
        values = present if isinstance(present, list) else [present]
        if value in values:
            return False
        now = [*values, value] if values else value
        written = _with_key(text, key, now)
        if tomllib.loads(written) != content | {key: now}:
            raise FileFormatError(
                f"{path}: {key} cannot be added; write it yourself: {key} = {now}"
            )
        with write_aside(path) as temporary:
            temporary.write_text(written, encoding="utf-8", newline="\n")
    return True


def _with_key(text: str, key: str, value: str | list[str]) -> str:
    """Return the text of a file with a key set, below the comment that shows it, if any."""
    line = f"{key} = {in_line(value)}"
    example = re.compile(rf"^#[ \t]*{re.escape(key)}[ \t]*=.*$", re.MULTILINE)
    first_table = re.search(r"^[ \t]*\[", text, re.MULTILINE)
    shown = example.search(text, 0, first_table.start() if first_table else len(text))
    tomlkit = require_tomlkit()

    document = tomlkit.parse(text)
    if shown and key not in document:
        return f"{text[: shown.end()]}\n{line}{text[shown.end() :]}"
    document[key] = tomlkit.value(in_line(value))
    return tomlkit.dumps(document)
