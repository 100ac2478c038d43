"""A language model: where it is served, how fast it may be asked, and what it costs."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ChatModel:
    """A language model behind an OpenAI-compatible server; it holds no key.

    Parameters
    ----------
    name : str
        As the server calls it.
    base_url : str
        Up to and with ``/v1``: hosted, vLLM, llama.cpp, Ollama.
    key_variable : str, optional
        Environment variable that holds the key; None for servers without one. The key itself is
        read when a request is sent, and is written nowhere.
    temperature : float
    seed : int, optional
    concurrency : int
        Requests under way at once.
    requests_per_minute, tokens_per_minute : float, optional
        Limits that are kept to before the server says so.
    input_price, output_price : float, optional
        Of a million tokens, in a currency of yours; None: cost is unknown and `max_cost` refused.
    timeout : float
        Seconds for one request.
    max_tries : int
        Of one request, with growing pauses between them.
    """

    name: str
    base_url: str = "http://127.0.0.1:8080/v1"
    key_variable: str | None = None
    temperature: float = 0.0
    seed: int | None = 0
    concurrency: int = 8
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    input_price: float | None = None
    output_price: float | None = None
    timeout: float = 60.0
    max_tries: int = 6
