"""Questions about a row: the classes that may be the answer, and how they are put to a model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from spear_amal._typing import ClassLike
from spear_amal.errors import InputError
from spear_amal.votes.class_set import is_listed

#: What a model answers where it cannot tell; the LF abstains.
UNKNOWN = "unknown"

PromptClasses: TypeAlias = Mapping[ClassLike, str] | Iterable[ClassLike]


@dataclass(frozen=True)
class Question:
    """One question about a row, which one labelling function answers.

    Parameters
    ----------
    name : str
        Of the labelling function.
    text : str
        What is asked, where several questions go into one call.
    classes : mapping of class to description, or iterable of classes
        Names, numbers or members of an Enum. The model may always answer "unknown".

    Attributes
    ----------
    options : tuple of (class, str, str)
        Each class with the word that stands for it, and its description.

    Raises
    ------
    InputError
        If there are no classes, a description is empty, or two classes read alike.
    """

    name: str
    text: str
    classes: PromptClasses

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise InputError(f"a question needs the name of its LF, found {self.name!r}")
        object.__setattr__(self, "options", _options(self.name, self.classes))
        # What an iterable gives once is kept.
        object.__setattr__(self, "classes", {a_class: about for a_class, _, about in self.options})

    options: tuple[tuple[Any, str, str], ...] = ()

    @property
    def words(self) -> tuple[str, ...]:
        """Return the words that the model may answer, the one for "I cannot tell" last."""
        return (*(word for _, word, _ in self.options), UNKNOWN)

    def class_of(self, word: str) -> Any:
        """Return the class that a word stands for, None for unknown.

        Raises
        ------
        KeyError
            If it stands for none.
        """
        return _by_word(self.options)[plain_word(word)]

    def allows(self, word: str) -> bool:
        """Return whether a word is one of those that may be the answer."""
        return plain_word(word) in _by_word(self.options)


def plain_word(word: str) -> str:
    """Return a word without what spellings of an answer differ by: case, ends, underlines."""
    return word.strip(" \t\r\n\"'`*.,:;!?()[]").replace("_", " ").casefold()


def _by_word(options: tuple[tuple[Any, str, str], ...]) -> dict[str, Any]:
    return {plain_word(word): a_class for a_class, word, _ in options} | {UNKNOWN: None}


def _options(name: str, classes: PromptClasses) -> tuple[tuple[Any, str, str], ...]:
    pairs: list[tuple[Any, Any]]
    if isinstance(classes, Mapping):
        pairs = list(classes.items())
    elif is_listed(classes) and not isinstance(classes, str):
        pairs = [(a_class, None) for a_class in classes]
    else:
        raise InputError(
            f"classes of LF {name!r} must be a mapping of classes to descriptions, or a list of "
            f"classes, found {classes!r}"
        )
    options = [(a_class, _word(name, a_class), about) for a_class, about in pairs]
    if not options:
        raise InputError(f"LF {name!r} needs at least one class that it may vote for, found none")
    for a_class, _, about in options:
        if isinstance(classes, Mapping) and (not isinstance(about, str) or not about.strip()):
            raise InputError(
                f"class {a_class!r} of LF {name!r} is without description, found {about!r}; say "
                "what belongs to it, or give a list of classes whose names say all"
            )
    words = [plain_word(word) for _, word, _ in options]
    for word in words:
        if not word or word == UNKNOWN or words.count(word) > 1:
            raise InputError(
                f"classes of LF {name!r} must be told apart by their names, and none is called "
                f"{UNKNOWN!r}, which the model answers where it cannot tell; found "
                f"{[word for _, word, _ in options]}"
            )
    return tuple((a_class, word, about or "") for a_class, word, about in options)


def _word(name: str, a_class: Any) -> str:
    if isinstance(a_class, Enum):
        return a_class.name
    if isinstance(a_class, bool) or not isinstance(a_class, str | int):
        raise InputError(
            f"classes of LF {name!r} must be names, numbers or members of an Enum, found "
            f"{a_class!r}"
        )
    return str(a_class)
