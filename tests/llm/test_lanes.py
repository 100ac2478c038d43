"""How requests travel: connections that are used again, proxies, replies that come compressed."""

import base64
import gzip

import pytest
from scripted_server import Raw, Say, content_of

from spear_amal.llm import ChatFailure


def echo(request):
    return Say(content_of(request).upper())


def test_connections_are_used_again(served, client_of, questions):
    server = served(echo)
    client_of(server, concurrency=3).ask(questions(40))
    assert server.n_connections <= 3 and len(server.requests) == 40


def test_a_connection_that_the_server_closes_is_opened_anew(served, client_of, questions):
    server = served(lambda request: Raw(echo(request).body(), headers={"connection": "close"}))
    answers = client_of(server, concurrency=2).ask(questions(9))
    assert [answer.text for answer in answers] == [f"ROW {i}" for i in range(9)]
    assert server.n_connections == len(server.requests) == 9


def test_what_is_sent_is_plain_http(served, client_of, questions):
    server = served(echo)
    client_of(server).ask(questions(1))
    headers = server.headers[0]
    assert server.targets == ["/v1/chat/completions"]
    assert headers["host"] == server.url.split("/")[2]
    assert headers["content-type"] == "application/json" and "authorization" not in headers


def test_compressed_replies_are_read(served, client_of, questions):
    headers = {"content-encoding": "gzip"}
    server = served(lambda request: Raw(gzip.compress(echo(request).body()), headers=headers))
    assert [answer.text for answer in client_of(server).ask(questions(2))] == ["ROW 0", "ROW 1"]


def test_a_reply_that_cannot_be_decompressed_is_tried_again(served, client_of, questions):
    headers = {"content-encoding": "gzip"}
    server = served(lambda request: Raw(echo(request).body(), headers=headers))
    [answer] = client_of(server, max_tries=2).ask(questions(1))
    assert isinstance(answer, ChatFailure) and "broke off" in answer.reason
    assert len(server.requests) == 2


@pytest.fixture
def proxied(served, monkeypatch):
    """A server in the place of a proxy, with a password in its address."""
    server = served(echo)
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://us%40er:secret@127.0.0.1:{server.port}")
    return server


def test_requests_go_through_a_proxy_of_the_environment(proxied, client_of, questions):
    answers = client_of("http://models.example:8000/v1").ask(questions(7))
    assert [answer.text for answer in answers] == [f"ROW {i}" for i in range(7)]
    assert set(proxied.targets) == {"http://models.example:8000/v1/chat/completions"}
    credentials = proxied.headers[0]["proxy-authorization"].split(" ")[1]
    assert base64.b64decode(credentials) == b"us@er:secret"
    assert proxied.headers[0]["host"] == "models.example:8000"


def test_servers_of_this_machine_are_asked_without_a_proxy(proxied, served, client_of, questions):
    server = served(echo)
    assert client_of(server).ask(questions(1))[0].text == "ROW 0"
    assert not proxied.requests
