"""Probabilities of classes from the log-probabilities of the tokens that decide an answer."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from spear_amal.llm.chat import TokenChoice
from spear_amal.prompted_lfs.answer_form import ANSWER

_JSON_ANSWER = re.compile(rf'"{ANSWER}"\s*:\s*"')
_BEFORE_WORD = re.compile(r"[\s\"'`*]*")


def word_probabilities(choices: Sequence[TokenChoice], words: Sequence[str]) -> np.ndarray | None:
    """Return how probable each word was as the answer, from the tokens where they differ.

    The alternatives of a token count for the word that they begin; those that begin several words
    are divided by what follows the chosen one. A word that is among no alternatives gets the most
    that it can have: what the alternatives leave of 1, and no more than the least of them.

    Parameters
    ----------
    choices : sequence of TokenChoice
        Of the whole answer: ``{"answer": "word"}``, or the bare word.
    words : sequence of str, length C
        All words that may be the answer.

    Returns
    -------
    ndarray (C,) or None
        They sum to 1. None where the tokens do not show an answer.

    Examples
    --------
    >>> import math
    >>> token = TokenChoice("sp", math.log(0.6), {"sp": math.log(0.6), " Ham": math.log(0.2)})
    >>> word_probabilities([token], ["spam", "ham"]).round(3).tolist()
    [0.75, 0.25]
    """
    text = "".join(choice.token for choice in choices)
    in_json = _JSON_ANSWER.search(text)
    before = _BEFORE_WORD.match(text)
    start = in_json.end() if in_json else before.end() if before else 0
    # In JSON from the token with the quote on: another token may hold the quote and a first letter.
    first, skipped = _token_at(choices, start - 1 if in_json else start, start)
    if first is None:
        return None
    ends = '"' if in_json else None
    shown = [json.dumps(word, ensure_ascii=False)[1:-1] if in_json else word for word in words]
    tree = _Tree([word.casefold() for word in shown], ends)
    seen, unseen = tree.divide(choices[first:], skipped, "", frozenset(range(len(words))))
    return (seen + unseen) / (seen + unseen).sum() if seen.any() else None


def _token_at(choices: Sequence[TokenChoice], place: int, start: int) -> tuple[int | None, str]:
    """Return the number of the token that holds a place, and its part before `start`."""
    begin = 0
    for number, choice in enumerate(choices):
        end = begin + len(choice.token)
        if begin <= place < end:
            return number, choice.token[: max(start - begin, 0)]
        begin = end
    return None, ""


@dataclass(frozen=True)
class _Tree:
    """Division of the mass of an answer among words, token by token.

    Attributes
    ----------
    words : list of str
        In lower case.
    ends : str or None
        What ends a word; None for anything but letters and digits.
    """

    words: list[str]
    ends: str | None

    def divide(
        self, choices: Sequence[TokenChoice], skipped: str, so_far: str, alive: frozenset[int]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the shares (C,) of words that are listed after `so_far`, and bounds of others."""
        if not choices:
            exact = [w for w in alive if self.words[w] == so_far.lstrip()]
            return self._evenly(exact or alive), self._none()
        token, seen, deeper = choices[0], self._none(), (self._none(), self._none())
        listed = {**token.alternatives, token.token: token.logprob}
        shared: list[tuple[list[int], float]] = []
        met: set[int] = set()
        for text, logprob in listed.items():
            rest = _after(text, skipped)
            if rest is None:
                continue
            said, mass = (so_far + rest).casefold(), math.exp(logprob)
            matching = self._matching(said.lstrip(), alive)
            met |= matching
            if len(matching) == 1:
                seen[list(matching)] += mass
            elif matching and text == token.token:
                deeper = self.divide(choices[1:], "", said, matching)
            elif matching:
                shared.append((sorted(matching), mass))
        guide = deeper[0] + deeper[1] if deeper[0].any() else seen.copy()
        seen += math.exp(token.logprob) * deeper[0]
        unseen = self._bounds(alive - met, listed) + math.exp(token.logprob) * deeper[1]
        for members, mass in shared:
            # What begins several words is divided as the answer itself goes on.
            known = guide[members].sum()
            seen += mass * (self._only(guide, members) / known if known else self._evenly(members))
        return seen, unseen

    def _matching(self, text: str, alive: frozenset[int]) -> frozenset[int]:
        """Return the words that a text begins, or that it holds in full."""
        begun = frozenset(w for w in alive if self.words[w].startswith(text))
        full = [w for w in alive if self._is_full(text, self.words[w], bool(begun))]
        longest = max(full, key=lambda w: len(self.words[w]), default=None)
        return begun if longest is None else begun | {longest}

    def _is_full(self, text: str, word: str, others_begun: bool) -> bool:
        if not text.startswith(word) or len(text) == len(word):
            return False
        following = text[len(word)]
        if self.ends is not None:
            return following == self.ends
        return not following.isalnum() and not (others_begun and following in " _")

    def _bounds(self, missing: frozenset[int], listed: Mapping[str, float]) -> np.ndarray:
        """Return the most that words can have which no alternative begins."""
        shares = [math.exp(logprob) for logprob in listed.values()]
        left = max(0.0, 1.0 - sum(shares))
        return self._evenly(missing) * min(left, min(shares) * len(missing))

    def _none(self) -> np.ndarray:
        return np.zeros(len(self.words))

    def _evenly(self, members: Collection[int]) -> np.ndarray:
        shares = self._none()
        shares[list(members)] = 1 / max(len(members), 1)
        return shares

    def _only(self, shares: np.ndarray, members: list[int]) -> np.ndarray:
        kept = self._none()
        kept[members] = shares[members]
        return kept


def _after(token: str, skipped: str) -> str | None:
    """Return what follows the part of a token that is before the word; None where it differs."""
    if token.startswith(skipped):
        return token[len(skipped) :]
    stripped = skipped.lstrip()
    return token.lstrip()[len(stripped) :] if token.lstrip().startswith(stripped) else None
