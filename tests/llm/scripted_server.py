"""A server of language models on this machine that does what a test says, faults included.

It speaks HTTP by hand, so that a reply can be cut off, and has no part in common with the client.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Say:
    """An answer; `logprobs` as the server would write them."""

    text: str | None = "yes"
    logprobs: Any = None
    finish: str = "stop"
    usage: tuple[int, int] | None = (100, 5)
    message: dict[str, Any] = field(default_factory=dict)

    def body(self) -> bytes:
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": self.text, **self.message},
            "finish_reason": self.finish,
        }
        if self.logprobs is not None:
            choice["logprobs"] = self.logprobs
        reply: dict[str, Any] = {"object": "chat.completion", "choices": [choice]}
        if self.usage is not None:
            reply["usage"] = dict(
                zip(("prompt_tokens", "completion_tokens"), self.usage, strict=True)
            )
        return json.dumps(reply).encode()


@dataclass
class Fail:
    """A failure, with what it says."""

    status: int
    error: Any = "it failed"
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        error = {"message": self.error} if isinstance(self.error, str) else self.error
        return json.dumps({"error": error}).encode()


@dataclass
class Raw:
    """Bytes of a body, of which only some may be sent before the connection ends."""

    content: bytes
    sent: int | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Hang:
    """No reply at all."""


Reply = Say | Fail | Raw | Hang
Script = Callable[[dict[str, Any]], Reply]


class ScriptedServer:
    """Replies to each request what `script` makes of its JSON; counts what it has answered.

    Attributes
    ----------
    requests : list of dict
        JSON of all requests that came.
    headers : list of dict
    targets : list of str
        What the first lines ask for.
    n_connections : int
    answered : list of dict
        Of those, the ones that got an answer: what is paid.
    most_at_once : int
    """

    def __init__(self, script: Script, delay: float = 0.0) -> None:
        self.script, self.delay = script, delay
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.targets: list[str] = []
        self.n_connections = 0
        self.answered: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0
        self._ready = threading.Event()

    def __enter__(self) -> ScriptedServer:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._stop.wait()
        server.close()
        for writer in self._writers:
            writer.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.n_connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        pairs = (line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        headers = {name.lower(): value for name, value in pairs}
        request = json.loads(await reader.readexactly(int(headers["content-length"])))
        self.requests.append(request)
        self.headers.append(headers)
        self.targets.append(head.split(" ")[1])
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
            reply = self.script(request)
            if isinstance(reply, Hang):
                await self._stop.wait()
                return False
            status, body, more = _parts(reply)
            writer.write(_head(status, len(body), more))
            writer.write(body[: reply.sent] if isinstance(reply, Raw) else body)
            await writer.drain()
            if isinstance(reply, Say):
                self.answered.append(request)
            is_cut = isinstance(reply, Raw) and reply.sent is not None
            return not is_cut and more.get("connection") != "close"
        finally:
            self.at_once -= 1


def _parts(reply: Say | Fail | Raw) -> tuple[int, bytes, dict[str, str]]:
    if isinstance(reply, Fail):
        return reply.status, reply.body(), reply.headers
    if isinstance(reply, Raw):
        return 200, reply.content, reply.headers
    return 200, reply.body(), {}


def _head(status: int, length: int, more: dict[str, str]) -> bytes:
    headers = {"content-type": "application/json", "content-length": str(length), **more}
    lines = [f"HTTP/1.1 {status} status", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def content_of(request: dict[str, Any]) -> str:
    """Return the last message of a request."""
    return str(request["messages"][-1]["content"])
