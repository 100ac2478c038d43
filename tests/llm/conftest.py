import asyncio
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from scripted_server import ScriptedServer

from spear_amal.llm import ChatClient, ChatModel, ChatRequest
from spear_amal.llm.pacing import Clock


class QuickClock(Clock):
    """Time that passes at once, and only in pauses."""

    def __init__(self):
        self.time, self.pauses = 0.0, []

    def now(self):
        return self.time

    async def sleep(self, seconds):
        self.pauses.append(seconds)
        until = self.time + seconds
        await asyncio.sleep(0)  # others go first
        self.time = max(self.time, until)


@pytest.fixture
def served():
    """Start scripted servers, which end with the test."""
    servers = []

    def start(script, delay=0.0):
        servers.append(ScriptedServer(script, delay).__enter__())
        return servers[-1]

    yield start
    for server in servers:
        server.__exit__()


@pytest.fixture
def client_of(tmp_path):
    """Make a client of a server, whose pauses take no time."""

    def make(server, max_cost=None, cache_dir=tmp_path, **options):
        url = server if isinstance(server, str) else server.url
        model = ChatModel(**{"name": "tiny", "base_url": url, "concurrency": 5, **options})
        client = ChatClient(model, cache_dir, max_cost)
        client.clock = QuickClock()
        client._prepare(client.clock)
        return client

    random.seed(7)  # of tenacity's jitter
    return make


@pytest.fixture
def questions():
    def make(n, start=0, **options):
        return [ChatRequest((("user", f"row {i}"),), **options) for i in range(start, start + n)]

    return make
