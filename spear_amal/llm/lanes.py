"""Connections to a server, each of which carries one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies, proxy_bypass

from spear_amal.errors import InputError, MissingExtraError
from spear_amal.llm.chat_model import ChatModel, without_key

if TYPE_CHECKING:
    import httpcore

_CONNECTING = 10.0  # seconds
_IDLE = 60.0  # seconds after which a connection is opened anew
_LONGEST = 32_000_000  # bytes of a reply
_PORTS = {"http": 80, "https": 443}


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

    They are those of httpcore, the part of httpx that speaks HTTP, one a lane. httpx itself would
    look through a pool of all connections for each request, and make objects around it that
    nothing here needs: with 32 at once that takes longer than all else together.

    Parameters
    ----------
    model : ChatModel

    Raises
    ------
    MissingExtraError
        If httpx is not installed.
    InputError
        If the key is missing, or the environment names a proxy that cannot be used.
    """

    def __init__(self, model: ChatModel) -> None:
        self._httpx, core = _libraries()
        self._core, self._model = core, model
        model.key()  # missing: say so before anything else
        url = self._httpx.URL(f"{model.base_url.rstrip('/')}/chat/completions")
        self._url = core.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        self._headers = [
            (b"host", url.netloc),
            (b"content-type", b"application/json"),
            (b"accept", b"application/json"),
        ]
        connect = _way_to(url, model.is_local, self._httpx, core)
        self._all = [_Lane(connect) for _ in range(model.concurrency)]
        self._free: asyncio.LifoQueue[_Lane] = asyncio.LifoQueue()
        for lane in self._all:
            self._free.put_nowait(lane)

    def take_free(self) -> _Lane | None:
        """Return a connection that is free now; None if all are in use."""
        return None if self._free.empty() else self._free.get_nowait()

    async def take(self) -> _Lane:
        """Return a connection as soon as one is free."""
        return await self._free.get()

    def give_back(self, lane: _Lane) -> None:
        """Free a connection."""
        self._free.put_nowait(lane)

    async def post(self, lane: _Lane, body: bytes) -> Reply:
        """Send a request and return the reply.

        Raises
        ------
        NoReply
            If no connection was made, it broke, or it took too long.
        """
        core, key = self._core, self._model.key()
        broken = (core.NetworkError, core.TimeoutException, core.ProtocolError)
        try:
            async with asyncio.timeout(self._model.timeout):
                return await self._post(lane, body, key)
        except TimeoutError:
            failure = NoReply(f"no reply within {self._model.timeout:g} s")
        except (core.ConnectError, core.ConnectTimeout, core.ProxyError) as error:
            failure = NoReply(f"no connection to {self._model.base_url} ({error})", is_down=True)
        except (*broken, self._httpx.DecodingError) as error:
            # Of what cannot be read they quote a line, and a server may repeat the key.
            reason = without_key(f"{type(error).__name__}: {error}", key)
            failure = NoReply(f"the reply broke off ({reason})")
        raise failure  # outside: errors of httpcore may hold the request, and with it the key

    async def _post(self, lane: _Lane, body: bytes, key: str | None) -> Reply:
        headers = [*self._headers, (b"content-length", str(len(body)).encode())]
        if key is not None:
            headers.append((b"authorization", f"Bearer {key}".encode()))
        extensions = {"timeout": {"connect": _CONNECTING}}
        request = self._core.Request(
            b"POST", self._url, headers=headers, content=body, extensions=extensions
        )
        try:
            response = await (await lane.ready()).handle_async_request(request)
            found = {
                name.lower().decode("latin-1"): v.decode("latin-1") for name, v in response.headers
            }
            whole = await self._content(response, "content-encoding" in found)
        except BaseException:
            # Not all of these close it: a tunnel through a proxy may be left half made.
            await lane.close()
            raise
        return Reply(response.status, found, _blanked(whole, key))

    async def _content(self, response: httpcore.Response, is_compressed: bool) -> bytes:
        parts, content = response.aiter_stream(), bytearray()
        if is_compressed:  # not asked for, but some servers always do it
            parts = self._httpx.Response(
                response.status, headers=response.headers, content=parts
            ).aiter_bytes()
        try:
            async for part in parts:
                content += part
                if len(content) > _LONGEST:
                    raise NoReply(f"the reply is longer than {_LONGEST} bytes")
        finally:
            await response.aclose()
        return bytes(content)

    async def close(self) -> None:
        """Close all connections."""
        for lane in self._all:
            await lane.close()


class _Lane:
    """A connection that is opened when it is first needed, and anew once it has ended."""

    def __init__(self, connect: Callable[[], Any]) -> None:
        self._connect = connect
        self._connection: Any = None

    async def ready(self) -> Any:
        """Return the connection, to be used once."""
        connection = self._connection
        if connection is not None and (connection.is_closed() or connection.has_expired()):
            await self.close()
        if self._connection is None:
            self._connection = self._connect()
        return self._connection

    async def close(self) -> None:
        """Close the connection, if there is one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()


def _way_to(url: Any, is_local: bool, library: Any, core: Any) -> Callable[[], Any]:
    """Return what makes a connection to a server, through a proxy where the environment has one."""
    proxies = {} if is_local or proxy_bypass(url.host) else getproxies()
    address = proxies.get(url.scheme, proxies.get("all"))
    pool = core.AsyncConnectionPool(
        # Certificates take long to load, and a server without encryption has none.
        ssl_context=library.create_ssl_context() if url.scheme == "https" else None,
        proxy=None if address is None else _proxy(address, library, core),
        keepalive_expiry=_IDLE,
    )
    origin = core.Origin(url.raw_scheme, url.raw_host, url.port or _PORTS[url.scheme])
    return lambda: pool.create_connection(origin)


def _proxy(address: str, library: Any, core: Any) -> Any:
    try:
        proxy = library.Proxy(address)
    except (ValueError, library.InvalidURL):  # not shown: it may hold a password
        raise InputError(
            "the proxy that an environment variable such as https_proxy names is no address: write "
            "it as http://host:port, or name the server in no_proxy"
        ) from None
    url = proxy.url
    if url.scheme.startswith("socks") and find_spec("socksio") is None:
        raise InputError(
            f"the environment names a proxy of the kind {url.scheme}, which needs socksio: "
            "pip install 'httpx[socks]', or name the server in no_proxy"
        )
    place = core.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    return core.Proxy(place, proxy.raw_auth, proxy.headers.raw, proxy.ssl_context)


def _blanked(content: bytes, key: str | None) -> bytes:
    if key is None or key[:8].encode() not in content:
        return content
    return without_key(content.decode("utf-8", "replace"), key).encode()


def _libraries() -> tuple[Any, Any]:
    try:
        import httpcore
        import httpx
    except ImportError as error:
        raise MissingExtraError("httpx", "llm", "asking a language model") from error
    return httpx, httpcore
