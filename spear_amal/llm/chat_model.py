"""A language model: where it is served, how fast it may be asked, and what it costs."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from spear_amal.checks import check_not_negative, check_positive, check_whole
from spear_amal.errors import InputError

_SHORTEST = 8  # characters of a key, or of its beginning, that are taken for it
_BLANK = "***"


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
        Limits that are kept to before the server says so. A request counts with its prompt and the
        longest answer that it allows, as servers count.
    input_price, output_price : float, optional
        Of a million tokens, in a currency of yours; None: cost is unknown and `max_cost` refused.
    timeout : float
        Seconds for one request.
    max_tries : int
        Of one request, with growing pauses between them.
    cache_name : str, optional
        Stands for server and model where answers are kept. By default these are `base_url` and
        `name`: name something of your own where answers are to outlive a move to another address,
        and something else when another model is served under the same name.

    Raises
    ------
    InputError
        If a value cannot be used, such as an address that holds a password.
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
    cache_name: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError(f"name must be that of a model, found {self.name!r}")
        _check_address(self.base_url)
        if self.key_variable is not None and not self.key_variable.isidentifier():
            # Not shown: it may be the key itself.
            raise InputError(
                "key_variable must be the name of an environment variable, such as OPENAI_API_KEY, "
                "and not the key itself"
            )
        check_not_negative("temperature", self.temperature)
        check_whole("concurrency", self.concurrency, 1)
        check_whole("max_tries", self.max_tries, 1)
        check_positive("timeout", self.timeout)
        for name in ("requests_per_minute", "tokens_per_minute"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name))
        for name in ("input_price", "output_price"):
            if getattr(self, name) is not None:
                check_not_negative(name, getattr(self, name))

    @property
    def has_prices(self) -> bool:
        """Whether cost can be told."""
        return self.input_price is not None and self.output_price is not None

    def cost(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Compute what tokens cost; 0 where a price is unknown."""
        prices = (self.input_price or 0.0, self.output_price or 0.0)
        return (prompt_tokens * prices[0] + answer_tokens * prices[1]) / 1e6

    @property
    def is_local(self) -> bool:
        """Whether the server runs on this machine."""
        host = urlsplit(self.base_url).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def sends_key_openly(self) -> bool:
        """Whether a key would cross a network without encryption."""
        is_plain = urlsplit(self.base_url).scheme == "http"
        return is_plain and self.key_variable is not None and not self.is_local

    def key(self) -> str | None:
        """Return the key, read from the environment; None for a server without one.

        Raises
        ------
        InputError
            If the variable is not set, or holds what no key can be. The key is not shown.
        """
        if self.key_variable is None:
            return None
        key = os.environ.get(self.key_variable, "").strip()
        if not key:
            raise InputError(
                f"the key of model {self.name!r} is missing: set the environment variable "
                f"{self.key_variable}, or key_variable to None for a server without keys"
            )
        if not (key.isascii() and key.isprintable()) or " " in key:
            raise InputError(
                f"the environment variable {self.key_variable} holds no key: keys are printable "
                "ASCII characters without spaces; it is not shown here"
            )
        return key


def without_key(text: str, key: str | None) -> str:
    """Return a text in which a key, or a beginning of it, is blanked.

    Keys of fewer than eight characters, such as the "EMPTY" of local servers, are no secrets and
    are words that a text may hold.

    Examples
    --------
    >>> without_key("bad key sk-12345678", "sk-12345678"), without_key("EMPTY line", "EMPTY")
    ('bad key ***', 'EMPTY line')
    """
    if key is None or len(key) < _SHORTEST:
        return text
    start = text.find(key[:_SHORTEST])
    while start >= 0:
        n = len(key)
        while not text.startswith(key[:n], start):
            n -= 1
        text = text[:start] + _BLANK + text[start + n :]
        start = text.find(key[:_SHORTEST])
    return text


def _check_address(base_url: str) -> None:
    """Raise InputError for what is no address of a server; passwords in it are not shown."""
    if not isinstance(base_url, str):
        raise InputError(f"base_url must be a text, found {type(base_url).__name__}")
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.username is not None or parts.password is not None:
        raise InputError(
            "base_url holds a user or password, which would end up in files and messages: leave "
            "them out, and name the environment variable of the key as key_variable"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InputError(
            f"base_url must be an address such as http://127.0.0.1:8080/v1, found {base_url!r}"
        )
    if parts.query or parts.fragment:
        raise InputError(
            "base_url must end with its path, such as /v1: nothing may follow after ? or #"
        )
    if parts.path.rstrip("/").endswith("/chat/completions"):
        raise InputError(
            f"base_url must end before /chat/completions, which is added: found {base_url!r}"
        )
