"""Questions to a language model: how near to the ideal time, and how good the forecast of cost.

    python benchmarks/llm.py [--rows 10000] [--kills 50]

A server in a process of its own answers each request after 50 ms, 32 at once. The ideal time is
that of the answers alone. With ``--kills`` a client is killed at random moments instead, again and
again, until all is answered, and the server's own count says what was paid twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from spear_amal.llm import ChatAnswer, ChatClient, ChatModel, ChatRequest
from spear_amal.llm.answer_cache import answer_key

DELAY, CONCURRENCY = 0.05, 32
PROMPTS = ("Is this message spam?", "Does this message sell anything?", "Is it about money?")
SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["spam", "ham"]}},
    "required": ["label"],
    "additionalProperties": False,
}
WORDS = "call free now text mobile claim prize the to a you of and in is me my have on".split()


# -- the server ------------------------------------------------------------------------------------


class Server(asyncio.Protocol):
    """HTTP by hand, as cheap as can be; counts tokens as one for each word and sign."""

    paid: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport):
        """Begin."""
        self.transport, self.received = transport, b""

    def data_received(self, data):
        """Read requests, of which there may be several, or a part of one."""
        self.received += data
        while True:
            head, mark, rest = self.received.partition(b"\r\n\r\n")
            if not mark:
                return
            if head.startswith(b"GET"):
                self.received = rest
                self.send(json.dumps(self.paid).encode())
                continue
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            if len(rest) < length:
                return
            body, self.received = rest[:length], rest[length:]
            asyncio.get_running_loop().call_later(DELAY, self.answer, body)

    def answer(self, body):
        """Answer one, and count it."""
        request = json.loads(body)
        texts = [message["content"] for message in request["messages"]]
        n_tokens = 20 + sum(len(re.findall(r"\w+|[^\w\s]", text)) for text in texts)
        label = "spam" if "free" in texts[-1] else "ham"
        top = [{"token": label, "logprob": -0.1}, {"token": "other", "logprob": -2.4}]
        tokens = ('{"label": "', label, '"}')
        listed = [{"token": t, "logprob": -0.1, "bytes": None, "top_logprobs": top} for t in tokens]
        reply = {
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": "".join(tokens)},
                    "logprobs": {"content": listed},
                }
            ],
            "usage": {"prompt_tokens": n_tokens, "completion_tokens": len(tokens)},
        }
        self.send(json.dumps(reply).encode())
        if not self.transport.is_closing():
            self.paid["\n".join(texts)] += 1

    def send(self, body):
        """Send JSON."""
        head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(head % len(body) + body)


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@contextmanager
def served():
    """Yield the port of a server in a process of its own."""
    process = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE)
    try:
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate()


# -- the client ------------------------------------------------------------------------------------


def questions(n_rows: int) -> list[ChatRequest]:
    chance = random.Random(0)
    rows = [
        " ".join(chance.choices(WORDS, k=chance.randint(3, 40))) + f" {i}" for i in range(n_rows)
    ]
    return [
        ChatRequest((("system", prompt), ("user", row)), SCHEMA, top_logprobs=5)
        for prompt in PROMPTS
        for row in rows
    ]


def model_at(port: int) -> ChatModel:
    return ChatModel(
        name="scripted",
        base_url=f"http://127.0.0.1:{port}/v1",
        concurrency=CONCURRENCY,
        input_price=0.15,
        output_price=0.6,
    )


def speed(n_rows: int) -> None:
    requests = questions(n_rows)
    with served() as port, tempfile.TemporaryDirectory() as folder:
        client = ChatClient(model_at(port), folder, max_cost=1000.0)
        forecast = client.forecast(requests, n_calls=32)
        sampled = client.spent
        print(f"forecast: {forecast}")
        began, cpu = time.perf_counter(), time.process_time()
        answers = client.ask(requests)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        n, ideal = len(requests), len(requests) * DELAY / CONCURRENCY
        assert all(isinstance(answer, ChatAnswer) and answer.choices for answer in answers)
        print(f"{n} requests: {seconds:.1f} s, ideal {ideal:.1f} s, ratio {seconds / ideal:.3f}")
        print(f"processor: {1e3 * cpu / n:.2f} ms a request")
        ratio = forecast.cost / (client.spent - sampled)
        print(f"cost {client.spent:.5f}, of which forecast: {ratio:.3f} of what it was")
        began, cpu = time.perf_counter(), time.process_time()
        client.ask(requests)
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
        print(f"all kept: {seconds:.1f} s, {1e3 * cpu / n:.3f} ms of processor a request")
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


# -- kills -----------------------------------------------------------------------------------------


def ask_all(port: int, folder: str, n_rows: int) -> list[str]:
    client = ChatClient(model_at(port), folder)
    return [answer.text for answer in client.ask(questions(n_rows))]


def kills(n_kills: int, n_rows: int) -> None:
    """Kill a client at random moments and start it again; say what the server was asked twice."""
    chance = random.Random(1)
    requests = questions(n_rows)
    with served() as port, tempfile.TemporaryDirectory() as folder:
        expected = ask_all(port, folder, n_rows)
    texts = {"\n".join(text for _, text in request.messages): request for request in requests}
    with served() as port, tempfile.TemporaryDirectory() as folder:
        model, kept, lost = model_at(port), Counter(), 0
        for _ in range(n_kills):
            pid = os.fork()
            if not pid:
                ask_all(port, folder, n_rows)
                os._exit(0)
            time.sleep(chance.uniform(0.01, 0.5))
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            paid = paid_by(port)
            path = Path(folder) / "answers.sqlite"
            stored = keys_in(path) if path.exists() else set()
            for text, count in paid.items():
                key = answer_key(model, texts[text])
                if key in kept and count > kept[key]:
                    lost += 1  # it was kept, and was asked again nevertheless
                if key in stored:
                    kept[key] = count
        found = ask_all(port, folder, n_rows)
        counts = paid_by(port)
    extra = sum(counts.values()) - len(counts)
    print(
        f"{n_kills} kills, {len(requests)} requests, {sum(counts.values())} answered by the server"
    )
    print(f"asked again though kept: {lost}")
    print(
        f"under way at a kill, and so answered twice: {extra}, {extra / max(n_kills, 1):.1f} a kill"
    )
    print(f"same answers as a run that was not killed: {found == expected}")
    assert lost == 0 and found == expected


def keys_in(path: Path) -> set[str]:
    import sqlite3

    file = sqlite3.connect(path)
    try:
        return {key.decode() for (key,) in file.execute("SELECT key FROM answers")}
    except sqlite3.OperationalError:  # killed before it had made the table
        return set()
    finally:
        file.close()


def paid_by(port: int) -> dict[str, int]:
    from urllib.request import urlopen

    with urlopen(f"http://127.0.0.1:{port}/", timeout=30) as reply:
        return json.load(reply)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.simplefilter("error")
    if options.serve:
        asyncio.run(serve())
    elif options.kills:
        kills(options.kills, options.rows)
    else:
        speed(options.rows)


if __name__ == "__main__":
    main()
