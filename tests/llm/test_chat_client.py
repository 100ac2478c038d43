"""What is asked, kept, tried again and given up."""

import asyncio
import json
import pickle
import socket
import threading
import warnings
from functools import partial

import pytest
from scripted_server import Fail, Hang, Raw, Say, content_of

from spear_amal.errors import InputError
from spear_amal.llm import ChatAnswer, ChatClient, ChatFailure, ChatModel, ChatServerError
from spear_amal.progress import Progress

SCHEMA = {"type": "object", "properties": {"label": {"enum": ["a", "b"]}}}


def echo(request):
    return Say(content_of(request).upper())


def in_turn(*replies):
    """Reply with one after the other, the last for ever."""
    left = list(replies)

    def script(request):
        reply = left.pop(0) if len(left) > 1 else left[0]
        return reply(request) if callable(reply) else reply

    return script


def texts(answers):
    return [answer.text for answer in answers]


# -- order, cache, the same twice --------------------------------------------------------------


def test_answers_come_in_order_and_are_kept(served, client_of, questions):
    server = served(echo)
    client, asked = client_of(server), questions(23)
    expected = [f"ROW {i}" for i in range(23)]
    answers = client.ask(asked)
    assert texts(answers) == expected and not any(answer.is_cached for answer in answers)
    assert server.most_at_once <= 5
    again = client_of(server).ask(asked[::-1])
    assert texts(again) == expected[::-1] and all(answer.is_cached for answer in again)
    assert len(server.requests) == 23


def test_no_requests(served, client_of):
    assert client_of(served(echo)).ask([]) == []


def test_the_same_request_is_sent_once(served, client_of, questions):
    server = served(echo)
    [first, second, other] = client_of(server).ask([*questions(1), *questions(1), *questions(1, 5)])
    assert (first.is_cached, second.is_cached) == (False, True)
    assert first.text == second.text == "ROW 0" and other.text == "ROW 5"
    assert len(server.requests) == 2


def test_threads_share_requests_that_are_under_way(served, client_of, questions):
    server = served(echo, delay=0.01)
    client, outcomes = client_of(server), {}

    def ask(name):
        outcomes[name] = texts(client.ask(questions(31)))

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(outcomes.values()) == [[f"ROW {i}" for i in range(31)]] * 3
    assert len(server.requests) == 31 and server.most_at_once <= 5


def test_works_where_a_loop_runs(served, client_of, questions):
    client = client_of(served(echo))

    async def cell():
        return client.ask(questions(3))

    assert texts(asyncio.run(cell())) == ["ROW 0", "ROW 1", "ROW 2"]


@pytest.mark.parametrize(
    "change",
    [
        {"temperature": 0.5},
        {"seed": 3},
        {"name": "other"},
        {"cache_name": "mine"},
    ],
)
def test_another_question_is_another_entry(served, client_of, questions, change):
    server = served(echo)
    client_of(server).ask(questions(1))
    client_of(server, **change).ask(questions(1))
    assert len(server.requests) == 2


@pytest.mark.parametrize("change", [{"max_tokens": 7}, {"top_logprobs": 3}, {"schema": SCHEMA}])
def test_another_request_is_another_entry(served, client_of, questions, change):
    server = served(in_turn(Say("a", logprobs={"content": [{"token": "a", "logprob": -0.5}]})))
    client_of(server).ask([*questions(1), *questions(1, **change)])
    assert len(server.requests) == 2


def test_a_model_that_moves_keeps_its_answers_under_a_name(served, client_of, questions):
    first, second = served(echo), served(echo)
    client_of(first, cache_name="mine").ask(questions(3))
    assert client_of(second, cache_name="mine").ask(questions(3))[0].is_cached
    assert not second.requests


def test_limits_prices_and_tries_do_not_count(served, client_of, questions):
    server = served(echo)
    client_of(server).ask(questions(1))
    further = {"concurrency": 2, "input_price": 1.0, "output_price": 1.0, "max_tries": 1}
    assert client_of(server, max_cost=0.0, **further).ask(questions(1))[0].is_cached


def test_default_folder(served, client_of, questions, monkeypatch, tmp_path):
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path / "elsewhere"))
    client_of(served(echo), cache_dir=None).ask(questions(1))
    assert (tmp_path / "elsewhere" / "llm" / "answers.sqlite").is_file()


# -- tries -------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_passing_failures_are_tried_again(served, client_of, questions, status):
    client = client_of(served(in_turn(Fail(status), Fail(status), echo)))
    [answer] = client.ask(questions(1))
    assert answer.text == "ROW 0"
    first, second = client.clock.pauses
    assert 0.5 <= first <= 1.5 and 1.0 <= second <= 2.0


@pytest.mark.parametrize(
    "headers",
    [
        {"Retry-After": "17"},
        {"retry-after-ms": "17000", "retry-after": "1"},
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "17s"},
    ],
)
def test_pauses_that_are_asked_for(served, client_of, questions, headers):
    client = client_of(served(in_turn(Fail(429, headers=headers), echo)))
    assert client.ask(questions(1))[0].text == "ROW 0"
    assert 17 <= client.clock.time <= 19


def test_a_pause_holds_all_back(served, client_of, questions):
    """The first one settles the format; of the others one is refused, and none goes before time."""
    times = []
    refusals = [Fail(429, headers={"retry-after": "100"})]

    def script(request):
        times.append(client.clock.now())
        late = len(times) > 3
        return refusals.pop() if late and refusals else echo(request)

    client = client_of(served(script))
    assert len(client.ask(questions(29))) == 29
    assert all(time < 100 for time in times[:4]) and all(time >= 100 for time in times[9:])


def test_requests_that_are_held_back_while_others_pass_do_not_fail(served, client_of, questions):
    """One in seven passes: if each refusal counted, some would be given up after seven."""
    n = 0

    def script(request):
        nonlocal n
        n += 1
        return echo(request) if n % 7 == 0 else Fail(429, headers={"retry-after": "1"})

    answers = client_of(served(script), max_tries=7).ask(questions(20))
    assert all(isinstance(answer, ChatAnswer) for answer in answers)


def test_a_server_that_wants_hours_ends_the_run(served, client_of, questions):
    client = client_of(served(in_turn(echo, Fail(429, headers={"retry-after": "7200"}))))
    with pytest.raises(ChatServerError, match="asks to wait 120 minutes"):
        client.ask(questions(5))


@pytest.mark.parametrize(
    "reply",
    [
        Raw(Say("x").body(), sent=20),
        Raw(b'{"choices": ['),
        Raw(b"<html>busy</html>"),
        Raw(b'{"choices": []}'),
        Raw(b"[1, 2]"),
        Raw(json.dumps({"error": {"message": "upstream", "code": 502}}).encode()),
    ],
)
def test_replies_that_are_none_are_tried_again(served, client_of, questions, reply):
    server = served(in_turn(reply, echo))
    assert client_of(server).ask(questions(1))[0].text == "ROW 0"
    assert len(server.requests) == 2


def test_slow_replies_are_given_up(served, client_of, questions):
    server = served(lambda request: Hang() if content_of(request) == "row 1" else echo(request))
    asked = client_of(server, timeout=0.1, max_tries=2).ask(questions(3))
    assert isinstance(asked[1], ChatFailure) and asked[1].n_tries == 2
    assert "no reply within 0.1 s" in asked[1].reason
    assert (asked[0].text, asked[2].text) == ("ROW 0", "ROW 2")


def test_failures_are_not_kept(served, client_of, questions):
    state = {"broken": True}
    server = served(
        lambda request: (
            Fail(500) if state["broken"] and content_of(request) == "row 1" else echo(request)
        )
    )
    assert isinstance(client_of(server).ask(questions(3))[1], ChatFailure)
    state["broken"] = False
    answers = client_of(server).ask(questions(3))
    assert texts(answers) == ["ROW 0", "ROW 1", "ROW 2"]
    assert [answer.is_cached for answer in answers] == [True, False, True]


def test_a_server_that_is_down_is_found_out_once(client_of, questions):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # nobody listens
        client = client_of(f"http://127.0.0.1:{taken.getsockname()[1]}/v1")
        with pytest.raises(ChatServerError, match=r"failed 6 times in a row.*0 of 1000 requests"):
            client.ask(questions(1000))
    assert len(client.clock.pauses) == 5


def test_a_server_that_goes_down_ends_the_run_and_loses_nothing(served, client_of, questions):
    n = 0

    def script(request):
        nonlocal n
        n += 1
        return echo(request) if n <= 20 else Fail(503)

    server = served(script)
    with pytest.raises(ChatServerError, match="20 of 1000 requests are answered and kept"):
        client_of(server).ask(questions(1000))
    assert len(server.requests) < 20 + 60
    server.script = echo
    answers = client_of(server).ask(questions(30))
    assert sum(answer.is_cached for answer in answers) == 20


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "refuses the key"),
        (402, "paid"),
        (403, "refuses the key"),
        (404, "no such model"),
        (307, "redirects"),
        (400, "rejects what is asked"),
        (422, "rejects what is asked"),
    ],
)
def test_refusals_end_all_at_once(served, client_of, questions, status, words):
    server = served(in_turn(Fail(status, "so it is", {"location": "http://127.0.0.1:9/"})))
    with pytest.raises(InputError, match=rf"{words}.*status {status}: so it is"):
        client_of(server).ask(questions(50))
    assert len(server.requests) == 1


def test_no_money_is_no_passing_failure(served, client_of, questions):
    error = {"message": "You exceeded your quota", "code": "insufficient_quota"}
    server = served(in_turn(echo, Fail(429, error)))
    with pytest.raises(InputError, match="paid first"):
        client_of(server).ask(questions(50))
    assert len(server.requests) <= 6


def test_one_odd_row_does_not_end_the_run(served, client_of, questions):
    server = served(
        lambda request: (
            Fail(400, "odd letters") if content_of(request) == "row 7" else echo(request)
        )
    )
    answers = client_of(server).ask(questions(20))
    assert isinstance(answers[7], ChatFailure) and "odd letters" in answers[7].reason
    assert sum(isinstance(answer, ChatAnswer) for answer in answers) == 19
    assert len(server.requests) == 20


def test_many_odd_rows_do(served, client_of, questions):
    server = served(in_turn(echo, Fail(400, "odd letters")))
    with pytest.raises(InputError, match="20 requests in a row"):
        client_of(server).ask(questions(200))


@pytest.mark.parametrize(
    "error",
    [
        {"message": "maximum context length is 4096 tokens", "code": "context_length_exceeded"},
        "the request exceeds the available context size",
    ],
)
def test_a_row_that_is_too_long_fails_alone(served, client_of, questions, error):
    server = served(
        lambda request: Fail(400, error) if content_of(request) == "row 0" else echo(request)
    )
    answers = client_of(server).ask(questions(3))
    assert isinstance(answers[0], ChatFailure) and "too long" in answers[0].reason
    assert texts(answers[1:]) == ["ROW 1", "ROW 2"]


def test_an_interrupt_keeps_what_is_under_way(served, client_of, questions):
    """The caller is interrupted at a glance at its progress, as by Ctrl-C."""
    server = served(echo, delay=0.02)
    client = client_of(server)
    run = client._door.run

    def interrupted(work, watch):
        def look():
            if server.answered:
                raise KeyboardInterrupt

        return run(work, look)

    client._door.run = interrupted
    with pytest.raises(KeyboardInterrupt):
        client.ask(questions(500))
    client._door.run = run
    n = len(server.answered)
    assert 0 < n < 500
    assert sum(a.is_cached for a in client.ask(questions(n + 10))) == n


# -- at the door -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "request_",
    [
        "row",
        pytest.param(None, id="none"),
    ],
)
def test_what_is_no_request(client_of, request_):
    with pytest.raises(InputError, match="ChatRequest"):
        client_of("http://127.0.0.1:9/v1").ask([request_])


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://me:secret@127.0.0.1/v1", "user or password"),
        ("127.0.0.1:8080/v1", "an address such as"),
        ("ftp://127.0.0.1/v1", "an address such as"),
        ("http://127.0.0.1/v1?x=1", "nothing may follow"),
        ("http://127.0.0.1/v1/chat/completions", "end before"),
        ("http://127.0.0.1:port/v1", "an address such as"),
    ],
)
def test_addresses(url, words):
    with pytest.raises(InputError, match=words) as caught:
        ChatModel(name="m", base_url=url)
    assert "secret" not in str(caught.value)


def test_copies_in_other_processes(served, client_of, questions):
    server = served(echo)
    copy = pickle.loads(pickle.dumps(client_of(server)))
    assert texts(copy.ask(questions(2))) == ["ROW 0", "ROW 1"]
    with pytest.raises(InputError, match="n_jobs=1"):
        pickle.dumps(client_of(server, max_cost=1.0, input_price=1.0, output_price=1.0))


def test_nothing_is_left_open(served, client_of, questions):
    before = threading.active_count()
    server = served(echo)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        client_of(server).ask(questions(9))
    assert threading.active_count() == before + 1  # the server's


def test_progress(served, tmp_path, questions, capsys, monkeypatch):
    monkeypatch.setattr("spear_amal.llm.client.Progress", partial(Progress, log_every=0.0))
    model = ChatModel(name="m", base_url=served(echo).url, input_price=1.0, output_price=1.0)
    ChatClient(model, tmp_path, progress=True).ask(questions(3))
    assert "3/3 asking m, cost 0.000315" in capsys.readouterr().err
