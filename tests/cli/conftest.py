"""Commands run in the test's own process, in a folder of their own and without a network."""

from __future__ import annotations

import shutil

import pytest
from typer.testing import CliRunner

from spear_amal.cli.app import app


def invoke(*arguments):
    words = [str(one) for one in arguments]
    if words[:1] == ["train"] and not {"--estimate", "--help"} & set(words):
        words += ["--estimate", "none"]  # it costs five trainings: tests of it ask for it
    return CliRunner().invoke(app, words)


def succeed(*arguments):
    result = invoke(*arguments)
    assert result.exit_code == 0, result.output
    return result


@pytest.fixture
def run():
    """Runs a command line and returns its result: exit_code, stdout, stderr."""
    return invoke


@pytest.fixture
def ok():
    """Runs a command line that must succeed."""
    return succeed


@pytest.fixture(autouse=True)
def alone(no_network, monkeypatch, tmp_path):
    """No network, no folders of the user, and the working directory is the test's own."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """A project of `init` with a trained model; shared, so look but do not touch."""
    folder = tmp_path_factory.mktemp("projects") / "project"
    with pytest.MonkeyPatch.context() as patch:
        succeed("init", folder)
        patch.chdir(folder)
        succeed("train", "--max-epochs", 3, "--method", "amal")
    return folder


@pytest.fixture
def project(trained, tmp_path, monkeypatch):
    """A copy of the trained project, with the working directory in it."""
    folder = tmp_path / "project"
    shutil.copytree(trained, folder)
    monkeypatch.chdir(folder)
    return folder
