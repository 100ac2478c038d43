"""What servers understand, and how differently they reply."""

import json

import pytest
from scripted_server import Fail, Say, content_of

from spear_amal.llm import ChatAnswer, ChatFailure
from spear_amal.llm.replies import read_answer

SCHEMA = {"type": "object", "properties": {"label": {"enum": ["a", "b"]}}}
ASKED = {"schema": SCHEMA, "top_logprobs": 3, "max_tokens": 9}
TOKEN = {"token": "a", "logprob": -0.25, "bytes": [97]}
CONTENT = {"content": [{**TOKEN, "top_logprobs": [TOKEN, {"token": "b", "logprob": -1.5}]}]}


def test_what_is_sent(served, client_of, questions):
    server = served(lambda request: Say("a", CONTENT))
    client_of(server, temperature=0.25, seed=11).ask(questions(1, **ASKED))
    assert server.requests == [
        {
            "model": "tiny",
            "messages": [{"role": "user", "content": "row 0"}],
            "max_tokens": 9,
            "temperature": 0.25,
            "seed": 11,
            "logprobs": True,
            "top_logprobs": 3,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA},
            },
        }
    ]


def refusing(**refused):
    """Refuse requests with some parts, by what is said of each; answer the others."""

    def script(request):
        for part, error in refused.items():
            if part in json.dumps(request):
                return Fail(400, error)
        return Say("a", CONTENT if "logprobs" in request else None)

    return script


@pytest.mark.parametrize(
    ("refused", "kept", "warned"),
    [
        (
            {
                "json_schema": "'response_format' of type 'json_schema' is not supported",
            },
            {"response_format": {"type": "json_object", "schema": SCHEMA}},
            None,
        ),
        (
            {
                "json_schema": "'response_format' of type 'json_schema' is not supported",
                '"schema"': "response_format: extra field schema",
            },
            {"response_format": {"type": "json_object"}},
            "takes no JSON schema",
        ),
        ({"response_format": "unknown field response_format"}, {}, "takes no JSON schema"),
        (
            {"logprobs": {"message": "You are not allowed this", "param": "logprobs"}},
            {},
            "gives no log-probabilities",
        ),
        ({"temperature": "'temperature' does not support 0"}, {}, "takes no temperature"),
        ({"seed": "extra field: seed"}, {}, "takes no seed"),
        (
            {
                "max_tokens": "Unsupported parameter: 'max_tokens' is not supported with this "
                "model. Use 'max_completion_tokens' instead."
            },
            {"max_completion_tokens": 9},
            None,
        ),
    ],
)
def test_what_a_server_refuses_is_left_out(
    served, client_of, questions, recwarn, refused, kept, warned
):
    server = served(refusing(**refused))
    client = client_of(server)
    answers = client.ask(questions(12, **ASKED))
    assert all(isinstance(answer, ChatAnswer) for answer in answers)
    n_refused = len(server.requests) - 12
    assert 1 <= n_refused <= 3  # not for each row
    last = server.requests[-1]
    for part in refused:
        assert part not in last or part in kept
    assert kept.items() <= last.items()
    assert [str(w.message).count(warned) for w in recwarn][:1] == [1] * bool(warned)
    n_warned = len(recwarn)
    client.ask(questions(3, start=50, **ASKED))
    assert len(server.requests) == 12 + n_refused + 3 and len(recwarn) == n_warned


@pytest.mark.filterwarnings("ignore:the server of model")
def test_the_schema_is_told_in_words(served, client_of, questions):
    server = served(refusing(response_format="unknown field response_format"))
    client_of(server).ask(questions(1, **ASKED))
    assert json.dumps(SCHEMA) in content_of(server.requests[-1])
    assert "response_format" not in server.requests[-1]


@pytest.mark.filterwarnings("ignore:the server of model")
def test_all_at_once(served, client_of, questions):
    refused = {
        "json_schema": "json_schema is unknown",
        "json_object": "json_object is unknown",
        "seed": "seed is unknown",
        "temperature": "temperature is unknown",
        "top_logprobs": "top_logprobs is unknown",
        "max_tokens": "use max_completion_tokens",
    }
    server = served(refusing(**refused))
    answers = client_of(server).ask(questions(3, **ASKED))
    assert all(isinstance(answer, ChatAnswer) for answer in answers)
    assert len(server.requests) == 7 + 3


def test_errors_of_pydantic(served, client_of, questions):
    def script(request):
        if "seed" in request:
            return Fail(422, [{"loc": ["body", "seed"], "msg": "extra inputs"}])
        return Say("a")

    with pytest.warns(UserWarning, match="takes no seed"):
        assert isinstance(client_of(served(script)).ask(questions(1))[0], ChatAnswer)


def test_log_probabilities_that_are_ignored(served, client_of, questions):
    client = client_of(served(lambda request: Say("a")))
    with pytest.warns(UserWarning, match="gives no log-probabilities"):
        answers = client.ask(questions(7, top_logprobs=2))
    assert all(answer.choices is None for answer in answers)


# -- replies ---------------------------------------------------------------------------------


def reply(content="a", finish="stop", logprobs=None, usage=None, root=None, **message):
    choice = {"message": {"content": content, **message}, "finish_reason": finish}
    if logprobs is not None:
        choice["logprobs"] = logprobs
    return {"choices": [choice], "usage": usage, **(root or {})}


LAYOUTS = {
    "chat": reply(logprobs=CONTENT),
    "a list": reply(logprobs=CONTENT["content"]),
    "at the root": reply(root={"logprobs": CONTENT["content"]}),
    "columns": reply(
        logprobs={
            "tokens": ["a"],
            "token_logprobs": [-0.25],
            "top_logprobs": [{"a": -0.25, "b": -1.5}],
        }
    ),
    "the chosen one is not repeated": reply(
        logprobs={"content": [{**TOKEN, "top_logprobs": [{"token": "b", "logprob": -1.5}]}]}
    ),
    "an end": reply(
        logprobs={"content": [*CONTENT["content"], {"token": "<|im_end|>", "logprob": -0.1}]}
    ),
    "thinking": reply(
        "<think>well, b?</think>\n\na",
        logprobs={
            "content": [
                {"token": token, "logprob": -0.5} for token in ("<think>", "well, b?", "</think>")
            ]
            + [{"token": "\n\n", "logprob": -0.1}, *CONTENT["content"]]
        },
    ),
    "thinking elsewhere": reply(
        reasoning_content="well, b?",
        logprobs={
            "content": [{"token": "well, b?", "logprob": -0.5}, *CONTENT["content"]],
        },
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_log_probabilities(layout):
    answer, _ = read_answer(LAYOUTS[layout])
    assert answer.text == "a"
    [choice] = answer.choices
    assert (choice.token, choice.logprob) == ("a", -0.25)
    assert choice.alternatives == {"a": -0.25, "b": -1.5}


@pytest.mark.parametrize(
    "logprobs",
    [
        {"content": [{"token": "a", "logprob": None}]},
        {"content": [{"token": "a", "logprob": 2.0}]},
        {"content": [{"token": "a", "logprob": float("nan")}]},
        {"content": [{"token": 3, "logprob": -1.0}]},
        {"content": [{"logprob": -1.0}]},
        {"content": []},
        {"content": None},
        {"tokens": ["a"], "token_logprobs": []},
        {"content": ["a"]},
    ],
)
def test_odd_log_probabilities_are_none(logprobs):
    assert read_answer(reply(logprobs=logprobs))[0].choices is None


def test_tokens_that_are_written_alike_are_summed():
    top = [{"token": "b", "logprob": -2.0}, {"token": "b", "logprob": -2.0}, TOKEN]
    [choice] = read_answer(reply(logprobs={"content": [{**TOKEN, "top_logprobs": top}]}))[0].choices
    assert choice.alternatives["b"] == pytest.approx(-2.0 + 0.6931471805599453)


@pytest.mark.parametrize(
    "payload",
    [reply(refusal="I cannot"), reply(None, "content_filter"), reply("half", "content_filter")],
)
def test_refusals(payload):
    answer, _ = read_answer(payload)
    assert answer.refused and answer.text == "" and answer.choices is None


def test_filters_that_fail_a_request_are_refusals_too(served, client_of, questions):
    error = {"message": "The response was filtered", "code": "content_filter"}
    server = served(lambda request: Fail(400, error))
    [answer] = client_of(server).ask(questions(1))
    assert answer.refused
    assert client_of(server).ask(questions(1))[0].is_cached


def test_cut_off_answers_and_parts():
    assert not read_answer(reply(finish="length"))[0].is_whole
    parts = [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]
    assert read_answer(reply(parts))[0].text == "ab"
    assert read_answer(reply(None))[0].text == ""
    assert read_answer(reply("<think>for ever", "length"))[0].text == ""


def test_what_is_kept_is_what_came(served, client_of, questions):
    said = Say("a\ud800ü", CONTENT, "length")
    server = served(lambda request: said)
    [first] = client_of(server).ask(questions(1, top_logprobs=2))
    [kept] = client_of(server).ask(questions(1, top_logprobs=2))
    assert kept.is_cached and not first.is_cached
    assert kept.text == first.text and kept.choices == first.choices and not kept.is_whole
    assert (kept.prompt_tokens, kept.answer_tokens) == (100, 5)


def test_odd_texts_reach_the_server_or_fail_alone(served, client_of):
    from spear_amal.llm import ChatRequest

    texts = ["\ud800", "\x00", "a" * 100_000, "", "\u2028"]
    server = served(lambda request: Say("a"))
    outcomes = client_of(server).ask([ChatRequest((("user", text),)) for text in texts])
    assert not any(isinstance(outcome, ChatFailure) for outcome in outcomes)
    assert {content_of(request) for request in server.requests} == set(texts)
