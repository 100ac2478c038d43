"""The command ``workbench``: what it opens, what it says, how it ends."""

from __future__ import annotations

import importlib.util
import json
import socket
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")
pytest.importorskip("sse_starlette")

import spear_amal.workbench
from spear_amal.errors import InputError


class Opened:
    """Stands for the workspace, which starts processes; knows whether it was closed."""

    def __init__(self, project, first_look):
        self.project, self.is_closed = project, False

    def close(self):
        self.is_closed = True


@pytest.fixture
def served(monkeypatch):
    """Projects that were opened: the server ends at once."""
    projects = []

    def serve(workspace, port, on_ready):
        projects.append(workspace.project)
        on_ready(f"http://127.0.0.1:{port or 1234}/?token=secret")

    monkeypatch.setattr(spear_amal.workbench, "Workspace", Opened)
    monkeypatch.setattr(spear_amal.workbench, "serve", serve)
    monkeypatch.setattr("webbrowser.open", lambda address: pytest.fail("a browser was opened"))
    return projects


def write_table(path, **columns):
    frame = pd.DataFrame({"text": ["a free prize", "lunch at one", "see you"], **columns})
    {".csv": frame.to_csv, ".xlsx": frame.to_excel, ".parquet": frame.to_parquet}[
        Path(path).suffix
    ](path, index=False)


def test_it_opens_a_project_of_init(ok, served, tmp_path):
    ok("init", tmp_path / "new")
    shown = ok("workbench", tmp_path / "new", "--no-browser")
    assert (
        f"The workbench of {tmp_path / 'new'} is open at http://127.0.0.1:1234/?token=secret"
        in (shown.stdout)
    )
    assert "Ctrl+C ends it" in shown.stderr
    (project,) = served
    assert len(project.read_table()) == 500


def test_it_opens_the_folder_that_it_is_called_in(ok, served, monkeypatch, tmp_path):
    ok("init", tmp_path / "new")
    monkeypatch.chdir(tmp_path / "new")
    ok("workbench", "--no-browser")
    ok("workbench", "spear.toml", "--no-browser")
    assert [project.data for project in served] == [(Path("data.csv"),)] * 2


def test_it_opens_a_browser_at_the_address(ok, served, monkeypatch, tmp_path):
    from threading import Event

    opened, is_open = [], Event()

    def open_browser(address):
        opened.append(address)
        is_open.set()

    monkeypatch.setattr("webbrowser.open", open_browser)
    ok("init", tmp_path / "new")
    ok("workbench", tmp_path / "new")
    assert is_open.wait(10) and opened == ["http://127.0.0.1:1234/?token=secret"]


@pytest.mark.parametrize("name", ["rows.csv", "rows.xlsx", "rows.parquet"])
def test_around_a_table_a_project_is_made_beside_it(ok, served, name):
    if name.endswith(".xlsx"):
        pytest.importorskip("openpyxl")
    if name.endswith(".parquet"):
        pytest.importorskip("pyarrow")
    write_table(name, label=["spam", "ham", None])
    shown = ok("workbench", name, "--no-browser")
    assert "3 rows; texts in 'text'; labels in 'label': 2 rows, 2 classes" in shown.stdout
    assert f"Made a project around {name} in rows_project; the table stays" in shown.stdout
    assert "spear-amal apply" not in shown.stdout
    again = ok("workbench", name, "--no-browser")  # the project is there
    assert "Made a project" not in again.stdout
    assert [len(project.read_table()) for project in served] == [3, 3]
    assert (served[0].text_column, served[0].label_column) == ("text", "label")


def test_columns_of_a_table_are_named_as_for_init(ok, run, served):
    write_table("rows.csv", body=["x y", "z", "w"], team=["red", "blue", None], key=["c", "b", "a"])
    words = ("--text-column", "body", "--label-column", "team", "--id-column", "key")
    ok("workbench", "rows.csv", *words, "--no-browser")
    settings = tomllib.loads(Path("rows_project/spear.toml").read_text(encoding="utf-8"))
    given = {name: settings[name] for name in ("text_column", "label_column", "id_column")}
    assert given == {"text_column": "body", "label_column": "team", "id_column": "key"}
    assert served[0].read_table()["body"].tolist() == ["x y", "z", "w"]
    ok("workbench", "rows.csv", *words, "--no-browser")
    other = run("workbench", "rows.csv", "--text-column", "text", "--no-browser")
    assert other.exit_code == 2 and "has 'body' for it; change that in" in other.stderr


def test_compressed_tables_and_separators(ok, served):
    frame = pd.DataFrame({"text": ["a;b", "c"], "label": ["x", "y"]})
    frame.to_csv("rows.2024.csv.gz", index=False, sep="~")
    ok("workbench", "rows.2024.csv.gz", "--sep", "~", "--no-browser")
    assert served[0].read_table()["text"].tolist() == ["a;b", "c"]
    assert Path("rows.2024_project/spear.toml").is_file()


def test_a_project_about_another_table_is_not_taken_for_it(ok, run, served):
    write_table("rows.csv", label=["spam", "ham", None])
    ok("workbench", "rows.csv", "--no-browser")
    Path("rows.tsv").write_text("text\tlabel\nother\tspam\nand\tham\n", encoding="utf-8")
    refused = run("workbench", "rows.tsv", "--no-browser")
    assert refused.exit_code == 2
    assert "is a project about" in refused.stderr and "not about rows.tsv" in refused.stderr


def test_a_folder_of_the_same_name_is_left_alone(run, served):
    write_table("rows.csv")
    Path("rows_project").mkdir()
    Path("rows_project/mine.txt").write_text("mine")
    refused = run("workbench", "rows.csv", "--no-browser")
    assert refused.exit_code == 2 and "rows_project already exists" in refused.stderr
    assert [path.name for path in Path("rows_project").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "nowhere does not exist"),
        (
            ["."],
            "holds no spear.toml: make a project with spear-amal init, or give the table itself",
        ),
        (["notes.txt"], "the suffix '.txt' is none of"),
        ([".", "--sep", ";"], "--sep: goes with a table"),
        (
            ["numbers.csv"],
            "no column holds texts, there are ['a', 'b']; name it with --text-column",
        ),
        (["empty.csv"], "empty.csv"),
        (["torn"], "torn"),
    ],
)
def test_what_cannot_be_opened_is_said(run, served, words, said):
    Path("notes.txt").write_text("x")
    Path("numbers.csv").write_text("a,b\n1,2\n3,4\n")
    Path("empty.csv").write_text("")
    Path("torn").mkdir()
    Path("torn/spear.toml").write_text("data = [")
    failed = run("workbench", *words, "--no-browser")
    assert failed.exit_code == 2 and said in failed.stderr, failed.stderr
    assert "unexpected" not in failed.stderr
    assert not served and not list(Path().glob("*_project"))


def test_a_folder_with_a_table_alone_names_it(run, served):
    write_table("rows.csv")
    assert "give the table itself (as rows.csv)" in run("workbench", ".", "--no-browser").stderr


def test_a_project_that_names_no_table(run, served):
    Path("spear.toml").write_text('text_column = "text"\n')
    refused = run("workbench", "--no-browser")
    assert refused.exit_code == 2
    assert "spear.toml names no table: give it the key 'data'" in refused.stderr


def test_quiet_and_json_give_the_address(ok, served, tmp_path):
    ok("init", tmp_path / "new")
    quiet = ok("workbench", tmp_path / "new", "--no-browser", "--quiet")
    assert quiet.stdout.count("\n") == 1 and "token=secret" in quiet.stdout
    assert quiet.stderr == ""
    document = json.loads(ok("workbench", tmp_path / "new", "--no-browser", "--json").stdout)
    assert document["address"] == "http://127.0.0.1:1234/?token=secret"
    assert document["folder"] == str(tmp_path / "new")


def test_json_is_printed_when_it_is_open_not_when_it_ends(ok, served, monkeypatch, tmp_path):
    ok("init", tmp_path / "new")
    printed = []

    def serve(workspace, port, on_ready):
        on_ready("http://there")
        printed.append(sys.stdout.buffer.getvalue().decode())

    monkeypatch.setattr(spear_amal.workbench, "serve", serve)
    ok("workbench", tmp_path / "new", "--no-browser", "--json")
    assert json.loads(printed[0])["address"] == "http://there"


def test_the_workspace_is_closed_whatever_happens(run, ok, served, monkeypatch, tmp_path):
    ok("init", tmp_path / "new")
    workspaces = []

    def serve(workspace, port, on_ready):
        workspaces.append(workspace)
        raise KeyError("a fault")

    monkeypatch.setattr(spear_amal.workbench, "serve", serve)
    assert run("workbench", tmp_path / "new", "--no-browser").exit_code == 1
    assert workspaces[0].is_closed


def test_a_port_that_is_taken():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} cannot be used .*--port"):
            spear_amal.workbench.serve(None, port)


@pytest.mark.parametrize("port", ["-1", "65536", "x"])
def test_a_port_that_is_none(run, port):
    assert run("workbench", "--port", port).exit_code == 2


def test_without_the_extra_it_says_what_to_install(run, monkeypatch, tmp_path):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name)
    )
    failed = run("workbench", tmp_path)
    assert failed.exit_code == 2
    assert "pip install 'spear-amal[workbench]'" in failed.stderr
