"""What is sent to a language model and what comes back, free of any server's format."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from spear_amal.checks import check_whole
from spear_amal.errors import InputError

_ROLES = ("system", "user", "assistant", "developer")


@dataclass(frozen=True)
class ChatRequest:
    """One question to a language model.

    Parameters
    ----------
    messages : tuple of (role, content)
        Roles are "system", "user" and "assistant".
    schema : mapping, optional
        JSON schema that the answer must follow; servers that know none are told in words.
    top_logprobs : int
        How many alternatives of each token to ask for with their log-probabilities; 0 for none.
    max_tokens : int
        Longest answer, in tokens.
    """

    messages: tuple[tuple[str, str], ...]
    schema: Mapping[str, Any] | None = None
    top_logprobs: int = 0
    max_tokens: int = 64

    @cached_property
    def n_bytes(self) -> int:
        """Length of all that a server may count as prompt, in bytes of UTF-8."""
        schema = 0 if self.schema is None else len(json.dumps(dict(self.schema)))
        return schema + sum(len(text.encode("utf-8", "replace")) for _, text in self.messages)


def check_request(request: ChatRequest) -> None:
    """Raise InputError for a request that no server could answer."""
    if not isinstance(request, ChatRequest):
        raise InputError(f"requests must be ChatRequest objects, found {type(request).__name__}")
    if not request.messages:
        raise InputError("a request needs a message")
    for message in request.messages:
        if len(message) != 2 or message[0] not in _ROLES or not isinstance(message[1], str):
            raise InputError(
                f"a message must be a pair of a role ({', '.join(_ROLES)}) and a text, found a "
                f"{type(message).__name__} that is none"
            )
    check_whole("max_tokens", request.max_tokens, 1)
    check_whole("top_logprobs", request.top_logprobs, 0)


@dataclass(frozen=True)
class TokenChoice:
    """One token of an answer, and what else could have stood there.

    Parameters
    ----------
    token : str
    logprob : float
        Natural logarithm of its probability.
    alternatives : mapping of str to float
        Tokens to log-probabilities, the chosen one among them.
    """

    token: str
    logprob: float
    alternatives: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ChatAnswer:
    """What a language model answered.

    Parameters
    ----------
    text : str
        Empty where it refused.
    refused : bool
        The server said that the model refuses, or that a filter stopped it.
    is_whole : bool
        False where the answer was cut off at the longest length.
    choices : tuple of TokenChoice, optional
        None where the server gave no log-probabilities.
    prompt_tokens, answer_tokens : int
        As the server counted them; estimated where it does not say.
    is_cached : bool
        It was kept from an earlier call, and cost nothing now.
    """

    text: str
    refused: bool = False
    is_whole: bool = True
    choices: tuple[TokenChoice, ...] | None = None
    prompt_tokens: int = 0
    answer_tokens: int = 0
    is_cached: bool = False


@dataclass(frozen=True)
class ChatFailure:
    """A question that got no answer after all tries; it is not kept and is asked again next time.

    Parameters
    ----------
    reason : str
        What the server or the network said last, without keys.
    n_tries : int
    """

    reason: str
    n_tries: int = 1
