"""What other people and machines read of this repository: workflows, forms, citation, releases."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import spear_amal

ROOT = Path(__file__).resolve().parents[1]
GITHUB = ROOT / ".github"
WORKFLOWS = sorted(GITHUB.glob("workflows/*.yml"))
FORMS = sorted(path for path in GITHUB.glob("ISSUE_TEMPLATE/*.yml") if path.stem != "config")


def read(path: Path) -> dict:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def targets() -> set[str]:
    """Whatever ``make`` can be asked for."""
    return set(re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def commands(workflow: dict) -> list[str]:
    steps = [step for job in workflow["jobs"].values() for step in job["steps"]]
    return [step["run"] for step in steps if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_targets_that_exist(path: Path) -> None:
    asked = [re.fullmatch(r"make ([\w.-]+)( [A-Z]+=\S+)*", run) for run in commands(read(path))]
    assert asked and all(asked), "each step is one call of make"
    assert {match[1] for match in asked} <= targets()


def test_continuous_integration_runs_targets_that_exist() -> None:
    made = re.findall(r"^make (\S+)", (ROOT / ".ci" / "run").read_text("utf-8"), re.MULTILINE)
    assert {"test", "test-slow", "check"} == set(made) <= targets()


def test_the_matrix_has_each_python_that_the_classifiers_name() -> None:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    named = re.findall(r"Python :: (3\.\d+)", config["metadata"]["classifiers"])
    matrix = read(GITHUB / "workflows" / "test.yml")["jobs"]["test"]["strategy"]["matrix"]
    assert matrix["python"] == named
    assert config["options"]["python_requires"] == f">={named[0]}"


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_ask_for_something(path: Path) -> None:
    form = read(path)
    assert form["name"] and form["description"]
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    ids = [field["id"] for field in fields]
    assert len(ids) == len(set(ids))
    assert any(field.get("validations", {}).get("required") for field in fields)


def test_hooks_run_the_ruff_that_was_tested() -> None:
    hooks = {
        repo["repo"]: repo.get("rev") for repo in read(ROOT / ".pre-commit-config.yaml")["repos"]
    }
    [ruff] = re.findall(r"^ruff==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    assert hooks["https://github.com/astral-sh/ruff-pre-commit"] == f"v{ruff}"


def test_the_citation_names_this_version() -> None:
    assert str(read(ROOT / "CITATION.cff")["version"]) == spear_amal.__version__


def test_lower_bounds_become_constraints(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "setup.cfg"):
        shutil.copy(ROOT / name, tmp_path)
    subprocess.run(["make", "lowest.txt"], cwd=tmp_path, check=True, capture_output=True)
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    required = config["options"]["install_requires"].split()
    lowest = (tmp_path / "lowest.txt").read_text().split()
    assert {bound.replace(">=", "==") for bound in required} <= set(lowest)
    assert all(re.fullmatch(r"[\w-]+==[\d.]+(post\d)?", line) for line in lowest)


@pytest.mark.slow
def test_a_release_is_one_command(tmp_path: Path) -> None:
    tool = shutil.which("bump-my-version", path=str(Path(sys.executable).parent))
    if tool is None or shutil.which("git") is None:
        pytest.skip("bump-my-version or git is not installed")

    def run(*command: str) -> str:
        ran = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        return ran.stdout

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["bumpversion"]
    for name in ["pyproject.toml", *(file["filename"] for file in settings["files"])]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    run("git", "init", "-q")
    run("git", "config", "user.name", "somebody")
    run("git", "config", "user.email", "somebody@example.org")
    run("git", "add", ".")
    run("git", "commit", "-q", "-m", "all")
    # twice: the files that one release leaves are those that the next one finds
    for version in ("7.8.0", "7.8.1"):
        run(tool, "bump", "--new-version", version)
        assert f'__version__ = "{version}"' in (tmp_path / "spear_amal/__init__.py").read_text()
        citation = read(tmp_path / "CITATION.cff")
        assert citation["version"] == version
        changes = (tmp_path / "CHANGELOG.md").read_text("utf-8")
        heading = f"## [Unreleased]\n\n## [{version}] - {citation['date-released']}\n\n#"
        assert heading in changes
        assert run("git", "describe", "--exact-match").strip() == f"v{version}"
        assert run("git", "status", "--porcelain") == ""
    assert changes.count("## [Unreleased]") == 1
