"""Connections to a server, each of which carries one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass

from spear_amal.errors import MissingExtraError
from spear_amal.llm.chat_model import ChatModel, without_key

if TYPE_CHECKING:
    import httpx

_CONNECTING = 10.0  # seconds
_IDLE = 60.0  # seconds after which a connection is opened anew
_LONGEST = 32_000_000  # bytes of a reply


@dataclass(frozen=True)
class Reply:
    """What came back.

    Parameters
    ----------
    status : int
    headers : mapping
        Names in lower case.
    body : bytes
        Without the key, should the server repeat it.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoReply(Exception):
    """Nothing whole came back.

    Parameters
    ----------
    reason : str
    is_down : bool
        No connection could be made, so that nothing was sent and nothing can have been paid.
    """

    def __init__(self, reason: str, is_down: bool = False) -> None:
        super().__init__(reason)
        self.is_down = is_down


class Lanes:
    """As many connections as requests may be under way at once.

    Each is a transport of its own: a pool of httpx looks through all of its connections for each
    request, which with 32 of them costs more than all else together.

    Parameters
    ----------
    model : ChatModel

    Raises
    ------
    MissingExtraError
        If httpx is not installed.
    InputError
        If the key is missing.
    """

    def __init__(self, model: ChatModel) -> None:
        library = self._httpx = _httpx()
        self._model = model
        model.key()  # missing: say so before anything else
        url = library.URL(f"{model.base_url.rstrip('/')}/chat/completions")
        self._url = url
        proxies = {} if model.is_local or proxy_bypass(url.host) else getproxies()
        # Certificates take long to load, and a server without encryption has none.
        verify: Any = library.create_ssl_context() if url.scheme == "https" else False
        limits = library.Limits(
            max_connections=1, max_keepalive_connections=1, keepalive_expiry=_IDLE
        )
        self._all = [
            library.AsyncHTTPTransport(
                verify=verify, limits=limits, proxy=proxies.get(url.scheme, proxies.get("all"))
            )
            for _ in range(model.concurrency)
        ]
        self._free: asyncio.LifoQueue[httpx.AsyncHTTPTransport] = asyncio.LifoQueue()
        for transport in self._all:
            self._free.put_nowait(transport)

    async def take(self) -> httpx.AsyncHTTPTransport:
        """Return a connection that is free."""
        return await self._free.get()

    def give_back(self, lane: httpx.AsyncHTTPTransport) -> None:
        """Free a connection."""
        self._free.put_nowait(lane)

    async def post(self, lane: httpx.AsyncHTTPTransport, body: bytes) -> Reply:
        """Send a request and return the reply.

        Raises
        ------
        NoReply
            If no connection was made, it broke, or it took too long.
        """
        try:
            async with asyncio.timeout(self._model.timeout):
                return await self._post(lane, body)
        except TimeoutError:
            failure = NoReply(f"no reply within {self._model.timeout:g} s")
        except (self._httpx.ConnectError, self._httpx.ConnectTimeout) as error:
            failure = NoReply(f"no connection to {self._model.base_url} ({error})", is_down=True)
        except self._httpx.HTTPError as error:
            failure = NoReply(f"the reply broke off ({type(error).__name__}: {error})")
        raise failure  # outside: errors of httpx may hold the request, and with it the key

    async def _post(self, lane: httpx.AsyncHTTPTransport, body: bytes) -> Reply:
        headers = [("content-type", "application/json"), ("accept", "application/json")]
        key = self._model.key()
        if key is not None:
            headers.append(("authorization", f"Bearer {key}"))
        request = self._httpx.Request(
            "POST",
            self._url,
            headers=headers,
            content=body,
            extensions={"timeout": {"connect": _CONNECTING}},
        )
        response = await lane.handle_async_request(request)
        try:
            content = bytearray()
            async for part in response.aiter_bytes():
                content += part
                if len(content) > _LONGEST:
                    raise NoReply(f"the reply is longer than {_LONGEST} bytes")
        finally:
            await response.aclose()
        return Reply(response.status_code, response.headers, _blanked(bytes(content), key))

    async def close(self) -> None:
        """Close all connections."""
        for transport in self._all:
            await transport.aclose()


def _blanked(content: bytes, key: str | None) -> bytes:
    if key is None or key[:8].encode() not in content:
        return content
    return without_key(content.decode("utf-8", "replace"), key).encode()


def _httpx() -> Any:
    try:
        import httpx
    except ImportError as error:
        raise MissingExtraError("httpx", "llm", "asking a language model") from error
    return httpx
