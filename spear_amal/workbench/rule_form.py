"""The editor's form: what was typed, as it was typed, and the rule that it means."""

from __future__ import annotations

import csv
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.datastructures import ImmutableMultiDict

from spear_amal.errors import InputError

#: Kinds of rules, as the editor calls them.
KINDS = {
    "keyword": "Keywords",
    "regex": "Regular expression",
    "threshold": "Numbers",
    "similar": "Rows like these",
    "prompt": "Ask a model",
}
# FormFields of each kind: texts as they are typed, and boxes with what they are unless said.
_OF_KIND = {
    "keyword": ("keywords", "min_count"),
    "regex": ("pattern",),
    "threshold": ("at_least", "at_most"),
    "similar": ("rows", "at_least", "encoder"),
    "prompt": (
        *("description", "prompt", "model", "base_url", "key_variable"),
        *("input_price", "output_price", "max_cost"),
    ),
}
_BOXES = {
    "keyword": {"whole_word": True, "ignore_case": True},
    "regex": {"ignore_case": False},
}
_SHARED = ("name", "label", "new_label", "column")
_LIKENESS = "0.4"  # of a row to the nearest example, where nothing else is said
_LONGEST_NAME = 30


# What a form or an address holds: texts by name, some of them several times.
FormFields: TypeAlias = ImmutableMultiDict[str, Any]


@dataclass(frozen=True)
class RuleForm:
    """The fields of the editor; what a user types is kept as it is, right or wrong.

    Attributes
    ----------
    kind : str
        A key of :data:`KINDS`.
    values : dict of str to str
        Texts by field, "" for what is not given.
    boxes : dict of str to bool
        What is ticked.
    examples : tuple of str
        Texts of the kind "similar", beside those of the rows that `rows` names.
    replaces : str
        Name of the LF that is edited; "" for a new one.
    """

    kind: str
    values: Mapping[str, str]
    boxes: Mapping[str, bool]
    examples: tuple[str, ...] = ()
    replaces: str = ""

    @classmethod
    def of(cls, fields: FormFields) -> RuleForm:
        """Return the form that a page sent, or that an address describes."""
        kind = fields.get("kind", "")
        kind = kind if kind in KINDS else "keyword"
        values = {name: str(fields.get(name, "")) for name in (*_SHARED, *_OF_KIND[kind])}
        if kind == "similar" and fields.get("at_least") is None:
            values["at_least"] = _LIKENESS
        boxes = {
            name: fields.get(name, "1" if usual else "0") not in _UNTICKED
            for name, usual in _BOXES.get(kind, {}).items()
        }
        examples = tuple(text for text in fields.getlist("examples") if text.strip())
        return cls(kind, values, boxes, examples, str(fields.get("replaces", "")))

    @classmethod
    def of_rule(cls, rule: Any) -> RuleForm:
        """Return the form in which a declared rule is edited."""
        given = rule.model_dump()
        names = (*_SHARED, *_OF_KIND[rule.kind])
        values = {name: "" if given.get(name) is None else str(given[name]) for name in names}
        if rule.kind == "keyword":
            values["keywords"] = typed_keywords(rule.keywords)
        boxes = {name: bool(given[name]) for name in _BOXES.get(rule.kind, ())}
        return cls(rule.kind, values, boxes, tuple(given.get("examples", ())), rule.name)

    def value(self, name: str) -> str:
        """Return what was typed into a field, "" for one of another kind."""
        return self.values.get(name, "")

    def is_ticked(self, kind: str, name: str) -> bool:
        """Return whether a box of a kind is ticked; one of another kind is as usual."""
        return self.boxes[name] if kind == self.kind else _BOXES[kind][name]

    @property
    def label(self) -> str:
        """The class: a known one, or one that is typed."""
        return self.values["new_label"].strip() or self.values["label"]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is looked for yet."""
        asked = [name for name in _OF_KIND[self.kind] if name in _LOOKED_FOR[self.kind]]
        return not (self.examples or any(self.values[name].strip() for name in asked))

    def query(self) -> dict[str, Any]:
        """Return the values of an address that restores the form; empty for an empty form."""
        if self.is_empty:
            return {}
        usual = _BOXES.get(self.kind, {})
        boxes = {name: str(int(on)) for name, on in self.boxes.items() if on != usual[name]}
        values: dict[str, Any] = {"kind": self.kind, **self.values, **boxes}
        values |= {"examples": list(self.examples), "replaces": self.replaces}
        values = {name: value for name, value in values.items() if value}
        return {name: value for name, value in values.items() if _USUAL.get(name) != value}

    def rule_fields(self, texts: Sequence[str], taken: Collection[str] = ()) -> dict[str, Any]:
        """Return the fields of the rule that is meant, for ``rule_from_fields``.

        Parameters
        ----------
        texts : sequence of str
            Of the rows, by position.
        taken : collection of str
            Names that a proposed one must not have.

        Raises
        ------
        InputError
            If there is no such row.
        """
        values = {name: text.strip() for name, text in self.values.items() if name != "pattern"}
        made: dict[str, Any] = {**self.values, **values, **self.boxes, "kind": self.kind}
        made["name"] = values["name"] or proposed_name(self, taken, texts)
        made["label"] = self.label
        if self.kind == "prompt":  # a column that the prompt reads
            fields = re.findall(r"(?<!{){([^{}]+)}", values["prompt"])
            made["column"] = (
                values["column"]
                if values["column"] in fields
                else next(iter(fields), values["column"])
            )
        if self.kind == "keyword":
            made["keywords"] = keywords_of(values["keywords"])
        if self.kind == "similar":
            rows = rows_of(values["rows"], len(texts))
            made["examples"] = list(dict.fromkeys([*(texts[row] for row in rows), *self.examples]))
        return {key: value for key, value in made.items() if key not in ("new_label", "rows")}


_UNTICKED = ("", "0", "false")
_USUAL = {"min_count": "1", "encoder": "ngrams"}
_LOOKED_FOR = {
    **_OF_KIND,
    "keyword": ("keywords",),
    "similar": ("rows",),
    "prompt": ("description", "model"),
}


def keywords_of(text: str) -> list[str]:
    r"""Return keywords that were typed, between commas or on lines; quotes hold a comma in one.

    Examples
    --------
    >>> keywords_of('free, "well, ok"\nprize,')
    ['free', 'well, ok', 'prize']
    """
    lines = csv.reader(text.splitlines(), skipinitialspace=True)
    try:
        words = [word.strip() for line in lines for word in line]
    except csv.Error as error:
        raise InputError(f"these keywords cannot be told apart: {error}") from error
    return list(dict.fromkeys(word for word in words if word))


def typed_keywords(words: Iterable[str]) -> str:
    """Return keywords as one could type them.

    Examples
    --------
    >>> typed_keywords(["free", "well, ok"])
    'free, "well, ok"'
    """
    return ", ".join(map(_quoted, words))


def _quoted(word: str) -> str:
    needs = '"' in word or "," in word or word != word.strip()
    return '"{}"'.format(word.replace('"', '""')) if needs else word


def rows_of(text: str, n_rows: int) -> list[int]:
    """Return numbers of rows that were typed, between commas or spaces.

    Raises
    ------
    InputError
        If something else stands there, or the table has no such row.

    Examples
    --------
    >>> rows_of("3, 17 4", 20)
    [3, 17, 4]
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    for word in words:
        if not re.fullmatch(r"[0-9]{1,15}", word):
            raise InputError(f"rows are numbers, such as 3, 17; found {word!r}")
        if int(word) >= n_rows:
            raise InputError(f"there is no row {word}: the table has {n_rows} rows, from 0 on")
    return [int(word) for word in words]


def proposed_name(form: RuleForm, taken: Collection[str], texts: Sequence[str] = ()) -> str:
    r"""Return a name from what a form looks for, which no LF has yet.

    Examples
    --------
    >>> form = RuleForm("regex", {"pattern": r"(?i)\bfree (prize|gift)s?\b"}, {})
    >>> proposed_name(form, {"free_prize_gift"})
    'free_prize_gift_2'
    """
    words = re.findall(r"\w+", _name_source(form, texts).casefold())
    name = "_".join(words) or form.kind
    while len(name) > _LONGEST_NAME and "_" in name:
        name = name.rpartition("_")[0]
    name = name[:_LONGEST_NAME]
    proposed, number = name, 1
    while proposed in taken:
        number += 1
        proposed = f"{name}_{number}"
    return proposed


def _name_source(form: RuleForm, texts: Sequence[str]) -> str:
    """Return the text of whose words a name is made."""
    if form.kind == "keyword":
        return " ".join(keywords_of(form.value("keywords"))[:3])
    if form.kind == "prompt":
        return f"asks {form.value('description')}"
    if form.kind == "regex":
        # Without what says how letters are matched: sets, escapes, groups, counts, optional ones.
        pattern = re.sub(_SYNTAX, " ", form.value("pattern"))
        return " ".join(re.findall(r"\w{2,}", pattern)[:4])
    if form.kind == "threshold":
        bounds = (("from", form.value("at_least")), ("to", form.value("at_most")))
        return " ".join([form.value("column"), *(f"{word} {x}" for word, x in bounds if x)])
    rows = [int(word) for word in re.findall(r"[0-9]{1,15}", form.value("rows"))]
    of_rows = (texts[row] for row in rows if row < len(texts))
    first = next(iter([*form.examples, *of_rows]), "")
    return f"like {' '.join(first.split()[:3])}"


_SYNTAX = r"\[[^]]*\]|\\.|\(\?[a-zA-Z:=!<-]*|\{[^}]*\}|\w[?*]"
