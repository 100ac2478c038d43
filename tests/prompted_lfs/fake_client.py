"""A client that answers from a function, in place of a server."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from spear_amal.llm import (
    ChatAnswer,
    ChatFailure,
    ChatModel,
    ChatRequest,
    CostForecast,
    TokenChoice,
)

Reply = ChatAnswer | ChatFailure | Exception


class FakeClient:
    """Counts what is sent, and keeps answers as the real client does."""

    made: ClassVar[list[FakeClient]] = []
    reply: Callable[[ChatRequest], Reply] = staticmethod(lambda request: answered("spam"))

    def __init__(self, model: ChatModel, cache_dir: Any = None, progress: bool = False) -> None:
        self.model, self.max_cost = model, None
        self.spent = 0.0
        self.sent: list[ChatRequest] = []
        self.kept: dict[str, ChatAnswer] = {}
        FakeClient.made.append(self)

    def ask(self, requests: Sequence[ChatRequest]) -> list[ChatAnswer | ChatFailure]:
        """Answer in order; failures are not kept."""
        answers = []
        for request in requests:
            key = repr(request)
            if key not in self.kept:
                self.sent.append(request)
                reply = FakeClient.reply(request)
                if isinstance(reply, Exception):
                    raise reply
                if isinstance(reply, ChatFailure):
                    answers.append(reply)
                    continue
                self.kept[key] = reply
                self.spent += 1
            answers.append(self.kept[key])
        return answers

    def forecast(
        self, requests: Sequence[ChatRequest], n_total: int | None = None, n_calls: int = 0
    ) -> CostForecast:
        """Count what is not kept."""
        kept = sum(repr(request) in self.kept for request in requests)
        total = len(requests) if n_total is None else n_total
        prices = self.model.input_price
        cost = None if prices is None else float(total - kept)
        return CostForecast(total, kept, 100.0 * total, 5.0 * total, cost, None, "counted")


def answered(word: str, **others: Any) -> ChatAnswer:
    """Return an answer in JSON, without log-probabilities."""
    return ChatAnswer(json.dumps({"answer": word, **others}))


def with_tokens(word: str, **shares: float) -> ChatAnswer:
    """Return an answer whose deciding token has these alternatives."""
    listed = {text: math.log(share) for text, share in shares.items()}
    tokens = [sure('{"'), sure("answer"), sure('":'), sure(' "')]
    tokens += [TokenChoice(word, listed[word], listed), sure('"}')]
    return ChatAnswer("".join(token.token for token in tokens), choices=tuple(tokens))


def sure(token: str) -> TokenChoice:
    """Return a token without alternatives."""
    return TokenChoice(token, 0.0, {token: 0.0})


def row_of(request: ChatRequest) -> str:
    """Return what the model reads of the row."""
    return request.messages[-1][1]
