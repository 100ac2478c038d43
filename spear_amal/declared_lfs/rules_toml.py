"""The file ``rules.toml``: declared LFs, which LFs are muted, which suggestions were rejected."""

from __future__ import annotations

import hashlib
import itertools
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spear_amal._typing import PathLike
from spear_amal.declared_lfs.rules import Rule, checked_rule
from spear_amal.declared_lfs.rules_text import rewritten
from spear_amal.errors import FileFormatError, InputError, StaleError
from spear_amal.io.atomic import write_aside
from spear_amal.io.locks import exclusive

_KEYS = ("muted", "rejected", "rules")


@dataclass(frozen=True)
class RulesFile:
    """What the file says.

    Attributes
    ----------
    rules : tuple of Rule
        Sorted by name.
    muted : frozenset of str
        Names of LFs that are left out everywhere, those of Python files too.
    rejected : frozenset of str
        Signatures of suggestions that are not made again.

    Raises
    ------
    InputError
        If two rules have one name.

    Examples
    --------
    >>> from spear_amal.declared_lfs import KeywordRule
    >>> prize = KeywordRule(name="prize", label="spam", keywords=["won"])
    >>> RulesFile().with_rule(prize).with_muted("prize", True).muted
    frozenset({'prize'})
    """

    rules: tuple[Rule, ...] = ()
    muted: frozenset[str] = frozenset()
    rejected: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        rules = tuple(sorted(self.rules, key=lambda rule: rule.name))
        for rule, other in itertools.pairwise(rules):
            if rule.name == other.name:
                raise InputError(f"two rules are called {rule.name!r}; rename one")
        object.__setattr__(self, "rules", rules)
        object.__setattr__(self, "muted", frozenset(self.muted))
        object.__setattr__(self, "rejected", frozenset(self.rejected))

    def named(self, name: str) -> Rule | None:
        """Return a rule by its name, None if there is none."""
        return next((rule for rule in self.rules if rule.name == name), None)

    def with_rule(self, rule: Rule, replaces: str | None = None) -> RulesFile:
        """Return the file with a rule added, in place of another one if `replaces` names it.

        Raises
        ------
        InputError
            If there is another rule of its name, or none that is called `replaces`.
        """
        if replaces is not None and self.named(replaces) is None:
            raise InputError(f"there is no rule {replaces!r} to replace")
        if rule.name != replaces and self.named(rule.name) is not None:
            raise InputError(f"there is a rule {rule.name!r} already; choose another name")
        others = tuple(other for other in self.rules if other.name != replaces)
        muted = self.muted
        if replaces is None:  # a name that was muted is that of an LF which is gone
            muted = muted - {rule.name}
        elif replaces in muted:
            muted = muted - {replaces} | {rule.name}
        return replace(self, rules=(*others, rule), muted=muted)

    def without_rule(self, name: str) -> RulesFile:
        """Return the file without a rule; nor is its name muted any longer.

        Raises
        ------
        InputError
            If there is none of that name.
        """
        if self.named(name) is None:
            raise InputError(f"there is no rule {name!r}")
        others = tuple(rule for rule in self.rules if rule.name != name)
        return replace(self, rules=others, muted=self.muted - {name})

    def with_muted(self, name: str, muted: bool) -> RulesFile:
        """Return the file with an LF muted, or not muted."""
        return replace(self, muted=self.muted | {name} if muted else self.muted - {name})

    def with_rejected(self, signature: str, rejected: bool = True) -> RulesFile:
        """Return the file with a suggestion rejected, or not rejected."""
        changed = self.rejected | {signature} if rejected else self.rejected - {signature}
        return replace(self, rejected=changed)


def read_rules_file(path: PathLike) -> RulesFile:
    """Read a file of declared rules; one that is missing says nothing.

    Raises
    ------
    FileFormatError
        If it is no TOML.
    InputError
        For an unknown key, a value of the wrong kind, or two rules of one name; names the file and
        the rule.
    """
    return rules_of_text(_text_of(Path(path)), path)


def rules_version(path: PathLike) -> str:
    """Return a digest of the file's content; empty if it is missing."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def change_rules(
    path: PathLike,
    change: Callable[[RulesFile], RulesFile],
    seen: Mapping[str, Rule | None] | None = None,
) -> RulesFile:
    """Read the file, change what it says and write it, while no other process does the same.

    Rules that stay are written as they stand, with comments above and in them; the order is that of
    their names.

    Parameters
    ----------
    path : path
        It need not exist.
    change : callable
        From what the file says to what it is to say.
    seen : mapping of str to Rule or None, optional
        What the caller believes of some rules, by name; None for one that is not there.

    Returns
    -------
    RulesFile
        What the file says now.

    Raises
    ------
    StaleError
        If the file says something else of a rule in `seen`; nothing is changed.
    InputError
        What :func:`read_rules_file` and `change` raise.
    """
    path = Path(path)
    with exclusive(path):
        while True:
            text = _text_of(path)
            before = rules_of_text(text, path)
            _check_seen(before, seen or {}, path)
            after = change(before)
            if after == before:
                return after
            written = rewritten(text, before, after)
            if not _says(written, after):  # written in a way that cannot be changed in part
                written = rewritten("", RulesFile(), after)
            # An editor asks for no lock: what it saved meanwhile is read before it is replaced.
            with write_aside(path) as temporary:
                temporary.write_text(written, encoding="utf-8", newline="\n")
                is_newest = _text_of(path) == text
                if not is_newest:
                    temporary.write_bytes(path.read_bytes())
            if is_newest:
                return after


def _check_seen(file: RulesFile, seen: Mapping[str, Rule | None], path: Path) -> None:
    for name, rule in seen.items():
        present = file.named(name)
        if present != rule:
            state = "was removed" if present is None else "is another one by now"
            state = "was added" if rule is None else state
            raise StaleError(
                f"{path.name}: the rule {name!r} {state}, elsewhere; look at it as it is now, then "
                "change it"
            )


def _text_of(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{path} is no valid TOML: {error}; save it as UTF-8") from error


def rules_of_text(text: str, path: PathLike) -> RulesFile:
    """Return what the text of a file says; errors as of :func:`read_rules_file`."""
    where = f"{path}: "
    content = _loaded(text, path)
    for key in content:
        if key not in _KEYS:
            raise InputError(
                f"{where}unknown key {key!r}; there may be muted, rejected, and for each rule a "
                "table such as [rules.my_words]"
            )
    tables = content.get("rules", {})
    if not isinstance(tables, dict):
        raise InputError(f"{where}each rule is a table [rules.NAME], found {tables!r}")
    rules = []
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise InputError(f"{where}rule {name!r} must be a table [rules.NAME], found {table!r}")
        if "name" in table:
            raise InputError(f"{where}rule {name!r}: its name stands in [rules.NAME] alone")
        rules.append(checked_rule({"name": name, **table}, where))
    return RulesFile(
        tuple(rules), _names(content, "muted", path), _names(content, "rejected", path)
    )


def _loaded(text: str, path: PathLike) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        twice = re.search(r"Cannot declare \('rules', ('.*'|\".*\")\) twice(.*)", str(error))
        if twice:
            raise InputError(
                f"{path}: two rules are called {twice[1]}{twice[2]}; rename one"
            ) from error
        raise FileFormatError(f"{path} is no valid TOML: {error}") from error


def _says(text: str, file: RulesFile) -> bool:
    try:
        return rules_of_text(text, "") == file
    except InputError:
        return False


def _names(content: Mapping[str, Any], key: str, path: PathLike) -> frozenset[str]:
    listed = content.get(key, [])
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise InputError(f"{path}: {key} must be a list of texts, found {listed!r}")
    return frozenset(listed)
