"""What type checkers say of a user's scripts: right use passes, wrong use is reported."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCRIPTS = [str(HERE / "right_use.py"), str(HERE / "wrong_use.py")]


def run(*command: str) -> str:
    """Output of a checker on the scripts; the package is that of this checkout."""
    ran = subprocess.run(
        [sys.executable, "-m", *command, *SCRIPTS],
        cwd=ROOT,
        env={**os.environ, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr  # there is wrong use to report
    return ran.stdout


def errors_of_mypy() -> Iterator[tuple[str, int, str]]:
    """File, line and message; strict, as far as it can be where others have no types."""
    options = ["--strict", "--disable-error-code=import-untyped", "--follow-imports=silent"]
    cache = f"--cache-dir={ROOT / '.mypy_cache' / 'user'}"
    for line in run("mypy", "--config-file=", "--output=json", cache, *options).splitlines():
        found = json.loads(line)
        if found["severity"] == "error":
            yield Path(found["file"]).name, found["line"], found["message"]


def errors_of_pyright() -> Iterator[tuple[str, int, str]]:
    """File, line and message, by pyright's standard rules."""
    output = run("pyright", "--outputjson", "--pythonpath", sys.executable)
    for found in json.loads(output)["generalDiagnostics"]:
        if found["severity"] == "error":
            line = found["range"]["start"]["line"] + 1
            yield Path(found["file"]).name, line, found["message"]


def marked(checker: str) -> set[tuple[str, int]]:
    """Lines that a checker must report."""
    mark = re.compile(rf"# wrong( for {checker})?$")
    lines = (HERE / "wrong_use.py").read_text(encoding="utf-8").splitlines()
    return {("wrong_use.py", i) for i, line in enumerate(lines, start=1) if mark.search(line)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("checker", "errors_of"), [("mypy", errors_of_mypy), ("pyright", errors_of_pyright)]
)
def test_checker_reports_wrong_use_alone(checker, errors_of):
    errors = list(errors_of())
    reported, expected = {(file, line) for file, line, _ in errors}, marked(checker)
    unexpected = [error for error in errors if error[:2] not in expected]
    assert not unexpected
    assert sorted(expected - reported) == []
