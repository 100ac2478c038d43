"""A stand-in for a language model: a server on this machine that counts words in place of reading.

It speaks as much of OpenAI's protocol as example 30 needs, log-probabilities of tokens among it.
"""

import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

WORDS = {
    "romance": ("love", "wedding", "heart", "kiss", "letter", "jealous", "longing"),
    "action": ("gun", "gang", "bomb", "chase", "fight", "rifle", "explo"),
}


class Handler(BaseHTTPRequestHandler):
    """Answers ``POST /v1/chat/completions``."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = request["messages"][-1]["content"].lower()
        counts = {name: sum(text.count(word) for word in words) for name, words in WORDS.items()}
        weights = {name: math.exp(2.0 * count) for name, count in counts.items()} | {"unknown": 2.0}
        top = [
            {"token": name, "logprob": math.log(weight / sum(weights.values()))}
            for name, weight in sorted(weights.items(), key=lambda pair: -pair[1])
        ]
        around = {'{"answer": "': [], top[0]["token"]: top, '"}': []}
        tokens = [
            {"token": token, "logprob": others[0]["logprob"] if others else 0.0}
            | {"top_logprobs": others}
            for token, others in around.items()
        ]
        content = "".join(token["token"] for token in tokens)
        choice = {"index": 0, "finish_reason": "stop", "logprobs": {"content": tokens}}
        choice["message"] = {"role": "assistant", "content": content}
        usage = {"prompt_tokens": len(text.split()) + 60, "completion_tokens": 5}
        body = json.dumps({"choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Print nothing of each request."""


@contextmanager
def stand_in() -> Iterator[str]:
    """Yield the address of a server that runs within the block."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
