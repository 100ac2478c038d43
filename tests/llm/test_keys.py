"""Keys come from the environment and go to the server, and nowhere else."""

import logging
import traceback
import warnings

import pytest
from scripted_server import Fail, Raw, Say

from spear_amal.errors import InputError
from spear_amal.llm import ChatFailure, ChatModel, ChatServerError
from spear_amal.llm.chat_model import without_key

KEY = "sk-test-0123456789-abcdefghij"


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("TINY_KEY", KEY)


def everything_of(error):
    """All that can be seen of an error: texts, causes, contexts, and what hangs on them."""
    seen, texts = [], []
    while error is not None and error not in seen:
        seen.append(error)
        texts += [repr(error), *map(repr, error.args), repr(vars(error))]
        texts += traceback.format_exception(error)
        request = getattr(error, "_request", None)
        texts += [repr(request), repr(getattr(request, "headers", None))]
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


def test_the_key_reaches_the_server(served, client_of, questions):
    server = served(lambda request: Say())
    client_of(server, key_variable="TINY_KEY").ask(questions(2))
    assert {headers["authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    client_of(server, cache_name="other").ask(questions(1))
    assert "authorization" not in server.headers[-1]


@pytest.mark.parametrize(
    "reply",
    [
        Fail(401, f"Incorrect API key provided: {KEY}. You can find yours elsewhere."),
        Fail(401, f"Incorrect API key provided: {KEY[:12]}..."),
        Fail(400, f"odd: Bearer {KEY}"),
        Fail(500, f"it failed with {KEY}"),
        Fail(429, f"slower, {KEY}", {"retry-after": "99999"}),
        Raw(f"<html>{KEY}</html>".encode()),
        Raw(f'{{"error": {{"message": "{KEY}", "code": 400}}}}'.encode()),
        Raw(KEY.encode() * 9, sent=70),
        Say(f"your key is {KEY}"),
        Say(refusal := f"no, {KEY}", finish="length", message={"refusal": refusal}),
    ],
)
def test_a_key_that_the_server_repeats_is_blanked(
    served, client_of, questions, tmp_path, caplog, capfd, reply
):
    caplog.set_level(logging.DEBUG)
    client = client_of(served(lambda request: reply), key_variable="TINY_KEY")
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            outcome = repr(client.ask(questions(2)))
        except (InputError, ChatServerError) as error:
            outcome = everything_of(error)
    seen = [outcome, repr(client), repr(vars(client)), repr(vars(client._state)), caplog.text]
    seen += [*capfd.readouterr(), *(str(warning.message) for warning in warned)]
    seen += [path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()]
    for text in seen:
        assert KEY not in text and KEY[:10] not in text


def test_no_error_of_the_library_hangs_on_ours(served, client_of, questions):
    client = client_of(served(lambda request: Raw(b"x" * 50, sent=3)), key_variable="TINY_KEY")
    asked = client.ask(questions(1))
    assert isinstance(asked[0], ChatFailure) and KEY not in asked[0].reason
    client = client_of("http://127.0.0.1:9/v1", key_variable="TINY_KEY")
    with pytest.raises(ChatServerError) as caught:
        client.ask(questions(1))
    assert caught.value.__cause__ is None and KEY not in everything_of(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "missing: set the environment variable TINY_KEY"),
        ("", "missing"),
        ("  \n", "missing"),
        (f"{KEY}\r\nX-Other: 1", "holds no key"),
        (f"{KEY}ü", "holds no key"),
        (f"{KEY} {KEY}", "holds no key"),
    ],
)
def test_keys_that_are_none(served, client_of, questions, monkeypatch, tmp_path, value, words):
    if value is None:
        monkeypatch.delenv("TINY_KEY")
    else:
        monkeypatch.setenv("TINY_KEY", value)
    server = served(lambda request: Say())
    with pytest.raises(InputError, match=words) as caught:
        client_of(server, key_variable="TINY_KEY").ask(questions(1))
    assert not server.requests and KEY not in everything_of(caught.value)


def test_a_key_with_a_line_end_is_taken(served, client_of, questions, monkeypatch):
    monkeypatch.setenv("TINY_KEY", f"{KEY}\n")
    server = served(lambda request: Say())
    client_of(server, key_variable="TINY_KEY").ask(questions(1))
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_a_key_in_place_of_its_variable_is_not_shown():
    with pytest.raises(InputError, match="name of an environment variable") as caught:
        ChatModel(name="m", key_variable=KEY)
    assert KEY not in str(caught.value)


def test_words_that_serve_as_keys_stay_in_texts(served, client_of, questions, monkeypatch):
    monkeypatch.setenv("TINY_KEY", "EMPTY")
    client = client_of(served(lambda request: Say("EMPTY")), key_variable="TINY_KEY")
    assert client.ask(questions(1))[0].text == "EMPTY"


def test_blanking():
    assert without_key(f"{KEY}{KEY} {KEY[:9]}x", KEY) == "****** ***x"
    assert without_key("sk-test", KEY) == "sk-test"
    assert without_key("text", None) == "text"


def test_a_key_over_an_open_network_is_warned_of(served, client_of, monkeypatch, questions):
    far = ChatModel(name="m", base_url="http://models.example/v1", key_variable="TINY_KEY")
    assert far.sends_key_openly
    for near in ("http://localhost:1/v1", "http://[::1]:1/v1", "https://models.example/v1"):
        assert not ChatModel(name="m", base_url=near, key_variable="TINY_KEY").sends_key_openly
    assert not ChatModel(name="m", base_url="http://models.example/v1").sends_key_openly
    monkeypatch.setattr(ChatModel, "is_local", False)
    server = served(lambda request: Say())
    with pytest.warns(UserWarning, match="without encryption"):
        client_of(server, key_variable="TINY_KEY").ask(questions(1))
