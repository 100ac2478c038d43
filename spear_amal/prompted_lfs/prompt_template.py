"""Templates of prompts: a text with the names of columns in braces."""

from __future__ import annotations

import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spear_amal.errors import InputError


@dataclass(frozen=True)
class PromptTemplate:
    """A text in which ``{column}`` stands for what a row has there; ``{{`` and ``}}`` are braces.

    Attributes
    ----------
    text : str
    parts : tuple of (str, str or None)
        Literal texts, each with the column that follows it.

    Raises
    ------
    InputError
        If a field is more than the name of a column (``{x.y}``, ``{0}``, ``{x!r}``), a brace is
        left open, or there is no field.

    Examples
    --------
    >>> template = PromptTemplate("Is this spam? {text} {{so}}")
    >>> template.fields, template.fill({"text": "win {a} prize"})
    (('text',), 'Is this spam? win {a} prize {so}')
    """

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str) or not self.text.strip():
            raise InputError(f"a prompt must be a text that is not empty, found {self.text!r}")
        if not self.fields:
            raise InputError(
                f"the prompt {self.text!r} reads nothing of a row; name a column in braces, such "
                "as {text}"
            )

    @property
    def parts(self) -> tuple[tuple[str, str | None], ...]:
        """Literal texts, each with the column that follows it, None at the end."""
        try:
            parsed = list(string.Formatter().parse(self.text))
        except ValueError as error:
            raise InputError(
                f"the prompt {self.text!r} is no template: {error}; a brace of its own is written "
                "{{ or }}"
            ) from None
        for _, field, spec, conversion in parsed:
            if field is not None and (spec or conversion or not _is_column(field)):
                shown = (
                    field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                )
                raise InputError(
                    f"the prompt has the field {{{shown}}}; needed the name of a column alone, "
                    "such as {text}; braces of its own are written {{ and }}"
                )
        return tuple((literal, field) for literal, field, _, _ in parsed)

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the columns, each once, in order."""
        return tuple(dict.fromkeys(field for _, field in self.parts if field is not None))

    def fill(self, cells: Mapping[str, Any]) -> str:
        """Return the text with the cells of a row."""
        return "".join(
            literal + ("" if field is None else str(cells[field])) for literal, field in self.parts
        )


def _is_column(field: str) -> bool:
    return bool(field.strip()) and not field.isdigit() and not set(field) & set(".[]")
