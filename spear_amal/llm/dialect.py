"""What a server understands: OpenAI's format, or as much of it as there is."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from spear_amal.llm.chat import ChatRequest
from spear_amal.llm.chat_model import ChatModel

# Statuses of servers that do not understand a part of a request.
_NOT_UNDERSTOOD = (400, 422, 500, 501)
# "schema": the server is given the schema; "object": the schema beside the word that it is JSON, as
# llama-cpp-python takes it; "json": it is told to write JSON; "words": it is not.
_FORMATS = ("schema", "object", "json", "words")
_OF_FORMAT = re.compile(
    r"response_?format|json_?schema|json_?object|json mode|structured.?output|grammar|guided", re.I
)


@dataclass(frozen=True)
class Dialect:
    """Which parts of OpenAI's format are sent.

    Parameters
    ----------
    format : {"schema", "object", "json", "words"}
        How a server is told what an answer looks like.
    logprobs, temperature, seed : bool
        Whether they are sent.
    limit : {"max_tokens", "max_completion_tokens"}
        What the longest answer is called.
    """

    format: str = "schema"
    logprobs: bool = True
    temperature: bool = True
    seed: bool = True
    limit: str = "max_tokens"

    def body(self, model: ChatModel, request: ChatRequest) -> bytes:
        """Return the JSON that is sent."""
        return json.dumps(self._content(model, request)).encode()

    def _content(self, model: ChatModel, request: ChatRequest) -> dict[str, Any]:
        content: dict[str, Any] = {
            "model": model.name,
            "messages": list(self._messages(request)),
            self.limit: request.max_tokens,
        }
        if self.temperature:
            content["temperature"] = model.temperature
        if self.seed and model.seed is not None:
            content["seed"] = model.seed
        if self.logprobs and request.top_logprobs:
            content |= {"logprobs": True, "top_logprobs": request.top_logprobs}
        if request.schema is not None and self.format != "words":
            content["response_format"] = self._format_of(dict(request.schema))
        return content

    def _format_of(self, schema: dict[str, Any]) -> dict[str, Any]:
        if self.format == "schema":
            named = {"name": "answer", "strict": True, "schema": schema}
            return {"type": "json_schema", "json_schema": named}
        beside = {"schema": schema} if self.format == "object" else {}
        return {"type": "json_object"} | beside

    def _messages(self, request: ChatRequest) -> Iterator[dict[str, str]]:
        """Messages, the last with the schema in words where the server may not know it."""
        last = len(request.messages) - 1
        for i, (role, content) in enumerate(request.messages):
            if i == last and request.schema is not None and self.format != "schema":
                schema = json.dumps(dict(request.schema))
                content = (
                    f"{content}\n\nAnswer with JSON that follows this JSON schema, and with "
                    f"nothing else:\n{schema}"
                )
            yield {"role": role, "content": content}

    def without(
        self, request: ChatRequest, status: int, message: str, parameter: str
    ) -> tuple[Dialect, str] | None:
        """Return the dialect without what a server has refused, and what that means in words.

        Parameters
        ----------
        status : int
        message, parameter : str
            What the server says, and the part of the request that it names.

        Returns
        -------
        tuple or None
            None where what it says has to do with no part that can be left out.
        """
        if status not in _NOT_UNDERSTOOD:
            return None
        # What it names decides; what it says may quote much else of the request.
        for text in filter(None, (parameter, message)):
            for applies, part, changes, meaning in self._parts(request):
                if applies and re.search(part, text, re.I):
                    return replace(self, **changes), meaning
        return None

    def _parts(self, request: ChatRequest) -> list[tuple[bool, str, dict[str, Any], str]]:
        """Return what can be left out: whether it is sent, its pattern, changes, their meaning."""
        following = dict(itertools.pairwise(_FORMATS)).get(self.format, "words")
        asks_format = request.schema is not None and self.format != "words"
        return [
            (
                self.limit == "max_tokens",
                r"max_completion_tokens|unsupported.{0,20}max_tokens|^max_tokens$",
                {"limit": "max_completion_tokens"},
                "",
            ),
            (
                asks_format,
                _OF_FORMAT.pattern,
                {"format": following},
                ""
                if following == "object"
                else "takes no JSON schema: it is told in words, and answers may not follow it",
            ),
            (
                self.logprobs and request.top_logprobs > 0,
                r"log_?probs",
                {"logprobs": False},
                "gives no log-probabilities: answers come without",
            ),
            (
                self.temperature,
                r"temperature",
                {"temperature": False},
                "takes no temperature: it answers at its own",
            ),
            (
                self.seed,
                r"\bseed\b",
                {"seed": False},
                "takes no seed: another run may be answered otherwise",
            ),
        ]
