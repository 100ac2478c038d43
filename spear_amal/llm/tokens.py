"""How many tokens a request has, where no server has counted them yet."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from spear_amal.llm.chat import ChatRequest

BYTES_PER_TOKEN = 4  # a rule of thumb for English; most other languages have more bytes a letter
_PER_MESSAGE = 4  # marks of a message's beginning, role and end


def rough_tokens(request: ChatRequest) -> int:
    """Return a rough number of tokens of a prompt, by a rule of thumb."""
    return request.n_bytes // BYTES_PER_TOKEN + _PER_MESSAGE * len(request.messages) + 1


def token_counter(model_name: str) -> tuple[Callable[[ChatRequest], int], str]:
    """Return what counts tokens of prompts without a server, and how it does.

    By tiktoken where it is installed and knows the model, else by a rule of thumb. tiktoken may
    fetch a list of tokens when it is first used.
    """
    try:
        import tiktoken

        encoding = tiktoken.encoding_for_model(model_name)
    except Exception:  # not installed, a model that it does not know, or no network
        return rough_tokens, f"{BYTES_PER_TOKEN} bytes a token, a rule of thumb"

    def count(request: ChatRequest) -> int:
        texts = [text for _, text in request.messages]
        if request.schema is not None:
            texts.append(json.dumps(dict(request.schema)))
        tokens = encoding.encode_batch(texts, disallowed_special=())
        return sum(map(len, tokens)) + _PER_MESSAGE * len(request.messages)

    return count, "tokens counted by tiktoken"


def sum_of(requests: Sequence[ChatRequest], count: Callable[[ChatRequest], int]) -> int:
    """Compute the tokens of several requests."""
    return sum(map(count, requests))
