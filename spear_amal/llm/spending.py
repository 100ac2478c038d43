"""What requests cost: a budget that is never exceeded, and forecasts."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

from spear_amal.errors import InputError, SpearAmalError
from spear_amal.llm.chat import ChatAnswer, ChatRequest
from spear_amal.llm.chat_model import ChatModel

# Tokens that a server may add to a prompt: marks of roles, and a system prompt of its own.
_ADDED, _ADDED_PER_MESSAGE = 200, 16


class BudgetError(SpearAmalError):
    """The budget does not suffice for the next request; what was answered is kept."""


class ChatServerError(SpearAmalError, OSError):
    """A server of language models is down or fails again and again; what it answered is kept."""


class Purse:
    """What was spent, and what requests that are under way may cost at most.

    A request is sent only where the most that it can cost fits what is left. No tokenizer makes
    more tokens than there are bytes, and an answer ends at its longest length. Where a request ends
    without a word of what it cost, as with a broken connection, the most that it can have cost is
    spent.

    Parameters
    ----------
    model : ChatModel
    max_cost : float, optional
    """

    def __init__(self, model: ChatModel, max_cost: float | None) -> None:
        self._model, self.max_cost = model, max_cost
        self.spent = 0.0
        self._reserved = 0.0
        self._added = _ADDED
        self._waiting: list[asyncio.Future[None]] = []

    def most(self, request: ChatRequest) -> float:
        """Compute the most that a request can cost."""
        return self._model.cost(self._most_tokens(request), request.max_tokens)

    def _most_tokens(self, request: ChatRequest) -> int:
        return request.n_bytes + self._added + _ADDED_PER_MESSAGE * len(request.messages)

    def reserve(self, cost: float) -> asyncio.Future[None] | None:
        """Set a cost aside; where it does not fit, return what ends when there is more room.

        Raises
        ------
        BudgetError
            If it does not fit, and nothing is under way that could leave room.
        """
        if self.max_cost is None or self.spent + self._reserved + cost <= self.max_cost:
            self._reserved += cost
            return None
        if self._reserved <= 0:
            raise BudgetError(
                f"max_cost is {self.max_cost:g}: {self.spent:.6g} is spent, and the next request "
                f"may cost up to {cost:.6g}"
            )
        self._waiting.append(asyncio.get_running_loop().create_future())
        return self._waiting[-1]

    def settle(self, reserved: float, cost: float) -> None:
        """Spend what a request has cost in place of what was set aside for it."""
        self._reserved = max(0.0, self._reserved - reserved)
        self.spent += cost
        if not math.isfinite(self._reserved) or self._reserved < 1e-15:
            self._reserved = 0.0
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def note_tokens(self, request: ChatRequest, prompt_tokens: int) -> None:
        """Learn from a count how much a server adds to prompts, where that is more than thought."""
        self._added = max(self._added, prompt_tokens - request.n_bytes)


def check_budget(model: ChatModel, max_cost: float | None) -> None:
    """Raise InputError for a budget where cost cannot be told."""
    if max_cost is not None and not model.has_prices:
        raise InputError(
            f"max_cost needs the prices of model {model.name!r}: set input_price and output_price "
            "(of a million tokens; 0 for a server of your own), or leave max_cost out"
        )


@dataclass(frozen=True)
class CostForecast:
    """What requests will cost, estimated before they are sent.

    Parameters
    ----------
    n_requests : int
        In all, those that are kept or asked twice among them.
    n_cached : int
        Of which the answer is kept: they cost nothing.
    prompt_tokens, answer_tokens : float
        Of requests that are still to be sent, in sum.
    cost : float, optional
        Still to be paid, in the currency of the model's prices; None where they are unknown.
    seconds : float, optional
        At the limits of the model; None where nothing limits it and nothing was timed.
    how : str
        How tokens were estimated.
    """

    n_requests: int
    n_cached: int
    prompt_tokens: float
    answer_tokens: float
    cost: float | None
    seconds: float | None
    how: str

    def __str__(self) -> str:
        sent = self.n_requests - self.n_cached
        parts = [
            f"{sent} of {self.n_requests} requests to send",
            f"{self.prompt_tokens:.0f} tokens of prompts, {self.answer_tokens:.0f} of answers",
            "cost unknown (no prices)" if self.cost is None else f"cost about {self.cost:.4g}",
        ]
        if self.seconds is not None:
            parts.append(f"about {self.seconds:.0f} s")
        return f"{'; '.join(parts)} ({self.how})"


@dataclass(frozen=True)
class TokenSums:
    """Tokens of requests, estimated together."""

    prompt_tokens: float
    answer_tokens: float
    how: str


def prompt_kind(request: ChatRequest) -> Hashable:
    """Return what requests made from one prompt share: the first message, schema and length."""
    first = request.messages[0] if len(request.messages) > 1 else None
    schema = None if request.schema is None else repr(request.schema)
    return first, schema, request.max_tokens, request.top_logprobs


def sample_of(requests: Sequence[ChatRequest], n: int) -> list[ChatRequest]:
    """Return n requests of all kinds and lengths, evenly spaced in that order."""
    order = {kind: i for i, kind in enumerate(dict.fromkeys(map(prompt_kind, requests)))}
    ordered = sorted(requests, key=lambda request: (order[prompt_kind(request)], request.n_bytes))
    n = min(n, len(ordered))
    return [ordered[int((i + 0.5) * len(ordered) / n)] for i in range(n)]


def estimate_from(
    counted: Iterable[tuple[ChatRequest, ChatAnswer]], requests: Sequence[ChatRequest]
) -> TokenSums | None:
    """Estimate tokens by those that the server counted for others of the same kind.

    Tokens of prompts go by their bytes, by a line through what was counted; those of answers by
    the mean.

    Parameters
    ----------
    counted : iterable of (request, answer)
    requests : sequence of ChatRequest

    Returns
    -------
    TokenSums or None
        None where nothing was counted.
    """
    seen: dict[Hashable, list[tuple[int, int, int]]] = defaultdict(list)
    for request, answer in counted:
        if answer.prompt_tokens:
            tokens = (request.n_bytes, answer.prompt_tokens, answer.answer_tokens)
            seen[prompt_kind(request)].append(tokens)
    everything = [row for rows in seen.values() for row in rows]
    if not everything:
        return None
    prompt = answers = 0.0
    for request in requests:
        kind = prompt_kind(request)
        if kind not in seen:
            seen[kind] = everything
    rates = {kind: _rates(rows) for kind, rows in seen.items()}
    for request in requests:
        fixed, per_byte, per_answer = rates[prompt_kind(request)]
        prompt += fixed + per_byte * request.n_bytes
        answers += per_answer
    how = f"tokens as the server counted them for {len(everything)} requests"
    return TokenSums(prompt, answers, how)


def _rates(rows: Sequence[tuple[int, int, int]]) -> tuple[float, float, float]:
    """Return tokens of any prompt, those of each byte of it, and those of an answer."""
    lengths, prompts, answers = zip(*rows, strict=True)
    length, prompt = fmean(lengths), fmean(prompts)
    spread = sum((n - length) ** 2 for n in lengths)
    joint = sum((n - length) * (p - prompt) for n, p in zip(lengths, prompts, strict=True))
    most = prompt / max(length, 1.0)  # no prompt has fewer than no tokens
    per_byte = min(max(joint / spread, 0.0), most) if spread else most
    return prompt - per_byte * length, per_byte, fmean(answers)
