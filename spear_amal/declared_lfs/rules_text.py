"""The text of ``rules.toml``: what did not change stays as it stands, with the user's comments."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

from spear_amal.declared_lfs.rules import Rule
from spear_amal.declared_lfs.toml_values import (
    array_of_texts,
    as_toml,
    comments_of,
    literal,
    quoted,
    require_tomlkit,
)

if TYPE_CHECKING:
    from spear_amal.declared_lfs.rules_toml import RulesFile

#: What a file without rules begins with.
RULES_HEAD = """\
# Labelling functions (LFs) that are declared, one table each, sorted by name. The workbench writes
# them, and so may you:
#
#     [rules.prize]
#     kind = "keyword"
#     label = "spam"
#     keywords = ["prize", "won"]
#
# docs/labelling.md says what else there may be.
"""
_HEADER = re.compile(r"[ \t]*\[[ \t]*rules[ \t]*\.")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class _Block(NamedTuple):
    """One rule as it stands in a file: comments above it, and its table."""

    comments: str
    table: str


def rewritten(text: str, before: RulesFile, after: RulesFile) -> str:
    """Return the text of a file that says something else from now on.

    Parameters
    ----------
    text : str
        The file as it is.
    before : RulesFile
        What that says.
    after : RulesFile
        What it is to say.
    """
    head, blocks, tail = _taken_apart(text, before)
    gone = [rule for rule in before.rules if after.named(rule.name) is None]
    new = [rule for rule in after.rules if before.named(rule.name) is None]
    if len(gone) == len(new) == 1 and gone[0].name in blocks:  # renamed: its comments go with it
        blocks[new[0].name] = _Block(blocks[gone[0].name].comments, "")
    parts = [_head(head or RULES_HEAD, before, after)]
    for rule in after.rules:
        block = blocks.get(rule.name, _Block("", ""))
        table = block.table
        if not table:
            table = _table(rule)
        elif before.named(rule.name) != rule:
            table = _updated(table, rule)
        parts.append(block.comments + table)
    return "\n\n".join(part.strip("\n") for part in (*parts, tail) if part.strip()) + "\n"


def _taken_apart(text: str, before: RulesFile) -> tuple[str, dict[str, _Block], str]:
    """Return what stands above the rules, the rules by name, and comments below them.

    A file of another shape (rules in braces, say) gives no blocks: its rules are written anew.
    """
    lines = text.splitlines(keepends=True)
    starts = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    if not starts:
        return ("" if before.rules else text), {}, ""
    begins = [_comments_begin(lines, start) for start in starts]
    blocks: dict[str, _Block] = {}
    ends = [*begins[1:], _table_end(lines)]
    for begin, start, end in zip(begins, starts, ends, strict=True):
        table = "".join(lines[start:end])
        name = _only_name(table)
        if name is None:  # the line stands within a text
            return "", {}, ""
        blocks[name] = _Block("".join(lines[begin:start]), table)
    if set(blocks) != {rule.name for rule in before.rules}:
        return "", {}, ""
    return "".join(lines[: begins[0]]), blocks, "".join(lines[ends[-1] :])


def _comments_begin(lines: list[str], end: int) -> int:
    """Return where the comments begin that end just before a line."""
    while end and lines[end - 1].lstrip().startswith("#"):
        end -= 1
    return end


def _table_end(lines: list[str]) -> int:
    """Return where the last table ends: comments below an empty line are those of the file."""
    end = number = len(lines)
    while number and lines[number - 1].lstrip()[:1] in ("", "#"):
        number -= 1
        end = end if lines[number].strip() else number
    return end


def _only_name(table: str) -> str | None:
    """Return the name of the rule that a text holds, None unless it is one alone."""
    try:
        content = tomllib.loads(table)
    except ValueError:
        return None
    rules = content.get("rules")
    if set(content) != {"rules"} or not isinstance(rules, dict) or len(rules) != 1:
        return None
    return str(next(iter(rules)))


def _head(text: str, before: RulesFile, after: RulesFile) -> str:
    """Return what stands above the rules, with the lists that changed."""
    lists = {"muted": (before.muted, after.muted), "rejected": (before.rejected, after.rejected)}
    if all(then == now for then, now in lists.values()):
        return text
    tomlkit = require_tomlkit()

    document: Any = tomlkit.parse(text.rstrip() + "\n")
    missing: dict[str, list[str]] = {}
    for key, (_, now) in lists.items():
        names = sorted(now)
        if not names:
            document.pop(key, None)
        elif key in document and set(document[key]) != now:
            _set(document, key, names)
        elif key not in document:
            missing[key] = names
    text = tomlkit.dumps(document)
    if missing and not document:  # comments about the file as a whole
        text = text.strip("\n") + "\n\n" * bool(text.strip())
    for key, names in missing.items():
        later = re.search(r"^(#.*\n)*rejected\b", text, re.MULTILINE) if key == "muted" else None
        place = later.start() if later else len(text)
        text = f"{text[:place]}{key} = {as_toml(names)}\n{text[place:]}"
    return text


def _table(rule: Rule) -> str:
    """Return the text of a rule; what it does not say is as usual."""
    name = rule.name if _BARE.fullmatch(rule.name) else quoted(rule.name)
    lines = [f"[rules.{name}]"]
    for key, value in _said(rule).items():
        text = literal(value) if key == "pattern" else as_toml(value)
        lines.append(f"{key} = {text}")
    return "\n".join(lines) + "\n"


def _said(rule: Rule) -> dict[str, Any]:
    """Return the fields of a rule that are not as usual, as they stand in its table."""
    fields = {"kind": rule.kind, **rule.model_dump(exclude_defaults=True)}
    del fields["name"]
    return fields


def _updated(table: str, rule: Rule) -> str:
    """Return the text of a table that says what a rule says, with the comments in it."""
    tomlkit = require_tomlkit()

    document: Any = tomlkit.parse(table)
    said, full = _said(rule), rule.model_dump()
    keys = document["rules"][rule.name]
    for key in list(keys):
        if full.get(key) is None:
            keys.remove(key)
        elif _plain(keys[key]) != _plain(full[key]):
            _set(keys, key, full[key])
    for key, value in said.items():
        if key not in keys:
            keys[key] = tomlkit.value(literal(value) if key == "pattern" else as_toml(value))
    return tomlkit.dumps(document)


def _plain(value: Any) -> Any:
    value = value.unwrap() if hasattr(value, "unwrap") else value
    return list(value) if isinstance(value, tuple) else value


def _set(keys: Any, key: str, value: Any) -> None:
    tomlkit = require_tomlkit()

    old = keys[key].as_string() if hasattr(keys[key], "as_string") else ""
    if isinstance(value, list | tuple):
        keys[key] = tomlkit.value(array_of_texts(value, comments_of(old)))
    else:
        keys[key] = tomlkit.value(literal(value) if key == "pattern" else as_toml(value))
