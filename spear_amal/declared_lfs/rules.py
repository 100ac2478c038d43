"""Declared rules: what each kind of them says, checked; they are data, and run nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeAlias, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from spear_amal.errors import InputError
from spear_amal.labeling.builders import compiled
from spear_amal.llm import ChatModel
from spear_amal.prompted_lfs.prompt_template import PromptTemplate

#: Encoder of similar texts that needs no further package, and learns nothing from the table.
NGRAMS = "ngrams"
_SHOWN = 5  # words or texts of a rule that a description names


def _shown_text(value: str) -> str:
    """Return a text of one line, without white space around it."""
    if not value.isprintable() or value != value.strip() or not value:
        raise ValueError("must be a text of one line, without white space around it")
    return value


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | set | frozenset) else value


def _sorted(values: tuple[str, ...]) -> tuple[str, ...]:
    """Return texts sorted, capitals beside small letters, each once."""
    return tuple(sorted(set(values), key=lambda text: (text.casefold(), text)))


def _finite(value: int | float) -> int | float:
    if not math.isfinite(value):
        raise ValueError("must be a finite number")
    return value


def _variable(value: str) -> str:
    """Return the name of an environment variable; a key is none, and is not shown."""
    if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", value):
        raise ValueError(
            "must be the name of an environment variable in capitals, such as OPENAI_API_KEY, and "
            "never the key itself"
        )
    return value


_Text = Annotated[str, Field(min_length=1)]
_Line = Annotated[str, AfterValidator(_shown_text)]
_Texts = Annotated[
    tuple[_Text, ...], BeforeValidator(_listed), Field(min_length=1), AfterValidator(_sorted)
]
_Number = Annotated[int | float, AfterValidator(_finite)]
_Amount = Annotated[int | float, AfterValidator(_finite), Field(ge=0)]


class DeclaredRule(BaseModel):
    """What all rules have; see the classes that derive from it.

    Attributes
    ----------
    name : str
        Of the LF: one line.
    label : str or int
        The class that the LF votes for.
    column : str
        The column that it reads.

    Raises
    ------
    InputError
        For an unknown key, or a value that is of the wrong type or not allowed.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    kind: str
    name: _Line
    label: _Line | Annotated[int, Field(ge=0)]
    column: _Line = "text"

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as error:
            about = f"rule {str(fields.get('name', ''))!r}"
            raise InputError(f"{about}: {_complaint(error, type(self))}") from error


class KeywordRule(DeclaredRule):
    """Votes where a text holds keywords; see :func:`~spear_amal.labeling.keyword_lf`.

    Attributes
    ----------
    keywords : tuple of str
        Sorted, each once.
    whole_word, ignore_case : bool
    min_count : int
        Occurrences needed, of all keywords together.

    Examples
    --------
    >>> KeywordRule(name="prize", label="spam", keywords=["won", "prize"]).keywords
    ('prize', 'won')
    """

    kind: Literal["keyword"] = "keyword"
    keywords: _Texts
    whole_word: bool = True
    ignore_case: bool = True
    min_count: Annotated[int, Field(ge=1, le=1_000_000)] = 1


class RegexRule(DeclaredRule):
    """Votes where a regular expression is found; see :func:`~spear_amal.labeling.regex_lf`.

    Attributes
    ----------
    pattern : str
    ignore_case : bool
    """

    kind: Literal["regex"] = "regex"
    pattern: _Text
    ignore_case: bool = False

    @property
    def flags(self) -> int:
        """Flags of the module ``re``."""
        return int(re.IGNORECASE) if self.ignore_case else 0

    def model_post_init(self, context: Any) -> None:
        """Check that the pattern is a regular expression."""
        compiled(self.name, self.pattern, self.flags)


class ThresholdRule(DeclaredRule):
    """Votes where a number lies within bounds, both inclusive.

    Attributes
    ----------
    at_least, at_most : float or None
        At least one of them.
    """

    kind: Literal["threshold"] = "threshold"
    column: _Line
    at_least: _Number | None = None
    at_most: _Number | None = None

    def model_post_init(self, context: Any) -> None:
        """Check that some number can lie within the bounds."""
        low, high = self.at_least, self.at_most
        if low is None and high is None:
            raise ValueError("needs at_least, at_most or both")
        if low is not None and high is not None and low > high:
            raise ValueError(f"can never vote: at_least={low} lies above at_most={high}")


class SimilarRule(DeclaredRule):
    """Votes where a text is like one of some example texts.

    Attributes
    ----------
    examples : tuple of str
        Sorted, each once.
    at_least : float
        Cosine similarity to the nearest example, above 0 up to 1, rounded to four digits.
    encoder : str
        "ngrams", or as :class:`~spear_amal.data.TextEncoder` takes it.
    """

    kind: Literal["similar"] = "similar"
    examples: _Texts
    at_least: Annotated[int | float, Field(gt=0, le=1)]
    encoder: _Line = NGRAMS

    def model_post_init(self, context: Any) -> None:
        """Check that every example has something to compare."""
        if blank := [text for text in self.examples if not text.strip()]:
            raise ValueError(f"has an example without a text: {blank[0]!r}")


class PromptRule(DeclaredRule):
    """Votes where a language model says that a row is of the class; see ``prompt_lf``.

    Nothing is asked before the LF is applied.

    Attributes
    ----------
    description : str
        What rows of the class are like, for the model.
    prompt : str
        What the model reads of a row: columns in braces, `column` among them.
    model, base_url : str
        The model's name, and where it is served.
    key_variable : str or None
        Environment variable that holds the key; the key itself stands nowhere.
    score : {"none", "logprobs", "stated"}
    input_price, output_price : float or None
        Of a million tokens.
    max_cost : float or None
        What one process may spend.
    """

    kind: Literal["prompt"] = "prompt"
    description: _Text
    prompt: _Text
    model: _Line
    base_url: _Line = "http://127.0.0.1:8080/v1"
    key_variable: Annotated[str, AfterValidator(_variable)] | None = None
    score: Literal["none", "logprobs", "stated"] = "none"
    input_price: _Amount | None = None
    output_price: _Amount | None = None
    max_cost: _Amount | None = None

    def model_post_init(self, context: Any) -> None:
        """Check the template, and that there is such a model."""
        fields = PromptTemplate(self.prompt).fields
        if self.column not in fields:
            raise ValueError(
                f"its prompt must hold {{{self.column}}}, the column that it reads; it has "
                f"{', '.join(f'{{{name}}}' for name in fields)}"
            )
        if self.max_cost is not None and None in (self.input_price, self.output_price):
            raise ValueError("max_cost needs input_price and output_price, of a million tokens")
        self.chat_model()

    def chat_model(self) -> ChatModel:
        """Return the model that is asked."""
        return ChatModel(
            name=self.model,
            base_url=self.base_url,
            key_variable=self.key_variable,
            input_price=self.input_price,
            output_price=self.output_price,
        )


#: A declared rule of any kind.
Rule: TypeAlias = KeywordRule | RegexRule | ThresholdRule | SimilarRule | PromptRule
KINDS: Mapping[str, type[Rule]] = {
    kind.model_fields["kind"].default: kind for kind in get_args(Rule)
}


# -- making rules ---------------------------------------------------------------------------------


def checked_rule(fields: Mapping[str, Any], where: str = "") -> Rule:
    """Return the rule of some fields, which have the types that a rule has.

    Parameters
    ----------
    fields : mapping
    where : str
        What messages begin with: the file.

    Raises
    ------
    InputError
        For an unknown kind or key, or a value that is of the wrong type or not allowed.
    """
    kind = fields.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        about = f"{where}rule {str(fields.get('name', ''))!r}"
        found = "it has none" if kind is None else f"found {kind!r}"
        raise InputError(f"{about}: kind must be one of {', '.join(KINDS)}; {found}")
    try:
        return KINDS[kind](**{str(key): value for key, value in fields.items()})
    except InputError as error:
        raise InputError(f"{where}{error}") from error


def _complaint(error: ValidationError, kind: type[BaseModel]) -> str:
    """Return the first complaint of pydantic in the words of this package."""
    first = error.errors()[0]
    what, value = first["type"], first["input"]
    if not first["loc"]:  # of the rule as a whole
        return str(first["ctx"]["error"])
    key = str(first["loc"][0])
    if what == "extra_forbidden":
        near = get_close_matches(key, kind.model_fields, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(kind.model_fields)}"
        return f"unknown key {key!r}; {hint}"
    if what == "missing":
        return f"{key} is missing"
    if key == "key_variable":  # whatever was typed there, it may be a key
        return f"{key} {first['ctx']['error'] if what == 'value_error' else 'must be a text'}"
    if what == "value_error":
        return f"{key} {first['ctx']['error']}, found {value!r}"
    return f"{key}: {_NEEDED.get(what) or first['msg']}, found {value!r}"


_NEEDED = {
    **{"string_type": "needed a text", "string_too_short": "needed a text that is not empty"},
    **{"int_type": "needed a whole number", "float_type": "needed a number"},
    **{"bool_type": "needed true or false", "tuple_type": "needed a list of texts"},
    **{"too_short": "needed at least one", "string_unicode": "needed a text of whole characters"},
}


def rule_from_fields(fields: Mapping[str, Any]) -> Rule:
    """Return the rule of the fields of a form, whose values may all be texts.

    An empty text, or None, stands for a field that was left out, and its default counts: a box that
    is not ticked must say "false". Keywords as one text are divided at commas and ends of lines,
    examples at ends of lines.

    Raises
    ------
    InputError
        As :func:`checked_rule`.

    Examples
    --------
    >>> rule_from_fields({"kind": "keyword", "name": "x", "label": "spam", "keywords": "won, free"})
    KeywordRule(kind='keyword', name='x', label='spam', column='text', keywords=('free', 'won'), \
whole_word=True, ignore_case=True, min_count=1)
    """
    given = {key: value for key, value in fields.items() if not _is_left_out(value)}
    return checked_rule({key: _READ_AS.get(key, _as_it_is)(value) for key, value in given.items()})


def _is_left_out(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _as_it_is(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _keywords(value: Any) -> Any:
    return _parts(re.split(r"[,\n]", value)) if isinstance(value, str) else value


def _lines(value: Any) -> Any:
    return _parts(value.splitlines()) if isinstance(value, str) else value


def _parts(values: Iterable[str]) -> list[str]:
    return [value.strip() for value in values if value.strip()]


def _number(value: Any) -> Any:
    for kind in (int, float) if isinstance(value, str) else ():
        try:
            return kind(value)
        except ValueError:
            continue
    return value


def _truth(value: Any) -> Any:
    words = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


_READ_AS = {
    **{"keywords": _keywords, "examples": _lines, "pattern": lambda value: value},
    **dict.fromkeys(("at_least", "at_most", "min_count"), _number),
    **dict.fromkeys(("input_price", "output_price", "max_cost"), _number),
    **dict.fromkeys(("whole_word", "ignore_case"), _truth),
}


def describe(rule: Rule) -> str:
    """Return in words where a rule votes.

    Examples
    --------
    >>> describe(ThresholdRule(name="long", label="spam", column="n_words", at_least=30))
    "'n_words' is 30 or more"
    """
    if isinstance(rule, KeywordRule):
        often = "" if rule.min_count == 1 else f" {rule.min_count} times or more"
        parts = "" if rule.whole_word else ", also inside words"
        cases = "" if rule.ignore_case else ", as it is written"
        text = f"says {_some(rule.keywords)}{often}{parts}{cases}"
    elif isinstance(rule, RegexRule):
        text = f"matches {rule.pattern}{', in any case' if rule.ignore_case else ''}"
    elif isinstance(rule, ThresholdRule):
        bounds = {"or more": rule.at_least, "or less": rule.at_most}
        named = [f"{bound} {side}" for side, bound in bounds.items() if bound is not None]
        return f"{rule.column!r} is {' and '.join(named)}"
    elif isinstance(rule, PromptRule):
        return f"asks {rule.model}: {rule.description}"
    else:
        text = f"is like {_some(rule.examples)} ({rule.at_least} or more by {rule.encoder})"
    return text if rule.column == "text" else f"{rule.column!r} {text}"


def _some(texts: tuple[str, ...]) -> str:
    shown = [text if len(text) <= 40 else f"{text[:38]}.." for text in texts[:_SHOWN]]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(map(repr, shown)) + more
