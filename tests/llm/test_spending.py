"""Budgets that are never exceeded, forecasts, and limits of a minute."""

import random
import threading

import pytest
from scripted_server import Fail, Raw, Say, content_of

from spear_amal.errors import InputError
from spear_amal.llm import BudgetError, ChatAnswer, ChatRequest
from spear_amal.llm.pacing import Throttle, asked_pause
from spear_amal.llm.spending import estimate_from

PRICES = {"input_price": 100.0, "output_price": 1000.0}
EACH = (100 * 100 + 5 * 1000) / 1e6  # as the server counts by default


def test_what_was_spent(served, client_of, questions):
    client = client_of(served(lambda request: Say()), **PRICES)
    client.ask(questions(7))
    assert client.spent == pytest.approx(7 * EACH)
    client.ask(questions(7))
    assert client.spent == pytest.approx(7 * EACH)
    assert client_of(served(lambda request: Say()), cache_name="new").spent == 0


@pytest.mark.parametrize("max_cost", [0.0, 0.02, 0.5, 1.0])
def test_a_budget_is_never_exceeded(served, client_of, questions, max_cost):
    """The longest answers there may be, so that what is reserved is needed."""
    server = served(lambda request: Say(usage=(100, 64)))
    client = client_of(server, max_cost=max_cost, **PRICES)
    with pytest.raises(BudgetError, match=r"max_cost is .* are left.*raise max_cost"):
        client.ask(questions(100))
    paid = len(server.answered) * (100 * 100 + 64 * 1000) / 1e6
    assert client.spent == pytest.approx(paid) and paid <= max_cost
    most = client._state.purse.most(questions(1)[0])
    assert paid + most > max_cost  # nor was it left unused
    kept = client_of(server).ask(questions(100))
    assert sum(answer.is_cached for answer in kept) * (100 * 100 + 64 * 1000) / 1e6 == (
        pytest.approx(paid)
    )


def test_a_budget_that_suffices(served, client_of, questions):
    client = client_of(served(lambda request: Say()), max_cost=100 * EACH + 0.2, **PRICES)
    assert all(isinstance(answer, ChatAnswer) for answer in client.ask(questions(100)))


@pytest.mark.parametrize("reply", [Raw(Say().body(), sent=30), Say(usage=None)])
def test_what_is_not_counted_is_the_most_that_it_can_be(served, client_of, questions, reply):
    replies = [reply]
    server = served(lambda request: replies.pop() if replies else Say())
    client = client_of(server, **PRICES)
    client.ask(questions(1))
    most = client._state.purse.most(questions(1)[0])
    assert client.spent == pytest.approx(most + EACH * isinstance(reply, Raw))


def test_failures_that_say_so_cost_nothing(served, client_of, questions):
    replies = [Fail(500), Fail(429)]
    server = served(lambda request: replies.pop() if replies else Say())
    client = client_of(server, **PRICES)
    client.ask(questions(1))
    assert client.spent == pytest.approx(EACH)


def test_tokens_where_the_server_does_not_count(served, client_of, questions):
    client = client_of(served(lambda request: Say("a word", usage=None)))
    [answer] = client.ask(questions(1))
    assert answer.prompt_tokens > 0 and answer.answer_tokens > 0


def test_budgets_need_prices(client_of):
    with pytest.raises(InputError, match="max_cost needs the prices"):
        client_of("http://127.0.0.1:9/v1", max_cost=1.0)
    with pytest.raises(InputError, match="max_cost"):
        client_of("http://127.0.0.1:9/v1", max_cost=-1.0, **PRICES)


# -- forecasts -------------------------------------------------------------------------------


def rows_of_three_prompts(n):
    chance = random.Random(3)
    prompts = ("Short?", "A prompt of another length, with much to say about it. " * 5, "Odd?")
    rows = [" ".join(["word"] * chance.randint(1, 60)) + f" {i}" for i in range(n)]
    return [
        ChatRequest((("system", prompt), ("user", row)), max_tokens=64)
        for prompt in prompts
        for row in rows
    ]


def count_words(request):
    """A server whose tokens are words, and which answers the second prompt at length."""
    texts = [message["content"] for message in request["messages"]]
    length = 40 if "another length" in texts[0] else 2
    n_words = sum(len(text.split()) for text in texts)
    return Say("a", usage=(17 + n_words, length + len(texts[1]) % 3))


def test_a_forecast_is_near_the_sum(served, client_of):
    requests = rows_of_three_prompts(59)
    client = client_of(served(count_words), **PRICES)
    forecast = client.forecast(requests, n_calls=24)
    sampled = client.spent
    client.ask(requests)
    assert forecast.cost == pytest.approx(client.spent - sampled, rel=0.1)
    assert (forecast.n_requests, forecast.n_cached) == (177, 24)
    assert "24 requests" in forecast.how
    after = client.forecast(requests)
    assert (after.cost, after.n_cached) == (0.0, 177)


def test_a_forecast_from_a_sample_of_rows(served, client_of):
    requests = rows_of_three_prompts(59)
    client = client_of(served(count_words), **PRICES)
    sample = random.Random(1).sample(requests, 60)
    forecast = client.forecast(sample, n_total=177, n_calls=30)
    sampled = client.spent
    client.ask(requests)
    assert forecast.cost == pytest.approx(client.spent - sampled, rel=0.1)


def test_a_forecast_sends_nothing_by_default(served, client_of, questions):
    server = served(lambda request: Say())
    forecast = client_of(server, requests_per_minute=30, **PRICES).forecast(questions(10))
    assert not server.requests and forecast.answer_tokens == 640
    assert forecast.seconds == pytest.approx(20.0)
    assert client_of(server).forecast(questions(1)).cost is None


def test_a_forecast_of_nothing(client_of, questions):
    client = client_of("http://127.0.0.1:9/v1")
    with pytest.raises(InputError, match="a request at least"):
        client.forecast([])
    with pytest.raises(InputError, match="n_total"):
        client.forecast(questions(3), n_total=2)


def test_a_line_through_what_was_counted(questions):
    requests = [ChatRequest((("user", "x" * n),)) for n in (10, 50, 200)]
    counted = [
        (r, ChatAnswer("a", prompt_tokens=20 + n, answer_tokens=2))
        for r, n in zip(requests[:2], (5, 25), strict=True)
    ]
    sums = estimate_from(counted, requests[2:])
    assert sums.prompt_tokens == pytest.approx(120) and sums.answer_tokens == pytest.approx(2)
    assert estimate_from([], requests) is None


# -- limits ----------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [{"requests_per_minute": 30}, {"tokens_per_minute": 2000}])
def test_no_minute_has_more_than_its_limit(served, client_of, questions, limit):
    times, lock = [], threading.Lock()

    def script(request):
        with lock:
            times.append(client.clock.now())
        return Say()

    client = client_of(served(script), concurrency=1, **limit)
    client.ask(questions(70))
    most = 30 if "requests_per_minute" in limit else 2000 / 64
    for time in times:
        assert sum(time <= other < time + 60 for other in times) <= most + 1
    assert times[-1] > 100


def test_turns_are_evenly_spaced(client_of):
    clock = client_of("http://127.0.0.1:9/v1").clock
    throttle = Throttle(60.0, 600.0, clock)
    assert [throttle.turn(5) for _ in range(3)] == [0.0, 1.0, 2.0]
    assert [throttle.turn(100) for _ in range(3)] == [3.0, 11.5, 21.5]
    clock.time = 1000.0  # idleness is not saved up
    assert [throttle.turn(1) for _ in range(2)] == [1000.0, 1001.0]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"x-ratelimit-reset-requests": "120ms"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "99", "x-ratelimit-reset-tokens": "6m"}, None),
        ({"x-ratelimit-reset-tokens": "1h2m3s", "x-ratelimit-remaining-tokens": "0"}, 3723.0),
    ],
)
def test_pauses_that_servers_ask_for(headers, seconds):
    assert asked_pause(headers) == seconds


def test_content_of_is_the_last_message():
    assert content_of({"messages": [{"content": "a"}, {"content": "b"}]}) == "b"
