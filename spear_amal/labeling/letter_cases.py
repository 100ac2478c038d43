"""Letters in upper and lower case, as the running Python knows them."""

from __future__ import annotations

import functools

# No letter behind it has cases.
LAST_CASED = 0x20000
# Both are the lower case of one letter: which of them depends on where in a text it stands.
SIGMAS = "\u03c3\u03c2"
# Letters beyond ASCII that lower case, or ``re.IGNORECASE``, takes for letters of ASCII.
ODD_OF_ASCII = {"i": "\u0130\u0131", "k": "\u212a", "s": "\u017f"}
# The one letter of which the lower case ends in none, but in a mark: a word may follow that.
ENDS_IN_A_MARK = "\u0130"


def as_upper_case(letter: str) -> list[str]:
    """Return the letters with a letter as their lower case, if they have as many bytes of UTF-8.

    Examples
    --------
    >>> as_upper_case("e"), as_upper_case("\u00e9"), as_upper_case("!")
    (['E'], ['É'], [])
    """
    same_length, _ = _cases()
    return same_length.get(letter, [])


def odd_letters(letters: str) -> str:
    """Return all other letters that may stand for some letters where case does not count.

    They have another number of bytes of UTF-8, or are so by ``re.IGNORECASE`` alone.

    Examples
    --------
    >>> odd_letters("free"), odd_letters("kilo") == "\u0130\u0131\u212a"
    ('', True)
    """
    odd = {other for letter in set(letters) for other in ODD_OF_ASCII.get(letter, "")}
    if not letters.isascii():
        _, other_length = _cases()
        odd.update(other for letter in set(letters) for other in other_length.get(letter, []))
    return "".join(sorted(odd))


@functools.cache
def with_lower_case(letter: str) -> str:
    """Return all letters of which a letter is the lower case, alone; of a sigma both are.

    Examples
    --------
    >>> with_lower_case("e"), with_lower_case("!"), with_lower_case("k") == "Kk\u212a"
    ('Ee', '!', True)
    """
    letters = {letter, *(SIGMAS if letter in SIGMAS else "")}
    for others in _cases():
        letters.update(other for other in others.get(letter, []) if len(other.lower()) == 1)
    return "".join(sorted(letters))


@functools.cache
def _cases() -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return, by lower case, the letters of as many bytes, and those of another number of bytes."""
    same_length: dict[str, list[str]] = {SIGMAS[1]: [SIGMAS[0].upper()]}
    other_length: dict[str, list[str]] = {}
    for letter in map(chr, range(LAST_CASED)):
        lower = letter.lower()
        if lower != letter:
            same = len(lower) == 1 and len(lower.encode()) == len(letter.encode())
            for part in lower:
                (same_length if same else other_length).setdefault(part, []).append(letter)
    return same_length, other_length
