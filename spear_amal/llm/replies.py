"""What a server replied, read as an answer, whatever the server."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from spear_amal.llm.chat import ChatAnswer, TokenChoice

# Some servers give the model's thinking as the beginning of the answer.
_THINKING = re.compile(r"\s*<(think|thinking|reasoning)>.*?(</\1>\s*|\Z)", re.S)
_OF_ERRORS = ("error", "detail", "message")
_MESSAGE = 300  # characters of what a server says


class Usage(NamedTuple):
    """Tokens as the server counted them."""

    prompt_tokens: int
    answer_tokens: int


class NoAnswer(ValueError):
    """A reply that is no answer: no JSON, or of another form."""


class Trouble(NamedTuple):
    """What a server says is wrong."""

    message: str
    code: str = ""
    parameter: str = ""


def read_answer(payload: Any) -> tuple[ChatAnswer, Usage | None]:
    """Return the answer of a reply, and the tokens that the server counted; None if it did not.

    Raises
    ------
    NoAnswer
        If the reply holds none.
    """
    choices = payload.get("choices") if isinstance(payload, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(message, dict):
        raise NoAnswer("the reply has no choices[0].message")
    whole = _text_of(message.get("content"))
    text = _THINKING.sub("", whole, count=1) if "<" in whole[:64] else whole
    ended = choice.get("finish_reason")
    refused = bool(message.get("refusal")) or ended == "content_filter"
    usage = _usage_of(payload.get("usage"))
    answer = ChatAnswer(
        text="" if refused else text,
        refused=refused,
        is_whole=ended != "length",
        choices=None if refused else _choices_of(choice, payload, text),
        prompt_tokens=usage.prompt_tokens if usage else 0,
        answer_tokens=usage.answer_tokens if usage else 0,
    )
    return answer, usage


def trouble_of(body: bytes) -> Trouble:
    """Return what the body of a failure says, in one of the many forms there are."""
    text = body[:100_000].decode("utf-8", "replace").strip()
    try:
        payload = json.loads(text)
    except ValueError:
        return Trouble(_brief(text))
    return error_in(payload) or Trouble(_brief(text))


def error_in(payload: Any) -> Trouble | None:
    """Return the error that a JSON reply states; None where it states none."""
    if not isinstance(payload, dict):
        return None
    error = next((payload[name] for name in _OF_ERRORS if name in payload), None)
    if not error:
        return None
    if isinstance(error, dict):
        message = error.get("message") or json.dumps(error)
        code, parameter = error.get("code") or error.get("type"), error.get("param")
        return Trouble(_brief(str(message)), str(code or ""), str(parameter or ""))
    if isinstance(error, str):
        return Trouble(_brief(error), str(payload.get("code") or ""))
    return Trouble(_brief(json.dumps(error)), "", _places(error))


def _places(errors: Any) -> str:
    """Names of the fields that a list of errors of pydantic is about."""
    listed = errors if isinstance(errors, list) else []
    names = (error.get("loc") for error in listed if isinstance(error, dict))
    return " ".join(str(part) for loc in names if isinstance(loc, list) for part in loc)


def _brief(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]}..."


def _text_of(content: Any) -> str:
    """Text of a message, which may come in parts."""
    if isinstance(content, list):
        return "".join(
            part["text"]
            for part in content
            if isinstance(part, dict) and isinstance(part.get("text"), str)
        )
    return content if isinstance(content, str) else ""


def _usage_of(usage: Any) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    counts = [usage.get(name) for name in ("prompt_tokens", "completion_tokens")]
    if not all(isinstance(count, int) and count >= 0 for count in counts) or not counts[0]:
        return None
    return Usage(*counts)  # type: ignore[arg-type]


# -- log-probabilities ----------------------------------------------------------------------------


def _choices_of(choice: Any, payload: Any, text: str) -> tuple[TokenChoice, ...] | None:
    """Return tokens with their log-probabilities; None where there are none, or they are odd."""
    listed = choice.get("logprobs") or payload.get("logprobs")
    try:
        if isinstance(listed, dict) and isinstance(listed.get("content"), list):
            tokens = [_of_entry(entry) for entry in listed["content"]]
        elif isinstance(listed, list):  # Ollama's own
            tokens = [_of_entry(entry) for entry in listed]
        elif isinstance(listed, dict) and isinstance(listed.get("tokens"), list):
            tokens = list(_of_columns(listed))
        else:
            return None
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    return _those_of(tokens, text) or None


def _of_entry(entry: Any) -> TokenChoice:
    pairs = [(other["token"], other["logprob"]) for other in entry.get("top_logprobs") or ()]
    return _token_choice(entry["token"], entry["logprob"], pairs)


def _of_columns(listed: Any) -> Iterator[TokenChoice]:
    """Read the layout of older servers: a list of tokens, one of numbers, one of mappings."""
    tokens, logprobs = listed["tokens"], listed["token_logprobs"]
    others = listed.get("top_logprobs") or [None] * len(tokens)
    for token, logprob, top in zip(tokens, logprobs, others, strict=True):
        yield _token_choice(token, logprob, list((top or {}).items()))


def _token_choice(token: Any, logprob: Any, pairs: Sequence[tuple[Any, Any]]) -> TokenChoice:
    alternatives: dict[str, float] = {}
    for other, value in pairs:
        if isinstance(other, str) and isinstance(value, int | float) and value > -math.inf:
            # Several tokens may be written alike: then their probabilities are summed.
            alternatives[other] = _sum(alternatives.get(other), _checked(value))
    chosen = _checked(logprob)
    alternatives.setdefault(token, chosen)
    if not isinstance(token, str):
        raise TypeError("a token is a text")
    return TokenChoice(token, chosen, alternatives)


def _checked(logprob: Any) -> float:
    value = float(logprob)
    if not math.isfinite(value) or value > 1e-3:
        raise ValueError("no log-probability")
    return min(value, 0.0)


def _sum(first: float | None, second: float) -> float:
    if first is None:
        return second
    high, low = max(first, second), min(first, second)
    return min(high + math.log1p(math.exp(low - high)), 0.0)


def _those_of(tokens: list[TokenChoice], text: str) -> tuple[TokenChoice, ...]:
    """Leave out the tokens of thinking before an answer, and marks of its end."""
    joined = "".join(token.token for token in tokens)
    if joined == text or not text:
        return tuple(tokens)
    start = joined.rfind(text)
    if start < 0:
        # Parts of a letter stand as marks of their own; thinking cannot be told from the answer.
        return tuple(tokens) if len(joined) <= 2 * len(text) + 40 else ()
    chosen, end = [], 0
    for token in tokens:
        begin, end = end, end + len(token.token)
        if end > start and begin < start + len(text):
            chosen.append(token)
    return tuple(chosen)
