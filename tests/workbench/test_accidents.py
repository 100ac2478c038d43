"""Servers that are killed at any moment, and two of them on one folder: nothing said is lost."""

from __future__ import annotations

import csv
import http.client
import itertools
import os
import random
import re
import time
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Timer
from urllib.parse import urlencode, urlsplit

import pytest

from spear_amal.cli.workbench import project_of
from spear_amal.workbench import Workspace

pytestmark = pytest.mark.slow

ROWS, KILLS, STEPS = 120, int(os.environ.get("SPEAR_AMAL_KILLS", "4")), 60
SECONDS = 60


class Tab:
    """What a browser does, by HTTP alone."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._place = parts.netloc
        answer, _ = self._ask("GET", f"/?{parts.query}")
        self._cookie = answer.headers["set-cookie"].partition(";")[0]

    _cookie = ""

    def _ask(self, method: str, path: str, body: str = ""):
        connection = http.client.HTTPConnection(self._place, timeout=SECONDS)
        headers = {"Cookie": self._cookie, "HX-Request": "true", "X-Tab": "tab"}
        if body:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer, answer.read().decode()
        finally:
            connection.close()

    def label(self, row: int, label: str) -> bool:
        """Label a row as a page does that shows it; return whether the answer says so."""
        page = self.page(f"/label?queue=search&row={row}")
        fields = {name: self._field(page, name) for name in ("table", "tab", "seen")}
        form = {**fields, "row": row, "label": label}
        return self._ask("POST", "/label?queue=search", urlencode(form))[0].status == 200

    def add_rule(self, name: str, word: str) -> bool:
        """Make a rule an LF; return whether the answer says so."""
        form = {"kind": "keyword", "keywords": word, "column": "text", "name": name}
        return self._ask("POST", "/rules", urlencode({**form, "label": "spam"}))[0].status == 200

    def page(self, path: str) -> str:
        """Return a page."""
        return self._ask("GET", path)[1]

    @staticmethod
    def _field(page: str, name: str) -> str:
        return re.search(rf'name="{name}" value="([^"]*)"', page)[1]


def labels_of(folder: Path) -> dict[int, str]:
    path = folder / "gold.csv"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {int(record["id"]): record["label"] for record in csv.DictReader(file)}


def rules_of(folder: Path) -> set[str]:
    path = folder / "rules.toml"
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return set(tomllib.loads(text).get("rules", {}))


def work_until_killed(served, seed: int, said: dict, rules: set[str], sent: dict) -> None:
    """Label rows and add rules by turns, until the server is killed at a random moment."""
    chance = random.Random(seed)
    tab = Tab(served.address)
    try:
        for step in itertools.count():
            if step == 1:  # the first answer takes longest
                Timer(chance.uniform(0.0, 1.5), served.process.kill).start()
            row, label = chance.randrange(20, ROWS), chance.choice(["ham", "spam"])
            if step % 4 == 3:
                name = f"rule_{seed}_{step}"
                sent["rule"] = name
                if tab.add_rule(name, f"word{seed}x{step}"):
                    rules.add(name)
            else:
                sent["label"] = row, label
                if tab.label(row, label):
                    said[row] = label
    except (OSError, http.client.HTTPException):  # it was killed
        served.process.wait(SECONDS)


def test_what_was_answered_outlasts_kills(serve, project_folder):
    said, rules, n_steps = {}, set(), 0
    for seed in range(KILLS):
        sent: dict = {}
        work_until_killed(serve(project_folder), seed, said, rules, sent)
        found, unsure = labels_of(project_folder), sent.get("label", (-1, ""))
        # The answer to what was sent last may have been lost with the server.
        if found.get(unsure[0]) == unsure[1]:
            said[unsure[0]] = unsure[1]
        assert {row: found.get(row) for row in said} == said
        assert rules <= rules_of(project_folder) <= rules | {sent.get("rule")}
        rules |= rules_of(project_folder)
        n_steps += len(said) + len(rules)
    assert n_steps > 0
    workspace = Workspace(project_of(project_folder))
    try:
        assert workspace.wait(lambda snapshot: snapshot.is_idle, SECONDS)
        snapshot = workspace.snapshot
        assert not snapshot.problems
        assert {row: snapshot.label_of(row) for row in said} == said
        assert rules <= {lf.name for lf in snapshot.lfs}
        workspace.label([ROWS - 1], "spam")
        workspace.mute("prize", True)
    finally:
        workspace.close()
    usual = {"rows.csv", "lfs.py", "spear.toml", "gold.csv", "rules.toml"}
    others = {path.name for path in project_folder.iterdir()} - usual
    assert others <= {".spear_amal_cache", ".spear_amal_workbench"}


def test_two_servers_on_one_project_lose_nothing(serve, project_folder):
    servers = [serve(project_folder), serve(project_folder)]

    def work(who: int) -> dict[int, str]:
        tab, said = Tab(servers[who].address), {}
        for step in range(STEPS):
            row = 20 + (2 * step + who) % (ROWS - 20)
            label = ("ham", "spam")[(step + who) % 2]
            if step % 3 == 2:
                assert tab.add_rule(f"rule_{who}_{step}", f"word{who}x{step}")
            elif tab.label(row, label):
                said[row] = label
        return said

    with ThreadPoolExecutor(2) as threads:
        of_one, of_two = threads.map(work, range(2))
    said = of_one | of_two
    assert len(of_one) == len(of_two) > STEPS / 2 and not of_one.keys() & of_two.keys()
    assert labels_of(project_folder) == said
    rules = {f"rule_{who}_{step}" for who in range(2) for step in range(2, STEPS, 3)}
    assert rules_of(project_folder) == rules
    for served in servers:
        tab = Tab(served.address)
        end = time.monotonic() + SECONDS
        while not all(name in tab.page("/rules") for name in rules):
            assert time.monotonic() < end
        assert "Traceback" not in served.log.read_text(encoding="utf-8")
