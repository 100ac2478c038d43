"""How requests travel: connections that are used again, proxies, replies that come compressed."""

import base64
import contextlib
import gzip
import socket
import threading

import pytest
from scripted_server import Raw, Say, content_of

from spear_amal.errors import InputError
from spear_amal.llm import ChatFailure, ChatServerError, lanes


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


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_reply_without_end_is_not_read_to_it(served, client_of, questions, monkeypatch, pack):
    monkeypatch.setattr(lanes, "_LONGEST", 100_000)
    headers = {"content-encoding": "gzip"} if pack is gzip.compress else {}
    server = served(lambda request: Raw(pack(b" " * 300_000 + echo(request).body()), None, headers))
    [answer] = client_of(server, max_tries=1).ask(questions(1))
    assert isinstance(answer, ChatFailure) and "longer than 100000 bytes" in answer.reason


def test_a_key_that_comes_back_in_what_cannot_be_read_is_not_shown(
    served, client_of, questions, monkeypatch
):
    monkeypatch.setenv("TINY_KEY", "sk-12345678-secret")
    server = served(lambda request: Raw(b"", headers={"no name": "sk-12345678-secret"}))
    [answer] = client_of(server, key_variable="TINY_KEY", max_tries=1).ask(questions(1))
    assert "illegal header line" in answer.reason and "***" in answer.reason
    assert "12345678" not in answer.reason


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


@pytest.fixture
def half_tunnels(monkeypatch):
    """A proxy that opens tunnels and hangs up before there is encryption; counts connections."""
    listener, opened = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        with contextlib.suppress(OSError):  # the listener was closed
            while True:
                connection, _ = listener.accept()
                with connection:
                    opened.append(connection.recv(4096))
                    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    for name in ("NO_PROXY", "no_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{listener.getsockname()[1]}")
    yield opened
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def test_each_try_makes_a_tunnel_of_its_own(half_tunnels, client_of, questions):
    client = client_of("https://models.example/v1", max_tries=3, input_price=1, output_price=1)
    with pytest.raises(ChatServerError, match=r"failed 3 times in a row.*no connection to"):
        client.ask(questions(1))
    assert len(half_tunnels) == 3 and half_tunnels[0].startswith(b"CONNECT models.example:443")
    assert client.spent == 0  # nothing was sent to the server


@pytest.mark.parametrize(
    ("address", "said"), [("us:secret@proxy:3128", "is no address"), ("socks5://h:1", "socksio")]
)
def test_a_proxy_that_cannot_be_used_is_named(client_of, questions, monkeypatch, address, said):
    monkeypatch.setattr(lanes, "find_spec", lambda name: None)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", address)
    with pytest.raises(InputError, match=said) as caught:
        client_of("http://models.example/v1").ask(questions(1))
    assert "secret" not in str(caught.value)
