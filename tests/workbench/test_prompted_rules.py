"""Rules that ask a language model, in the workbench: nothing is sent that nobody confirmed."""

from __future__ import annotations

import os
import sys
from html import unescape
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

pytest.importorskip("starlette")
pytest.importorskip("httpx")

sys.path.insert(0, str(Path(__file__).parents[1] / "llm"))
from scripted_server import Fail, Say, ScriptedServer, content_of

from spear_amal.declared_lfs import PromptRule, RulesFile, make_lf, read_rules_file
from spear_amal.errors import InputError, StaleError
from spear_amal.prompted_lfs import PromptedLF
from spear_amal.workbench.fork_source import ForkSource
from spear_amal.workbench.lf_board import LFBoard
from spear_amal.workbench.lf_process import LFVotes
from spear_amal.workbench.prompt_trial import N_ROWS
from spear_amal.workbench.rule_form import RuleForm

KEY = "sk-NobodyMaySeeThis123"
PROMPT = "Message: {text}"
LONG = 60.0


def answer(request):
    """Say what the rule asks for of every second message, refuse one, and else not know."""
    text = content_of(request)
    if "claim now" in text:
        return Say(None, message={"refusal": "no"})
    known = next(iter(request["response_format"]["json_schema"]["schema"]["properties"]))
    word = "spam" if "prize" in text or "cash" in text else "cannot tell"
    options = request["response_format"]["json_schema"]["schema"]["properties"][known]["enum"]
    return Say(f'{{"{known}": "{word if word in options else options[-1]}"}}')


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEAR_AMAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MODEL_KEY", KEY)
    # Processes of LFs have the environment that there was when the first of them was forked.
    monkeypatch.setattr("spear_amal.workbench.killable.FORKS", ForkSource())


@pytest.fixture
def server():
    with ScriptedServer(answer) as server:
        # Processes of LFs may have another cache, so that no name may be that of another test.
        server.model = f"little-{uuid4()}"
        yield server


def rule_of(server, **fields):
    given = {"name": "asks", "label": "spam", "description": "wants your money", "prompt": PROMPT}
    given |= {"model": server.model, "base_url": server.url, "key_variable": "MODEL_KEY"}
    return PromptRule(**given | {"input_price": 2, "output_price": 4} | fields)


def idle(workspace):
    assert workspace.wait(lambda snapshot: snapshot.is_idle, LONG)
    return workspace.snapshot


# -- the rule -------------------------------------------------------------------------------------


def test_a_rule_is_an_lf_that_asks(server):
    rule = rule_of(server, max_cost=1)
    lf = make_lf(rule)
    assert isinstance(lf, PromptedLF) and lf.inquiry.max_cost == 1
    assert lf.inquiry.model.key_variable == "MODEL_KEY" and not server.requests


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"prompt": "no field"}, "reads nothing of a row"),
        ({"prompt": "{body}"}, r"must hold \{text\}.*it has \{body\}"),
        ({"prompt": "{text"}, "no template"),
        ({"description": ""}, "needed a text that is not empty"),
        ({"model": ""}, "model"),
        ({"base_url": "ftp://x"}, "base_url"),
        ({"max_cost": 1, "input_price": None}, "max_cost needs input_price"),
        ({"input_price": -1}, "input_price"),
        ({"score": "loud"}, "score"),
        ({"api_key": KEY}, "unknown key"),
    ],
)
def test_what_is_no_such_rule_is_told(server, fields, said):
    with pytest.raises(InputError, match=said):
        rule_of(server, **fields)


@pytest.mark.parametrize("value", [KEY, "gsk_abcdef", 7, "OPENAI KEY"])
def test_a_key_in_place_of_its_variable_is_refused_and_not_shown(server, value):
    with pytest.raises(InputError, match="key_variable must be") as raised:
        rule_of(server, key_variable=value)
    assert str(value) not in str(raised.value)


def test_a_rule_goes_through_the_form_and_the_file(server, open_app, project_folder):
    rule = rule_of(server, prompt='Two lines:\n{text} "quoted" {{so}}', max_cost=0.5)
    form = RuleForm.of_rule(rule)
    from spear_amal.declared_lfs import rule_from_fields

    assert rule_from_fields(form.rule_fields([])) == rule
    workspace = open_app(project_folder).state.workspace
    workspace.add_rule(rule)
    assert read_rules_file(project_folder / "rules.toml").named("asks") == rule
    edited = rule.model_copy(update={"prompt": "Other: {text}"})
    workspace.add_rule(edited, "asks", rule)
    text = (project_folder / "rules.toml").read_text()
    assert read_rules_file(project_folder / "rules.toml").named("asks") == edited
    assert KEY not in text and "MODEL_KEY" in text


# -- the workspace --------------------------------------------------------------------------------


def test_nothing_is_sent_before_it_is_confirmed_and_then_once(server, open_app, project_folder):
    workspace = open_app(project_folder).state.workspace
    workspace.add_rule(rule_of(server))
    lf = idle(workspace).named("asks")
    assert not server.requests and not lf.is_active and (lf.votes == -1).all()
    assert lf.asking.n_open == 120 and lf.asking.cost > 0 and "waits" in lf.error.message
    with pytest.raises(StaleError, match="120 questions by now"):
        workspace.ask("asks", 3)
    workspace.run_again("asks")
    idle(workspace)
    assert not server.requests
    workspace.ask("asks", 120)
    lf = idle(workspace).named("asks")
    texts = workspace.snapshot.texts
    for row, text in enumerate(texts):
        assert (lf.votes[row] == 1) == ("prize" in text or "cash" in text)
    assert lf.is_active and lf.error is None and lf.asking.n_open == 0
    outcomes = dict(lf.asking.outcomes)
    assert outcomes["voted"] == sum("prize" in t or "cash" in t for t in texts)
    assert sum(outcomes.values()) == 120 and lf.asking.spent > 0
    n_sent = len(server.requests)
    workspace.run_again("asks")  # all answers are kept
    assert idle(workspace).named("asks").is_active and len(server.requests) == n_sent == 120
    with pytest.raises(InputError, match="asks no language model"):
        workspace.ask("prize", 1)


def test_an_edited_prompt_waits_anew(server, open_app, project_folder):
    workspace = open_app(project_folder).state.workspace
    rule = rule_of(server)
    workspace.add_rule(rule)
    idle(workspace)
    workspace.ask("asks", 120)
    idle(workspace)
    workspace.add_rule(rule.model_copy(update={"prompt": "Other: {text}"}), "asks", rule)
    lf = idle(workspace).named("asks")
    assert len(server.requests) == 120 and lf.asking.n_open == 120 and not lf.is_active


def test_what_may_be_asked_holds_for_one_run_of_one_prompt(server):
    rule, board = rule_of(server), LFBoard()

    def allow():
        board.take_rules(RulesFile((rule,)))
        board.rerun(lambda lf: True, may_ask=True)
        assert board.named("asks").may_ask

    board.take_table(1)
    allow()
    board.fail("asks", "was stopped")  # before its turn came
    board.rerun(lambda lf: True)
    assert not board.named("asks").may_ask
    allow()
    board.take_rules(RulesFile((rule.model_copy(update={"prompt": "Other: {text}"}),)))
    assert not board.named("asks").may_ask
    allow()
    key, votes = board.named("asks").key, LFVotes(np.array([-1], dtype=np.int16), -1, None)
    # What a run brings that could not ask, and was under way, is not what was allowed.
    assert not board.take_votes("asks", key, votes, (), board.n_tables)
    assert board.named("asks").may_ask and board.waiting("prompted") == ["asks"]
    assert board.take_votes("asks", key, votes, (), board.n_tables, could_ask=True)
    assert not board.named("asks").may_ask and not board.waiting("prompted")


def test_lfs_of_the_users_file_wait_as_well(server, open_app, project_folder):
    path = project_folder / "lfs.py"
    path.write_text(
        path.read_text()
        + "\nfrom spear_amal.prompted_lfs import prompt_lf\n"
        + "asks = prompt_lf('asks', 'Message: {text}', {'spam': 'wants money'}, score='none', "
        + f"model={server.model!r}, base_url={server.url!r})\n"
    )
    workspace = open_app(project_folder).state.workspace
    lf = idle(workspace).named("asks")
    assert not server.requests and lf.asking.n_open == 120 and lf.asking.cost is None
    workspace.ask("asks", 120)
    assert idle(workspace).named("asks").is_active and len(server.requests) == 120


@pytest.mark.parametrize(
    "trouble", ["refused", "no key", pytest.param("down", marks=pytest.mark.slow)]
)
def test_trouble_stands_beside_the_lf_and_not_the_key(trouble, open_app, project_folder):
    with ScriptedServer(lambda request: Fail(401, f"wrong key {KEY}")) as server:
        server.model = f"little-{uuid4()}"
        rule = rule_of(server)
        if trouble == "no key":
            rule = rule.model_copy(update={"key_variable": "NOBODY_SET_THIS"})
        if trouble == "down":
            rule = rule.model_copy(update={"base_url": "http://127.0.0.1:9/v1"})
        workspace = open_app(project_folder).state.workspace
        workspace.add_rule(rule)
        idle(workspace)
        workspace.ask("asks", 120)
        lf = idle(workspace).named("asks")
    said = {"down": "127.0.0.1:9", "refused": "401", "no key": "NOBODY_SET_THIS"}[trouble]
    assert said in lf.error.message and KEY not in lf.error.message
    assert not lf.is_active and lf.asking.n_open == 120


# -- the pages ------------------------------------------------------------------------------------


def form_of(server, **more):
    fields = {"kind": "prompt", "description": "wants your money", "prompt": PROMPT}
    fields |= {"model": server.model, "base_url": server.url, "label": "spam", "name": "asks"}
    return fields | {"key_variable": "MODEL_KEY", "column": "text"} | more


def test_ten_rows_are_tried_when_asked_for_and_not_as_one_types(
    server, client_of, open_app, project_folder
):
    client = client_of(open_app(project_folder))
    for typed in ("l", "li", server.model):
        page = client.post("/parts/rules/preview", data=form_of(server, model=typed))
        assert "Nothing is sent as you type" in page.text
    assert not server.requests
    page = client.post("/parts/rules/try", data=form_of(server))
    assert len(server.requests) == N_ROWS and page.text.count("<tr><td>") == N_ROWS
    assert "110 questions to little" in page.text and "right" in page.text
    assert "cannot tell" in page.text or "refused" in page.text
    client.post("/parts/rules/try", data=form_of(server))
    assert len(server.requests) == N_ROWS  # kept
    assert KEY not in page.text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"base_url": "http://127.0.0.1:9/v1"}, "127.0.0.1:9"),
        ({"key_variable": "NOBODY_SET_THIS"}, "NOBODY_SET_THIS"),
        ({"key_variable": KEY}, "never the key itself"),
        ({"prompt": "{missing}", "column": "missing"}, "missing"),
    ],
)
def test_trouble_of_a_trial_is_shown(server, client_of, open_app, project_folder, fields, said):
    client = client_of(open_app(project_folder))
    page = client.post("/parts/rules/try", data=form_of(server, **fields))
    shown = unescape(page.text)
    assert page.status_code == 200 and "complaint" in shown and said in shown
    assert not server.requests


def test_the_list_says_what_would_be_sent_and_sends_it(server, client_of, open_app, project_folder):
    app = open_app(project_folder)
    client, workspace = client_of(app), app.state.workspace
    saved = client.post("/rules", data=form_of(server))
    assert "is an LF now" in saved.text
    idle(workspace)
    listed = client.get("/parts/rules/list").text
    assert "Ask now" in listed and "120 questions to little" in listed and "hx-confirm" in listed
    client.post("/parts/rules/ask", data={"name": "asks", "n_open": "120"})
    idle(workspace)
    listed = client.get("/parts/rules/list").text
    assert "Ask now" not in listed and "voted" in listed and "refus" in listed
    closely = client.get("/rules/asks")
    assert closely.status_code == 200 and "wants your money" in closely.text
    edited = client.get("/rules?edit=asks").text
    assert PROMPT in edited and "MODEL_KEY" in edited and KEY not in edited
    assert client.get("/rows/0").status_code == 200


# -- in a browser ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_prompt_is_written_tried_confirmed_and_edited_in_a_browser(
    server, serve, open_tab, project_folder, serious_findings
):
    tab = open_tab(serve(project_folder))
    page = tab.page
    page.set_default_timeout(60_000)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept()))
    tab.go("/rules")
    page.get_by_text("lunch").first.wait_for()  # the user's file is read, and with it the classes
    page.get_by_text("Ask a model", exact=True).click()
    page.locator("#description").fill("wants your money")
    page.locator("#model").fill(server.model)
    page.locator("#base_url").fill(server.url)
    page.locator("#input_price").fill("2")
    page.locator("#output_price").fill("4")
    page.locator("#rule-name").fill("asks")
    page.locator("#editor").get_by_text("spam", exact=True).click()
    page.get_by_text("Nothing is sent as you type").wait_for()
    assert not server.requests
    page.locator("#try").click()
    page.get_by_text("110 questions to").wait_for()
    assert len(server.requests) == N_ROWS and not serious_findings(page)
    _pictured(page, "prompt-trial")
    page.locator("#save").click()
    page.locator("#ask-asks").wait_for()
    assert len(server.requests) == N_ROWS
    _pictured(page, "prompt-waits")
    page.locator("#ask-asks").click()
    page.get_by_text("voted").first.wait_for()
    assert len(server.requests) == 120 and "110 questions" in asked[0]
    _pictured(page, "prompt-asked")
    page.get_by_label("Edit asks").click()
    page.locator("#prompt").fill("Comment: {text}")
    page.locator("#save").click()
    page.locator("#ask-asks").wait_for()
    assert len(server.requests) == 120
    assert not serious_findings(page) and not tab.problems and not tab.scrolls_sideways()


def _pictured(page, name):
    """Keep a picture where somebody wants to look at it."""
    if folder := os.environ.get("SPEAR_AMAL_PICTURES"):
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)
