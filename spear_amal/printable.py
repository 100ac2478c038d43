"""Text that is safe to show: what would steer a terminal, or turn text round, is spelt out."""

from __future__ import annotations

import re

# Control characters, marks that change the direction of text, line separators that few programs
# know, and halves of characters, which no stream can encode.
_STEERS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def printable(text: str) -> str:
    r"""Return text with control characters as escapes; line feeds and tabs stay.

    Examples
    --------
    >>> print(printable("red: \x1b[31m"), printable("no bell: \a"))
    red: \x1b[31m no bell: \x07
    """
    return _STEERS.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def on_one_line(text: str) -> str:
    r"""Return text as :func:`printable` does, and line feeds and tabs as escapes too.

    Examples
    --------
    >>> print(on_one_line("two\nlines"))
    two\nlines
    """
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")
